from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from streaming.backends.ctc_vocabulary import read_alphabet

if TYPE_CHECKING:
    from pathlib import Path


def written(path: Path, symbols: list[str], **settings: object) -> Path:
    (path / "vocab.json").write_text(json.dumps({symbol: i for i, symbol in enumerate(symbols)}), "utf-8")
    if settings:
        settings["tokenizer_class"] = "Wav2Vec2CTCTokenizer"
        (path / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    return path


def test_capitals_are_read_as_small_letters_and_marks_are_silent(tmp_path: Path):
    path = written(tmp_path, ["<pad>", "<s>", "</s>", "<unk>", "|", "E", "'"])
    alphabet = read_alphabet(path, n_outputs=7, blank=0)
    assert alphabet.symbols[5:] == ("e", "'")
    assert (alphabet.blank, alphabet.delimiter, alphabet.silent) == (0, 4, frozenset({1, 2, 3}))


def test_both_cases_are_kept(tmp_path: Path):
    alphabet = read_alphabet(written(tmp_path, ["<pad>", "<unk>", "|", "A", "a", "ü"]), n_outputs=6, blank=0)
    assert alphabet.symbols[3:] == ("A", "a", "ü")


def test_a_blank_of_another_name_and_place_is_found(tmp_path: Path):
    path = written(tmp_path, ["a", "b", "|", "[UNK]", "[PAD]"], pad_token="[PAD]", unk_token="[UNK]")
    alphabet = read_alphabet(path, n_outputs=5, blank=0)
    assert (alphabet.blank, alphabet.silent) == (4, frozenset({3}))


def test_a_blank_the_vocabulary_does_not_name_is_the_configured_one(tmp_path: Path):
    alphabet = read_alphabet(written(tmp_path, ["a", "b", "|", "[UNK]", "[PAD]"]), n_outputs=5, blank=4)
    assert (alphabet.blank, alphabet.silent) == (4, frozenset({3}))


@pytest.mark.parametrize(("symbols", "delimiter"), [(["<pad>", " ", "a"], 1), (["<pad>", "a", "b"], None)])
def test_words_may_be_parted_by_a_space_or_not_at_all(symbols: list[str], delimiter: int | None, tmp_path: Path):
    assert read_alphabet(written(tmp_path, symbols), n_outputs=3, blank=0).delimiter == delimiter


def test_outputs_nobody_names_are_silent(tmp_path: Path):
    alphabet = read_alphabet(written(tmp_path, ["<pad>", "|", "a"]), n_outputs=5, blank=0)
    assert alphabet.silent == frozenset({3, 4})
