"""Which utterances are answered, and when: at once, after the reply that goes on, when somebody asks, or never.

An utterance that is not to be answered by itself waits until somebody asks for an answer, or is kept without one when
the next is there. What becomes of the answer under way is the matter of `agent.delivery`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from streaming.audio import SAMPLE_RATE

from .answer import Answer
from .behaviour import TYPED, Aside, Behaviour, Forget, Respond, Truncate, Withdraw, Write
from .conversation import Placed
from .delivery import KEEP_S, Delivery
from .events import ReplyRefused, UtteranceDismissed
from .given import typed
from .preparation import danger_in
from .unanswered import Unanswered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from streaming.events import ListenerEvent, Utterance

    from .emotion_reader import EmotionReader
    from .events import EmotionEstimate, ReplyEnd, SessionEvent
    from .loudspeaker import Sink
    from .preparation import Engines
    from .record import Record
    from .session import SessionSettings
    from .speculation import Speculated

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
        self._delivery = Delivery(record, engines=engines, sink=sink, tell=tell, settings=settings, clock=clock)
        self._delivery.whenever_ended(self._next)
        self._tell = tell
        self._clock = clock
        self._is_lockstep = settings.lockstep
        self._unanswered = Unanswered(record, tell=tell)
        self._n_unprompted = 0

    @property
    def reader(self) -> EmotionReader:
        """Who has utterances read."""
        return self._delivery.reader

    @property
    def now_s(self) -> float:
        """Stream time."""
        return self._delivery.now_s

    @property
    def is_leaving(self) -> bool:
        """Whether nothing more is answered."""
        return self._delivery.is_leaving

    @property
    def sounds(self) -> bool:
        """Whether a reply sounds just now."""
        return self._delivery.sounds

    @property
    def is_busy(self) -> bool:
        """Whether an answer is under way, for which stream time has to pass step by step."""
        return self._delivery.under_way is not None

    @property
    def beside(self) -> TaskGroup | None:
        """Where work beside the stream is started; None in lockstep, where everything is finished at once."""
        return self._delivery.beside

    def begin(self, tasks: TaskGroup) -> None:
        """The session runs: answers are prepared in `tasks`."""
        self._delivery.tasks = tasks
        self._unanswered.tasks = self.beside

    def answer_no_more(self) -> None:
        """What is said from here on is only kept."""
        self._delivery.is_leaving = True

    def behave(self, behaviour: Behaviour) -> None:
        """Take what the program wants from here on."""
        self.behaviour = behaviour
        self.reader.source = behaviour.emotion
        self._delivery.interruptions.heed(are_heeded=behaviour.interrupts)
        self._record.conversation = replace(self._record.conversation, behaviour=behaviour)

    # What the stream brings

    async def advance(self, now_s: float) -> None:
        """Let stream time pass for the reply that sounds."""
        await self._delivery.advance(now_s)

    async def overhear(self, event: ListenerEvent) -> None:
        """Take what the listener says for what it means to the reply that sounds."""
        await self._delivery.interruptions.overhear(event, now_s=self.now_s)

    def hurry(self) -> None:
        """What the next utterance expresses is more urgent than why the last one did."""
        self._delivery.hurry()

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
        is_busy = not self._delivery.is_free or self._unanswered.waiting
        if is_busy and not self.behaviour.interrupts and not self._delivery.is_urgent(answer):
            self._read(answer)
            if self._is_lockstep:
                await answer.was_read.wait()
            await self._unanswered.queue(answer)
            await self._next()
            return
        await self._unanswered.drop_queue()
        await self.stop(by="speech")
        self._read(answer)
        await self._delivery.start(answer)

    def last_reading(self) -> EmotionEstimate | None:
        """Return the reading of the utterance before the one just over; None where there is none, or not yet."""
        said = [one for one in self._held if _was_said(one.utterance.utterance) and not one.is_apart]
        if said:
            return max(said, key=lambda one: one.heard_at).estimate
        turns = [turn for turn in self._record.conversation.turns if _was_said(turn.utterance)]
        return turns[-1].estimate if turns else None

    async def is_turn(self, utterance: Utterance) -> bool:
        """Tell whether an utterance is a turn, rather than a sign that somebody listens; tell the program if not."""
        if self._delivery.interruptions.is_turn(utterance.utterance):
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
                under_way = self._delivery.under_way
                if under_way is not None and under_way.request == command.request:
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
        if not self._delivery.is_free or self._unanswered.waiting or self.is_leaving:
            await self._tell(ReplyRefused(request=request.request, message=REFUSED))
            return
        answer = self._asked(request)
        answer.behaviour, answer.request = request.behaviour or self.behaviour, request.request
        conversation = self._record.conversation
        if request.is_apart:
            conversation = replace(conversation, turns=(), asides=(), before=(), n_left=0)
        placed = [Placed(aside=aside, after=conversation.n_turns) for aside in request.asides]
        conversation = replace(conversation, asides=(*conversation.asides, *placed))
        await self._delivery.start(answer, conversation)

    async def _truncate(self, utterance: int, *, n_played: int) -> None:
        """The user heard only so much of an answer: that is what they know of it."""
        under_way = self._delivery.under_way
        if under_way is not None and under_way.utterance.utterance == utterance:
            await self.stop(by="program", n_played=n_played)
        else:
            self._record.truncate(utterance, n_played=n_played)

    async def stop(self, *, by: ReplyEnd, n_played: int | None = None) -> bool:
        """Stop the answer under way, if there is one; what was heard of it stays. Returns whether there was one."""
        return await self._delivery.stop(by=by, n_played=n_played)

    # The end of the session

    async def hear_out(self) -> None:
        """The stream is over: let the last answers sound to their end, and what was said last be read."""
        await self._delivery.hear_out()
        await self._unanswered.put_away(self._unanswered.take())
        with anyio.move_on_after(KEEP_S):
            await self._unanswered.read_all()

    async def leave(self) -> None:
        """Leaving, by whatever door: the turn under way is kept as far as it was heard, and what waits without one.

        The log is only handed them: the disk is waited for once, by whoever called this.
        """
        self._delivery.tasks, self._unanswered.tasks, self._delivery.is_leaving = None, None, True
        with anyio.move_on_after(KEEP_S, shield=True):
            await self._unanswered.hand_over_all()
            await self.stop(by="session")
            await self._unanswered.drop_queue()
            await self._unanswered.put_away(self._unanswered.take())

    @property
    def _held(self) -> tuple[Answer, ...]:
        """All whose turn is not logged yet."""
        here = (one for one in (self._delivery.under_way, self._delivery.ending) if one is not None)
        return (*here, *self._unanswered.held)

    def answer_to(self, utterance: int) -> Answer | None:
        """Return the answer to an utterance until its turn is kept."""
        return next((one for one in self._held if one.utterance.utterance == utterance), None)

    def _new(self, utterance: Utterance) -> Answer:
        danger = danger_in(utterance, self._record.conversation)
        return Answer(utterance=utterance, heard_at=self._clock(), danger=danger)

    def _read(self, answer: Answer) -> None:
        if self._delivery.tasks is not None:
            self.reader.begin(answer, self._record.conversation, tasks=self._delivery.tasks)

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

    async def _next(self) -> None:
        """Answer what was said while a reply went on that nothing interrupts."""
        if self._unanswered.waiting and self._delivery.is_free and not self.is_leaving:
            await self._delivery.start(self._unanswered.waiting.popleft())


def _was_said(utterance: int) -> bool:
    """Tell whether somebody said or wrote an utterance, rather than a program asking for an answer to nothing."""
    return utterance < UNPROMPTED
