"""Which voice speaks, by name."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from ...errors import SpeechFailed
from . import espeak, flite
from .none import NoSpeech

if TYPE_CHECKING:
    from ...ports import Speech

PROGRAMS: Final = {"flite": "flite", "espeak": "espeak-ng"}
"""Engines in order of preference, and the program each needs on PATH."""


def choose_speech(name: str = "auto") -> Speech:
    """Return the voice called `name`; "auto" is the first engine on PATH, or none.

    Raises:
        SpeechFailed: the engine asked for by name is not installed, or there is none of that name.
    """
    if name == "auto":
        name = next((engine for engine, program in PROGRAMS.items() if shutil.which(program)), "none")
    match name:
        case "flite":
            return flite.FliteSpeech(program=_found("flite", install=flite.INSTALL))
        case "espeak":
            return espeak.EspeakSpeech(program=_found("espeak", install=espeak.INSTALL))
        case "none":
            return NoSpeech()
        case _:
            raise SpeechFailed(f"there is no voice called {name!r}, expected auto, {', '.join(PROGRAMS)} or none")


def _found(engine: str, *, install: str) -> str:
    program = shutil.which(PROGRAMS[engine])
    if program is None:
        raise SpeechFailed(f"the voice {engine} needs {PROGRAMS[engine]}, which is not on PATH; install {install}")
    return program
