"""The voices of piper: neural, quick on a CPU. Rate can be set, pitch cannot.

piper is GPL-3.0; it comes by an extra of its own. A sentence is synthesised whole, in a worker thread, before its first
sound is heard; the next one is not begun before this one was taken.
"""

# piper and onnxruntime ship no complete types; what is used of them is written down in the protocols below.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import anyio.to_thread
import numpy as np

from streaming.audio import MAX_RATE_HZ, MIN_RATE_HZ, Resampler
from streaming.backends.extras import need
from streaming.errors import ModelUnusable, StreamingError

from ...errors import SpeechFailed
from ...sentences import sentences_of, speakable
from .blocks import BlockCutter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable
    from pathlib import Path

    from streaming.events import Samples

    from ...ports import SpeakingStyle

NOTICE: Final = "piper is GPL-3.0; each of its voices has a licence of its own (MODEL_CARD beside it)"

_INPUTS: Final = frozenset({"input", "input_lengths", "scales"})
_MARKS: Final = ("^", "_", "$")
"""What piper puts before, between and after phonemes."""

_SLOWEST, _FASTEST = 0.5, 2.0


class _Chunk(Protocol):
    @property
    def audio_float_array(self) -> Samples: ...


class _Voice(Protocol):
    def synthesize(self, text: str, syn_config: object) -> Iterable[_Chunk]: ...


class PiperSpeech:
    """`agent.ports.Speech` by piper, one sentence at a time."""

    def __init__(
        self,
        voice: _Voice,
        *,
        rate_hz: int,
        settings: Any,  # noqa: ANN401 - makes piper's own settings
        language: str | None = None,
    ) -> None:
        """Use `load`."""
        self._voice = voice
        self.language = language
        """Code of the language it speaks ("en-us"); None when its files do not tell."""
        self._rate_hz = rate_hz
        self._settings = settings

    @classmethod
    def load(cls, path: Path, *, is_steady: bool = False) -> PiperSpeech:
        """Return the voice in `path`: its ONNX file with the JSON beside it (`<name>.onnx.json`), or their folder.

        `is_steady`: without the noise that makes it livelier, so that the same text sounds the same again.

        Raises:
            EngineMissing: piper is not installed.
            ModelUnusable: there is no such voice, or it is broken or something else.
        """
        piper = need("piper", extra="piper")
        file = _voice_file(path)
        rate_hz, language = _check_config(file)
        try:
            voice = piper.PiperVoice.load(str(file))
        except Exception as trouble:
            raise ModelUnusable(f"{file} cannot be loaded by piper ({_line(trouble)}); fetch it again") from trouble
        missing = _INPUTS - {str(given.name) for given in voice.session.get_inputs()}
        if missing:
            raise ModelUnusable(f"{file} is no piper voice: it lacks the inputs {', '.join(sorted(missing))}")
        noise = {"noise_scale": 0.0, "noise_w_scale": 0.0} if is_steady else {}
        settings = partial(piper.SynthesisConfig, **noise)
        return cls(cast("_Voice", voice), rate_hz=rate_hz, settings=settings, language=language)

    @property
    def name(self) -> str:
        """See `Speech`."""
        return "piper"

    async def speak(self, text: str, style: SpeakingStyle) -> AsyncGenerator[Samples, None]:
        """See `Speech`; the pitch of `style` is left out, piper has none.

        Closing the generator drops what was not yet taken; a sentence that is being synthesised then ends unheard.

        Raises:
            SpeechFailed: piper failed or gave no sound.
        """
        rate = min(_FASTEST, max(_SLOWEST, style.rate))
        settings = self._settings(length_scale=1 / rate)
        for sentence in sentences_of(speakable(text)):
            if not any(map(str.isalnum, sentence)):
                continue
            sound = await anyio.to_thread.run_sync(self._synthesize, sentence, settings, abandon_on_cancel=True)
            blocks = BlockCutter()
            for block in [*blocks.feed(sound), *blocks.flush()]:
                yield block

    def _synthesize(self, text: str, settings: object) -> Samples:
        resampler = Resampler(source_hz=self._rate_hz)
        try:
            parts = [np.atleast_1d(chunk.audio_float_array) for chunk in self._voice.synthesize(text, settings)]
            sound = np.concatenate([*(resampler.feed(part) for part in parts), resampler.flush()])
        except Exception as trouble:
            said = str(trouble) if isinstance(trouble, StreamingError) else _line(trouble)
            raise SpeechFailed(f"piper failed on {len(text)} characters of text: {said}") from trouble
        if not parts:
            raise SpeechFailed(f"piper gave no sound for {len(text)} characters of text")
        return np.clip(sound, -1.0, 1.0)


def _voice_file(path: Path) -> Path:
    """Return the ONNX file that `path` means."""
    if path.is_dir():
        voices = sorted(path.glob("*.onnx"))
        if len(voices) != 1:
            raise ModelUnusable(f"{path} holds {len(voices)} ONNX files, expected one; name the voice's file itself")
        return voices[0]
    if not path.is_file():
        raise ModelUnusable(f"there is no piper voice at {path}; expected an ONNX file with its JSON beside it")
    return path


def _check_config(file: Path) -> tuple[int, str | None]:
    """Return the voice's sample rate and language; piper itself would fail late, or in its own words."""
    config = file.with_name(f"{file.name}.json")
    try:
        held = json.loads(config.read_text("utf-8"))
        rate_hz, marks = int(held["audio"]["sample_rate"]), [held["phoneme_id_map"][mark] for mark in _MARKS]
    except FileNotFoundError as trouble:
        raise ModelUnusable(f"{config.name} is missing beside {file}; a piper voice is these two files") from trouble
    except (OSError, ValueError, TypeError, KeyError) as trouble:
        raise ModelUnusable(f"{config} does not describe a piper voice ({_line(trouble)}); fetch it again") from trouble
    if not all(marks) or not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise ModelUnusable(f"{config} does not describe a piper voice: {rate_hz} Hz, marks {marks}; fetch it again")
    return rate_hz, _language(held)


def _language(config: dict[str, Any]) -> str | None:
    """Return the language that a voice's description names: its own code, or that of its phonemes."""
    for table, key in (("language", "code"), ("espeak", "voice")):
        match config.get(table):
            case {**named} if isinstance(code := named.get(key), str):
                return code
            case _:
                continue
    return None


def _line(trouble: Exception) -> str:
    """Return what an exception says, in one short line."""
    said = " ".join(str(trouble).split())[:200]
    return f"{type(trouble).__name__}: {said}" if said else type(trouble).__name__
