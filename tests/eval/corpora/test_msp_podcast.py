"""MSP-Podcast in its layouts: consensus, ratings, what raters typed, and what is not there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from eval.corpora.msp_podcast import READER
from eval.errors import CorpusUnreadable
from tests.eval.corpora.released import MSP_COLUMNS, MSP_RATINGS, MSP_ROWS, msp, table, wav

if TYPE_CHECKING:
    from pathlib import Path


def test_a_segment_is_read_whole(tmp_path: Path):
    corpus = READER.read(msp(tmp_path))
    first, second, third = corpus.items
    assert (first.id, first.dialogue, first.split) == ("MSP-PODCAST_0001_0008", None, "train")
    assert (first.speaker, first.gender) == ("127", "Male")
    assert (first.arousal, first.valence, first.dominance) == (0.5, 0.5, 1.0)
    assert first.text == "words of MSP-PODCAST_0001"
    assert (second.speaker, second.gender, second.split) == (None, None, "test1")
    assert corpus.labels[second.emotion or ""] == "contemptuous"
    assert third.emotion is None
    assert corpus.problems == ()


def test_first_choices_are_votes_and_what_was_typed_is_the_description(tmp_path: Path):
    first, second, third = READER.read(msp(tmp_path)).items
    assert dict(first.votes) == {"Neutral": 2, "Other": 1}
    assert first.description == "a bit bored"
    assert dict(second.votes) == {"Contempt": 1}
    assert second.description is None
    assert third.votes == ()


def named_columns(labels: Path) -> None:
    rows = [(name, "W", cell.split(";")[1].strip()) for name, cell in MSP_RATINGS]
    table(labels / "labels_detailed.csv", (("FileName", "WorkerID", "EmoClass_Major"), *rows))


def without_header(labels: Path) -> None:
    table(labels / "labels_detailed.csv", MSP_RATINGS)


def as_json(labels: Path) -> None:
    (labels / "labels_detailed.csv").unlink()
    told: dict[str, dict[str, dict[str, str]]] = {}
    for place, (name, cell) in enumerate(MSP_RATINGS):
        told.setdefault(name, {})[f"W{place}"] = {"EmoClass_Major": cell.split(";")[1].strip()}
    (labels / "labels_detailed.json").write_text(json.dumps(told))
    (labels / "labels_consensus.csv").unlink()
    consensus = {row[0]: dict(zip(MSP_COLUMNS[1:], row[1:], strict=True)) for row in MSP_ROWS}
    (labels / "labels_consensus.json").write_text(json.dumps(consensus))


@pytest.mark.parametrize("layout", [named_columns, without_header, as_json])
def test_every_layout_tells_the_same(tmp_path: Path, layout: object):
    expected = READER.read(msp(tmp_path))
    assert callable(layout)
    layout(tmp_path / "Labels")
    assert READER.read(tmp_path) == expected


def test_labels_alone_can_be_read(tmp_path: Path):
    table(tmp_path / "Labels" / "labels_consensus.csv", (MSP_COLUMNS, *MSP_ROWS))
    corpus = READER.read(tmp_path)
    assert [(item.audio, item.text, item.votes) for item in corpus.items] == [(None, None, ())] * 3
    assert [problem.where for problem in corpus.problems] == ["Labels", "Audios", "Transcripts"]


def test_what_is_damaged_is_told_of_and_the_rest_is_read(tmp_path: Path):
    rows = (
        *MSP_ROWS,
        ("MSP-PODCAST_0004_0001.wav", "Z", "4", "9", "nan", "1", "Male", "Train"),
        ("MSP-PODCAST_0005_0001.wav", "", "", "4", "4", "1", "Male", "Train"),
        ("MSP-PODCAST_0006_0001.wav", "A", "four", "4", "4", "1", "Male", "Train"),
        ("MSP-PODCAST_0007_0001.wav", "A", "4", "4", "4", "1", "Male", "Elsewhere"),
        ("../0008.wav", "A", "4", "4", "4", "1", "Male", "Train"),
        ("MSP-PODCAST_0009_0001.wav", "A"),
        MSP_ROWS[0],
    )
    table(msp(tmp_path) / "Labels" / "labels_consensus.csv", (MSP_COLUMNS, *rows))
    for number in (4, 5):
        wav(tmp_path / "Audios" / f"MSP-PODCAST_000{number}_0001.wav")
        (tmp_path / "Transcripts" / f"MSP-PODCAST_000{number}_0001.txt").write_text("words")
    (tmp_path / "Transcripts" / "MSP-PODCAST_0002_0001.txt").unlink()
    wav(tmp_path / "Audios" / "MSP-PODCAST_9999_0001.wav")
    corpus = READER.read(tmp_path)
    told = [(problem.where, problem.why) for problem in corpus.problems]
    assert len(corpus.items) == 5
    for where, part in (
        ("labels_consensus.csv", "line 10 has not the header's 8 columns but 2"),
        ("MSP-PODCAST_0002_0001", "no words"),
        ("MSP-PODCAST_0006_0001.wav", "left out: could not convert string to float: 'four'"),
        ("MSP-PODCAST_0007_0001.wav", "left out: split 'Elsewhere'"),
        ("../0008.wav", "is no name of a file"),
        ("Audios", "files without labels are left out"),
        ("MSP-PODCAST_0004_0001", "unknown label 'Z'"),
        ("MSP-PODCAST_0004_0001", "dominance is outside"),
        ("MSP-PODCAST_0004_0001", "valence is outside"),
        ("MSP-PODCAST_0005_0001", "no emotion stands where one is expected"),
        ("MSP-PODCAST_0001_0008", "this id stands twice"),
    ):
        assert any(where == found and part in why for found, why in told), (where, part)
    assert len(told) == 11


def test_a_rating_without_a_choice_is_told_of(tmp_path: Path):
    table(
        msp(tmp_path) / "Labels" / "labels_detailed.csv", (("FileName", "EmoDetail"), (MSP_ROWS[0][0], "W1; A:4; V:4;"))
    )
    (problem,) = READER.read(tmp_path).problems
    assert problem.why == "a rating of MSP-PODCAST_0001_0008.wav without a first choice"


def test_no_labels_or_other_columns_are_one_line(tmp_path: Path):
    with pytest.raises(CorpusUnreadable, match="no Labels/labels_consensus"):
        READER.read(tmp_path)
    table(tmp_path / "Labels" / "labels_consensus.csv", (("FileName", "Emotion"), ("a.wav", "A")))
    with pytest.raises(CorpusUnreadable, match="lacks the column EmoClass"):
        READER.read(tmp_path)
