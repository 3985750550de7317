"""The whole fit on corpora made on the spot: what it writes, and that it writes the same again."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.backends.emotion.text import TextModel, read_text_weights
from agent.backends.emotion.voice import VoiceModel, read_voice_weights
from eval.errors import CorpusUnreadable
from eval.training.fit import fit_emotion
from eval.training.goemotions import LABELS
from eval.training.text import TextSettings

if TYPE_CHECKING:
    from pathlib import Path

PITCH_HZ = {"anger": 260, "boredom": 105, "disgust": 170, "fear": 240, "happiness": 220, "neutral": 130, "sadness": 115}
TINY = TextSettings(n_grams=300, folds=2)


def sawtooth(pitch_hz: float, seconds: float = 0.8) -> np.ndarray:
    at = np.arange(int(16_000 * seconds)) / 16_000
    glide = pitch_hz * (1 + 0.05 * np.sin(2 * np.pi * 3 * at))
    return 0.5 * (2 * np.mod(np.cumsum(glide) / 16_000, 1) - 1)


def write_emodb(folder: Path) -> Path:
    folder.mkdir()
    rows = ["file,speaker,sentence,emotion"]
    for speaker in range(4):
        for emotion, pitch_hz in PITCH_HZ.items():
            name = f"{speaker:02d}a01{emotion}.wav"
            with wave.open(str(folder / name), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(16_000)
                file.writeframes((sawtooth(pitch_hz * (1 + 0.1 * speaker)) * 32_000).astype("<i2").tobytes())
            rows.append(f"{name},{speaker},a01,{emotion}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def write_goemotions(folder: Path) -> Path:
    folder.mkdir()
    lines = [
        f"this is {label} of some kind {place}\t{at}\tid{at}"
        for at, label in enumerate(LABELS)
        for place in ("at home", "in town", "on monday", "once more")
    ]
    for split in ("train", "dev"):
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_a_fit_writes_weights_card_and_figures_and_the_same_bytes_again(tmp_path: Path):
    goemotions, emodb = write_goemotions(tmp_path / "goemotions"), write_emodb(tmp_path / "emodb")
    steps: list[str] = []
    one = fit_emotion(goemotions, emodb, tmp_path / "one", progress=steps.append, settings=TINY)
    two = fit_emotion(goemotions, emodb, tmp_path / "two", progress=steps.append, settings=TINY)
    for name in ("text.npz", "voice.npz", "README.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert one == two
    assert "words: all comments" in steps
    assert TextModel(read_text_weights(tmp_path / "one" / "text.npz")).estimate("joy").n_known > 0
    assert VoiceModel(read_voice_weights(tmp_path / "one" / "voice.npz"))
    figures = [row.figure for row in one.rows]
    assert "words, GoEmotions dev, Big Four UA" in figures
    assert "voice, EmoDB, no speaker data, Big Four UA" in figures
    assert "made-up pairs, centred on the speaker, Big Four UA from both" in figures
    card = (tmp_path / "one" / "README.md").read_text(encoding="utf-8")
    assert "| words, GoEmotions dev, Big Four UA |" in card
    assert "{table}" not in card


def test_a_missing_corpus_is_told_before_anything_is_written(tmp_path: Path):
    goemotions = write_goemotions(tmp_path / "goemotions")
    with pytest.raises(CorpusUnreadable):
        fit_emotion(goemotions, tmp_path / "nowhere", tmp_path / "out", progress=lambda _: None, settings=TINY)
    assert not (tmp_path / "out").exists()
