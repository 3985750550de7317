"""The answer under way, and what becomes of it: begun, interrupted, heard to its end, kept.

At most one answer is under way. An utterance that is not to be answered by itself waits until somebody asks for an
answer, or is kept without one when the next is there.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import anyio

from streaming.audio import SAMPLE_RATE

from .answer import Answer, metrics_of
from .behaviour import TYPED, Aside, Behaviour, Respond, Truncate, Withdraw, Write
from .conversation import Placed
from .emotion_reader import EmotionReader
from .events import ReplyDone, ReplyEnd, ReplyRefused, ReplyStarted, UtteranceDismissed
from .given import typed
from .interruptions import Interruptions
from .preparation import Preparation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from streaming.events import ListenerEvent, Utterance

    from .conversation import Conversation
    from .events import SessionEvent
    from .loudspeaker import Sink
    from .preparation import Engines
    from .record import Record
    from .session import SessionSettings
    from .speculation import Speculated

KEEP_S = 6.0
"""How long the end of an answer may take to be told and saved: longer than the turn log waits for another's lock."""

MOST_WAITING = 16
"""Utterances that may wait for a reply that nothing interrupts; of more the oldest is kept without an answer."""

UNPROMPTED = 2 * TYPED
"""Answers to nothing in particular are numbered from here on."""


@runtime_checkable
class OwnClock(Protocol):
    """A sink that goes on by itself, whether or not the stream does."""

    async def over(self) -> None:
        """Return when the reply was heard to its end, or is cancelled."""
        ...


