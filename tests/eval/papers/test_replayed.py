"""Cells from replays: runs are shared and gone on with, and the figure says how it was made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from eval.errors import CorpusUnreadable
from eval.papers.replayed import CALLS, Replayed, part_of
from eval.replay.plan import ReplaySettings
from eval.score.measure import ScoreSettings
from eval.statistics import Resampling
from tests.eval.papers.scripted import PROFILE, behind_a_profile, run_of
from tests.eval.papers.talks import SAID, talks

if TYPE_CHECKING:
    from pathlib import Path

QUICK = ScoreSettings(resampling=Resampling(draws=20))
ANSWERS = [f"Emotion: {label}" for label in ("angry", "happy", "neutral", "neutral")] * 9
ASKED = Replayed(
    settings=ReplaySettings(hypotheses="corpus", profile=PROFILE, condition="baseline", readings=("hubertlarge",)),
    score=QUICK,
)


def test_cells_of_one_run_share_its_rows_and_the_model_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    models = behind_a_profile(ANSWERS, home=tmp_path, monkeypatch=monkeypatch)
    notes: list[str] = []
    run = run_of(talks(), tmp_path / "out", notes=notes)

    recall = ASKED.figure(run)
    accuracy = replace(ASKED, name="WA").figure(run)

    assert (recall.value, accuracy.value) == (0.75, 0.75)
    assert (recall.n, recall.scale) == (12, 100)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [ASKED.folder(run.corpus), CALLS]
    assert len(models) == 1
    assert len(models[0].asked) == 12
    assert notes == [f"{ASKED.folder(run.corpus)}: 12 of 12 items to be replayed"]


def test_a_run_that_was_limited_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    behind_a_profile(ANSWERS, home=tmp_path, monkeypatch=monkeypatch)
    told: list[tuple[int, int]] = []
    run = run_of(talks(), tmp_path / "out")
    assert ASKED.figure(replace(run, limit=4)).n == 4

    def tell(done: int, of: int) -> None:
        told.append((done, of))

    assert ASKED.figure(replace(run, progress=tell)).n == 12
    assert told == [(4, 12), (8, 12), (12, 12)]


@pytest.mark.usefixtures("_asking")
def test_the_same_run_is_forecast_in_the_same_line_and_nothing_is_written(tmp_path: Path):
    run = run_of(talks(), tmp_path / "out")
    line = ASKED.forecast(run)
    assert "12 items in 3 pieces" in line
    assert "calls of a language model: up to 12" in line
    assert "\n" not in line
    assert replace(ASKED, name="WA").forecast(run) == line
    assert replace(ASKED, settings=replace(ASKED.settings, condition="select")).forecast(run) != line
    assert not run.out.exists()


@pytest.fixture
def _asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    behind_a_profile(ANSWERS, home=tmp_path, monkeypatch=monkeypatch)


@pytest.mark.usefixtures("_asking")
def test_the_signature_says_whose_words_were_read_and_how_was_asked(tmp_path: Path):
    signature = ASKED.figure(run_of(talks(), tmp_path / "out")).signature
    told = {key: signature.get(key) for key in ("corpus", "profile", "condition", "words", "metric", "splits")}
    assert told == {
        "corpus": "talks",
        "profile": PROFILE,
        "condition": "baseline",
        "words": "hubertlarge",
        "metric": "UA",
        "splits": None,
    }


@pytest.mark.usefixtures("_asking")
def test_only_the_splits_that_are_meant_are_replayed(tmp_path: Path):
    some = replace(ASKED, splits=("Ses01", "Ses03"))
    figure = some.figure(run_of(talks(), tmp_path / "out"))
    assert figure.n == 8
    assert figure.signature.get("splits") == "Ses01+Ses03"
    assert some.folder(talks()) != ASKED.folder(talks())


def test_a_split_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(CorpusUnreadable, match="talks has nothing of Ses09, only: Ses01, Ses02, Ses03"):
        part_of(talks(), ("Ses09",))


@pytest.mark.usefixtures("_asking")
def test_a_share_can_be_printed_as_the_paper_prints_it(tmp_path: Path):
    share = replace(ASKED, name="macro F1", scale=1.0, decimals=2).figure(run_of(talks(), tmp_path / "out"))
    assert (share.scale, share.decimals) == (1.0, 2)
    assert share.value == pytest.approx((1 + 1 + 2 / 3 + 0) / 4)


def test_folders_tell_runs_apart_and_say_what_they_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    behind_a_profile(ANSWERS, home=tmp_path, monkeypatch=monkeypatch)
    corpus = talks()
    ways = [
        ASKED.settings,
        replace(ASKED.settings, condition="select"),
        replace(ASKED.settings, readings=("whisperlarge",)),
        replace(ASKED.settings, readings=()),
        replace(ASKED.settings, readings=(), hypotheses="text"),
        replace(ASKED.settings, profile=None),
    ]
    names = [replace(ASKED, settings=way).folder(corpus) for way in ways]
    assert len(set(names)) == len(names)
    assert names[0].startswith("asking-baseline-hubertlarge-")
    assert names[4].startswith("asking-baseline-text-")
    assert replace(ASKED, name="WA").folder(corpus) == names[0]
    assert ASKED.folder(talks(n_sessions=2)) != names[0]
    assert len(SAID) == 4
