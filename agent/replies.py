"""The answer under way, and what becomes of it: begun, interrupted, heard to its end, kept.

At most one answer is under way. An utterance that is not to be answered by itself waits until somebody asks for an
answer, or is kept without one when the next is there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from streaming.audio import SAMPLE_RATE

from .answer import Answer, metrics_of
from .behaviour import TYPED, Aside, Behaviour, Forget, Respond, Truncate, Withdraw, Write
from .conversation import Placed
from .emotion_reader import EmotionReader
from .events import ReplyDone, ReplyEnd, ReplyRefused, ReplyStarted, UtteranceDismissed
from .given import typed
from .interruptions import Interruptions
from .loudspeaker import OwnClock
from .preparation import Preparation, danger_in
from .unanswered import Unanswered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from streaming.events import ListenerEvent, Utterance

    from .conversation import Conversation
    from .events import EmotionEstimate, SessionEvent
    from .loudspeaker import Sink
    from .preparation import Engines
    from .record import Record
    from .session import SessionSettings
    from .speculation import Speculated

KEEP_S = 6.0
"""How long the end of an answer may take to be told and saved: longer than the turn log waits for another's lock."""

REFUSED = "an answer is under way: stop it first, or wait until it is done"

UNPROMPTED = 2 * TYPED
"""Answers to nothing in particular are numbered from here on."""


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
            tell=tell,
            revise=record.revise,
            clock=clock,
            timing=settings.timing,
        )
        self.reader.source = settings.emotion
        self._preparation = Preparation(
            engines, sink=sink, tell=tell, settings=settings.preparation, sounding=self._sounding, clock=clock
        )
        self.now_s = 0.0
        self._sink = sink
        self._tell = tell
        self._clock = clock
        self._timing = settings.timing
        self._is_lockstep = settings.lockstep
        self._interruptions = Interruptions(
            settings.barge_in, sink=sink, stop=lambda at_s: self.stop(by="speech", at_s=at_s)
        )
        self._tasks: TaskGroup | None = None
        self._under_way: Answer | None = None
        self._ending: Answer | None = None
        self._unanswered = Unanswered(record, tell=tell)
        self.is_leaving = False
        """Nothing more is answered."""
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
        self._unanswered.tasks = self.beside

    def behave(self, behaviour: Behaviour) -> None:
        """Take what the program wants from here on."""
        self.behaviour = behaviour
        self.reader.source = behaviour.emotion
        self._interruptions.heed(are_heeded=behaviour.interrupts)
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
        answer = self._new(utterance)
        answer.speculated, answer.n_rolled, answer.behaviour = speculated, n_rolled, self.behaviour
        if self.is_leaving or not self.behaviour.answers:
            await self._hold(answer)
            return
        await self._unanswered.put_away(self._unanswered.take())
        is_busy = self._under_way is not None or self._ending is not None or self._unanswered.waiting
        if is_busy and not self.behaviour.interrupts and not self._preparation.is_urgent(answer):
            self._read(answer)
            if self._is_lockstep:
                await answer.was_read.wait()
            await self._unanswered.queue(answer)
            await self._next()
            return
        await self._unanswered.drop_queue()
        await self.stop(by="speech")
        self._read(answer)
        await self._start(answer)

    def last_reading(self) -> EmotionEstimate | None:
        """Return the reading of the utterance before the one just over; None where there is none, or not yet."""
        said = [one for one in self._held if _was_said(one.utterance.utterance) and not one.is_apart]
        if said:
            return max(said, key=lambda one: one.heard_at).estimate
        turns = [turn for turn in self._record.conversation.turns if _was_said(turn.utterance)]
        return turns[-1].estimate if turns else None

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
                await self._hold(self._new(said))
            case Respond():
                await self._respond(command)
            case Withdraw():
                if self._under_way is not None and self._under_way.request == command.request:
                    await self.stop(by="program")
            case Truncate():
                await self._truncate(command.utterance, n_played=round(command.played_s * SAMPLE_RATE))

    async def _hold(self, answer: Answer) -> None:
        """Have an utterance wait for somebody to ask for its answer; the one that waited so far is kept without."""
        await self._unanswered.put_away(self._unanswered.take())
        self._read(answer)
        if self._is_lockstep:
            await answer.was_read.wait()
        if answer.behaviour.only_listens or self.is_leaving:
            await self._unanswered.put_away(answer)
        else:
            self._unanswered.one = answer

    async def forget(self, what: Aside | Forget) -> None:
        """Take what waits for an answer, or gets one, out of what engines are shown."""
        answer = self.answer_to(what.utterance) if isinstance(what, Forget) and what.utterance is not None else None
        if answer is not None:
            await self._unanswered.hide(answer)

    async def _respond(self, request: Respond) -> None:
        """Answer what waits, or what the request itself brings."""
        if self._under_way is not None or self._ending is not None or self._unanswered.waiting or self.is_leaving:
            await self._tell(ReplyRefused(request=request.request, message=REFUSED))
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
        n_heard = self._timing.stopped_after(self._sink.cancel(at_s=at_s)) if answer.sounds else 0
        n_heard = n_heard if n_played is None else min(n_heard, n_played)
        was_cut = answer.sounds or not answer.is_complete
        await self._end(answer, at_s=at_s, n_played=n_heard, ended_by=by if was_cut else "")
        return True

    # The end of the session

    async def hear_out(self) -> None:
        """The stream is over: let the last answers sound to their end, and what was said last be read."""
        while (answer := self._under_way) is not None:
            await answer.done.wait()
            await self._sink.drain()
            await self._timing.due(answer.utterance.utterance)
            await self._end_if_heard(self.now_s)
            if self._under_way is answer:  # a device that is lost may never say so
                await self.stop(by="session")
        await self._unanswered.put_away(self._unanswered.take())
        with anyio.move_on_after(KEEP_S):
            await self._unanswered.read_all()

    async def leave(self) -> None:
        """Leaving, by whatever door: the turn under way is kept as far as it was heard, and what waits without one.

        The log is only handed them: the disk is waited for once, by whoever called this.
        """
        self._tasks, self._unanswered.tasks, self.is_leaving = None, None, True
        with anyio.move_on_after(KEEP_S, shield=True):
            await self._unanswered.hand_over_all()
            await self.stop(by="session")
            await self._unanswered.drop_queue()
            await self._unanswered.put_away(self._unanswered.take())

    @property
    def _held(self) -> tuple[Answer, ...]:
        """All whose turn is not logged yet."""
        here = (one for one in (self._under_way, self._ending) if one is not None)
        return (*here, *self._unanswered.held)

    def answer_to(self, utterance: int) -> Answer | None:
        """Return the answer to an utterance until its turn is kept."""
        return next((one for one in self._held if one.utterance.utterance == utterance), None)

    def _new(self, utterance: Utterance) -> Answer:
        danger = danger_in(utterance, self._record.conversation)
        return Answer(utterance=utterance, heard_at=self._clock(), danger=danger)

    def _read(self, answer: Answer) -> None:
        if self._tasks is not None:
            self.reader.begin(answer, self._record.conversation, tasks=self._tasks)

    # One answer

    def _asked(self, request: Respond) -> Answer:
        """Return the answer a request is for: to its own text, to what waits, or to nothing in particular."""
        waiting = self._unanswered.one
        if request.text is None and not request.is_apart and waiting is not None:
            self._unanswered.take()
            waiting.heard_at = self._clock()
            return waiting
        self._n_unprompted += 1
        number = UNPROMPTED + self._n_unprompted
        utterance = typed(request.text or "", utterance=number, at_s=self.now_s)
        answer = self._new(utterance)
        answer.is_apart = request.is_apart
        if utterance.transcript.text:
            self._read(answer)
        else:
            answer.was_read.set()
        return answer

    async def _start(self, answer: Answer, conversation: Conversation | None = None) -> None:
        self._under_way = answer
        number, wanted = answer.utterance.utterance, answer.behaviour
        await self._tell(ReplyStarted(utterance=number, at_s=self.now_s, request=answer.request, speaks=wanted.speaks))
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
        await self._timing.due(answer.utterance.utterance)
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
        ended_s = self._timing.over_s(answer.utterance.utterance, ended_s)
        if ended_s is not None:
            ended_by = "engine" if answer.has_failed and not answer.text else ""
            await self._end(answer, at_s=ended_s, n_played=answer.spoken.n_samples, ended_by=ended_by)

    async def _end(self, answer: Answer, *, at_s: float, n_played: int, ended_by: ReplyEnd) -> None:
        """Tell of the end of an answer and keep its turn, even where the session is being cancelled just then."""
        self._under_way, self._ending = None, answer
        self._interruptions.forget_due()
        text, interrupted = answer.heard(n_played), ended_by not in {"", "engine"}
        number, played_s = answer.utterance.utterance, n_played / SAMPLE_RATE
        done = ReplyDone(
            utterance=number, at_s=at_s, text=text, interrupted=interrupted, is_crisis=answer.is_crisis,
            ended_by=ended_by, played_s=played_s,
        )  # fmt: skip
        with anyio.move_on_after(KEEP_S, shield=True):
            await self._interruptions.reply_ended(at_s=at_s)
            try:
                await self._tell(done)
            finally:
                # Only now: an estimate, or a correction, may have come while the end was told.
                self._ending = None
                await self._keep(answer, reply=text, interrupted=interrupted)
                self._record.note_calls(answer)
            if not answer.is_apart:
                await self._tell(metrics_of(answer))
        await self._next()

    async def _next(self) -> None:
        """Answer what was said while a reply went on that nothing interrupts."""
        if self._unanswered.waiting and self._under_way is None and self._ending is None and not self.is_leaving:
            await self._start(self._unanswered.waiting.popleft())

    async def _keep(self, answer: Answer, *, reply: str, interrupted: bool) -> None:
        if not answer.is_apart:
            self._record.show(answer, reply=reply, interrupted=interrupted)
            waits = not self.is_leaving or self._is_lockstep
            await self._record.log(answer, reply=reply, interrupted=interrupted, tasks=self.beside, waits=waits)


def _was_said(utterance: int) -> bool:
    """Tell whether somebody said or wrote an utterance, rather than a program asking for an answer to nothing."""
    return utterance < UNPROMPTED
