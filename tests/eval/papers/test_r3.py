"""Paper 000 cell by cell: which condition, whose words, which figure; and that prompts hold what a cell is about."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.labels import BIG_FOUR, EIGHT
from eval.corpora.gensec import BY_WER
from eval.papers.discrepancies import settle
from eval.papers.published import TableUnknown, published
from eval.papers.r3 import NUMBERS, table
from eval.papers.replayed import Replayed
from eval.papers.tuned import Tuned
from tests.eval.corpora.released import wav
from tests.eval.papers.scripted import PROFILE, behind_a_profile, run_of
from tests.eval.papers.talks import talks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from eval.corpora.item import Corpus
    from eval.papers.cell import Cell, Table

TEN = tuple(BY_WER)
SINGLE = ("hubertlarge",)


def made(number: str, *chosen: str, corpus: Corpus | None = None, profiles: Sequence[str | None] = (PROFILE,)) -> Table:
    return table(number, profiles=profiles, settled=settle(chosen), corpus=corpus or talks())


def cell(of: Table, row: str, column: str) -> Cell:
    (found,) = (each for each in of.cells if (each.row, each.column) == (row, column))
    return found


def asked(one: Cell) -> tuple[str | None, str, tuple[str, ...], str]:
    source = one.source
    assert isinstance(source, Replayed)
    return source.settings.condition, source.settings.hypotheses, source.settings.readings, source.name


@pytest.mark.parametrize("number", NUMBERS)
def test_all_that_the_paper_prints_stands_in_its_place(number: str):
    told, printed = made(number), published("r3", number)
    assert told.rows == printed.rows
    for row in printed.rows:
        for column in printed.columns:
            if printed.value(row, column) is not None:
                assert cell(told, row, column).published == printed.value(row, column)
    assert {one.row for one in told.cells} == set(told.rows)
    assert {one.column for one in told.cells} == set(told.columns)
    assert len({(one.row, one.column) for one in told.cells}) == len(told.cells)


def test_table_1_asks_the_baseline_over_each_recogniser_s_words_and_tells_how_often_it_errs():
    told = made("1")
    whose = [asked(cell(told, row, PROFILE)) for row in told.rows]
    assert whose == [("baseline", "text", (), "UA"), *(("baseline", "corpus", (name,), "UA") for name in TEN)]
    heard = cell(told, "23.8 (HuBERT large)", "WER %")
    assert (heard.published, asked(heard)) == (23.8, ("baseline", "corpus", SINGLE, "WER"))
    assert told.better["WER %"] == "lower"


def test_table_2_asks_one_prompt_over_the_transcript_and_over_hubert_s_words():
    told = made("2", corpus=talks(audio=__file__))  # pyright: ignore[reportArgumentType]  # any path is a sound here
    conditions = {row: asked(cell(told, row, "HuBERT large"))[0] for row in told.rows}
    assert list(conditions.values()) == [
        "baseline",
        "baseline-reasoning",
        "gender",
        "paraling",
        "trigger",
        "asr-relation",
        "positive",
        "negative",
        "competitive",
        "majority-voting",
        "4+5+8",
        "4+5+6+8",
    ]
    assert asked(cell(told, "4 + 5 + 8", "Ground truth")) == ("4+5+8", "text", (), "UA")
    assert asked(cell(told, "4 + 5 + 8", "HuBERT large")) == ("4+5+8", "corpus", SINGLE, "UA")
    assert asked(cell(told, "Majority voting", "Ground truth"))[0] == "majority-voting-ground-truth"
    assert ("6 ASR relation", "Ground truth") not in {(one.row, one.column) for one in told.cells}


def test_table_3_fills_the_column_of_the_corpus_that_is_given(tmp_path: Path):
    sound = wav(tmp_path / "a.wav")
    iemocap = made("3", corpus=talks(audio=sound))
    msp = made("3", corpus=talks(name="msp-podcast", audio=sound))
    row = "without Pr, Ji, Sh"
    condition = "paraling-without-pitch-range-jitter-shimmer"
    assert asked(cell(iemocap, row, "IEMOCAP"))[0] == condition
    assert asked(cell(msp, row, "MSP-Podcast"))[0] == f"{condition}-eight"
    assert "another corpus than talks" in cell(iemocap, row, "MSP-Podcast").why
    (four, eight) = (cell(told, row, name).source for told, name in ((iemocap, "IEMOCAP"), (msp, "MSP-Podcast")))
    assert isinstance(four, Replayed)
    assert isinstance(eight, Replayed)
    assert (four.score.labels, eight.score.labels) == (BIG_FOUR, EIGHT)


def test_the_second_corpus_is_measured_on_its_first_test_set_as_in_the_paper(tmp_path: Path):
    whole = talks(name="msp-podcast", audio=wav(tmp_path / "a.wav"))
    parts = {"Ses01": "train", "Ses02": "test1", "Ses03": "test2"}
    split = replace(whole, items=tuple(replace(item, split=parts[item.split]) for item in whole.items))
    for corpus, splits, note in ((split, ("test1",), "split test1"), (whole, (), "all of it: no split test1")):
        told = made("3", corpus=corpus)
        sources = [cell(told, row, "MSP-Podcast").source for row in told.rows]
        assert all(isinstance(source, Replayed) and source.splits == splits for source in sources)
        assert note in told.notes[0]
        assert "over eight labels" in told.notes[0]


@pytest.mark.parametrize("number", ["1", "2", "4", "6"])
def test_what_is_asked_for_four_labels_is_scored_over_four_whatever_the_corpus(number: str):
    told = made(number, corpus=talks(name="msp-podcast"))
    sources = [one.source for one in told.cells if isinstance(one.source, Replayed)]
    assert sources
    assert {source.score.labels for source in sources} == {BIG_FOUR}
    assert "four labels" in told.notes[0]


def test_table_4_shows_ten_readings_or_one_and_has_a_column_for_each_profile():
    told = made("4", profiles=("small", "large"))
    assert told.columns == ("Llama-2-7b", "Llama-2-13b", "Falcon-7b", "small", "large")
    assert asked(cell(told, "R3", "small")) == ("r3", "corpus", TEN, "UA")
    assert asked(cell(told, "w/o AEC", "large")) == ("r3-without-aec", "corpus", SINGLE, "UA")
    assert asked(cell(told, "w/o reasoning", "large")) == ("r3-without-reasoning", "corpus", TEN, "UA")
    assert cell(told, "R3", "Falcon-7b").source is None


def test_table_5_has_context_examples_and_a_model_that_is_trained_on_the_other_sessions():
    told = made("5")
    ways = [asked(cell(told, "R3", column))[0] for column in told.columns if column != "PEFT"]
    assert ways == ["context-5", "context-25", "shots-5", "shots-10"]
    trained = cell(told, "R3", "PEFT").source
    assert isinstance(trained, Tuned)
    assert (trained.settings.condition, trained.settings.readings) == ("r3", TEN)
    assert [fold.test for fold in trained.folds] == [("Ses01",), ("Ses02",), ("Ses03",)]
    assert any("each left out in turn" in note for note in told.notes)
    lone = cell(made("5", corpus=talks(n_sessions=1)), "R3", "PEFT")
    assert lone.source is None
    assert "no two splits" in lone.why


def test_table_6_varies_verb_and_order():
    told = made("6")
    assert [asked(cell(told, "Baseline", column))[0] for column in told.columns] == [
        "baseline",
        "select",
        "baseline",
        "order-hnas",
    ]


def test_columns_that_are_no_models_come_once_for_each_profile():
    told = made("6", profiles=("small", None))
    assert told.columns[:2] == ("Predict, small", "Predict, usual profile")
    assert {one.published for one in told.cells if one.column.startswith("Select")} == {41.12}


@pytest.mark.parametrize(
    ("number", "row", "column", "chosen", "expected"),
    [
        ("4", "R3", PROFILE, "ua=accuracy", ("r3", "corpus", TEN, "WA")),
        ("4", "R3", PROFILE, "readings=eleven", ("r3", "corpus", (), "UA")),
        ("4", "w/o AEC", PROFILE, "single=whisperlarge", ("r3-without-aec", "corpus", ("whisperlarge",), "UA")),
        ("6", "Baseline", "Select", "prompt-text=single", ("select", "corpus", SINGLE, "UA")),
        ("2", "5 Trigger", "HuBERT large", "single=whisperlarge", ("trigger", "corpus", ("whisperlarge",), "UA")),
    ],
)
def test_open_points_are_settled(number: str, row: str, column: str, chosen: str, expected: tuple[object, ...]):
    assert asked(cell(made(number, chosen), row, column)) == expected


def test_our_own_recogniser_can_stand_for_the_ten_where_there_is_sound(tmp_path: Path):
    corpus = talks(audio=wav(tmp_path / "a.wav"))
    told = made("4", "readings=own", "single=own", corpus=corpus)
    assert asked(cell(told, "R3", PROFILE)) == ("r3", "asr", (), "UA")
    assert asked(cell(told, "w/o AEC", PROFILE)) == ("r3-without-aec", "asr", (), "UA")
    assert "no sound" in cell(made("4", "readings=own"), "R3", PROFILE).why


def test_cells_whose_prompt_would_be_another_one_s_are_not_made():
    silent = made("2")
    assert "the prompt would be the baseline's" in cell(silent, "4 Paraling", "Ground truth").why
    mute = replace(talks(), items=tuple(replace(item, gender=None) for item in talks().items))
    assert "tells no gender" in cell(made("2", corpus=mute), "3 Gender", "HuBERT large").why
    assert any("missing from every prompt" in note for note in silent.notes)


def test_readings_that_a_corpus_does_not_bring_are_named():
    bare = replace(talks(), items=tuple(replace(item, hypotheses=item.hypotheses[:2]) for item in talks().items))
    told = made("1", corpus=bare)
    assert cell(told, "14.4 (Whisper small)", PROFILE).source is not None
    assert cell(told, "23.8 (HuBERT large)", PROFILE).why == "talks brings no readings by hubertlarge"


def test_there_is_no_seventh_table():
    with pytest.raises(TableUnknown, match="expected one of 1, 2, 3, 4, 5, 6"):
        made("7")


def prompts(one: Cell, *, out: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the model is asked for a cell, utterance by utterance."""
    models = behind_a_profile(["Emotion: sad"], home=out, monkeypatch=monkeypatch)
    assert one.source is not None
    one.source.figure(run_of(talks(), out / "out"))
    return ["\n".join(message.text for message in call.prompt.messages) for call in models[0].asked]


