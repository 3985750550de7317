"""Has a recorded conversation happen again: the stream waits for its moments, and what is ready early for its turn.

See `agent.recording` for what a recording holds and why that is enough.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.lowlevel
import numpy as np

from agent.jsonl import to_record
from agent.loudspeaker import SilentSink
from agent.recording.recorder import CLOCKED, Place
from streaming.audio import FRAME, SAMPLE_RATE
from streaming.pipeline import HURRY_S

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from agent.events import SessionEvent
    from agent.recording.reader import Moment, Recording
    from agent.session import Session
    from streaming.events import Samples
    from streaming.listener import Listener
    from streaming.pipeline import Heard
    from streaming.sources import Sound

NOT_TOLD: Final = frozenset({"turn.saved", "storage.degraded"})
"""Events of a log, which a replay has none of."""


class Rehearsal:
    """The witness (`agent.recording.witness.Witness`) of a replay; `told` is what the session said.

    Args:
        recording: what is to happen again.
        patience_s: with nothing happening for so long, wall-clock seconds, the replay has lost its way.
    """

    gates = True

    def __init__(self, recording: Recording, *, patience_s: float = 60.0) -> None:
        self.told: list[dict[str, Any]] = []
        self.lost: str | None = None
        """Where the replay lost its way, and what should have happened there; None: it did not."""
        self._recording = recording
        self._patience_s = patience_s
        self._moments = deque(recording.moments)
        self._left = Counter((moment.kind, moment.utterance) for moment in self._moments)
        self._stopped_after = deque(recording.stopped_after)
        self._place = Place()
        self._n_before = self._n_given = self._n_controls = 0  # samples, controls
        self._n_to_tell = sum(event["type"] not in NOT_TOLD for event in recording.events)
        self._is_at_end = self._is_over = False
        self._news = anyio.Event()

    # The line

    async def source(
        self, source: AsyncIterator[Sound], *, gate: Callable[[Samples], Samples] | None = None
    ) -> AsyncGenerator[Sound, None]:
        """See `Witness`: the recorded stream, in place of any other."""
        del source, gate
        for sound in self._recording.stream(step=FRAME):
            if isinstance(sound, np.ndarray):
                self._n_before, self._n_given = self._n_given, self._n_given + sound.size
            else:
                self._n_controls += 1
            yield sound
        if not self._recording.has_ended:
            await self._catch_up()
        self._n_controls += 1

    async def _catch_up(self) -> None:
        """The recording breaks off here: what was told by then is still to come, and nothing after it."""
        self._is_at_end = True
        self._changed()
        await anyio.sleep_forever()

    def backlog_s(self, backlog_s: Callable[[], float] | None) -> Callable[[], float] | None:
        """See `Witness`: how it was."""
        del backlog_s
        return self._behind_s

    def _behind_s(self) -> float:
        changes = [is_hurried for at, is_hurried in self._recording.hurried if at // FRAME <= self._n_before // FRAME]
        return 2 * HURRY_S if changes and changes[-1] else 0.0

    def listener(self, listener: Listener) -> None:
        """See `Witness`: partials come where they came."""
        listener.partials = self

    def takes(self, utterance: int, n_samples: int, *, is_there: bool) -> bool:
        """See `streaming.listener.PartialTiming`."""
        del is_there
        return (utterance, n_samples) in self._recording.partials

    def voids(self, utterance: int, n_samples: int, *, is_void: bool) -> bool:
        """See `streaming.listener.PartialTiming`."""
        del is_void
        return (utterance, n_samples) in self._recording.voids

    # The session

    async def heard(self, heard: AsyncIterator[Heard]) -> AsyncGenerator[Heard, None]:
        """See `Witness`: each block once all is done that was done before it."""
        async for block in heard:
            n_samples = round(block.now_s * SAMPLE_RATE)
            place = (n_samples, self._n_controls)
            while self._moments and _where(self._moments[0]) < place:
                await self._wait()
            self._place.n_samples, self._place.n_controls = place
            self._changed()
            yield block
            await anyio.lowlevel.checkpoint()  # what the block began begins

    def tell(self, tell: Callable[[SessionEvent], Awaitable[None]]) -> Callable[[SessionEvent], Awaitable[None]]:
        """See `Witness`: each event once all is done that was done before it was told."""

        async def told(event: SessionEvent) -> None:
            record = to_record(event)
            is_counted = record["type"] not in CLOCKED
            while is_counted and self._is_due() and not self._is_over:
                await self._wait()
            if not self._is_over:
                self.told.append(record)
            self._place.n_told += is_counted
            self._changed()
            await tell(event)

        return told

    def target(self, target: Callable[[], str] | None) -> Callable[[], str] | None:
        """See `Witness`: what it was."""
        return None if target is None else self._target

    def _target(self) -> str:
        now = (self._place.n_samples, self._place.n_controls, self._place.n_told)
        targets = self._recording.targets
        known = [target for place, target in targets if (place.n_samples, place.n_controls, place.n_told) <= now]
        return known[-1] if known else targets[0][1]

    async def attend(self, session: Session, heard: AsyncIterator[Heard]) -> None:
        """See `Witness`: with whoever stops answers, and ends it where it was ended."""
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._stop, session)
                tasks.start_soon(self._leave, session)
                tasks.start_soon(self._cancel, scope)
                tasks.start_soon(self._watch, scope)
                await session.run(heard)
                tasks.cancel_scope.cancel()

    async def _stop(self, session: Session) -> None:
        while self._left["stopped", 0]:
            await session.stop_reply()

    async def _leave(self, session: Session) -> None:
        await self._turn("leaving", 0)
        session.leave_now()

    async def _cancel(self, scope: anyio.CancelScope) -> None:
        await self._turn("cancelled", 0)
        scope.cancel()

    async def _watch(self, scope: anyio.CancelScope) -> None:
        """End what has lost its way, and what has got as far as a recording that breaks off."""
        while True:
            news = self._news
            with anyio.move_on_after(self._patience_s) as waiting:
                while news is self._news and not self._has_caught_up:
                    await self._news.wait()
                    await anyio.lowlevel.checkpoint()
            if self._has_caught_up or waiting.cancelled_caught:
                if not self._has_caught_up:
                    self.lost = self._where_lost()
                self._is_over = True
                self._changed()
                scope.cancel()
                return

    @property
    def _has_caught_up(self) -> bool:
        n_told = sum(event["type"] not in NOT_TOLD for event in self.told) if self._is_at_end else 0
        return self._is_at_end and not self._moments and n_told >= self._n_to_tell

    # What is a matter of time (`agent.timing.Timing`)

    async def reach(self, moment: str, utterance: int) -> None:
        """See `Timing`: returns when it is this moment's turn, which for work that was called off is never."""
        await self._turn(moment, utterance)

    def passed(self, moment: str) -> None:
        """See `Timing`."""

    def patience_s(self, utterance: int, usual_s: float) -> float:
        """See `Timing`: none where the reading came too late, else all there is."""
        del usual_s
        return 0.0 if self._left["late", utterance] else math.inf

    def over_s(self, utterance: int, ended_s: float | None) -> float | None:
        """See `Timing`: what the loudspeaker said then."""
        del ended_s
        return self._take().value if self._is_next("over", utterance) else None

    async def due(self, utterance: int) -> None:
        """See `Timing`."""
        while self._left["over", utterance] and not self._is_next("over", utterance):
            await self._wait()

    def stopped_after(self, n_samples: int) -> int:
        """See `Timing`: what the loudspeaker said then."""
        return self._stopped_after.popleft() if self._stopped_after else n_samples

    # Turns

    async def _turn(self, moment: str, utterance: int) -> None:
        if not self._left[moment, utterance]:
            await anyio.sleep_forever()
        while not self._is_next(moment, utterance):
            await self._wait()
        self._take()

    def _is_next(self, kind: str, utterance: int) -> bool:
        return self._is_due() and (self._moments[0].kind, self._moments[0].utterance) == (kind, utterance)

    def _is_due(self) -> bool:
        """Tell whether the next moment's place is reached."""
        if not self._moments:
            return False
        place = self._moments[0].place
        here = (self._place.n_samples, self._place.n_controls)
        return _where(self._moments[0]) <= here and place.n_told <= self._place.n_told

    def _take(self) -> Moment:
        moment = self._moments.popleft()
        self._left[moment.kind, moment.utterance] -= 1
        self._changed()
        return moment

    async def _wait(self) -> None:
        await self._news.wait()

    def _changed(self) -> None:
        news, self._news = self._news, anyio.Event()
        news.set()

    def _where_lost(self) -> str:
        at_s = self._place.n_samples / SAMPLE_RATE
        if not self._moments:
            return f"at {at_s:.2f} s, after all that was noted"
        due = self._moments[0]
        return f"at {at_s:.2f} s, where {due.kind!r} of utterance {due.utterance} was noted and never came"


class RehearsalSink(SilentSink):
    """A loudspeaker that takes all there is, at once; what one said is in the recording."""

    async def over(self) -> None:
        """See `agent.loudspeaker.OwnClock`."""
        await anyio.lowlevel.checkpoint()


def _where(moment: Moment) -> tuple[int, int]:
    return moment.place.n_samples, moment.place.n_controls
