"""A table of a paper as cells: what is printed there, and how the same figure is made here. Pure values.

A paper's module says which cells its tables have (`table(...) -> Table`); how a cell is filled is its `Source`'s
business: most replay a corpus and score it (`replayed.Replayed`), some train something first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..corpora.item import Corpus
    from ..score.report import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRun:
    """What cells are filled with.

    Attributes:
        corpus: what is replayed, whole; `root`: where it lies.
        out: folder of this corpus's runs; sources keep theirs in folders below it, named by what they hold, so that
            cells and tables that need the same run share it and a run that was broken off goes on.
        settled: what was chosen where a paper leaves something open, by name (`discrepancies`).
        workers: processes of a replay.
        limit: only so many items, None: all.
        adapters: folder of fine-tuned adapters to take instead of training any (`tuned`); None: they are trained.
        progress: told how many items are done and how many there are, of the source at work.
        note: told, in a line, what people should know.
    """

    corpus: Corpus
    root: Path
    out: Path
    settled: Mapping[str, str]
    workers: int = 1
    limit: int | None = None
    adapters: Path | None = None
    progress: Callable[[int, int], None] = lambda _done, _all: None
    note: Callable[[str], None] = lambda _: None


class Source(Protocol):
    """Makes our figure of a cell."""

    def forecast(self, run: PaperRun) -> str:
        """Return what would be run, in one line, how many items and calls of a model; the same line: the same run.

        Raises:
            EvalError, ConfigInvalid, EngineFailed: it cannot be.
        """
        ...

    def figure(self, run: PaperRun) -> Figure:
        """Run what is missing and return the figure; undefined is None with its reason.

        Raises:
            EvalError, AgentError, EngineFailed: it cannot be made.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One place of a table.

    Attributes:
        row, column: as the table shows them.
        published: as printed, in the units of the table; None: the paper prints none.
        source: how ours is made; None: it is not, `why` says why.
    """

    row: str
    column: str
    published: float | None = None
    source: Source | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table (or the values of a figure) of a paper.

    Attributes:
        paper, number, title: "r3", "Table I", what it shows.
        rows, columns: in the order they are shown; there need not be a cell for each pair.
        unit: of the published values: "UA %".
        better: which way is better: "higher", "lower", "" neither, by column.
        notes: what differs from the paper, and how open points were settled; shown below the table.
        against: which cell another one is compared with on the same items, both as (row, column).
    """

    paper: str
    number: str
    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[Cell, ...]
    unit: str = ""
    better: Mapping[str, str] = field(default_factory=dict[str, str])
    notes: tuple[str, ...] = ()
    against: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict[tuple[str, str], tuple[str, str]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A cell and our figure of it; `why`: why there is none."""

    cell: Cell
    figure: Figure | None = None
    why: str = ""
