"""Which voice says a translation: the usual one where it speaks the language, else espeak-ng, else none."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from ...translation.languages import is_same_language
from .choose import PROGRAMS
from .espeak import EspeakSpeech
from .none import NoSpeech

if TYPE_CHECKING:
    from ...ports import Speech

_ENGLISH_ONLY: Final = ("flite", "espeak")
"""The usual voices of these; others speak what they are given, unless they say which language is theirs."""

_PROBE_S: Final = 10.0


@runtime_checkable
class Native(Protocol):
    """A voice of one language."""

    @property
    def language(self) -> str | None:
        """Its code; None when it is not known."""
        ...


def speech_in(language: str, *, usual: Speech, may_change: bool = True) -> Speech:
    """Return a voice for `language` (a BCP 47 tag); one called "none" where there is none.

    Without `may_change` the usual voice is the only one that comes into question. Runs a program: not on an event loop.
    """
    native = _native_language(usual)
    if usual.name == "none" or native is None or is_same_language(native, language):
        return usual
    program = shutil.which(PROGRAMS["espeak"])
    if program is None or not (may_change or usual.name == "espeak"):
        return NoSpeech()
    tag = language.lower().replace("_", "-")
    for voice in (tag, tag.partition("-")[0]):
        if _has_voice(program, voice):
            return EspeakSpeech(voice=voice, program=program)
    return NoSpeech()


def _native_language(speech: Speech) -> str | None:
    if speech.name in _ENGLISH_ONLY:
        return "en"
    return speech.language if isinstance(speech, Native) else None


def _has_voice(program: str, voice: str) -> bool:
    command = [program, "-q", "-v", voice, "--stdin"]
    try:
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ran.returncode == 0
