"""The answer under way, and what becomes of it: prepared, sounding, interrupted, heard to its end, kept.

At most one answer is under way. Which utterances are answered, and when, is not decided here (`agent.replies`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from streaming.audio import SAMPLE_RATE

from .answer import metrics_of
from .emotion_reader import EmotionReader
from .events import ReplyDone, ReplyEnd, ReplyStarted
from .interruptions import Interruptions
from .loudspeaker import OwnClock
from .preparation import Preparation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from .answer import Answer
    from .conversation import Conversation
    from .events import SessionEvent
    from .loudspeaker import Sink
    from .preparation import Engines
    from .record import Record
    from .session import SessionSettings

KEEP_S = 6.0
"""How long the end of an answer may take to be told and saved: longer than the turn log waits for another's lock."""


class Delivery:
    """Gives one answer at a time.

    Attributes:
        now_s: stream time.
        tasks: where answers are prepared; None: the session does not run, or is being left.
        is_leaving: nothing more is answered.
        under_way: the answer that is being given.
        ending: the one whose end is being told.
        reader: has the utterances read.
        interruptions: what users say while an answer sounds.
    """

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
        self._sink = sink
        self._tell = tell
        self._timing = settings.timing
        self._is_lockstep = settings.lockstep
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
        self.interruptions = Interruptions(
            settings.barge_in, sink=sink, stop=lambda at_s: self.stop(by="speech", at_s=at_s)
        )
        self.now_s = 0.0
        self.tasks: TaskGroup | None = None
        self.is_leaving = False
        self.under_way: Answer | None = None
        self.ending: Answer | None = None
        self._explained: Answer | None = None
        self._ended: Callable[[], Awaitable[None]] = _nothing

    def whenever_ended(self, ended: Callable[[], Awaitable[None]]) -> None:
        """Have `ended` called after the end of each answer."""
        self._ended = ended

    @property
    def is_free(self) -> bool:
        """Whether another answer may start: none is under way, nor ending."""
        return self.under_way is None and self.ending is None

    @property
    def sounds(self) -> bool:
        """Whether a reply sounds just now."""
        return self.under_way is not None and self.under_way.sounds

    @property
    def beside(self) -> TaskGroup | None:
        """Where work beside the stream is started; None in lockstep, where everything is finished at once."""
        return None if self._is_lockstep else self.tasks

    def is_urgent(self, answer: Answer) -> bool:
        """Tell whether an answer can wait for nothing (`Preparation.is_urgent`)."""
        return self._preparation.is_urgent(answer)

    def hurry(self) -> None:
        """What the next utterance expresses is more urgent than why the last one did."""
        if self._explained is not None:
            self._explained.afterthought.cancel()

    async def advance(self, now_s: float) -> None:
        """Let stream time pass for the reply that sounds."""
        self.now_s = now_s
        await self.interruptions.catch_up()
        await self._end_if_heard(now_s)
        await self.interruptions.advance(now_s)

    async def start(self, answer: Answer, conversation: Conversation | None = None) -> None:
        """Give an answer, from here on the one under way; in lockstep it is prepared when this returns.

        `conversation`: what engines are shown; None: what was said so far.
        """
        self.under_way = answer
        number, wanted = answer.utterance.utterance, answer.behaviour
        await self._tell(ReplyStarted(utterance=number, at_s=self.now_s, request=answer.request, speaks=wanted.speaks))
        if self.tasks is None or self.under_way is not answer:
            return
        conversation = self._record.conversation if conversation is None else conversation
        if conversation.behaviour is not wanted and wanted != conversation.behaviour:
            conversation = replace(conversation, behaviour=wanted)
        if self._is_lockstep:
            await self._prepare(answer, conversation)
            await self._end_if_heard(self.now_s)
        else:
            self.tasks.start_soon(self._prepare, answer, conversation)

    async def stop(self, *, by: ReplyEnd, at_s: float | None = None, n_played: int | None = None) -> bool:
        """Stop the answer under way, if there is one; what was heard of it stays. Returns whether there was one."""
        answer = self.under_way
        if answer is None:
            return False
        at_s = self.now_s if at_s is None else at_s
        answer.scope.cancel()
        n_heard = self._timing.stopped_after(self._sink.cancel(at_s=at_s)) if answer.sounds else 0
        n_heard = n_heard if n_played is None else min(n_heard, n_played)
        was_cut = answer.sounds or not answer.is_complete
        await self._end(answer, at_s=at_s, n_played=n_heard, ended_by=by if was_cut else "")
        return True

    async def hear_out(self) -> None:
        """The stream is over: let the last answers sound to their end."""
        while (answer := self.under_way) is not None:
            await answer.done.wait()
            await self._sink.drain()
            await self._timing.due(answer.utterance.utterance)
            await self._end_if_heard(self.now_s)
            if self.under_way is answer:  # a device that is lost may never say so
                await self.stop(by="session")

    async def _prepare(self, answer: Answer, conversation: Conversation) -> None:
        await self._preparation.run(answer, conversation)
        if not answer.is_complete or (self.under_way is not None and self.under_way is not answer):
            return
        if self.tasks is not None and not self._is_lockstep:
            self.tasks.start_soon(self._end_by_itself, answer)
        self._explained = answer
        await self.reader.explain(answer, conversation)

    async def _end_by_itself(self, answer: Answer) -> None:
        """End an answer that is over although the stream may stand still: a program need not send silence."""
        if answer.sounds:
            if not isinstance(self._sink, OwnClock):
                return
            await self._sink.over()
        await self._timing.due(answer.utterance.utterance)
        if self.under_way is answer:
            await self._end_if_heard(self.now_s)

    def _sounding(self, answer: Answer, sentence: str) -> None:
        """The next sentence of an answer sounds from now on; the first one opens the loudspeaker."""
        is_first, answer.sounds = not answer.sounds, True
        if is_first:
            self._sink.begin(at_s=self.now_s)
        self.interruptions.sounding(sentence, is_first=is_first, at_s=self.now_s, is_crisis=answer.is_crisis)

    async def _end_if_heard(self, now_s: float) -> None:
        answer = self.under_way
        if answer is None or not answer.is_complete:
            return
        ended_s = self._sink.ended_s(now_s=now_s) if answer.sounds else now_s
        ended_s = self._timing.over_s(answer.utterance.utterance, ended_s)
        if ended_s is not None:
            ended_by = "engine" if answer.has_failed and not answer.text else ""
            await self._end(answer, at_s=ended_s, n_played=answer.spoken.n_samples, ended_by=ended_by)

    async def _end(self, answer: Answer, *, at_s: float, n_played: int, ended_by: ReplyEnd) -> None:
        """Tell of the end of an answer and keep its turn, even where the session is being cancelled just then."""
        self.under_way, self.ending = None, answer
        self.interruptions.forget_due()
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
            await self.interruptions.reply_ended(at_s=at_s)
            try:
                await self._tell(done)
            finally:
                # Only now: an estimate, or a correction, may have come while the end was told.
                self.ending = None
                await self._keep(answer, reply=text, interrupted=interrupted)
                self._record.note_calls(answer)
            if not answer.is_apart:
                await self._tell(metrics_of(answer))
        await self._ended()

    async def _keep(self, answer: Answer, *, reply: str, interrupted: bool) -> None:
        if not answer.is_apart:
            self._record.show(answer, reply=reply, interrupted=interrupted)
            waits = not self.is_leaving or self._is_lockstep
            await self._record.log(answer, reply=reply, interrupted=interrupted, tasks=self.beside, waits=waits)


async def _nothing() -> None:
    """Do nothing."""
