"""Which voice says a translation."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from agent.backends.tts import tongues
from agent.backends.tts.espeak import EspeakSpeech
from agent.backends.tts.flite import FliteSpeech
from agent.backends.tts.none import NoSpeech
from agent.backends.tts.piper import PiperSpeech
from agent.backends.tts.scripted import ScriptedSpeech
from agent.backends.tts.tongues import speech_in
from agent.ports import SpeakingStyle
from eval.tiny.piper import tiny_piper

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.ports import Speech


def found_at(path: Path | None) -> Callable[[str], str | None]:
    def which(program: str) -> str | None:
        assert program == "espeak-ng"
        return None if path is None else str(path)

    return which


@pytest.fixture
def espeak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Puts a program in place of espeak-ng that knows only the voices given; keeps what it was called with."""

    def put(*voices: str) -> Path:
        calls = tmp_path / "calls"
        program = tmp_path / "espeak-ng"
        known = "|".join(voices) or "-"
        program.write_text(f'#!/bin/sh\necho "$@" >> {calls}\ncase "$3" in {known}) exit 0;; *) exit 1;; esac\n')
        program.chmod(0o755)
        monkeypatch.setattr(tongues.shutil, "which", found_at(program))
        return calls

    return put


def voice(language: str | None) -> PiperSpeech:
    return PiperSpeech(None, rate_hz=16_000, settings=dict, language=language)  # pyright: ignore[reportArgumentType] - never spoken with


@pytest.mark.parametrize(
    ("usual", "target"),
    [
        (FliteSpeech(), "en"),
        (EspeakSpeech(), "en-GB"),
        (voice("fr_FR"), "fr"),
        (voice("fr_FR"), "fr-CA"),
        (voice(None), "ja"),
        (ScriptedSpeech(), "ja"),
        (NoSpeech(), "fr"),
    ],
)
def test_a_voice_that_speaks_the_language_or_any_stays(espeak: Callable[..., Path], usual: Speech, target: str):
    calls = espeak("fr", "ja")
    assert speech_in(target, usual=usual) is usual
    assert not calls.exists()


@pytest.mark.parametrize("usual", [FliteSpeech(), EspeakSpeech(), voice("en_US")], ids=lambda speech: speech.name)
def test_another_language_is_left_to_espeak(espeak: Callable[..., Path], usual: Speech):
    calls = espeak("pt")
    speech = speech_in("pt-BR", usual=usual)
    assert isinstance(speech, EspeakSpeech)
    assert speech is not usual
    assert calls.read_text("utf-8").splitlines() == ["-q -v pt-br --stdin", "-q -v pt --stdin"]


def test_where_no_voice_speaks_it_it_is_written(espeak: Callable[..., Path]):
    espeak("fr")
    assert speech_in("xx", usual=FliteSpeech()).name == "none"


def test_without_espeak_it_is_written(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tongues.shutil, "which", found_at(None))
    assert speech_in("fr", usual=FliteSpeech()).name == "none"


def test_a_program_that_cannot_be_run_is_no_voice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(tongues.shutil, "which", found_at(tmp_path / "gone"))
    assert speech_in("fr", usual=FliteSpeech()).name == "none"


@pytest.mark.parametrize(("usual", "name"), [(FliteSpeech(), "none"), (EspeakSpeech(), "espeak")])
def test_a_voice_asked_for_by_name_is_not_exchanged_for_another(espeak: Callable[..., Path], usual: Speech, name: str):
    espeak("fr")
    assert speech_in("fr", usual=usual, may_change=False).name == name


def test_a_piper_voice_says_which_language_is_its_own(tmp_path: Path):
    assert PiperSpeech.load(tiny_piper(tmp_path)).language == "en-us"


@pytest.mark.anyio
async def test_espeak_says_french():
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not on PATH")
    speech = speech_in("fr", usual=FliteSpeech())
    assert speech.name == "espeak"
    blocks = [block async for block in speech.speak("Je suis content.", SpeakingStyle())]
    assert sum(len(block) for block in blocks) > 8000
