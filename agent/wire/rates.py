"""Changing the rate of a stream of sound with little delay: 24 kHz, 16 kHz and 8 kHz, in any chunks.

Whatever the cuts, what comes out joined is the same, bit by bit. Between 24 and 16 kHz libsoxr does it (about 36 ms
wait inside). At 8 kHz it would hold back 115 ms, so doubling and halving are a half-band filter of our own (2 ms).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import soxr

from streaming.audio import silence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streaming.events import Samples

HALF: Final = 16
"""Taps on either side of the half-band filter: 32 in all."""

BETA: Final = 7.0
"""Of the Kaiser window: about 70 dB down outside the band."""


class RateConverter(Protocol):
    """A stream at another rate."""

    def feed(self, samples: Samples) -> Samples:
        """Return what can be said so far, possibly nothing."""
        ...

    def flush(self) -> Samples:
        """Return the rest, and start afresh."""
        ...


def converter(*, source_hz: int, target_hz: int) -> RateConverter:
    """Return what turns one rate into another."""
    if source_hz == target_hz:
        return SameRate()
    if target_hz == 2 * source_hz:
        return Doubled()
    if source_hz == 2 * target_hz:
        return Halved()
    return Converted(source_hz=source_hz, target_hz=target_hz)


class SameRate:
    """Passes sound on."""

    def feed(self, samples: Samples) -> Samples:
        """See `RateConverter`."""
        return samples

    def flush(self) -> Samples:
        """See `RateConverter`."""
        return silence(0)


class Converted:
    """Any rate into any other, by libsoxr."""

    def __init__(self, *, source_hz: int, target_hz: int) -> None:
        self._stream: Any = soxr.ResampleStream(source_hz, target_hz, 1, dtype="float32", quality="HQ")

    def feed(self, samples: Samples) -> Samples:
        """See `RateConverter`."""
        return self._stream.resample_chunk(samples)

    def flush(self) -> Samples:
        """See `RateConverter`."""
        rest: Samples = self._stream.resample_chunk(silence(0), last=True)
        self._stream.clear()
        return rest


class Doubled:
    """Twice the rate: every sample stays, and between two of them comes one that the filter makes."""

    def __init__(self) -> None:
        self._held = silence(HALF - 1)

    def feed(self, samples: Samples) -> Samples:
        """See `RateConverter`."""
        held = np.concatenate((self._held, samples))
        n = max(0, len(held) - (2 * HALF - 1))
        self._held = held[n:]
        out = np.empty(2 * n, np.float32)
        out[0::2] = held[HALF - 1 : HALF - 1 + n]
        out[1::2] = _between(held, n)
        return out

    def flush(self) -> Samples:
        """See `RateConverter`."""
        rest = self.feed(silence(HALF))
        self._held = silence(HALF - 1)
        return rest


class Halved:
    """Half the rate: every second sample, with what lies above the new band filtered out."""

    def __init__(self) -> None:
        self._held = silence(2 * HALF - 1)

    def feed(self, samples: Samples) -> Samples:
        """See `RateConverter`."""
        held = np.concatenate((self._held, samples))
        n = max(0, (len(held) - 4 * HALF + 3) // 2)
        self._held = held[2 * n :]
        centre = held[2 * HALF - 1 :: 2][:n]
        return np.float32(0.5) * (centre + _between(held[0::2], n))

    def flush(self) -> Samples:
        """See `RateConverter`."""
        rest = self.feed(silence(2 * HALF - 1))
        self._held = silence(2 * HALF - 1)
        return rest


def _half_band() -> NDArray[np.float32]:
    """Return the filter's weights half a sample, one and a half, ... from the centre; both sides sum to 1."""
    away = np.arange(HALF) + 0.5
    window = np.i0(BETA * np.sqrt(1 - (away / HALF) ** 2)) / np.i0(BETA)
    weights = np.sinc(away) * window
    return (weights / (2 * weights.sum())).astype(np.float32)


WEIGHTS: Final = _half_band()


def _between(held: Samples, n: int) -> Samples:
    """Return what lies between samples HALF - 1 + i and HALF + i of `held`, for i below `n`.

    Tap by tap over all samples: so the order of sums, and the last bit, does not depend on how the sound was cut.
    """
    total = np.zeros(n, np.float32)
    for tap, weight in enumerate(WEIGHTS):
        left, right = HALF - 1 - tap, HALF + tap
        total += weight * (held[left : left + n] + held[right : right + n])
    return total
