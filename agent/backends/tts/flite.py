"""The voices of flite: small and clear. Rate can be set for all; pitch for slt, awb and kal, but not for rms.

flite cannot write a WAV into a pipe, so each sentence goes through a temporary file: the first is heard after about
the time it takes to synthesise it (some 30 ms), not after the whole answer.
"""

from __future__ import annotations

import re
import subprocess
import unicodedata
from contextlib import aclosing
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import anyio

from ...errors import SpeechFailed
from ...sentences import sentences_of, speakable
from .blocks import BlockCutter
from .program import finished, running
from .wav import WavDecoder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from streaming.events import Samples

    from ...ports import SpeakingStyle

INSTALL = "flite (on Debian and Ubuntu: apt install flite)"

VOICES: Final = ("slt", "rms", "awb", "kal16", "kal")
"""Known voices, best first: three statistical ones, then diphones."""

_USUAL_HZ: Final = {"slt": 170.0, "awb": 115.0, "kal16": 95.0, "kal": 95.0}
"""Mean pitch of the voices that take a pitch target, as measured."""

_SLOWEST, _FASTEST = 0.5, 2.0


class FliteSpeech:
    """`agent.ports.Speech` by the program flite, one process per sentence."""

    def __init__(self, *, voice: str | None = None, program: str = "flite") -> None:
        """Take `voice` (a name from `flite -lv`), or the best of those present."""
        self._voice = voice
        self._program = program

    @property
    def name(self) -> str:
        """See `Speech`."""
        return "flite"

    async def speak(self, text: str, style: SpeakingStyle) -> AsyncGenerator[Samples, None]:
        """See `Speech`; close the iterator (`contextlib.aclosing`) to stop the program at once.

        Raises:
            SpeechFailed: flite is missing, died or gave no sound.
        """
        for sentence in sentences_of(_folded(speakable(text))):
            async with aclosing(self._sentence(sentence, style)) as blocks:
                async for block in blocks:
                    yield block

    async def _sentence(self, text: str, style: SpeakingStyle) -> AsyncGenerator[Samples, None]:
        if not any(map(str.isalnum, text)):
            return  # flite makes a click of bare punctuation
        sound = WavDecoder().feed(await self._synthesize(text, style), last=True)
        if not len(sound):
            raise SpeechFailed(f"{self._program} gave no sound for {len(text)} characters of text")
        blocks = BlockCutter()
        for block in [*blocks.feed(sound), *blocks.flush()]:
            yield block

    async def _synthesize(self, text: str, style: SpeakingStyle) -> bytes:
        """Return a whole sentence as WAV."""
        if self._voice is None:
            self._voice = await self._best_voice()
        with TemporaryDirectory(prefix="attune-voice-") as folder:
            wav = anyio.Path(folder) / "sentence.wav"
            command = [self._program, *style_options(self._voice, style), "-f", "-", "-o", str(wav)]
            async with running(command, text, install=INSTALL) as process:
                await finished(process, self._program)
            try:
                return await wav.read_bytes()
            except FileNotFoundError as trouble:
                raise SpeechFailed(f"{self._program} wrote no sound; try it by hand: flite -lv") from trouble

    async def _best_voice(self) -> str:
        """Return the best voice present, the empty string (flite's own default) when none is known."""
        try:
            listing = await anyio.run_process([self._program, "-lv"], check=False, stderr=subprocess.DEVNULL)
        except OSError as trouble:
            raise SpeechFailed(f"cannot run {self._program} ({trouble.strerror}); install {INSTALL}") from trouble
        present = re.findall(r"\w+", listing.stdout.decode("utf-8", "replace").partition(":")[2])
        return next((voice for voice in VOICES if voice in present), "")


def style_options(voice: str, style: SpeakingStyle) -> list[str]:
    """Return flite's options for a voice and a style; what the voice cannot do is left out."""
    options = ["-voice", voice] if voice else []
    if style.rate != 1.0:
        options += ["--setf", f"duration_stretch={1 / min(_FASTEST, max(_SLOWEST, style.rate)):.3f}"]
    if style.pitch_st and voice in _USUAL_HZ:
        options += ["--setf", f"int_f0_target_mean={_USUAL_HZ[voice] * 2 ** (style.pitch_st / 12):.1f}"]
    return options


def _folded(text: str) -> str:
    """Return `text` in ASCII, accents taken off: flite leaves out letters that are not ASCII."""
    signs = text.replace("\N{DEGREE SIGN}", " degrees ")
    return unicodedata.normalize("NFKD", signs).encode("ascii", "ignore").decode("ascii")
