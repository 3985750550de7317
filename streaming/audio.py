"""Sound as the line wants it: mono float32 at 16 kHz, in blocks of known length.

Knows nothing of files, devices or speech. Whatever the chunks were that sound arrived in, what comes out is the same,
because everything that keeps state (re-blocking, resampling) works on blocks counted from the first sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import soxr

from .errors import AudioUnreadable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .events import Samples

SAMPLE_RATE = 16_000
"""Samples per second on the line."""

FRAME = 320
"""Samples in the 20 ms block that the line passes on."""

VAD_FRAME = 160
"""Samples in the 10 ms frame that voice activity is judged by."""

MIN_RATE_HZ = 4_000
MAX_RATE_HZ = 192_000
BLOCKS_PER_SECOND = 50
PCM16_SCALE = 32_768.0
PCM16_MAX = 32_767.0


def silence(n: int) -> Samples:
    """Return `n` samples of silence."""
    return np.zeros(n, dtype=np.float32)


def padded(samples: Samples, size: int) -> Samples:
    """Return `samples` followed by silence, `size` samples in all."""
    block = silence(size)
    block[: samples.size] = samples
    return block


def finite(samples: Samples, *, at_s: float | None = None) -> Samples:
    """Return `samples` unchanged if every one is a number.

    Raises:
        AudioUnreadable: there is a NaN or an infinity; nothing of the block is used.
    """
    if np.isfinite(samples).all():
        return samples
    where = "" if at_s is None else f" at {at_s:.3f} s"
    n_bad = int(np.count_nonzero(~np.isfinite(samples)))
    message = f"sound holds {n_bad} samples that are not finite numbers{where}; expected floats in [-1, 1]"
    raise AudioUnreadable(message)


def mono(samples: NDArray[np.float32]) -> Samples:
    """Return the mean of the channels: shape (n,) stays, shape (n, channels) becomes (n,)."""
    if samples.ndim == 1:
        return samples
    if samples.shape[1] == 1:
        return np.ascontiguousarray(samples[:, 0])
    return samples.mean(axis=1, dtype=np.float32)


def from_pcm16(data: bytes) -> Samples:
    """Return 16-bit little-endian PCM as floats; a trailing odd byte is an error, see `Pcm16Decoder` for streams.

    Raises:
        AudioUnreadable: the number of bytes is odd.
    """
    if len(data) % 2:
        message = f"{len(data)} bytes are not 16-bit sound: expected an even number"
        raise AudioUnreadable(message)
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(PCM16_SCALE)


def to_pcm16(samples: Samples) -> bytes:
    """Return 16-bit little-endian PCM; louder than full scale is clipped."""
    scaled = np.rint(samples * np.float32(PCM16_SCALE))
    np.minimum(scaled, PCM16_MAX, out=scaled)  # a good deal faster than np.clip on 10 ms
    np.maximum(scaled, -PCM16_SCALE, out=scaled)
    return scaled.astype("<i2").tobytes()


class Pcm16Decoder:
    """Turns a stream of bytes into samples, keeping an odd byte for the next call so that nothing shifts."""

    def __init__(self) -> None:
        self._odd = b""

    def feed(self, data: bytes) -> Samples:
        """Return the samples that are complete now."""
        data = self._odd + data
        whole = len(data) - len(data) % 2
        self._odd = data[whole:]
        return from_pcm16(data[:whole])


_NOTHING = silence(0)


class Blocks:
    """Cuts a stream of arbitrary chunks into blocks of `size` samples, counted from the first sample."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._parts: list[Samples] = []
        self._n = 0

    @property
    def n_held(self) -> int:
        """Samples that wait for their block to fill."""
        return self._n

    def feed(self, samples: Samples) -> list[Samples]:
        """Return the blocks that are full now, in order. The blocks are the caller's to keep, not to write to."""
        whole = self.run(samples)
        return [whole[i : i + self._size] for i in range(0, whole.size, self._size)]

    def run(self, samples: Samples) -> Samples:
        """Return the blocks that are full now as one stretch of sound, possibly empty."""
        n = self._n + samples.size
        self._n = n % self._size
        if n < self._size:
            if samples.size:
                self._parts.append(samples.astype(np.float32, copy=True))
            return _NOTHING
        if n == samples.size and not self._n:
            return samples.astype(np.float32, copy=True)
        joined = np.concatenate([*self._parts, samples], dtype=np.float32)
        self._parts = [joined[n - self._n :].copy()] if self._n else []
        return joined[: n - self._n]

    def flush(self) -> Samples:
        """Return the samples that filled no block, and start afresh."""
        rest = np.concatenate(self._parts) if self._parts else silence(0)
        self._parts, self._n = [], 0
        return rest


class Resampler:
    """Changes the rate of a mono stream; the output does not depend on how the input was cut.

    Works on 20 ms blocks of input, so up to 20 ms (plus the filter's few) wait inside until `flush`.
    """

    def __init__(self, *, source_hz: int, target_hz: int = SAMPLE_RATE) -> None:
        for rate in (source_hz, target_hz):
            if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
                message = f"a sample rate of {rate} Hz cannot be used; expected {MIN_RATE_HZ} to {MAX_RATE_HZ}"
                raise AudioUnreadable(message)
        self._same = source_hz == target_hz
        self._rates = (source_hz, target_hz)
        self._blocks = Blocks(max(1, source_hz // BLOCKS_PER_SECOND))
        self._stream = self._new_stream()

    def feed(self, samples: Samples) -> Samples:
        """Return what can be said at the new rate so far, possibly nothing.

        Raises:
            AudioUnreadable: `samples` holds a NaN or an infinity.
        """
        samples = finite(samples)
        if self._same:
            return samples.astype(np.float32, copy=True)
        return _joined([self._chunk(block) for block in self._blocks.feed(samples)])

    def flush(self) -> Samples:
        """Return the rest of the stream and start afresh."""
        if self._same:
            return silence(0)
        rest = self._chunk(self._blocks.flush(), last=True)
        self._stream = self._new_stream()
        return rest

    def _new_stream(self) -> Any:  # noqa: ANN401 - soxr ships no types
        return soxr.ResampleStream(*self._rates, 1, dtype="float32", quality="HQ")

    def _chunk(self, block: Samples, *, last: bool = False) -> Samples:
        return np.asarray(self._stream.resample_chunk(block, last), dtype=np.float32)


def _joined(parts: list[Samples]) -> Samples:
    return np.concatenate(parts) if parts else silence(0)
