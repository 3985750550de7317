"""IEMOCAP as it is unpacked: who speaks, in which order, what raters chose, and what a damaged release becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eval.corpora.iemocap import READER
from eval.corpora.labels import label_table
from eval.corpora.splits import shared_speakers
from eval.errors import CorpusUnreadable
from tests.eval.corpora.released import iemocap

if TYPE_CHECKING:
    from pathlib import Path

INNER = "IEMOCAP_full_release"
ABSENT = {(f"Session{n}", "no dialog/EmoEvaluation/*.txt: the fold is not there") for n in (3, 4, 5)}


def faults(root: Path) -> set[tuple[str, str]]:
    return {(problem.where, problem.why) for problem in READER.read(root).problems} - ABSENT


def test_utterances_come_in_the_order_they_begin_with_what_was_never_rated_as_context(tmp_path: Path):
    corpus = READER.read(iemocap(tmp_path))
    first = [item for item in corpus.items if item.split == "Ses01"]
    assert [item.id.rpartition("_")[2] for item in first] == ["M000", "F000", "M001", "M002"]
    assert [item.order for item in first] == [0, 1, 2, 3]
    assert [item.is_to_be_scored for item in first] == [True, True, True, False]
    assert first[3].text == "Nobody rated this."
    assert first[3].emotion is None
    assert faults(tmp_path) == set()


def test_an_utterance_is_read_whole(tmp_path: Path):
    item = READER.read(iemocap(tmp_path)).items[1]
    assert item.id == "Ses01F_impro01_F000"
    assert item.dialogue == "Ses01F_impro01"
    assert (item.speaker, item.gender) == ("Ses01_F", "F")
    assert item.text == "Excuse me."
    assert item.emotion == "neu"
    assert item.audio is not None
    assert item.audio.is_file()
    assert (item.valence, item.arousal, item.dominance) == (0.375, 0.5, 1.0)


def test_only_raters_from_outside_vote_and_one_may_choose_several(tmp_path: Path):
    item = READER.read(iemocap(tmp_path)).items[1]
    assert dict(item.votes) == {"Neutral": 2, "Anger": 1, "Excited": 1}
    assert item.description == "curious; a bit loud"


def test_no_majority_is_no_label_and_excitement_is_happy(tmp_path: Path):
    corpus = READER.read(iemocap(tmp_path))
    by_id = {item.id: item for item in corpus.items}
    assert by_id["Ses01F_impro01_M000"].emotion is None
    assert corpus.labels[by_id["Ses01F_impro01_M001"].emotion or ""] == "happy"


def test_the_baseline_of_paper_001_counts_four_names_and_knows_the_others():
    table = label_table("iemocap", scheme="aer_llm")
    assert set(table.to.values()) == {"angry", "happy", "neutral", "sad"}
    assert "Excited" not in table.to
    assert table.knows("Excited")


def test_folds_share_no_speaker(tmp_path: Path):
    corpus = READER.read(iemocap(tmp_path))
    assert {item.split for item in corpus.items} == {"Ses01", "Ses02"}
    assert shared_speakers(corpus.items) == {}


def test_line_ends_and_a_byte_order_mark_change_nothing(tmp_path: Path):
    plain = READER.read(iemocap(tmp_path / "a"))
    odd = READER.read(iemocap(tmp_path / "b", line_end="\r\n", bom="\ufeff"))
    assert [(i.id, i.text, i.votes, i.emotion) for i in plain.items] == [
        (i.id, i.text, i.votes, i.emotion) for i in odd.items
    ]


def test_one_session_alone_may_be_the_root(tmp_path: Path):
    assert len(READER.read(iemocap(tmp_path) / INNER).items) == 8


def test_what_is_damaged_is_told_of_and_the_rest_is_read(tmp_path: Path):
    session = iemocap(tmp_path) / INNER / "Session1"
    sounds = session / "sentences" / "wav" / "Ses01F_impro01"
    (sounds / "Ses01F_impro01_F000.wav").unlink()
    (sounds / "Ses01F_impro01_M000.wav").write_bytes(b"")
    whole = (sounds / "Ses01F_impro01_M001.wav").read_bytes()
    (sounds / "Ses01F_impro01_M001.wav").write_bytes(whole[:100])
    (sounds / "Ses01F_impro01_M002.wav").write_bytes(b"not sound at all")
    assert faults(tmp_path) == {
        ("Ses01F_impro01_F000", "Ses01F_impro01_F000.wav cannot be heard: no such file or directory"),
        ("Ses01F_impro01_M000", "Ses01F_impro01_M000.wav is empty (0 bytes)"),
        ("Ses01F_impro01_M001", f"Ses01F_impro01_M001.wav is truncated: 100 of {len(whole)} bytes"),
        ("Ses01F_impro01_M002", "Ses01F_impro01_M002.wav does not begin like the WAV file its name says it is"),
    }
    assert len(READER.read(tmp_path).items) == 8


def test_an_unknown_label_a_rating_out_of_range_and_a_broken_head_are_told_of(tmp_path: Path):
    path = iemocap(tmp_path) / INNER / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    text = path.read_text().replace("\tneu\t[2.5000", "\tglad\t[7.0000").replace("[9.0000 - 11.5000]", "[9 - 11]")
    path.write_text(text)
    told = dict(faults(tmp_path))
    assert told["Ses01F_impro01.txt"] == "line 15 is no utterance with a label and three ratings"
    corpus = READER.read(tmp_path)
    item = corpus.items[1]
    assert item.emotion == "glad"
    assert "glad" not in corpus.labels
    assert item.valence is None
    whys = [problem.why for problem in corpus.problems if problem.where == item.id]
    assert whys[0].startswith("unknown label 'glad': expected one of ")
    assert whys[1].startswith("valence is outside")
    assert corpus.items[2].votes == ()  # the broken head's raters count for nobody


def test_a_dialogue_without_words_file_is_told_of(tmp_path: Path):
    path = iemocap(tmp_path) / INNER / "Session2" / "dialog" / "transcriptions" / "Ses02F_impro01.txt"
    path.write_bytes(b"\xff\xfe\x00")
    (where, why) = faults(tmp_path).pop()
    assert where == "Ses02F_impro01"
    assert "is not UTF-8" in why
    assert {item.split for item in READER.read(tmp_path).items} == {"Ses01"}


def test_no_corpus_there_is_one_line(tmp_path: Path):
    assert READER.missing(tmp_path / "none") == [f"{tmp_path / 'none'}: not a folder"]
    assert "no Session1" in READER.missing(tmp_path)[0]
    with pytest.raises(CorpusUnreadable, match="IEMOCAP cannot be read"):
        READER.read(tmp_path)
