"""A filled table as Markdown and as CSV: ours with interval beside the paper's, signatures below. Pure."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from ..signature import VERSION_KEY
from .published import citation
from .show_contrast import contrast_lines, line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..score.report import Figure
    from ..signature import Signature
    from .cell import Cell, Filled, Table
    from .fill import FilledTable

NONE: Final = "-"
CSV_HEAD: Final = ("row", "column", "paper", "ours", "low", "high", "n", "why", "signature")


def markdown(filled: FilledTable) -> str:
    """Return a table for people: per column what the paper prints and ours, what is missing, notes, signatures.

    A table of one row is turned, its columns are lines.
    """
    table = filled.table
    signatures = list(dict.fromkeys(figure.signature for figure in _figures(filled)))
    lines = _turned(filled, signatures) if len(table.rows) == 1 else _upright(filled, signatures)
    sections = [
        [f"### {_plain(table.title)}", "", f"{citation(table.paper)}; {table.unit}"],
        [line(each) for each in (lines[0], ["---"] * len(lines[0]), *lines[1:])],
        _missing(filled),
        contrast_lines(filled.contrasts),
        [f"- {_plain(note)}" for note in table.notes],
        _numbered(signatures),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _upright(filled: FilledTable, signatures: Sequence[Signature]) -> list[list[str]]:
    table = filled.table
    columns = [shown for column in table.columns for shown in _columns(filled, column)]
    found = {(one.cell.row, one.cell.column): one for one in filled.cells}
    head = ["", *(f"{_called(column, what, table)}, {_headed(what, filled)}" for column, what in columns)]
    rows = [
        [row, *(_shown(found.get((row, column)), what, table, signatures) for column, what in columns)]
        for row in table.rows
    ]
    return [head, *rows]


def _turned(filled: FilledTable, signatures: Sequence[Signature]) -> list[list[str]]:
    (row,) = filled.table.rows
    what = ("paper", "ours")
    found = {one.cell.column: one for one in filled.cells}
    head = [row, *(_headed(each, filled) for each in what)]
    lines = [
        [column, *(_shown(found.get(column), each, filled.table, signatures) for each in what)]
        for column in filled.table.columns
    ]
    return [head, *lines]


def _numbered(signatures: Sequence[Signature]) -> list[str]:
    """Return the signatures; what all of them say alike is said once."""
    if not signatures:
        return []
    told = [dict(signature.fields) for signature in signatures]
    common = {key: value for key, value in told[0].items() if all(each.get(key) == value for each in told)}
    if len(told) == 1 or not common:
        return [f"{at}. `{signature}`" for at, signature in enumerate(signatures, 1)]
    lines = [f"{at}. `{_fields(each, common)}`" for at, each in enumerate(told, 1)]
    return [*lines, f"\nall of them: `{_fields(common, {})}|{VERSION_KEY}:{signatures[0].version}`"]


def _fields(told: Mapping[str, str], known: Mapping[str, str]) -> str:
    return "|".join(f"{key}:{value}" for key, value in told.items() if key not in known)


def comma_separated(filled: FilledTable) -> str:
    """Return a table for programs, a line for each cell, values in the paper's units; what is not there is empty."""
    told = io.StringIO()
    writer = csv.writer(told, lineterminator="\n")
    writer.writerow(CSV_HEAD)
    for one in filled.cells:
        figure, cell = one.figure, one.cell
        values = ("", "", "") if figure is None else tuple(_scaled(figure, each) for each in _spread(figure))
        n, signature = ("", "") if figure is None else (str(figure.n), str(figure.signature))
        writer.writerow(
            (cell.row, cell.column, _printed(cell, filled.table), *values, n, " ".join(one.why.split()), signature)
        )
    return told.getvalue()


def decimals_of(cells: Iterable[Cell], column: str | None) -> int:
    """Return how many decimals a column (None: the whole table) is printed with: as many as any of its values has."""
    there = [cell for cell in cells if column in {None, cell.column}]
    texts = [repr(cell.published) for cell in there if cell.published is not None]
    return max((len(text.partition(".")[2]) for text in texts if not text.endswith(".0")), default=0)


def _figures(filled: FilledTable) -> list[Figure]:
    return [one.figure for one in filled.cells if one.figure is not None and one.figure.value is not None]


def _columns(filled: FilledTable, column: str) -> list[tuple[str, str]]:
    """Which columns of Markdown a column takes: the paper's where it prints something, ours where we make any.

    The paper's is not said again for another profile of ours.
    """
    cells = [one.cell for one in filled.cells if one.cell.column == column]
    before = filled.table.columns[: filled.table.columns.index(column)]
    is_said = _base(column) != column and any(_base(other) == _base(column) for other in before)
    is_printed = any(cell.published is not None for cell in cells) and not is_said
    is_ours = any(cell.source is not None or cell.why for cell in cells)
    return [(column, what) for what, there in (("paper", is_printed), ("ours", is_ours)) if there]


def _called(column: str, what: str, table: Table) -> str:
    """What stands above a column; the paper's is the same for all our profiles."""
    is_shared = sum(_base(other) == _base(column) for other in table.columns) > 1
    return _base(column) if what == "paper" and is_shared else column


def _base(column: str) -> str:
    """A column's name without the profile."""
    return column.rpartition(", ")[0] or column


def _headed(what: str, filled: FilledTable) -> str:
    return what if what == "paper" else f"ours [{_level(filled)}]"


def _level(filled: FilledTable) -> str:
    told = next((level for figure in _figures(filled) if (level := figure.signature.get("level"))), "0.95")
    return f"{100 * float(told):g} %"


def _shown(one: Filled | None, what: str, table: Table, signatures: Sequence[Signature]) -> str:
    if one is None:
        return ""
    if what == "paper":
        return _printed(one.cell, table)
    figure = one.figure
    if figure is None or figure.value is None:
        return NONE if one.cell.source is not None or one.why else ""
    value, low, high = (_scaled(figure, each) for each in _spread(figure))
    between = f" [{low}, {high}]" if low else ""
    return f"{value}{between} ({1 + signatures.index(figure.signature)})"


def _printed(cell: Cell, table: Table) -> str:
    if cell.published is None:
        return ""
    column = None if len(table.rows) == 1 else cell.column
    return f"{cell.published:.{decimals_of(table.cells, column)}f}"


def _spread(figure: Figure) -> tuple[float | None, float | None, float | None]:
    return figure.value, figure.low, figure.high


def _scaled(figure: Figure, value: float | None) -> str:
    # Adding 0 takes the sign off a rounded zero.
    return "" if value is None else f"{round(value * figure.scale, figure.decimals) + 0.0:.{figure.decimals}f}"


def _missing(filled: FilledTable) -> list[str]:
    """Return what is not there, or has no interval, reason by reason, so that one reason takes one line."""
    by_reason: dict[str, list[str]] = {}
    for one in filled.cells:
        if why := one.why or (one.figure.reason if one.figure is not None else ""):
            by_reason.setdefault(_plain(why), []).append(f"{one.cell.row} / {one.cell.column}")
    return [f"- {_plain('; '.join(cells))}: {reason}" for reason, cells in by_reason.items()]


def _plain(text: str) -> str:
    return " ".join(text.split())