class Replies:
    """Answers the utterances of one session, one at a time."""

    def __init__(
        self,
        record: Record,
        *,
        engines: Engines,
        sink: Sink,
        tell: Callable[[SessionEvent], Awaitable[None]],
        settings: SessionSettings,
        clock: Callable[[], float],
    ) -> None:
        self._record = record
        self.behaviour = Behaviour(emotion=settings.emotion)
        self.reader = EmotionReader(
            engines.recognizer,
            corrector=engines.corrector,
            source=settings.emotion,
            tell=tell,
            revise=record.revise,
            clock=clock,
        )
        self._preparation = Preparation(
            engines, sink=sink, tell=tell, settings=settings.preparation, sounding=self._sounding, clock=clock
        )
        self.now_s = 0.0
        self._sink = sink
        self._tell = tell
        self._clock = clock
        self._is_lockstep = settings.lockstep
        self._interruptions = Interruptions(
            settings.barge_in, sink=sink, stop=lambda at_s: self.stop(by="speech", at_s=at_s)
        )
        self._tasks: TaskGroup | None = None
        self._under_way: Answer | None = None
        self._ending: Answer | None = None
        self._unanswered: Answer | None = None
        self._waiting: deque[Answer] = deque()
        self._explained: Answer | None = None
        self._n_unprompted = 0

    @property
    def sounds(self) -> bool:
        """Whether a reply sounds just now."""
        return self._under_way is not None and self._under_way.sounds

    @property
    def is_busy(self) -> bool:
        """Whether an answer is under way, for which stream time has to pass step by step."""
        return self._under_way is not None

    @property
    def beside(self) -> TaskGroup | None:
        """Where work beside the stream is started; None in lockstep, where everything is finished at once."""
        return None if self._is_lockstep else self._tasks

    def begin(self, tasks: TaskGroup) -> None:
        """The session runs: answers are prepared in `tasks`."""
        self._tasks = tasks

    def behave(self, behaviour: Behaviour) -> None:
        """Take what the program wants from here on."""
        self.behaviour = behaviour
        self.reader.source = behaviour.emotion
        self._interruptions.are_heeded = behaviour.interrupts
        self._record.conversation = replace(self._record.conversation, behaviour=behaviour)

    # What the stream brings

    async def advance(self, now_s: float) -> None:
        """Let stream time pass for the reply that sounds."""
        self.now_s = now_s
        await self._interruptions.catch_up()
        await self._end_if_heard(now_s)
        await self._interruptions.advance(now_s)

    async def overhear(self, event: ListenerEvent) -> None:
        """Take what the listener says for what it means to the reply that sounds."""
        await self._interruptions.overhear(event, now_s=self.now_s)

    def hurry(self) -> None:
        """What the next utterance expresses is more urgent than why the last one did."""
        if self._explained is not None:
            self._explained.afterthought.cancel()

    async def take(self, utterance: Utterance, *, speculated: Speculated, n_rolled: int) -> None:
        """Take a finished utterance: answer it, or have it wait, as the session behaves.

        `speculated` is what was done ahead of it; `n_rolled` how many estimates were begun while it was said.
        """
        answer = Answer(utterance=utterance, heard_at=self._clock(), speculated=speculated, n_rolled=n_rolled)
        answer.behaviour = self.behaviour
        if not self.behaviour.answers:
            await self._hold(answer)
        elif self._under_way is not None and not self.behaviour.interrupts:
            self._read(answer)
            self._waiting.append(answer)
            if len(self._waiting) > MOST_WAITING:
                await self._keep_unanswered(self._waiting.popleft())
        else:
            await self.stop(by="speech")
            self._read(answer)
            await self._start(answer)

    async def is_turn(self, utterance: Utterance) -> bool:
        """Tell whether an utterance is a turn, rather than a sign that somebody listens; tell the program if not."""
        if self._interruptions.is_turn(utterance.utterance):
            return True
        await self._tell(UtteranceDismissed(utterance=utterance.utterance))
        return False

    # What the program asks for

    async def obey(self, command: Write | Respond | Withdraw | Truncate) -> None:
        """Do what a program asks for."""
        match command:
            case Write():
                said = typed(command.text, utterance=command.utterance, at_s=self.now_s)
                await self._hold(Answer(utterance=said, heard_at=self._clock()))
            case Respond():
                await self._respond(command)
            case Withdraw():
                if self._under_way is not None and self._under_way.request == command.request:
                    await self.stop(by="program")
            case Truncate():
                await self._truncate(command.utterance, n_played=round(command.played_s * SAMPLE_RATE))

    async def _hold(self, answer: Answer) -> None:
        """Have an utterance wait for somebody to ask for its answer; the one that waited so far is kept without."""
        before, self._unanswered = self._unanswered, None if answer.behaviour.only_listens else answer
        await self._keep_unanswered(before)
        self._read(answer)
        if self._is_lockstep:
            await answer.was_read.wait()
        if not answer.behaviour.only_listens:
            return
        if self._is_lockstep or self._tasks is None:
            await self._keep_unanswered(answer)
        else:
            self._tasks.start_soon(self._keep_unanswered, answer)

    async def _respond(self, request: Respond) -> None:
        """Answer what waits, or what the request itself brings."""
        if self._under_way is not None or self._waiting:
            message = "an answer is under way: stop it first, or wait until it is done"
            await self._tell(ReplyRefused(request=request.request, message=message))
            return
        answer = self._asked(request)
        answer.behaviour, answer.request = request.behaviour or self.behaviour, request.request
        conversation = self._record.conversation
        if request.is_apart:
            conversation = replace(conversation, turns=(), asides=(), before=(), n_left=0)
        placed = [Placed(aside=aside, after=conversation.n_turns) for aside in request.asides]
        conversation = replace(conversation, asides=(*conversation.asides, *placed))
        await self._start(answer, conversation)

    async def _truncate(self, utterance: int, *, n_played: int) -> None:
        """The user heard only so much of an answer: that is what they know of it."""
        if self._under_way is not None and self._under_way.utterance.utterance == utterance:
            await self.stop(by="program", n_played=n_played)
        else:
            self._record.truncate(utterance, n_played=n_played)

    async def stop(self, *, by: ReplyEnd, at_s: float | None = None, n_played: int | None = None) -> bool:
        """Stop the answer under way, if there is one; what was heard of it stays. Returns whether there was one."""
        answer = self._under_way
        if answer is None:
            return False
        at_s = self.now_s if at_s is None else at_s
        answer.scope.cancel()
        n_heard = self._sink.cancel(at_s=at_s) if answer.sounds else 0
        n_heard = n_heard if n_played is None else min(n_heard, n_played)
        was_cut = answer.sounds or not answer.is_complete
        await self._end(answer, at_s=at_s, n_played=n_heard, ended_by=by if was_cut else "")
        return True

    # The end of the session

    async def hear_out(self) -> None:
        """The stream is over: let the last answers sound to their end."""
        while (answer := self._under_way) is not None:
            await answer.done.wait()
            await self._sink.drain()
            await self._end_if_heard(self.now_s)
            if self._under_way is answer:  # a device that is lost may never say so
                await self.stop(by="session")

    async def leave(self) -> None:
        """Leaving, by whatever door: the turn under way is kept as far as it was heard, and what waits without one."""
        self._tasks = None
        waiting, self._waiting = tuple(self._waiting), deque()
        await self.stop(by="session")
        for answer in (*waiting, self._unanswered):
            with anyio.move_on_after(KEEP_S, shield=True):
                await self._keep_unanswered(answer)
        self._unanswered = None

    def answer_to(self, utterance: int) -> Answer | None:
        """Return the answer to an utterance until its turn is kept."""
        held = (self._under_way, self._ending, self._unanswered, *self._waiting)
        return next((one for one in held if one and one.utterance.utterance == utterance), None)

    def _read(self, answer: Answer) -> None:
        answer.is_crisis = self._preparation.is_danger(answer.utterance, self._record.conversation)
        if self._tasks is not None:
            self.reader.begin(answer, self._record.conversation, tasks=self._tasks)

    # One answer

    def _asked(self, request: Respond) -> Answer:
        """Return the answer a request is for: to its own text, to what waits, or to nothing in particular."""
        waiting = self._unanswered
        if request.text is None and not request.is_apart and waiting is not None:
            self._unanswered = None
            waiting.heard_at = self._clock()
            return waiting
        self._n_unprompted += 1
        number = UNPROMPTED + self._n_unprompted
        utterance = typed(request.text or "", utterance=number, at_s=self.now_s)
        answer = Answer(utterance=utterance, heard_at=self._clock(), is_apart=request.is_apart)
        self._read(answer)
        return answer

    async def _start(self, answer: Answer, conversation: Conversation | None = None) -> None:
        self._under_way = answer
        number, wanted = answer.utterance.utterance, answer.behaviour
        told = ReplyStarted(utterance=number, at_s=self.now_s, request=answer.request, speaks=wanted.speaks)
        await self._tell(told)
        if self._tasks is None or self._under_way is not answer:
            return
        conversation = self._record.conversation if conversation is None else conversation
        if conversation.behaviour is not wanted and wanted != conversation.behaviour:
            conversation = replace(conversation, behaviour=wanted)
        if self._is_lockstep:
            await self._prepare(answer, conversation)
            await self._end_if_heard(self.now_s)
        else:
            self._tasks.start_soon(self._prepare, answer, conversation)

    async def _prepare(self, answer: Answer, conversation: Conversation) -> None:
        await self._preparation.run(answer, conversation)
        if not answer.is_complete or (self._under_way is not None and self._under_way is not answer):
            return
        if self._tasks is not None and not self._is_lockstep:
            self._tasks.start_soon(self._end_by_itself, answer)
        self._explained = answer
        await self.reader.explain(answer, conversation)

    async def _end_by_itself(self, answer: Answer) -> None:
        """End an answer that is over although the stream may stand still: a program need not send silence."""
        if answer.sounds:
            if not isinstance(self._sink, OwnClock):
                return
            await self._sink.over()
        if self._under_way is answer:
            await self._end_if_heard(self.now_s)

    def _sounding(self, answer: Answer, sentence: str) -> None:
        """The next sentence of an answer sounds from now on; the first one opens the loudspeaker."""
        is_first, answer.sounds = not answer.sounds, True
        if is_first:
            self._sink.begin(at_s=self.now_s)
        self._interruptions.sounding(sentence, is_first=is_first, at_s=self.now_s, is_crisis=answer.is_crisis)

    async def _end_if_heard(self, now_s: float) -> None:
        answer = self._under_way
        if answer is None or not answer.is_complete:
            return
        ended_s = self._sink.ended_s(now_s=now_s) if answer.sounds else now_s
        if ended_s is not None:
            failed = answer.has_failed and not answer.text
            await self._end(answer, at_s=ended_s, n_played=answer.spoken.n_samples, ended_by="engine" if failed else "")

    async def _end(self, answer: Answer, *, at_s: float, n_played: int, ended_by: ReplyEnd) -> None:
        """Tell of the end of an answer and keep its turn, even where the session is being cancelled just then."""
        self._under_way, self._ending = None, answer
        self._interruptions.forget_due()
        text, interrupted = answer.heard(n_played), ended_by not in {"", "engine"}
        done = ReplyDone(
            utterance=answer.utterance.utterance,
            at_s=at_s,
            text=text,
            interrupted=interrupted,
            is_crisis=answer.is_crisis,
            ended_by=ended_by,
            played_s=n_played / SAMPLE_RATE,
        )
        with anyio.move_on_after(KEEP_S, shield=True):
            await self._interruptions.reply_ended(at_s=at_s)
            try:
                await self._tell(done)
            finally:
                # Only now: an estimate, or a correction, may have come while the end was told.
                self._ending = None
                await self._keep(answer, reply=text, interrupted=interrupted)
                self._note_calls(answer)
            if not answer.is_apart:
                await self._tell(metrics_of(answer))
        await self._next()

    async def _next(self) -> None:
        """Answer what was said while a reply went on that nothing interrupts."""
        if self._waiting:
            await self._start(self._waiting.popleft())

    async def _keep_unanswered(self, answer: Answer | None) -> None:
        if answer is None:
            return
        if self._tasks is not None:
            await answer.was_read.wait()
        await self._keep(answer, reply="", interrupted=False)
        await self._tell(metrics_of(answer))

    def _note_calls(self, answer: Answer) -> None:
        """Let engines know later what was asked of which tool: the program gives only the result."""
        for call in () if answer.is_apart else answer.calls:
            self._record.learn(Aside(kind="call", text=call.arguments, call=call.call, name=call.name))

    async def _keep(self, answer: Answer, *, reply: str, interrupted: bool) -> None:
        if not answer.is_apart:
            await self._record.keep(answer, reply=reply, interrupted=interrupted, tasks=self.beside)
