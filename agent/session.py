"""One conversation: takes what the listener heard and answers it.

The session owns order and cancellation. It walks along the stream in steps of 20 ms: first time passes for the reply
that is sounding, then each event is told and acted on. In lockstep (files, replay) a step is finished before the next
block is heard, and the virtual loudspeaker runs on stream time: the same sound gives the same conversation. Live, the
answer is prepared by a task beside the stream, and only the order of what is said about *different* things may differ.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import anyio

from streaming.events import SpeechPaused, Utterance

from .answer import Answer, metrics_of, turn_of
from .bargein import BargeIn, BargeInSettings, Cancel, Duck, Resume
from .correction import spoken_correction
from .duplex import HalfDuplexGate
from .events import EmotionSource, ReplyDone, Turn
from .keeping import Keeping
from .meanwhile import Meanwhile
from .preparation import Engines, Follower, Preparation, PreparationSettings
from .revision import revised, stands, turn_with, unread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from anyio.abc import TaskGroup

    from streaming.events import ListenerEvent, Samples
    from streaming.pipeline import Heard

    from .bargein import BargeInAction
    from .conversation import Conversation
    from .correction import EmotionCorrection
    from .events import EmotionEstimate, SessionEvent
    from .loudspeaker import Sink
    from .safety import Helpline

KEEP_S = 6.0
"""How long the end of an answer may take to be told and saved: longer than the turn log waits for another's lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """How a session behaves.

    Attributes:
        emotion: what emotion may be read from.
        lockstep: finish every step before the next block is heard (files, replay).
        half_duplex: do not listen while the agent speaks.
        emotion_wait_s: live, how long an answer waits for the estimate before it starts without.
        place: who helps in a crisis; None names the shipped helplines of the conversation's locale.
    """

    emotion: EmotionSource = "both"
    lockstep: bool = True
    half_duplex: bool = False
    emotion_wait_s: float = 0.3
    place: Helpline | None = None
    barge_in: BargeInSettings = field(default_factory=BargeInSettings)

    @property
    def preparation(self) -> PreparationSettings:
        """What this means for the preparation of an answer: in lockstep it waits for the estimate however long."""
        wait_s = math.inf if self.lockstep else self.emotion_wait_s
        return PreparationSettings(emotion=self.emotion, emotion_wait_s=wait_s, place=self.place)


class Session:
    """One conversation between a user and the agent."""

    def __init__(
        self,
        conversation: Conversation,
        *,
        engines: Engines,
        sink: Sink,
        tell: Callable[[SessionEvent], Awaitable[None]],
        settings: SessionSettings | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Put a conversation together.

        Args:
            conversation: what was said before; its session id seeds the choice of words.
            engines: closed by the caller, like `sink`.
            sink: where the answer sounds.
            tell: takes every event, in order.
            settings: how to behave.
            clock: wall-clock seconds, for latencies only.
        """
        self.conversation = conversation
        self._engines = engines
        self._settings = settings or SessionSettings()
        self._sink = sink
        self._tell = tell
        self._barge_in = BargeIn(self._settings.barge_in)
        self._gate = HalfDuplexGate()
        self._clock = clock
        self._preparation = Preparation(
            engines,
            sink=sink,
            tell=tell,
            settings=self._settings.preparation,
            clock=clock,
        )
        ahead = (engines.recognizer, engines.responder) if self._preparation.reads_emotion else (engines.responder,)
        self._meanwhile = Meanwhile(self._preparation, ahead=ahead, tell=tell)
        self._follower = Follower(sounding=self._sounding, estimated=self._estimated)
        self._tasks: TaskGroup | None = None
        self._keeping = Keeping(engines.log, tell=tell)
        self._answer: Answer | None = None
        self._ending: Answer | None = None
        self._due: list[BargeInAction] = []
        self._explained: Answer | None = None
        self._now_s = 0.0

    def gate(self, samples: Samples) -> Samples:
        """Return what may be heard of the next block: in half duplex, silence while the agent speaks."""
        if not self._settings.half_duplex:
            return samples
        return self._gate.filter(samples, speaking=self._answer is not None and self._answer.sounds)

    async def run(self, heard: AsyncIterator[Heard]) -> None:
        """Hold the conversation until `heard` ends, and hear the last answer out."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            try:
                async for block in heard:
                    await self._step(block, tasks)
                await self._hear_out()
            finally:
                # Leaving, by whatever door: the turn under way is kept as far as it was heard.
                self._tasks = None
                await self._stop_answer(self._now_s)
                tasks.cancel_scope.cancel()
                await self._keeping.settle(within_s=KEEP_S)

    async def _step(self, block: Heard, tasks: TaskGroup) -> None:
        self._now_s = block.now_s
        due, self._due = self._due, []
        await self._act(due)
        await self._end_if_heard(block.now_s)
        await self._act(self._barge_in.advance(block.now_s))
        for event in block.events:
            await self._tell(event)
            await self._act(self._barge_in.feed(event, now_s=block.now_s))
            await self._take(event, tasks)

    async def _take(self, event: ListenerEvent, tasks: TaskGroup) -> None:
        if isinstance(event, SpeechPaused | Utterance) and self._explained is not None:
            # What the next utterance expresses is more urgent than why the last one did.
            self._explained.afterthought.cancel()
        await self._meanwhile.feed(event, self.conversation, tasks=None if self._settings.lockstep else tasks)
        if isinstance(event, Utterance):
            await self._respond(event, tasks)

    async def _respond(self, utterance: Utterance, tasks: TaskGroup) -> None:
        """Answer an utterance, unless it only showed that the user is listening."""
        if not self._barge_in.is_turn(utterance.utterance):
            return
        await self._stop_answer(self._now_s)
        await self._heed(utterance)
        self._answer = answer = Answer(utterance=utterance, heard_at=self._clock())
        answer.speculated = self._meanwhile.counted()
        # Taken now: a task starts later, when the next utterance may count its own, and this turn may be kept.
        answer.n_rolled = self._meanwhile.revision
        if self._settings.lockstep:
            await self._prepare(answer, self.conversation, tasks)
            await self._end_if_heard(self._now_s)
        else:
            tasks.start_soon(self._prepare, answer, self.conversation, tasks)

    async def _prepare(self, answer: Answer, conversation: Conversation, tasks: TaskGroup) -> None:
        number, follower = answer.n_rolled + 1, self._follower
        await self._preparation.run(answer, conversation, revision=number, tasks=tasks, follower=follower)
        if answer.is_complete and (self._answer is None or self._answer is answer):
            self._explained = answer
            await self._preparation.explain(answer, conversation, follower=self._follower)

    async def correct(self, correction: EmotionCorrection) -> EmotionEstimate | None:
        """Put what the user says about their feeling above what was read, and tell of it.

        Returns:
            What stands now; None when the utterance is not held: never answered, or long ago.
        """
        before = self._turn_of(correction.utterance)
        if before is None:
            return None
        estimate = await self._preparation.corrected(before.estimate or unread(before), correction)
        # While the words were read another estimate, or correction, may have come: this one is the last.
        now = self._turn_of(correction.utterance) or before
        answer = self._answer_to(correction.utterance)
        held = (now.estimate.revision if now.estimate else 0, answer.n_rolled if answer else 0)
        estimate = replace(estimate, revision=1 + max(held))
        self.conversation = revised(self.conversation, estimate)
        if answer is not None:
            answer.revise(estimate)
        await self._tell(estimate)
        tasks = None if self._settings.lockstep else self._tasks
        await self._keeping.correct(self.conversation.session, correction, estimate, tasks=tasks)
        return estimate

    def _turn_of(self, utterance: int) -> Turn | None:
        """Return the turn of an utterance, that of the answer under way as it is so far; None where it is not held."""
        if (answer := self._answer_to(utterance)) is not None:
            return turn_of(answer, session=self.conversation.session, reply="", interrupted=False)
        return turn_with(self.conversation, utterance)

    def _answer_to(self, utterance: int) -> Answer | None:
        """Return the answer to an utterance until its turn is kept."""
        return next((one for one in (self._answer, self._ending) if one and one.utterance.utterance == utterance), None)

    async def _heed(self, utterance: Utterance) -> None:
        """Correct the reading of the turn before where this utterance plainly does."""
        last = self.conversation.turns[-1].estimate if self.conversation.turns else None
        correction = spoken_correction(utterance.transcript.text, last)
        if correction is not None:
            await self.correct(correction)

    def _estimated(self, answer: Answer, estimate: EmotionEstimate) -> bool:
        """Put an estimate where its utterance is by now: into the answer under way, or the turn that was kept."""
        turn = turn_with(self.conversation, answer.utterance.utterance)
        if turn is not None and not stands(estimate, over=turn.estimate):
            return False
        self.conversation = revised(self.conversation, estimate)
        return answer.revise(estimate)

    def _sounding(self, answer: Answer, sentence: str) -> None:
        """The next sentence of an answer sounds from now on; the first one opens the loudspeaker."""
        if not answer.sounds:
            answer.sounds = True
            self._sink.begin(at_s=self._now_s)
            # Acted on at the next step: this runs inside the answer's own task, which may be what has to be cancelled.
            self._due += self._barge_in.reply_started(at_s=self._now_s, is_crisis=answer.is_crisis)
        self._barge_in.said(sentence)

    async def _act(self, actions: Sequence[BargeInAction]) -> None:
        for action in actions:
            match action:
                case Duck():
                    self._sink.duck()
                case Resume():
                    self._sink.resume()
                case Cancel():
                    await self._stop_answer(action.at_s)

    async def _stop_answer(self, at_s: float) -> None:
        """Stop the answer under way, if there is one; what was heard of it stays."""
        answer = self._answer
        if answer is None:
            return
        answer.scope.cancel()
        n_played = self._sink.cancel(at_s=at_s) if answer.sounds else 0
        await self._end(answer, at_s=at_s, n_played=n_played, interrupted=answer.sounds or not answer.is_complete)

    async def _end_if_heard(self, now_s: float) -> None:
        answer = self._answer
        if answer is None or not answer.is_complete:
            return
        ended_s = self._sink.ended_s(now_s=now_s) if answer.sounds else now_s
        if ended_s is not None:
            await self._end(answer, at_s=ended_s, n_played=answer.spoken.n_samples, interrupted=False)

    async def _hear_out(self) -> None:
        """The stream is over: let the last answer sound to its end."""
        answer = self._answer
        if answer is None:
            return
        await answer.done.wait()
        await self._sink.drain()
        await self._end_if_heard(self._now_s)

    async def _end(self, answer: Answer, *, at_s: float, n_played: int, interrupted: bool) -> None:
        """Tell of the end of an answer and keep its turn, even where the session is being cancelled just then."""
        self._answer, self._ending = None, answer
        self._due.clear()  # what was still to be done to this reply must not befall the next one
        text = answer.heard(n_played)
        number, session = answer.utterance.utterance, self.conversation.session
        done = ReplyDone(utterance=number, at_s=at_s, text=text, interrupted=interrupted, is_crisis=answer.is_crisis)
        with anyio.move_on_after(KEEP_S, shield=True):
            await self._act(self._barge_in.reply_ended(at_s=at_s))
            try:
                await self._tell(done)
            finally:
                # Only now: an estimate, or a correction, may have come while the end was told.
                self._ending = None
                await self._keep(turn_of(answer, session=session, reply=text, interrupted=interrupted))
            await self._tell(metrics_of(answer))

    async def _keep(self, turn: Turn) -> None:
        """Put the turn into the window and hand it to the log."""
        self.conversation = self.conversation.with_turn(turn)
        await self._keeping.keep(turn, tasks=None if self._settings.lockstep else self._tasks)
