"""The line in motion: takes a source, feeds the listener off the event loop, hands on what each 20 ms led to.

Every block is 20 ms whatever the source's chunks are, so that whoever comes next may take `now_s` for the clock: live
or replayed, an event carries the same time. The only async module between source and session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import numpy as np

from .audio import FRAME, SAMPLE_RATE, Blocks
from .events import AudioDropped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from .events import ListenerEvent, Samples
    from .listener import Listener

SILENT_DB = -100.0
HURRY_S = 0.5
"""A live source this far ahead makes the listener skip partial transcripts."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heard:
    """What one block of the stream led to.

    Attributes:
        now_s: stream time at the end of the block.
        level_db: its RMS level, dB full scale, at least `SILENT_DB`.
        events: in order.
    """

    now_s: float
    level_db: float
    events: tuple[ListenerEvent, ...]


def level_db(samples: Samples) -> float:
    """Return the RMS level of `samples` in dB full scale, `SILENT_DB` for silence."""
    power = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    return max(SILENT_DB, 10 * float(np.log10(power))) if power > 0 else SILENT_DB


async def listen(
    source: AsyncIterator[Samples | AudioDropped],
    listener: Listener,
    *,
    gate: Callable[[Samples], Samples] | None = None,
    backlog_s: Callable[[], float] | None = None,
) -> AsyncIterator[Heard]:
    """Yield what each block of `source` leads to, then what is left when it ends.

    Args:
        source: sound at 16 kHz, in chunks of any size, and what had to be dropped of it.
        listener: closed by the caller.
        gate: what to hear of a block (half duplex replaces it by silence).
        backlog_s: how far a live source is ahead, seconds.
    """
    one_at_a_time = anyio.CapacityLimiter(1)
    blocks = Blocks(FRAME)
    n_samples = 0

    async def feed(block: Samples) -> Sequence[ListenerEvent]:
        hurried = backlog_s is not None and backlog_s() > HURRY_S
        # Abandoned on cancel: the listener is closed next, which ends the thread's wait for an engine.
        return await anyio.to_thread.run_sync(
            lambda: listener.feed(block, hurried=hurried), abandon_on_cancel=True, limiter=one_at_a_time
        )

    async for chunk in source:
        if isinstance(chunk, AudioDropped):
            yield Heard(now_s=n_samples / SAMPLE_RATE, level_db=SILENT_DB, events=(chunk,))
            continue
        for block in blocks.feed(chunk):
            heard = block if gate is None else gate(block)
            n_samples += len(block)
            events = await feed(heard)
            yield Heard(now_s=n_samples / SAMPLE_RATE, level_db=level_db(block), events=tuple(events))
    rest = blocks.flush()
    last = list(await feed(rest)) if len(rest) else []
    n_samples += len(rest)
    last += await anyio.to_thread.run_sync(listener.flush, abandon_on_cancel=True, limiter=one_at_a_time)
    yield Heard(now_s=n_samples / SAMPLE_RATE, level_db=level_db(rest), events=tuple(last))
