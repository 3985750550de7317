"""What the four papers print, as data: `published/<paper>.toml` holds their tables as they stand there."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from ..errors import EvalError

if TYPE_CHECKING:
    from collections.abc import Mapping

PAPERS: Final = ("r3", "ambiguity", "translation", "typed")
"""Papers by short name, in our order of numbers: 000, 001, 002, 003."""


class TableUnknown(EvalError):
    """A paper, or a table of it, is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A table as a paper prints it.

    Attributes:
        paper, number: short names: "r3", "4", "figure3".
        title: what it shows, with the paper's own number of the table.
        unit: of its values.
        rows, columns: as printed, from above and from the left.
        printed: each row's cells; "" where nothing is printed, words where the cell holds no number.
        better: which way is better, by column; "higher" unless told.
    """

    paper: str
    number: str
    title: str
    unit: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    printed: tuple[tuple[str, ...], ...]
    better: Mapping[str, str] = field(default_factory=dict[str, str])

    def value(self, row: str, column: str) -> float | None:
        """Return what is printed in a cell as a number, None where there is none.

        Raises:
            TableUnknown: there is no such row or column.
        """
        try:
            return float(self.text(row, column))
        except ValueError:
            return None

    def text(self, row: str, column: str) -> str:
        """Return what is printed in a cell, as it stands there. Raises as `value`."""
        if row not in self.rows or column not in self.columns:
            raise TableUnknown(f"{self.title} has no cell {row!r}, {column!r}")
        return self.printed[self.rows.index(row)][self.columns.index(column)]


def published(paper: str, number: str) -> Published:
    """Return a table of a paper.

    Raises:
        TableUnknown: there is none.
    """
    if paper not in PAPERS:
        raise TableUnknown(f"no paper is called {paper!r}, expected one of {', '.join(PAPERS)}")
    found = _tables(paper)
    if number not in found:
        raise TableUnknown(f"paper {paper} has no table {number!r} here, expected one of {', '.join(found)}")
    return found[number]


def numbers(paper: str) -> tuple[str, ...]:
    """Return which tables of a paper are held, in its order. Raises as `published`."""
    if paper not in PAPERS:
        raise TableUnknown(f"no paper is called {paper!r}, expected one of {', '.join(PAPERS)}")
    return tuple(_tables(paper))


def citation(paper: str) -> str:
    """Return who wrote a paper, what it is called and where it stands. Raises as `published`."""
    numbers(paper)
    return str(_read(paper)["citation"])


@cache
def _tables(paper: str) -> dict[str, Published]:
    return {number: _table(paper, number, told) for number, told in _read(paper)["tables"].items()}


def _table(paper: str, number: str, told: dict[str, Any]) -> Published:
    rows: dict[str, list[Any]] = dict(told["cells"])
    columns = tuple(told["columns"])
    if wrong := [row for row, cells in rows.items() if len(cells) != len(columns)]:
        raise TableUnknown(f"{paper}.toml, table {number}: {', '.join(wrong)} lacks a cell or has one too many")
    return Published(
        paper=paper,
        number=number,
        title=told["title"],
        unit=told.get("unit", ""),
        rows=tuple(rows),
        columns=columns,
        printed=tuple(tuple(cells) for cells in rows.values()),
        better=told.get("better", {}),
    )


@cache
def _read(paper: str) -> dict[str, Any]:
    return tomllib.loads((files(__package__ or "eval.papers") / "published" / f"{paper}.toml").read_text("utf-8"))
