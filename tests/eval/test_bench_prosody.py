"""The prosody benchmark on sentences voiced on the spot; budgets are its own, here only its sums are checked."""

from __future__ import annotations

import shutil
import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from eval.bench.prosody import measure, table
from eval.errors import CorpusUnreadable

if TYPE_CHECKING:
    from pathlib import Path


def save(path: Path, hz: float):
    at = np.arange(16_000) / 16_000
    sound = (8000 * np.sign(np.sin(2 * np.pi * hz * at))).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(sound.tobytes())


def test_files_of_a_folder_are_measured(tmp_path: Path):
    save(tmp_path / "a.wav", 120)
    save(tmp_path / "b.wav", 210)
    result = measure(tmp_path)
    assert result.n_files == 2
    assert result.seconds == pytest.approx(2)
    assert result.p_gross == 0
    assert result.p_voicing > 0.95
    assert result.cents < 10
    assert result.times_cheaper == pytest.approx(result.praat_ms_per_s / result.ours_ms_per_s)
    assert result.core_share == pytest.approx(result.ours_ms_per_s / 1000)
    text = table(result)
    assert "gross pitch errors" in text
    assert result.signature in text


def test_the_signature_names_the_sound(tmp_path: Path):
    save(tmp_path / "a.wav", 120)
    first = measure(tmp_path).signature
    assert measure(tmp_path).signature == first
    save(tmp_path / "a.wav", 130)
    assert measure(tmp_path).signature != first


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not on PATH")
def test_without_a_folder_sentences_are_voiced():
    result = measure(praat_s=3)
    assert result.n_files == 8
    assert result.seconds > 15
    assert result.p_gross <= 0.03
    assert result.p_voicing >= 0.95


def test_a_folder_without_sound_is_named(tmp_path: Path):
    with pytest.raises(CorpusUnreadable, match="holds no recordings"):
        measure(tmp_path)


def test_a_missing_voice_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CorpusUnreadable, match="flite"):
        measure()
