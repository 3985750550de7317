"""G.711: eight-bit sound of telephones, µ-law and A-law, to and from samples in [-1, 1]. ITU-T Recommendation G.711.

Both laws are tables: 256 values to read, 65 536 to write (one per 16-bit sample). Full scale is that of 16-bit sound,
so the loudest value of either law is a little below 1.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streaming.events import Samples

Law: TypeAlias = Literal["u", "a"]

ULAW_BIAS: Final = 132
PCM16: Final = 32_768


def decoded(data: bytes, law: Law) -> Samples:
    """Return one sample per byte."""
    return np.take(_to_float(law), np.frombuffer(data, dtype=np.uint8))


def encoded(samples: Samples, law: Law) -> bytes:
    """Return one byte per sample; louder than full scale is clipped."""
    scaled = np.rint(samples * np.float32(PCM16))
    np.minimum(scaled, PCM16 - 1, out=scaled)
    np.maximum(scaled, -PCM16, out=scaled)
    return np.take(_to_byte(law), scaled.astype(np.int32) + PCM16).tobytes()


@cache
def _to_float(law: Law) -> Samples:
    values = _linear_of_ulaw() if law == "u" else _linear_of_alaw()
    return (values / PCM16).astype(np.float32)


@cache
def _to_byte(law: Law) -> NDArray[np.uint8]:
    """Return the byte whose value is nearest to each 16-bit sample, from the lowest sample up."""
    # Positive zero first: of two bytes that mean the same, it is the one that is sent.
    bytes_ = np.concatenate((np.arange(128, 256), np.arange(128))).astype(np.uint8)
    values = (_to_float(law)[bytes_].astype(np.float64) * PCM16).round().astype(np.int64)
    levels, first = np.unique(values, return_index=True)
    linear = np.arange(-PCM16, PCM16, dtype=np.int64)
    # Halfway between two levels, the louder one: both laws count their steps from zero outwards.
    above = np.searchsorted(levels[:-1] + levels[1:], 2 * linear, side="right")
    below = np.searchsorted(levels[:-1] + levels[1:], 2 * linear, side="left")
    return bytes_[first][np.where(linear < 0, below, above)]


def _linear_of_ulaw() -> NDArray[np.int64]:
    """Return the 16-bit sample of each byte: sign, three bits of exponent, four of mantissa, all inverted."""
    byte = ~np.arange(256, dtype=np.int64) & 0xFF
    exponent, mantissa = (byte >> 4) & 0x07, byte & 0x0F
    magnitude = (((mantissa << 3) + ULAW_BIAS) << exponent) - ULAW_BIAS
    return np.where(byte & 0x80, -magnitude, magnitude)


def _linear_of_alaw() -> NDArray[np.int64]:
    """Return the 16-bit sample of each byte; every second bit is inverted."""
    byte = np.arange(256, dtype=np.int64) ^ 0x55
    exponent, mantissa = (byte >> 4) & 0x07, byte & 0x0F
    step = (mantissa << 4) + 8
    magnitude = np.where(exponent == 0, step, (step + 0x100) << np.maximum(exponent - 1, 0))
    return np.where(byte & 0x80, magnitude, -magnitude)
