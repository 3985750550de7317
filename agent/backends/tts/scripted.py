"""A voice for tests and dry runs: a soft tone as long as the text would take, the same every time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.lowlevel
import numpy as np

from streaming.audio import SAMPLE_RATE

from ...errors import SpeechFailed
from .blocks import BlockCutter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from streaming.events import Samples

    from ...ports import SpeakingStyle

_TONE_HZ, _LEVEL = 220.0, 0.1


class ScriptedSpeech:
    """`agent.ports.Speech` that hums for `s_per_character` each, at the style's pace and pitch."""

    def __init__(self, *, s_per_character: float = 1 / 15, fails: str | None = None) -> None:
        """Hum, or raise `SpeechFailed(fails)` at the first word."""
        self._s_per_character = s_per_character
        self._fails = fails
        self.spoken: list[tuple[str, SpeakingStyle]] = []
        """What it was asked to say, in order."""

    @property
    def name(self) -> str:
        """See `Speech`."""
        return "scripted"

    async def speak(self, text: str, style: SpeakingStyle) -> AsyncGenerator[Samples, None]:
        """See `Speech`."""
        await anyio.lowlevel.checkpoint()
        if self._fails is not None:
            raise SpeechFailed(self._fails)
        self.spoken.append((text, style))
        n = round(len(text.strip()) * self._s_per_character / style.rate * SAMPLE_RATE)
        hz = _TONE_HZ * 2 ** (style.pitch_st / 12)
        tone = (_LEVEL * np.sin(2 * np.pi * hz / SAMPLE_RATE * np.arange(n))).astype(np.float32)
        blocks = BlockCutter()
        for block in [*blocks.feed(tone), *blocks.flush()]:
            yield block
