"""Where sound comes from: files, anybody's chunks, live input. An edge: it waits, and knows the wall clock.

Every source is an async iterator of `Sound`: mono 16 kHz samples in [-1, 1], the news that some were lost, or a control
that stands among them. Only a live source may lose sound (the oldest first, counted); a file or an iterator waits for
whoever listens. Lost sound is replaced by as much silence, so that stream time stays right.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from threading import Lock, get_ident
from typing import TYPE_CHECKING, TypeAlias

import anyio
import anyio.to_thread
import numpy as np

from .audio import SAMPLE_RATE, Resampler, finite, silence
from .controls import Control
from .errors import DeviceUnavailable
from .events import AudioDropped, Samples
from .files import AudioFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

Sound: TypeAlias = Samples | AudioDropped | Control

_Piece: TypeAlias = Samples | int | Control
"""What waits in a live source; a number: so many samples were lost here."""

READ_AHEAD = 50
"""Blocks (1 s) read from a file at a time, in a worker thread."""

SILENCE_STEP = SAMPLE_RATE
"""Lost sound is replaced in pieces of at most this many samples."""


class Pace:
    """Releases sound when a live source would: each block when its last sample has been spoken.

    Args:
        clock: seconds, monotonic; the event loop's by default.
        sleep: waits that many seconds.
    """

    def __init__(
        self, *, clock: Callable[[], float] | None = None, sleep: Callable[[float], Awaitable[None]] | None = None
    ) -> None:
        self._clock = clock or anyio.current_time
        self._sleep = sleep or anyio.sleep
        self._began_s: float | None = None
        self._n_samples = 0

    async def wait(self, n_samples: int) -> None:
        """Return when the next `n_samples` would have been spoken."""
        if self._began_s is None:
            self._began_s = self._clock()
        self._n_samples += n_samples
        left_s = self._began_s + self._n_samples / SAMPLE_RATE - self._clock()
        if left_s > 0.0:
            await self._sleep(left_s)


async def from_file(
    path: str | Path, *, pace: Pace | None = None, warn: Callable[[str], None] | None = None
) -> AsyncIterator[Sound]:
    """Yield a file's sound in 20 ms blocks: as fast as it is taken, or paced like live.

    `warn` is told, after the last block, what was wrong with a file that could be heard all the same (truncated).

    Raises:
        AudioUnreadable: see `streaming.files.AudioFile`.
    """
    file = await anyio.to_thread.run_sync(AudioFile, path)
    try:
        blocks = iter(file)
        while some := await anyio.to_thread.run_sync(_read_ahead, blocks):
            for block in some:
                if pace is not None:
                    await pace.wait(block.size)
                yield block
        if file.warning is not None and warn is not None:
            warn(file.warning)
    finally:
        file.close()


async def from_chunks(chunks: AsyncIterable[Samples], *, source_hz: int = SAMPLE_RATE) -> AsyncIterator[Sound]:
    """Yield anybody's mono chunks at 16 kHz, clipped to [-1, 1], waiting for the next as long as it takes.

    Raises:
        AudioUnreadable: a chunk holds a NaN or an infinity, or the rate cannot be used.
    """
    resampler = Resampler(source_hz=source_hz)
    async for chunk in chunks:
        resampled = resampler.feed(chunk)
        if resampled.size:
            yield np.clip(resampled, -1.0, 1.0)
    rest = resampler.flush()
    if rest.size:
        yield np.clip(rest, -1.0, 1.0)


class LiveSource:
    """Sound pushed by a device or a network peer, at its own speed; iterate once.

    `push` never blocks and may be called from any thread. What the listener does not take in time waits in a buffer;
    when that is full the oldest sound is dropped. Controls are never dropped and keep their place in stream time.

    Args:
        capacity_s: sound that may wait.
        stall_s: without a push for this long the source is taken for dead; None waits for ever.
        name: what the source is called in errors.
    """

    def __init__(self, *, capacity_s: float = 5.0, stall_s: float | None = None, name: str = "the live source") -> None:
        self._capacity = round(capacity_s * SAMPLE_RATE)
        self._stall_s = stall_s
        self._name = name
        self._lock = Lock()
        self._chunks: deque[_Piece] = deque()
        self._n_waiting = 0
        self._front: deque[int | Control] = deque()  # what was dropped for want of room, and the controls in it
        self._n_dropped = 0  # samples of it
        self._n_silent = 0  # still to be given in place of the loss last told
        self._n_given = 0
        self._n_lost_total = 0
        self._n_told_total = 0
        self._closed = False
        self._error: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: int | None = None  # of the loop
        self._news = asyncio.Event()

    @property
    def dropped_s(self) -> float:
        """Seconds of sound dropped so far."""
        return self._n_lost_total / SAMPLE_RATE

    @property
    def waiting_s(self) -> float:
        """How far the listener is behind, seconds of sound that wait for it."""
        return (self._n_dropped + self._n_silent + self._n_waiting) / SAMPLE_RATE

    def push(self, samples: Samples) -> None:
        """Take the next sound, mono 16 kHz; louder than full scale is clipped.

        Raises:
            AudioUnreadable: there is a NaN or an infinity; nothing of the block is used.
        """
        kept = np.clip(finite(samples), -1.0, 1.0)
        with self._lock:
            if kept.size:
                self._chunks.append(kept)
                self._n_waiting += kept.size
                self._make_room()
        self._wake()

    def lose(self, n_samples: int) -> None:
        """Say that the source itself lost `n_samples` after the last push."""
        with self._lock:
            if n_samples > 0:
                self._chunks.append(n_samples)
                self._n_waiting += n_samples
                self._n_lost_total += n_samples
                self._make_room()
        self._wake()

    def push_control(self, control: Control) -> None:
        """Put a control into the stream, after all sound pushed so far. Like `push` it never blocks."""
        with self._lock:
            self._chunks.append(control)
        self._wake()

    def close(self, error: Exception | None = None) -> None:
        """End the stream after what waits, with `error` if it did not end well. Idempotent: the first call counts."""
        with self._lock:
            if not self._closed:
                self._closed, self._error = True, error
        self._wake()

    def __aiter__(self) -> LiveSource:
        return self

    async def __anext__(self) -> Sound:
        self._loop, self._thread = asyncio.get_running_loop(), get_ident()
        while True:
            self._news.clear()
            with self._lock:
                sound, ended = self._take(), self._closed
            if sound is not None:
                return sound
            if ended:
                raise self._error or StopAsyncIteration
            await self._wait()

    def _wake(self) -> None:
        if self._thread == get_ident():
            self._news.set()  # waking the loop from within costs as much as all the rest here
        elif self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended: nobody listens any more
                self._loop.call_soon_threadsafe(self._news.set)

    async def _wait(self) -> None:
        if self._stall_s is None:
            await self._news.wait()  # without a deadline, which costs as much as all the rest here
            return
        try:
            with anyio.fail_after(self._stall_s):
                await self._news.wait()
        except TimeoutError:
            message = f"{self._name} has sent nothing for {self._stall_s} s: check that it is plugged in and not muted"
            raise DeviceUnavailable(message) from None

    def _make_room(self) -> None:
        """Drop the oldest sound of what waits until the rest fits."""
        while (excess := self._n_waiting - self._capacity) > 0:
            oldest = self._chunks.popleft()
            if not isinstance(oldest, int | np.ndarray):
                self._front.append(oldest)
                continue
            n_dropped = min(excess, _size(oldest))
            if _size(oldest) > n_dropped:
                self._chunks.appendleft(_without_first(oldest, n_dropped))
            self._n_waiting -= n_dropped
            self._drop(n_dropped)
            if not isinstance(oldest, int):
                self._n_lost_total += n_dropped

    def _drop(self, n_samples: int) -> None:
        self._n_dropped += n_samples
        last = self._front.pop() if self._front else 0
        if isinstance(last, int):
            self._front.append(last + n_samples)
        else:
            self._front.extend((last, n_samples))

    def _take(self) -> Sound | None:
        """Return what comes next: silence owed for a loss, news of one, a control, sound; None when nothing waits."""
        if self._n_silent:
            n = min(SILENCE_STEP, self._n_silent)
            self._n_silent -= n
            self._n_given += n
            return silence(n)
        if self._front:
            first = self._front.popleft()
            self._n_dropped -= first if isinstance(first, int) else 0
            return self._told(first) if isinstance(first, int) else first
        if not self._chunks:
            return None
        chunk = self._chunks.popleft()
        if not isinstance(chunk, int | np.ndarray):
            return chunk
        self._n_waiting -= _size(chunk)
        if isinstance(chunk, int):
            return self._told(chunk)
        self._n_given += chunk.size
        return chunk

    def _told(self, n_lost: int) -> AudioDropped:
        self._n_silent = n_lost
        self._n_told_total += n_lost
        at_s, seconds, total_s = (n / SAMPLE_RATE for n in (self._n_given, n_lost, self._n_told_total))
        return AudioDropped(at_s=at_s, seconds=seconds, total_s=total_s)


def _size(chunk: Samples | int) -> int:
    return chunk if isinstance(chunk, int) else chunk.size


def _without_first(chunk: Samples | int, n: int) -> Samples | int:
    return chunk - n if isinstance(chunk, int) else chunk[n:]


def _read_ahead(blocks: Iterator[Samples]) -> list[Samples]:
    return [block for _, block in zip(range(READ_AHEAD), blocks, strict=False)]
