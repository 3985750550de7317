"""Sound as a WAV file in memory, as servers take it. Pure."""

from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING

from .audio import SAMPLE_RATE, to_pcm16

if TYPE_CHECKING:
    from .events import Samples


def wav_bytes(samples: Samples) -> bytes:
    """Return mono 16 kHz sound as a WAV file of 16 bits; louder than full scale is clipped."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(SAMPLE_RATE)
        wav.writeframes(to_pcm16(samples))
    return file.getvalue()
