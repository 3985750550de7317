"""How a filled table is shown: Markdown for people, CSV for programs, a picture; what is not there says why."""

from __future__ import annotations

import csv
import io
import xml.etree.ElementTree as ET

import pytest

from eval.papers.cell import Cell, Filled, Table
from eval.papers.fill import FilledTable
from eval.papers.plot import svg
from eval.papers.replayed import Replayed
from eval.papers.show import comma_separated, markdown
from eval.score.report import Figure
from eval.signature import sign

SOURCE = Replayed()


def figure(value: float | None, *, words: str = "text", reason: str = "") -> Figure:
    low, high = (None, None) if value is None or reason else (value - 0.1, value + 0.1)
    fields = {"metric": "UA", "words": words, "n": 12, "level": 0.95}
    signature = sign(fields, version="0.1.0")
    return Figure(
        name="UA",
        group="all",
        value=value,
        low=low,
        high=high,
        n=12,
        signature=signature,
        scale=100,
        reason=reason,
    )


def filled(*cells: Filled, rows: tuple[str, ...] = ("R3", "w/o AEC")) -> FilledTable:
    columns = tuple(dict.fromkeys(one.cell.column for one in cells))
    told = Table(
        paper="r3",
        number="4",
        title="Table IV: made",
        rows=rows,
        columns=columns,
        cells=tuple(one.cell for one in cells),
        unit="UA %",
        notes=("made up",),
    )
    return FilledTable(table=told, cells=cells)


MADE = filled(
    Filled(cell=Cell(row="R3", column="Llama", published=49.72)),
    Filled(cell=Cell(row="w/o AEC", column="Llama", published=43.2)),
    Filled(cell=Cell(row="R3", column="ours", source=SOURCE), figure=figure(0.5123)),
    Filled(
        cell=Cell(row="w/o AEC", column="ours", source=SOURCE), figure=figure(None, reason="no rows"), why="no rows"
    ),
)


def test_ours_stands_beside_the_paper_s_with_interval_and_signature_below():
    assert markdown(MADE) == (
        "### Table IV: made\n\n"
        "Li, Gong, Yang, Bell, Lai: Revise, Reason, and Recognize (arXiv 2409.15551); UA %\n\n"
        "|  | Llama, paper | ours, ours [95 %] |\n"
        "| --- | --- | --- |\n"
        "| R3 | 49.72 | 51.2 [41.2, 61.2] (1) |\n"
        "| w/o AEC | 43.20 | - |\n\n"
        "- w/o AEC / ours: no rows\n\n"
        "- made up\n\n"
        "1. `metric:UA|words:text|n:12|level:0.95|version:0.1.0`\n"
    )


def test_what_signatures_say_alike_is_said_once():
    shown = markdown(
        filled(
            Filled(cell=Cell(row="R3", column="ours", source=SOURCE), figure=figure(0.5)),
            Filled(cell=Cell(row="w/o AEC", column="ours", source=SOURCE), figure=figure(0.4, words="asr")),
        )
    )
    assert "1. `words:text`\n2. `words:asr`\n\nall of them: `metric:UA|n:12|level:0.95|version:0.1.0`\n" in shown


def test_a_table_of_one_row_is_turned():
    shown = markdown(
        filled(
            Filled(cell=Cell(row="R3", column="Context 5", published=54.35, source=SOURCE), figure=figure(0.5)),
            Filled(cell=Cell(row="R3", column="PEFT", published=64.67), why="needs a model | that was trained"),
            rows=("R3",),
        )
    )
    assert "| R3 | paper | ours [95 %] |\n| --- | --- | --- |\n" in shown
    assert "| Context 5 | 54.35 | 50.0 [40.0, 60.0] (1) |\n| PEFT | 64.67 | - |\n" in shown
    assert "- R3 / PEFT: needs a model | that was trained" in shown


def test_the_paper_s_column_is_not_said_again_for_another_profile():
    cells = [
        Filled(
            cell=Cell(row="R3", column=f"Ground truth, {profile}", published=44.5, source=SOURCE), figure=figure(0.5)
        )
        for profile in ("small", "large")
    ]
    shown = markdown(filled(*cells, rows=("R3", "other")))
    assert "|  | Ground truth, paper | Ground truth, small, ours [95 %] | Ground truth, large, ours [95 %] |" in shown


def test_nor_where_the_other_profile_s_columns_come_after_all_of_the_first_one_s():
    cells = [
        Filled(cell=Cell(row="Text", column=f"{name}, {profile}", published=0.5, source=SOURCE), figure=figure(0.5))
        for profile in ("small", "large")
        for name in ("KL", "BD")
    ]
    (head, *_) = (line for line in markdown(filled(*cells, rows=("Text", "other"))).splitlines() if "small" in line)
    assert [head.count(f"{name}, paper") for name in ("KL", "BD")] == [1, 1]


def test_a_figure_without_an_interval_says_why():
    reason = "no interval: all rows are of one speaker"
    shown = markdown(
        filled(Filled(cell=Cell(row="R3", column="ours", source=SOURCE), figure=figure(0.5, reason=reason)))
    )
    assert "| R3 | 50.0 (1) |" in shown
    assert f"- R3 / ours: {reason}" in shown


def test_programs_get_a_line_for_each_cell_with_whole_signatures():
    lines = list(csv.DictReader(io.StringIO(comma_separated(MADE))))
    assert len(lines) == 4
    assert lines[0] == {
        "row": "R3",
        "column": "Llama",
        "paper": "49.72",
        "ours": "",
        "low": "",
        "high": "",
        "n": "",
        "why": "",
        "signature": "",
    }
    assert (lines[2]["ours"], lines[2]["low"], lines[2]["high"], lines[2]["n"]) == ("51.2", "41.2", "61.2", "12")
    assert lines[2]["signature"] == "metric:UA|words:text|n:12|level:0.95|version:0.1.0"
    assert (lines[3]["ours"], lines[3]["why"]) == ("", "no rows")


def test_a_picture_holds_every_row_and_is_the_same_bytes_again():
    picture = svg(MADE)
    assert picture is not None
    root = ET.fromstring(picture)
    told = {text.strip() for text in root.itertext() if text.strip()}
    assert {"R3", "w/o AEC", "Llama", "ours", "Table IV: made (UA %)"} <= told
    assert svg(MADE) == picture


def test_a_picture_of_one_row_has_a_line_for_each_column():
    picture = svg(
        filled(
            Filled(cell=Cell(row="R3", column="Context 5", published=54.35, source=SOURCE), figure=figure(0.5)),
            Filled(cell=Cell(row="R3", column="PEFT", published=64.67), why="needs a model"),
            rows=("R3",),
        )
    )
    assert picture is not None
    assert "Context 5" in picture
    assert "PEFT" in picture


def test_where_there_is_no_number_there_is_no_picture():
    assert svg(filled(Filled(cell=Cell(row="R3", column="ours"), why="none"))) is None


@pytest.mark.parametrize("value", [-0.0004, 0.0])
def test_a_rounded_zero_has_no_sign(value: float):
    shown = markdown(filled(Filled(cell=Cell(row="R3", column="ours", source=SOURCE), figure=figure(value))))
    assert "| R3 | 0.0 [-10.0, 10.0] (1) |" in shown
