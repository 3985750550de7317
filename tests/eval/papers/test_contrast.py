"""Cells against those they are variations of: on the same items, with intervals, adjusted for all that are tested."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from eval.papers.cell import Cell, Filled, Table
from eval.papers.contrast import contrasts
from eval.papers.discrepancies import settle
from eval.papers.fill import FilledTable, fill
from eval.papers.r3 import table
from eval.papers.replayed import Replayed
from eval.papers.show import markdown
from eval.papers.show_contrast import contrast_csv, contrast_lines
from eval.replay.plan import ReplaySettings
from eval.score.measure import ScoreSettings
from eval.statistics import Resampling
from tests.eval.papers.scripted import PROFILE, behind_a_profile, run_of
from tests.eval.papers.talks import talks

if TYPE_CHECKING:
    from pathlib import Path

TRUE = ("angry", "happy", "neutral", "sad")
USUAL = [f"Emotion: {label}" for label in ("neutral", "neutral", "neutral", "sad")] * 6
BETTER = [f"Emotion: {label}" for label in ("angry", "happy", "neutral", "sad")] * 6


def asked(condition: str, *, profile: str = PROFILE) -> Replayed:
    return Replayed(
        settings=ReplaySettings(hypotheses="text", profile=profile, condition=condition),
        score=ScoreSettings(labels=TRUE, resampling=Resampling(draws=50)),
    )


def of(*cells: Cell) -> Table:
    first, *others = cells
    return Table(
        paper="r3",
        number="6",
        title="made",
        rows=tuple(cell.row for cell in cells),
        columns=("UA",),
        cells=cells,
        against={(cell.row, cell.column): (first.row, first.column) for cell in others},
    )


def cell(row: str, source: Replayed | None, published: float | None = None) -> Cell:
    return Cell(row=row, column="UA", published=published, source=source)


def test_differences_are_of_the_same_items_and_adjusted_for_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # One model for each run: the first is asked the baseline.
    models = behind_a_profile(USUAL, home=tmp_path, monkeypatch=monkeypatch)
    made = of(
        cell("usual", asked("baseline"), 44.5), cell("other", asked("select"), 41.12), cell("same", asked("order-hnas"))
    )
    run = run_of(talks(n_sessions=6), tmp_path / "out")
    asked("baseline").ledger(run)
    behind_a_profile(BETTER, home=tmp_path, monkeypatch=monkeypatch)
    asked("select").ledger(run)
    behind_a_profile(USUAL, home=tmp_path, monkeypatch=monkeypatch)

    other, same = contrasts(made, run, trials=200)

    assert len(models) == 1
    assert (other.cell.row, other.other.row) == ("other", "usual")
    assert other.published == pytest.approx(-3.38)
    assert other.difference.difference.value == pytest.approx(0.5)
    assert other.difference.p is not None
    assert other.difference.p < 0.05
    assert other.difference.p_holm == pytest.approx(2 * other.difference.p)
    assert (same.difference.difference.value, same.difference.p_holm, same.published) == (0.0, 1.0, None)
    assert [one.difference.signature.get("holm") for one in (other, same)] == ["2", "2"]

    filled = FilledTable(table=made, cells=tuple(Filled(cell=each) for each in made.cells), contrasts=(other, same))
    assert "| other / UA | usual | -3.38 | +50.0 [+50.0, +50.0] | " in markdown(filled)
    assert "| same / UA | usual |  | +0.0 [+0.0, +0.0] | 1.0000 | 24 |" in markdown(filled)
    (line, _) = csv.DictReader(io.StringIO(contrast_csv((other, same))))
    assert (line["against row"], line["ours"], line["low"], line["n"]) == ("usual", "+50.0", "+50.0", "24")


def test_below_differences_stands_only_what_all_of_them_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    behind_a_profile(USUAL, home=tmp_path, monkeypatch=monkeypatch)
    accuracy = replace(asked("select"), name="WA")
    made = of(cell("usual", asked("baseline")), cell("other", asked("select")))
    second = of(cell("usual", replace(asked("baseline"), name="WA")), cell("accuracy", accuracy))
    run = run_of(talks(n_sessions=6), tmp_path / "out")
    found = (*contrasts(made, run, trials=10), *contrasts(second, run, trials=10))
    (one, both) = (contrast_lines(some)[-1] for some in (found[:1], found))
    assert "metric:UA|blocks:speaker:12|" in one
    assert "metric" not in both
    assert "blocks:speaker:12|" in both


def test_what_cannot_be_compared_is_told_of_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    behind_a_profile(USUAL, home=tmp_path, monkeypatch=monkeypatch)
    notes: list[str] = []
    run = run_of(talks(), tmp_path / "out", notes=notes)
    elsewhere = replace(asked("select"), splits=("Ses09",))
    made = of(cell("usual", asked("baseline")), cell("other", elsewhere), cell("none", None))
    assert contrasts(made, run, trials=10) == ()
    assert "other, UA is not compared: talks has nothing of Ses09" in notes[-1]


def test_a_table_is_compared_only_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    behind_a_profile(USUAL, home=tmp_path, monkeypatch=monkeypatch)
    made = of(cell("usual", asked("baseline")), cell("other", asked("select")))
    run = run_of(talks(), tmp_path / "out")
    assert fill(made, run).contrasts == ()


@pytest.mark.parametrize(
    ("number", "cell_of", "against"),
    [
        ("1", ("40.3 (W2V100)", "b"), ("0.00 (ground truth)", "b")),
        ("2", ("9 Cpt stimuli", "Ground truth, a"), ("1 No reasoning", "Ground truth, a")),
        ("4", ("w/o AEC", "a"), ("R3", "a")),
        ("6", ("Baseline", "Select, b"), ("Baseline", "Predict, b")),
        ("6", ("Baseline", "Order H,N,A,S, a"), ("Baseline", "Predict, a")),
    ],
)
def test_tables_of_r3_compare_with_what_a_cell_is_a_variation_of(
    number: str, cell_of: tuple[str, str], against: tuple[str, str]
):
    told = table(number, profiles=("a", "b"), settled=settle([]), corpus=talks())
    assert told.against[cell_of] == against
    there = {(one.row, one.column): one for one in told.cells}
    assert all(there[at].source and there[other].source for at, other in told.against.items())
    assert not any(column.startswith("WER") for _, column in told.against)
