"""Reading the WAV that speech engines write, as it arrives. Pure.

Engines that write to a pipe cannot know the length: their RIFF and data sizes are dummies, so sizes are not believed.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from streaming.audio import Resampler

from ...errors import SpeechFailed

if TYPE_CHECKING:
    from streaming.events import Samples

_LONGEST_HEADER = 4096


class WavDecoder:
    """Turns the bytes of one 16-bit mono WAV into samples at 16 kHz, piece by piece."""

    def __init__(self) -> None:
        self._bytes = b""
        self._resampler: Resampler | None = None

    def feed(self, data: bytes, *, last: bool = False) -> Samples:
        """Return the sound that `data` completes: float32, shape (n,), in [-1, 1].

        Raises:
            SpeechFailed: this is not a 16-bit mono WAV.
        """
        self._bytes += data
        if self._resampler is None:
            self._open(last=last)
        if self._resampler is None:
            return np.zeros(0, np.float32)
        n_whole = len(self._bytes) // 2 * 2
        pcm = np.frombuffer(self._bytes[:n_whole], "<i2").astype(np.float32) / np.float32(32768)
        self._bytes = self._bytes[n_whole:]
        sound = self._resampler.feed(pcm)
        if last:
            sound = np.concatenate((sound, self._resampler.flush()))
        return np.clip(sound, -1.0, 1.0)

    def _open(self, *, last: bool) -> None:
        """Read the header once it is all there."""
        at = self._bytes.find(b"data")
        if at >= 0 and len(self._bytes) >= at + 8:
            rate = _rate_of(self._bytes[:at])
            self._bytes = self._bytes[at + 8 :]
            self._resampler = Resampler(source_hz=rate)
        elif (last and self._bytes) or len(self._bytes) > _LONGEST_HEADER:
            raise SpeechFailed(f"the speech engine gave no WAV sound but {self._bytes[:16]!r}; expected a RIFF header")


def _rate_of(header: bytes) -> int:
    at = header.find(b"fmt ")
    if not header.startswith(b"RIFF") or at < 0 or len(header) < at + 24:
        raise SpeechFailed(f"the speech engine gave no WAV sound but {header[:16]!r}; expected a RIFF header")
    kind, n_channels, rate, _, _, n_bits = struct.unpack_from("<HHIIHH", header, at + 8)
    if (kind, n_channels, n_bits) != (1, 1, 16) or not 4_000 <= rate <= 192_000:
        raise SpeechFailed(
            f"the speech engine gave {n_channels} channels of {n_bits} bits at {rate} Hz (format {kind}); "
            "expected 16-bit mono PCM"
        )
    return rate
