"""One conversation: takes what the listener heard and answers it.

The session owns order and cancellation. It walks along the stream in steps of 20 ms: first time passes for the reply
that is sounding, then each event is told and acted on. In lockstep (files, replay) a step is finished before the next
block is heard, and the virtual loudspeaker runs on stream time: the same sound gives the same conversation. Live, the
answer is prepared by a task beside the stream, and only the order of what is said about *different* things may differ.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from streaming.audio import silence
from streaming.events import RollingProsody, SpeechStarted, Transcript, Utterance

from .answer import Answer, metrics_of, turn_of
from .bargein import BargeIn, BargeInSettings, Cancel, Duck, Resume
from .duplex import HalfDuplexGate
from .errors import TurnLogFailed
from .events import EmotionSource, ReplyDone, StorageDegraded, Turn
from .preparation import Engines, Preparation, PreparationSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from anyio.abc import TaskGroup

    from streaming.events import ListenerEvent, Samples
    from streaming.pipeline import Heard

    from .bargein import BargeInAction
    from .conversation import Conversation
    from .events import SessionEvent
    from .loudspeaker import Sink
    from .safety import Helpline
    from .turnlog import Saving

KEEP_S = 6.0
"""How long the end of an answer may take to be told and saved: longer than the turn log waits for another's lock."""

SLOW_DISK = f"the disk took more than {KEEP_S:g} s; the turn is held in memory and written when the disk answers"


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
        self._tasks: TaskGroup | None = None
        self._unacknowledged: list[Saving] = []
        self._answer: Answer | None = None
        self._due: list[BargeInAction] = []
        self._partial: Transcript | None = None
        self._start_s = 0.0
        self._revision = 0
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
                await self._acknowledge_all()

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
        match event:
            case SpeechStarted():
                self._start_s, self._partial, self._revision = event.at_s, None, 0
            case Transcript(is_final=False):
                self._partial = event
            case RollingProsody():
                await self._roll(event)
            case Utterance():
                await self._respond(event, tasks)
            case _:
                pass

    async def _roll(self, event: RollingProsody) -> None:
        """Estimate from what was said so far, while it is being said."""
        partial = self._partial
        if self._settings.emotion == "off" or partial is None or partial.utterance != event.utterance:
            return
        snapshot = Utterance(
            utterance=event.utterance,
            start_s=self._start_s,
            end_s=event.at_s,
            decided_s=event.at_s,
            transcript=partial,
            prosody=event.prosody,
            samples=silence(0),
            is_final=False,
        )
        self._revision += 1
        estimate = await self._preparation.estimate(snapshot, self.conversation, revision=self._revision)
        if estimate is not None:
            await self._tell(estimate)

    async def _respond(self, utterance: Utterance, tasks: TaskGroup) -> None:
        """Answer an utterance, unless it only showed that the user is listening."""
        if not self._barge_in.is_turn(utterance.utterance):
            return
        await self._stop_answer(self._now_s)
        self._answer = answer = Answer(utterance=utterance, heard_at=self._clock())
        # Taken now: a task starts later, when the next utterance may have begun to count its own.
        revision = self._revision + 1
        if self._settings.lockstep:
            await self._prepare(answer, revision, tasks)
            await self._end_if_heard(self._now_s)
        else:
            tasks.start_soon(self._prepare, answer, revision, tasks)

    async def _prepare(self, answer: Answer, revision: int, tasks: TaskGroup) -> None:
        await self._preparation.run(answer, self.conversation, revision=revision, tasks=tasks, sounding=self._sounding)

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
        self._answer = None
        self._due.clear()  # what was still to be done to this reply must not befall the next one
        text = answer.heard(n_played)
        turn = turn_of(answer, session=self.conversation.session, reply=text, interrupted=interrupted)
        done = ReplyDone(
            utterance=turn.utterance, at_s=at_s, text=text, interrupted=interrupted, is_crisis=answer.is_crisis
        )
        with anyio.move_on_after(KEEP_S, shield=True):
            await self._act(self._barge_in.reply_ended(at_s=at_s))
            try:
                await self._tell(done)
            finally:
                await self._keep(turn)
            await self._tell(metrics_of(answer))

    async def _keep(self, turn: Turn) -> None:
        """Put the turn into the window and hand it to the log."""
        self.conversation = self.conversation.with_turn(turn)
        if self._engines.log is None:
            return
        try:
            saving = self._engines.log.saving(turn)
        except TurnLogFailed as trouble:
            await self._tell(StorageDegraded(utterance=turn.utterance, message=str(trouble)))
            return
        self._unacknowledged.append(saving)
        if self._settings.lockstep or self._tasks is None:
            await self._acknowledge(saving)
        else:
            # The disk may be slow; the microphone is not.
            self._tasks.start_soon(self._acknowledge, saving)

    async def _acknowledge(self, saving: Saving) -> None:
        """Tell that a turn is on disk, once it is."""
        try:
            event = await saving
        except TurnLogFailed as trouble:
            event = StorageDegraded(utterance=saving.turn.utterance, message=str(trouble))
        if saving in self._unacknowledged:
            self._unacknowledged.remove(saving)
            await self._tell(event)

    async def _acknowledge_all(self) -> None:
        """Leaving: the tasks that waited for the disk are gone, the turns are not."""
        with anyio.move_on_after(KEEP_S, shield=True):
            for saving in tuple(self._unacknowledged):
                await self._acknowledge(saving)
        for saving in self._unacknowledged:
            await self._tell(StorageDegraded(utterance=saving.turn.utterance, message=SLOW_DISK))
