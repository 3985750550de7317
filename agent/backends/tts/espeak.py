"""The voice of espeak-ng: small, quick, robotic. Rate and pitch (-4 to +9 semitones) can be set."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import numpy as np

from ...errors import SpeechFailed
from ...sentences import sentences_of, speakable
from .blocks import BlockCutter
from .program import finished, running
from .wav import WavDecoder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from streaming.events import Samples

    from ...ports import SpeakingStyle

INSTALL = "espeak-ng (on Debian and Ubuntu: apt install espeak-ng)"

_USUAL_WPM = 175
_PITCH_STEPS = (1, 25, 38, 50, 62, 75, 85, 99)
_PITCH_ST = (-4.0, -2.5, -1.1, 0.0, 2.1, 4.5, 6.4, 9.1)
"""Mean pitch that each step of `-p` was measured to give with en-us, semitones from the usual."""


class EspeakSpeech:
    """`agent.ports.Speech` by the program espeak-ng, one process per sentence, streamed as it comes."""

    def __init__(self, *, voice: str = "en-us", program: str = "espeak-ng") -> None:
        self._voice = voice
        self._program = program

    @property
    def name(self) -> str:
        """See `Speech`."""
        return "espeak"

    async def speak(self, text: str, style: SpeakingStyle) -> AsyncGenerator[Samples, None]:
        """See `Speech`; close the iterator (`contextlib.aclosing`) to stop the program at once.

        Raises:
            SpeechFailed: espeak-ng is missing, died or gave no sound.
        """
        for sentence in sentences_of(speakable(text)):
            async with aclosing(self._sentence(sentence, style)) as blocks:
                async for block in blocks:
                    yield block

    async def _sentence(self, text: str, style: SpeakingStyle) -> AsyncGenerator[Samples, None]:
        wav, blocks, n_blocks = WavDecoder(), BlockCutter(), 0
        async with running(self._command(style), text, install=INSTALL) as process:
            assert process.stdout is not None
            async for data in process.stdout:
                for block in blocks.feed(wav.feed(data)):
                    n_blocks += 1
                    yield block
            await finished(process, self._program)
        for block in [*blocks.feed(wav.feed(b"", last=True)), *blocks.flush()]:
            n_blocks += 1
            yield block
        if not n_blocks and any(map(str.isalnum, text)):
            raise SpeechFailed(f"{self._program} gave no sound for {len(text)} characters of text")

    def _command(self, style: SpeakingStyle) -> list[str]:
        rate = round(min(450.0, max(80.0, _USUAL_WPM * style.rate)))
        pitch = round(float(np.interp(style.pitch_st, _PITCH_ST, _PITCH_STEPS)))
        return [self._program, "--stdin", "--stdout", "-v", self._voice, "-s", str(rate), "-p", str(pitch)]
