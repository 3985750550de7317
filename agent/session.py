"""One conversation: takes what the listener heard and answers it.

The session owns order and cancellation. It walks along the stream in steps of 20 ms: first time passes for the reply
that is sounding, then each event is told and acted on, then whatever a program put into the stream at this place. In
lockstep (files, replay) a step is finished before the next block is heard, and the virtual loudspeaker runs on stream
time: the same sound gives the same conversation. Live, the answer is prepared by a task beside the stream, and only the
order of what is said about *different* things may differ.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import anyio

from streaming.events import SpeechPaused, Utterance

from .bargein import BargeInSettings
from .behaviour import Aside, Behaviour, Forget, Respond, Truncate, Withdraw, Write
from .correction import EmotionCorrection, spoken_correction
from .delivery import KEEP_S
from .duplex import HalfDuplexGate
from .meanwhile import Meanwhile
from .ports import Foresighted
from .preparation import Engines, PreparationSettings
from .record import Record
from .replies import Replies
from .revision import revised, turn_with, unread
from .timing import AsItComes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from streaming.events import ListenerEvent, Samples
    from streaming.pipeline import Heard

    from .conversation import Conversation
    from .events import EmotionEstimate, EmotionSource, SessionEvent, Turn
    from .loudspeaker import Sink
    from .safety import Helpline
    from .timing import Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """How a session behaves.

    Attributes:
        emotion: what emotion may be read from.
        lockstep: finish every step before the next block is heard (files, replay).
        half_duplex: do not listen while the agent speaks.
        emotion_wait_s: live, how long an answer waits for the estimate before it starts without.
        place: who helps in a crisis; None names the shipped helplines of the conversation's locale.
        timing: is told of what is a matter of time.
    """

    emotion: EmotionSource = "both"
    lockstep: bool = True
    half_duplex: bool = False
    emotion_wait_s: float = 0.3
    place: Helpline | None = None
    barge_in: BargeInSettings = field(default_factory=BargeInSettings)
    timing: Timing = field(default_factory=AsItComes, compare=False)

    @property
    def preparation(self) -> PreparationSettings:
        """What this means for the preparation of an answer: in lockstep it waits for the estimate however long."""
        wait_s = math.inf if self.lockstep else self.emotion_wait_s
        return PreparationSettings(emotion_wait_s=wait_s, place=self.place, timing=self.timing)


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
        self._settings = settings or SessionSettings()
        self._tell = tell
        self._gate = HalfDuplexGate()
        self._timing = self._settings.timing
        self._record = Record(conversation, log=engines.log, tell=tell)
        self._replies = replies = Replies(
            self._record, engines=engines, sink=sink, tell=tell, settings=self._settings, clock=clock
        )
        ahead = (
            (replies.reader, engines.responder) if isinstance(engines.recognizer, Foresighted) else (engines.responder,)
        )
        self._meanwhile = Meanwhile(replies.reader, ahead=ahead, tell=tell, timing=self._timing)

    @property
    def conversation(self) -> Conversation:
        """What was said, expressed and answered so far."""
        return self._record.conversation

    def gate(self, samples: Samples) -> Samples:
        """Return what may be heard of the next block: in half duplex, silence while the agent speaks."""
        if not self._settings.half_duplex:
            return samples
        return self._gate.filter(samples, speaking=self._replies.sounds)

    @property
    def is_idle(self) -> bool:
        """Whether no answer is under way, for which stream time has to pass: blocks without events mean nothing."""
        return not self._replies.is_busy

    async def run(self, heard: AsyncIterator[Heard]) -> None:
        """Hold the conversation until `heard` ends, and hear the last answer out."""
        async with anyio.create_task_group() as tasks:
            self._replies.begin(tasks)
            try:
                async for block in heard:
                    await self._step(block)
                await self._replies.hear_out()
            except BaseException:
                self._timing.passed("cancelled")
                raise
            finally:
                await self._replies.leave()
                tasks.cancel_scope.cancel()
                await self._record.keeping.settle(within_s=KEEP_S)

    async def stop_reply(self) -> bool:
        """Stop the reply under way, now; returns whether there was one. May come from any task of the same loop."""
        await self._timing.reach("stopped", 0)
        return await self._replies.stop(by="program")

    def leave_now(self) -> None:
        """Answer nothing more: what is said from here on is only kept. Before the stream is closed in a hurry."""
        self._timing.passed("leaving")
        self._replies.answer_no_more()

    async def _step(self, block: Heard) -> None:
        await self._replies.advance(block.now_s)
        for event in block.events:
            await self._tell(event)
            await self._replies.overhear(event)
            await self._take(event)
        for mark in block.marks:
            await self._obey(mark)

    async def _take(self, event: ListenerEvent) -> None:
        if isinstance(event, SpeechPaused | Utterance):
            self._replies.hurry()
        await self._meanwhile.feed(event, self.conversation, tasks=self._replies.beside)
        if not isinstance(event, Utterance) or not await self._replies.is_turn(event):
            return
        await self._heed(event)
        # Taken now: a task starts later, when the next utterance may count its own, and this turn may be kept.
        speculated, n_rolled = self._meanwhile.counted(), self._meanwhile.revision
        await self._replies.take(event, speculated=speculated, n_rolled=n_rolled)

    async def _obey(self, mark: object) -> None:
        """Do what a program put into the stream (`agent.behaviour.SessionCommand`); other marks are not for us."""
        match mark:
            case Behaviour():
                self._replies.behave(mark)
            case Write() | Respond() | Withdraw() | Truncate():
                await self._replies.obey(mark)
            case Aside() | Forget():
                self._record.learn(mark)
                await self._replies.forget(mark)
            case EmotionCorrection() if self._replies.beside is not None:
                # Free words are read by a model: the stream does not wait for it.
                self._replies.beside.start_soon(self.correct, mark)
            case EmotionCorrection():
                await self.correct(mark)
            case _:
                pass

    async def correct(self, correction: EmotionCorrection) -> EmotionEstimate | None:
        """Put what the user says about their feeling above what was read, and tell of it.

        Returns:
            What stands now; None when the utterance is not held: never answered, or long ago.
        """
        await self._timing.reach("correcting", correction.utterance)
        before = self._turn_of(correction.utterance)
        if before is None:
            return None
        estimate = await self._replies.reader.corrected(before.estimate or unread(before), correction)
        await self._timing.reach("corrected", correction.utterance)
        # While the words were read another estimate, or correction, may have come: this one is the last.
        now = self._turn_of(correction.utterance) or before
        answer = self._replies.answer_to(correction.utterance)
        held = (now.estimate.revision if now.estimate else 0, answer.n_rolled if answer else 0)
        estimate = replace(estimate, revision=1 + max(held))
        self._record.conversation = revised(self.conversation, estimate)
        if answer is not None:
            answer.revise(estimate)
        await self._tell(estimate)
        session = self.conversation.session
        await self._record.keeping.correct(session, correction, estimate, tasks=self._replies.beside)
        return estimate

    def _turn_of(self, utterance: int) -> Turn | None:
        """Return the turn of an utterance, that of the answer under way as it is so far; None where it is not held."""
        if (answer := self._replies.answer_to(utterance)) is not None:
            return self._record.turn_of(answer)
        return turn_with(self.conversation, utterance)

    async def _heed(self, utterance: Utterance) -> None:
        """Correct the reading of the turn before where this utterance plainly does."""
        correction = spoken_correction(utterance.transcript.text, self._replies.last_reading())
        if correction is not None:
            await self.correct(correction)
