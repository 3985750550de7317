"""The voices a corpus can be spoken with: those of an engine that is installed, or piper's, one file each. An edge."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.backends.tts.choose import PROGRAMS
from agent.backends.tts.espeak import EspeakSpeech
from agent.backends.tts.flite import FliteSpeech
from agent.errors import SpeechFailed

from .casting import VOICES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from agent.ports import Speech

AUTO: Final = "auto"
PIPER: Final = "piper"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """Voices of one engine: their names, those best understood first, and how one of them speaks."""

    engine: str
    names: tuple[str, ...]
    speech: Callable[[str], Speech]


def stock_of(engine: str, *, files: Sequence[Path] = ()) -> Stock:
    """Return the voices of an engine, "auto": of the first one that is installed.

    Args:
        engine: "auto", "flite", "espeak" or "piper".
        files: piper's voices, ONNX files with their JSON beside them.

    Raises:
        SpeechFailed: the engine is not installed, none is, or there is none of that name; or files do not go with it.
        EngineMissing, ModelUnusable: piper is not installed, or a file is no voice of it.
    """
    if engine == PIPER or (engine == AUTO and files):
        return _of_files(files)
    if files:
        raise SpeechFailed(f"voices in files are piper's, got {len(files)} for {engine}: say --engine {PIPER}")
    if engine == AUTO:
        engine = next((name for name, program in PROGRAMS.items() if shutil.which(program)), AUTO)
    if engine not in PROGRAMS or shutil.which(PROGRAMS[engine]) is None:
        raise SpeechFailed(
            f"no voice to speak with; install {' or '.join(PROGRAMS.values())}, or name one of them, or give voices of "
            f"{PIPER} with --voice"
        )
    speech = FliteSpeech if engine == "flite" else EspeakSpeech
    return Stock(engine=engine, names=tuple(VOICES[engine]), speech=lambda name: speech(voice=name))


def _of_files(files: Sequence[Path]) -> Stock:
    from agent.backends.tts.piper import PiperSpeech  # noqa: PLC0415 - only where it speaks

    if not files:
        raise SpeechFailed(f"{PIPER} speaks with voices of yours: name each with --voice FILE.onnx")
    loaded = {_named(file): PiperSpeech.load(file, is_steady=True) for file in files}
    return Stock(engine=PIPER, names=tuple(loaded), speech=loaded.__getitem__)


def _named(file: Path) -> str:
    """Return a voice's name: with a hash of what it holds, since two may be called alike."""
    try:
        return f"{file.stem}@{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}"
    except OSError as trouble:
        raise SpeechFailed(
            f"the voice {file} cannot be read ({trouble.strerror}); expected piper's ONNX file"
        ) from None
