"""The line in motion: takes a source, feeds the listener off the event loop, hands on what each 20 ms led to.

Every block is 20 ms whatever the source's chunks are, so that whoever comes next may take `now_s` for the clock: live
or replayed, an event carries the same time. The only async module between source and session.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
import numpy as np

from .audio import FRAME, SAMPLE_RATE, Blocks
from .controls import Commit, Mark
from .events import AudioDropped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from .controls import Control
    from .events import ListenerEvent, Samples
    from .listener import Listener
    from .sources import Sound

T = TypeVar("T")

SILENT_DB = -100.0
HURRY_S = 0.5
"""A live source this far ahead makes the listener skip partial transcripts."""

AT_ONCE = 10
"""Blocks (200 ms) that are fed before what the first of them led to is handed on, at most."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heard:
    """What one block of the stream led to, or what stood after it.

    Attributes:
        now_s: stream time at the end of the block.
        level_db: its RMS level, dB full scale, at least `SILENT_DB`.
        events: in order.
        marks: values of the `Mark`s that stand here; then there are no events.
    """

    now_s: float
    level_db: float
    events: tuple[ListenerEvent, ...]
    marks: tuple[object, ...] = ()


def level_db(samples: Samples) -> float:
    """Return the RMS level of `samples` in dB full scale, `SILENT_DB` for silence."""
    power = float(samples @ samples) / len(samples) if len(samples) else 0.0
    return max(SILENT_DB, 10 * math.log10(power)) if power > 0 else SILENT_DB


async def listen(
    source: AsyncIterator[Sound],
    listener: Listener,
    *,
    gate: Callable[[Samples], Samples] | None = None,
    backlog_s: Callable[[], float] | None = None,
    inline: bool = False,
    passes_over: Callable[[], bool] | None = None,
) -> AsyncIterator[Heard]:
    """Yield what each block of `source` leads to, then what is left when it ends.

    Args:
        source: sound at 16 kHz, in chunks of any size, what had to be dropped of it, and controls among it.
        listener: closed by the caller.
        gate: what to hear of a block (half duplex replaces it by silence); it is asked right before the block is
            heard, one by one. Without it the blocks of a chunk are heard in one go.
        backlog_s: how far a live source is ahead, seconds.
        inline: feed the listener on the event loop as long as it has no engine to wait for: for many sessions on one
            core, to which handing blocks to a thread costs more than hearing them.
        passes_over: tells whether blocks in which nothing happens may be left out: nobody waits for time to pass.
    """
    feeder = _Feeder(listener, backlog_s=backlog_s, inline=inline)
    blocks = Blocks(FRAME)
    n_samples = 0
    async for chunk in source:
        if isinstance(chunk, np.ndarray):
            for some in _batches(blocks.feed(chunk), size=AT_ONCE if gate is None else 1):
                told = await feeder.feed(some if gate is None else [gate(block) for block in some])
                for block, events in zip(some, told, strict=True):
                    n_samples += len(block)
                    if not events and passes_over is not None and passes_over():
                        continue
                    yield Heard(now_s=n_samples / SAMPLE_RATE, level_db=level_db(block), events=tuple(events))
        elif isinstance(chunk, Mark):
            yield Heard(now_s=n_samples / SAMPLE_RATE, level_db=SILENT_DB, events=(), marks=(chunk.value,))
        else:
            news = [chunk] if isinstance(chunk, AudioDropped) else await feeder.control(chunk)
            if news:
                yield Heard(now_s=n_samples / SAMPLE_RATE, level_db=SILENT_DB, events=tuple(news))
    rest = blocks.flush()
    last = await feeder.end(rest)
    n_samples += len(rest)
    yield Heard(now_s=n_samples / SAMPLE_RATE, level_db=level_db(rest), events=tuple(last))


class _Feeder:
    """Feeds the listener in a thread, one call at a time, or inline where nothing has to be waited for."""

    def __init__(self, listener: Listener, *, backlog_s: Callable[[], float] | None, inline: bool) -> None:
        self._listener = listener
        self._backlog_s = backlog_s
        self._inline = inline
        self._one_at_a_time = anyio.CapacityLimiter(1)

    async def feed(self, blocks: Sequence[Samples]) -> list[list[ListenerEvent]]:
        """Return what each block leads to."""
        hurried = self._backlog_s is not None and self._backlog_s() > HURRY_S
        if len(blocks) == AT_ONCE:
            await anyio.lowlevel.checkpoint()  # much at once is heard piece by piece: others have their turn
        told: list[list[ListenerEvent]] = []
        while self._inline and len(told) < len(blocks) and not self._listener.may_wait:
            told.append(self._listener.feed(blocks[len(told)], hurried=hurried))
        rest = blocks[len(told) :]
        if rest:
            told += await self._in_thread(lambda: [self._listener.feed(block, hurried=hurried) for block in rest])
        return told

    async def control(self, control: Control) -> list[ListenerEvent]:
        """Return what a control leads to."""
        if self._inline and not isinstance(control, Commit):
            return self._listener.control(control)
        return await self._in_thread(lambda: self._listener.control(control))

    async def end(self, rest: Samples) -> list[ListenerEvent]:
        """Return what the last, incomplete block and the end of the stream lead to."""
        told = await self.feed([rest]) if len(rest) else []
        return [event for events in told for event in events] + await self._in_thread(self._listener.flush)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        # Abandoned on cancel: the listener is closed next, which ends the thread's wait for an engine.
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._one_at_a_time)


def _batches(blocks: Sequence[Samples], *, size: int) -> Iterator[Sequence[Samples]]:
    return (blocks[i : i + size] for i in range(0, len(blocks), size))
