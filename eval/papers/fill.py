"""Fills a table: one figure for each cell; what cannot be made says why, and the rest goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.errors import AgentError, ConfigInvalid
from streaming.errors import StreamingError

from ..errors import EvalError
from .cell import Filled
from .contrast import contrasts, printed_as

if TYPE_CHECKING:
    from .cell import PaperRun, Table
    from .contrast import Contrast


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledTable:
    """A table with our figures.

    `n_failed`: cells that something went wrong with; not those that are undefined, or that this profile is not for.
    """

    table: Table
    cells: tuple[Filled, ...]
    n_failed: int = 0
    contrasts: tuple[Contrast, ...] = ()


def forecast(table: Table, run: PaperRun) -> tuple[str, ...]:
    """Return what would be run for a table, one line each; cells that share a run share its line.

    A cell that cannot be made says so in its place.

    Raises:
        EvalError, AgentError, EngineFailed: of the cells that have a source, none can be made.
    """
    lines: list[str] = []
    troubles: list[Exception] = []
    made = [cell for cell in table.cells if cell.source is not None]
    for cell in made:
        assert cell.source is not None
        try:
            lines.append(cell.source.forecast(run))
        except (EvalError, AgentError, StreamingError) as trouble:
            troubles.append(trouble)
            lines.append(f"{cell.row}, {cell.column}: cannot be made: {trouble}")
    if troubles and len(troubles) == len(made):
        raise troubles[0]
    return tuple(dict.fromkeys(lines))


def fill(table: Table, run: PaperRun, *, compares: bool = False) -> FilledTable:
    """Return the table filled; `compares`: cells are compared with those they are variations of, too.

    Raises:
        EvalError, AgentError, EngineFailed: of the cells that have a source, none could be made.
        OSError: the disk will not take it.
    """
    filled: list[Filled] = []
    troubles: list[Exception] = []
    for cell in table.cells:
        if cell.source is None:
            filled.append(Filled(cell=cell, why=cell.why))
            continue
        try:
            figure = cell.source.figure(run)
        except (EvalError, AgentError, StreamingError) as trouble:
            run.note(f"{cell.row}, {cell.column}: {trouble}")
            troubles.append(trouble)
            filled.append(Filled(cell=cell, why=str(trouble)))
        else:
            why = figure.reason if figure.value is None else ""
            filled.append(Filled(cell=cell, figure=figure, why=why))
    if troubles and len(troubles) == sum(cell.source is not None for cell in table.cells):
        raise troubles[0]
    n_failed = sum(not isinstance(trouble, ConfigInvalid) for trouble in troubles)
    figures = {(one.cell.row, one.cell.column): one.figure for one in filled if one.figure is not None}
    found = printed_as(contrasts(table, run), figures) if compares else ()
    return FilledTable(table=table, cells=tuple(filled), n_failed=n_failed, contrasts=found)
