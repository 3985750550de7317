"""Sound as it travels on the wire: PCM 24 kHz and G.711 to the line's samples and back. Any chunks give the same.

What is plainly no raw sound (a file with a header) is refused; what only sounds wrong is told of once, see `doubts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streaming.audio import SAMPLE_RATE, Pcm16Decoder, to_pcm16

from .doubt import Examination, container_of
from .faults import WireFault
from .g711 import decoded, encoded
from .rates import converter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streaming.events import Samples

    from .doubt import Doubt
    from .g711 import Law

LAW: Final[Mapping[str, Law]] = {"audio/pcmu": "u", "audio/pcma": "a"}


PCM24: Final[Mapping[str, Any]] = {"type": "audio/pcm", "rate": 24_000}
"""What sessions use unless they say otherwise: 16 bit, little endian, mono."""

RATES: Final = (24_000, 16_000)
"""Samples per second that PCM may have."""


def rate_of(audio_format: Mapping[str, Any]) -> int:
    """Return the samples per second of a format as a session names it; PCM without a rate has 24 000.

    Raises:
        WireFault: it is none of those that can be used.
    """
    kind, rate = audio_format.get("type"), audio_format.get("rate") or RATES[0]
    if kind in LAW:
        return 8_000
    if kind != "audio/pcm" or rate not in RATES:
        message = f"sound of format {kind!s:.40} at {rate!s:.10} Hz cannot be used, expected audio/pcm at 24000 Hz, "
        raise WireFault("invalid_field", message + "audio/pcmu or audio/pcma", param="format")
    return rate


def bytes_per_s(audio_format: Mapping[str, Any]) -> int:
    """Return the bytes in a second of sound."""
    return rate_of(audio_format) * (1 if audio_format["type"] in LAW else 2)


class Decoder:
    """Turns bytes of a client into the line's samples."""

    def __init__(self, audio_format: Mapping[str, Any] = PCM24) -> None:
        """Begin a stream.

        Args:
            audio_format: as a session names it: {"type": "audio/pcm", "rate": 24000}, {"type": "audio/pcmu"}, ...

        Raises:
            WireFault: a format that cannot be used.
        """
        self._type: str = audio_format["type"]
        self._law: Law | None = LAW.get(self._type)
        self._hz = rate_of(audio_format)
        self.clear()

    def feed(self, data: bytes) -> Samples:
        """Return the samples that are complete now: float32, mono, 16 kHz. An odd byte waits for the next call.

        Raises:
            WireFault: `data` begins a file (`suspect_audio`); it and all that follows is refused until `clear`.
        """
        self._refused = self._refused or container_of(data)
        if self._refused is not None:
            raise WireFault(
                "suspect_audio",
                f"the sound is {self._refused}, expected bare samples ({self._type}); "
                "decode it, and clear the buffer before sending more",
                param="audio",
            )
        samples = decoded(data, self._law) if self._law else self._pcm.feed(data)
        self._doubts += self._examination.feed(samples)
        return self._rate.feed(samples)

    def flush(self) -> Samples:
        """Return what still waits inside (about 36 ms of PCM, 2 ms of G.711); the stream goes on after it."""
        return self._rate.flush()

    def clear(self) -> None:
        """Forget what waits inside, and that a file was refused."""
        self._pcm = Pcm16Decoder()
        self._rate = converter(source_hz=self._hz, target_hz=SAMPLE_RATE)
        self._examination = Examination(rate=self._hz)
        self._refused: str | None = None
        self._doubts: list[Doubt] = []

    def doubts(self) -> list[Doubt]:
        """Return what has been found odd about the sound since the last call, each oddity once; mostly nothing."""
        found, self._doubts = self._doubts, []
        return found


class Encoder:
    """Turns the line's samples into bytes for a client."""

    def __init__(self, audio_format: Mapping[str, Any] = PCM24) -> None:
        """Begin a stream; `audio_format` as for `Decoder`.

        Raises:
            WireFault: a format that cannot be used.
        """
        self._law: Law | None = LAW.get(audio_format["type"])
        self._rate = converter(source_hz=SAMPLE_RATE, target_hz=rate_of(audio_format))

    def feed(self, samples: Samples) -> bytes:
        """Return the bytes that can be said so far, possibly none; louder than full scale is clipped."""
        return self._encoded(self._rate.feed(np.asarray(samples, np.float32)))

    def flush(self) -> bytes:
        """Return the rest, and start afresh."""
        return self._encoded(self._rate.flush())

    def _encoded(self, samples: Samples) -> bytes:
        return encoded(samples, self._law) if self._law else to_pcm16(samples)
