from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import ctranslate2
import pytest

from eval.tiny.whisper import tiny_whisper

if TYPE_CHECKING:
    from pathlib import Path


def test_the_same_seed_gives_the_same_model(tmp_path: Path):
    first, again, other = (tiny_whisper(tmp_path / str(i), seed=seed) for i, seed in enumerate((1, 1, 2)))
    assert (first / "model.bin").read_bytes() == (again / "model.bin").read_bytes()
    assert (first / "model.bin").read_bytes() != (other / "model.bin").read_bytes()


@pytest.mark.parametrize("multilingual", [False, True])
def test_the_model_is_what_was_asked_for(tmp_path: Path, multilingual: bool):
    path = tiny_whisper(tmp_path, multilingual=multilingual, n_mels=128, width=16, n_layers=1)
    model = cast("Any", ctranslate2).models.Whisper(str(path))
    assert model.is_multilingual == multilingual
    assert model.n_mels == 128


def test_marks_of_a_multilingual_model_have_their_true_numbers(tmp_path: Path):
    path = tiny_whisper(tmp_path, multilingual=True)
    vocabulary = json.loads((path / "vocabulary.json").read_text("utf-8"))
    config = json.loads((path / "config.json").read_text("utf-8"))
    assert len(vocabulary) == 51_865
    assert vocabulary[50_257:50_260] == ["<|endoftext|>", "<|startoftranscript|>", "<|en|>"]
    assert vocabulary[50_359:50_365] == [
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
        "<|0.00|>",
    ]
    assert config["lang_ids"] == list(range(50_259, 50_358))
