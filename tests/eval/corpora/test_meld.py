"""MELD's tables and clips, plain and dyadic; the real tables where they are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from eval.corpora.meld import READER, READER_DYADIC
from eval.corpora.splits import shared_speakers
from eval.errors import CorpusUnreadable
from tests.eval.corpora.released import MELD_COLUMNS, MELD_ROWS, meld, table, wav

if TYPE_CHECKING:
    from eval.corpora.item import Corpus, Problem

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "meld"


def test_a_scene_is_in_order_with_speakers_and_clips(tmp_path: Path):
    corpus = READER.read(meld(tmp_path))
    scene = [item for item in corpus.items if item.dialogue == "dev_dia0"]
    assert [item.id for item in scene] == ["dev_dia0_utt0", "dev_dia0_utt1", "dev_dia0_utt2"]
    assert [item.speaker for item in scene] == ["Phoebe", "Joey", "Monica"]
    assert scene[0].text == "Oh my God, he\u2019s lost it."
    assert scene[1].audio == tmp_path / "dev_splits_complete" / "dia0_utt1.wav"
    assert [corpus.labels[item.emotion or ""] for item in scene] == ["sad", "neutral", "surprised"]
    assert not faults(corpus)


def faults(corpus: Corpus) -> list[Problem]:
    """Return what is wrong besides its splits, whose speakers are the same in every release."""
    return [problem for problem in corpus.problems if not problem.where.startswith("splits ")]


def test_its_splits_share_speakers_and_it_says_so(tmp_path: Path):
    told = [problem.why for problem in READER.read(meld(tmp_path)).problems]
    assert told == ["3 speakers in common (Joey, Monica, Phoebe): figures of one tell less of strangers"] * 3
    assert shared_speakers(READER.read(meld(tmp_path)).items)["train", "dev"] == ("Joey", "Monica", "Phoebe")


def test_without_clips_there_are_only_words(tmp_path: Path):
    corpus = READER.read(meld(tmp_path, clips=False))
    assert {item.audio for item in corpus.items} == {None}
    assert not faults(corpus)


def test_a_clip_that_is_not_there_counts_as_unreadable_and_not_as_words(tmp_path: Path):
    (meld(tmp_path) / "train_splits" / "dia3_utt0.wav").unlink()
    corpus = READER.read(tmp_path)
    (problem,) = faults(corpus)
    assert problem.where == "train_dia3_utt0"
    assert "dia3_utt0.mp4 cannot be heard" in problem.why
    assert all(item.audio is not None for item in corpus.items)


def test_some_splits_are_enough_and_the_others_are_told_of(tmp_path: Path):
    corpus = READER.read(meld(tmp_path, splits=("dev",)))
    assert {item.split for item in corpus.items} == {"dev"}
    assert [problem.where for problem in corpus.problems] == ["train_sent_emo.csv", "test_sent_emo.csv"]


def test_rows_that_are_broken_are_told_of_by_line(tmp_path: Path):
    rows = (
        *MELD_ROWS,
        (5, "Hm.", "Ross", "bliss", "positive", 3, 1),
        (6, "So.", "Ross", "", "neutral", 3, 2),
        (7, "No.", "Ross", "anger", "negative", "three", 3),
        (8, "Cut"),
        MELD_ROWS[0],
    )
    table(meld(tmp_path, splits=("dev",), clips=False) / "dev.csv", (MELD_COLUMNS, *rows))
    corpus = READER.read(tmp_path)
    told = {problem.where: problem.why for problem in corpus.problems if not problem.where.endswith("_sent_emo.csv")}
    assert told == {
        "dev.csv": "line 9 has not the header's 11 columns but 2",
        "dev, line 8": "left out, no number: invalid literal for int() with base 10: 'three'",
        "dev_dia3_utt1": (
            "unknown label 'bliss': expected one of anger, disgust, fear, joy, neutral, sadness, surprise"
        ),
        "dev_dia3_utt2": "no emotion stands where one is expected",
        "dev_dia0_utt0": "this id stands twice: the first is kept",
    }
    assert len(corpus.items) == 6


def test_dyadic_tables_name_the_clip_by_its_old_numbers(tmp_path: Path):
    columns = (*MELD_COLUMNS, "Old_Dialogue_ID", "Old_Utterance_ID")
    rows = [(*row, 40 + row[5], 5 + row[6]) for row in MELD_ROWS]
    table(tmp_path / "data" / "MELD_Dyadic" / "dev_sent_emo_dya.csv", (columns, *rows))
    for row in rows:
        wav(tmp_path / "dev_splits_complete" / f"dia{row[-2]}_utt{row[-1]}.wav")
    corpus = READER_DYADIC.read(tmp_path)
    assert corpus.items[0].audio == tmp_path / "dev_splits_complete" / "dia40_utt5.wav"
    assert len(corpus.problems) == 2  # the two splits that are not there


def test_no_tables_or_other_columns_are_one_line(tmp_path: Path):
    with pytest.raises(CorpusUnreadable, match=r"none of train_sent_emo\.csv, dev_sent_emo\.csv"):
        READER.read(tmp_path / "none")
    table(tmp_path / "dev.csv", (("a", "b"), (1, 2)))
    with pytest.raises(CorpusUnreadable, match="lacks the column Utterance, Speaker"):
        READER.read(tmp_path)


@pytest.mark.data
@pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not there")
def test_the_real_tables_hold_what_was_counted():
    corpus = READER.read(DATA)
    assert Counter(item.split for item in corpus.items) == {"train": 9989, "dev": 1109}
    assert len({item.dialogue for item in corpus.items}) == 1038 + 114
    dev = Counter(item.emotion for item in corpus.items if item.split == "dev")
    assert dev == {"neutral": 470, "joy": 163, "surprise": 150, "anger": 153, "sadness": 111, "disgust": 22, "fear": 40}
