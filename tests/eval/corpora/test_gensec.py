"""GenSEC's list: recognisers, sessions and scenes, what is only context, and entries that are none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from eval.corpora.gensec import BY_WER, READER, READER_OF_SCENES, SINGLE, paper_readings
from eval.errors import CorpusUnreadable
from tests.eval.corpora.released import ASR, entry, gensec, written

if TYPE_CHECKING:
    from pathlib import Path


def test_all_eleven_readings_are_kept_in_their_order_an_empty_one_too(tmp_path: Path):
    items = READER.read(gensec(tmp_path / "train.json")).items
    assert [name for name, _ in items[0].hypotheses] == ASR
    assert dict(items[1].hypotheses)["whispertiny"] == ""


def test_the_papers_ten_go_by_word_error_rate_without_whisper_medium(tmp_path: Path):
    readings = paper_readings(READER.read(gensec(tmp_path / "train.json")).items[0])
    assert tuple(name for name, _ in readings) == BY_WER
    assert set(ASR) - set(BY_WER) == {"whispermedium"}
    assert SINGLE in BY_WER


def test_a_dialogue_is_a_session_or_a_scene(tmp_path: Path):
    path = gensec(tmp_path / "train.json")
    sessions, scenes = READER.read(path), READER_OF_SCENES.read(path)
    assert [(i.dialogue, i.order) for i in sessions.items] == [
        ("Ses01F", 0),
        ("Ses01F", 1),
        ("Ses01F", 2),
        ("Ses02M", 0),
    ]
    assert [(i.dialogue, i.order) for i in scenes.items] == [
        ("Ses01F_impro01", 0),
        ("Ses01F_impro01", 1),
        ("Ses01F_script02", 0),
        ("Ses02M_impro01", 0),
    ]


def test_what_is_not_to_be_predicted_is_context(tmp_path: Path):
    corpus = READER.read(gensec(tmp_path / "train.json"))
    assert [item.is_to_be_scored for item in corpus.items] == [True, False, True, True]
    assert [corpus.labels.get(item.emotion or "") for item in corpus.items] == ["neutral", None, "happy", "sad"]
    assert [item.speaker for item in corpus.items][:2] == ["Ses01_F", "Ses01_M"]
    assert corpus.items[0].split == "Ses01"
    assert corpus.problems == ()


def test_a_folder_with_the_one_file_is_enough(tmp_path: Path):
    gensec(tmp_path / "train.json")
    assert len(READER.read(tmp_path).items) == 4
    gensec(tmp_path / "more.json")
    assert READER.missing(tmp_path) == [f"{tmp_path}: 2 JSON files: name the one that is meant"]


def test_bad_entries_among_good_ones_are_told_of_by_place(tmp_path: Path):
    short = entry("Ses01F_impro01_F003")
    del short["w2v2100"]
    entries = [
        entry("Ses01F_impro01_F000"),
        "text",
        entry("Ses01F_impro01_F001", emotion=None),
        entry("Ses01F_impro01_F000"),
        entry("Ses01F_impro01_F002", wanted="maybe"),
        short,
        {"id": 7},
    ]
    corpus = READER.read(gensec(tmp_path / "a.json", entries))
    assert [item.id[-4:] for item in corpus.items] == ["F000", "F001", "F003"]
    told = [(problem.where, problem.why) for problem in corpus.problems]
    assert [where for where, _ in told] == [
        "a.json",
        "Ses01F_impro01_F001",
        "a.json",
        "Ses01F_impro01_F003",
        "a.json",
        "Ses01F_impro01_F000",
    ]
    assert told[0][1].startswith("entry 2 is left out")
    assert told[1][1] == "a prediction is wanted and no emotion is given: not scored"
    assert "'maybe'" in told[2][1]
    assert told[3][1] == "no transcript of w2v2100"
    assert told[5][1] == "this id stands twice: the first is kept"


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "[" * 100_000, '"text"'])
def test_a_file_that_is_no_list_is_one_line(tmp_path: Path, text: str):
    with pytest.raises(CorpusUnreadable) as caught:
        READER.read(written(tmp_path / "a.json", text))
    assert "\n" not in str(caught.value)


def test_half_a_character_is_no_text(tmp_path: Path):
    entries = [entry("Ses01F_a_F000", w2v2100="\ud83d"), entry("Ses01F_a_F001", groundtruth="\ud83d")]
    corpus = READER.read(gensec(tmp_path / "a.json", entries))
    assert [len(item.hypotheses) for item in corpus.items] == [10]
    assert [problem.where for problem in corpus.problems] == ["Ses01F_a_F000", "a.json"]


@pytest.mark.parametrize("as_escape", [True, False])
def test_words_are_composed(tmp_path: Path, as_escape: bool):
    path = written(
        tmp_path / "a.json",
        "\ufeff" + json.dumps([entry("Ses01F_a_F000", groundtruth="cafe\u0301")], ensure_ascii=as_escape),
    )
    assert READER.read(path).items[0].text == "café"
