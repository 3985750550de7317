"""Sound for scripted conversations: what a client sends, made of stretches of noise and silence."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import numpy as np

from streaming.audio import SAMPLE_RATE, Resampler, to_pcm16
from tests.clients.scripted_dialogue import RATE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streaming.events import Samples


def noise(stretches: Iterable[tuple[float, float]]) -> Samples:
    """Return stretches of (seconds, loudness), 16 kHz."""
    random = np.random.default_rng(1)
    parts = [loudness * random.uniform(-1, 1, round(s * SAMPLE_RATE)) for s, loudness in stretches]
    return np.concatenate(parts).astype(np.float32)


def appended(stretches: Iterable[tuple[float, float]]) -> list[str]:
    """Return the client events, 100 ms each, that such a sound is sent in."""
    resampler = Resampler(source_hz=SAMPLE_RATE, target_hz=RATE)
    sound = np.concatenate([resampler.feed(noise(stretches)), resampler.flush()])
    pcm = to_pcm16(np.clip(sound, -1, 1))
    step = RATE // 10 * 2
    pieces = [base64.b64encode(pcm[at : at + step]).decode() for at in range(0, len(pcm), step)]
    return [json.dumps({"type": "input_audio_buffer.append", "audio": piece}) for piece in pieces]