def test_a_row_of_table_1_shows_that_recogniser_s_words_and_no_other_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shown = prompts(cell(made("1"), "26.9 (Whisper tiny)", PROFILE), out=tmp_path, monkeypatch=monkeypatch)
    assert len(shown) == 12
    assert "whispertiny heard 1 0" in shown[0]
    assert not any(name in text for text in shown for name in (*TEN, "true words") if name != "whispertiny")


def test_r3_shows_ten_readings_best_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (first, *_) = prompts(cell(made("4"), "R3", PROFILE), out=tmp_path, monkeypatch=monkeypatch)
    assert re.findall(r"\d+\. (\w+) heard 1 0", first) == list(TEN)


def test_the_speaker_s_gender_is_told_as_the_corpus_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shown = prompts(cell(made("2"), "3 Gender", "Ground truth"), out=tmp_path, monkeypatch=monkeypatch)
    assert ["female" in text for text in shown[:4]] == [True, False, True, False]
    assert " male" in shown[1]


def test_examples_are_of_others_and_as_many_as_the_cell_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shown = prompts(cell(made("5"), "R3", "5-shot"), out=tmp_path, monkeypatch=monkeypatch)
    for place, text in enumerate(shown):
        session, order = 1 + place // 4, place % 4
        heard = set(re.findall(r"whisperlarge heard (\d \d)", text))
        assert len(heard) == 1 + 5
        assert f"{session} {order}" in heard
        assert sum(one.startswith(str(session)) for one in heard) == 1
        assert len(re.findall(r"Transcript: true words \d \d\b", text)) == 5


def test_context_shows_as_many_turns_as_there_are_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shown = prompts(cell(made("5"), "R3", "Context 5"), out=tmp_path, monkeypatch=monkeypatch)
    assert [len(set(re.findall(r"whisperlarge heard (\d \d)", text))) for text in shown[:5]] == [1, 2, 3, 4, 1]


def test_a_vote_takes_what_single_prompts_were_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    models = behind_a_profile(["Emotion: sad"], home=tmp_path, monkeypatch=monkeypatch)
    run = run_of(talks(), tmp_path / "out")
    told = made("2")
    for row in ("3 Gender", "5 Trigger", "6 ASR relation", "7 Pos stimuli", "8 Neg stimuli", "9 Cpt stimuli"):
        source = cell(told, row, "HuBERT large").source
        assert source is not None
        source.figure(run)
    assert sum(len(model.asked) for model in models) == 6 * 12

    voted = cell(told, "Majority voting", "HuBERT large").source
    assert voted is not None
    assert voted.figure(run).value == 0.25
    # Block 4 says nothing where there is no sound: that one prompt is the baseline's, which nobody has asked yet.
    assert sum(len(model.asked) for model in models) == 7 * 12
