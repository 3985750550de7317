"""Cells of a table against the one they are variations of, on the same items: paired intervals, p adjusted by Holm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from agent.errors import AgentError
from streaming.errors import StreamingError

from ..errors import EvalError
from ..score.compare import compare
from ..score.paired import TRIALS, holm
from ..signature import Signature

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..score.compare import Difference
    from ..score.ledger import Ledger
    from ..score.measure import ScoreSettings
    from ..score.report import Figure
    from .cell import Cell, PaperRun, Table

_HOLM = "holm"


@runtime_checkable
class Ledgered(Protocol):
    """A source whose figure is one of a ledger's, by its name, as `score` says."""

    @property
    def name(self) -> str:
        """Of the figure."""
        ...

    @property
    def score(self) -> ScoreSettings:
        """How rows are scored."""
        ...

    def ledger(self, run: PaperRun) -> Ledger:
        """Return the rows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """A cell against another: `difference` is the cell's figure less the other's; `published` likewise, as printed."""

    cell: Cell
    other: Cell
    difference: Difference
    published: float | None = None


def contrasts(table: Table, run: PaperRun, *, trials: int = TRIALS) -> tuple[Contrast, ...]:
    """Return all of a table that can be made; p is adjusted for as many tests as it has.

    Cells that cannot be compared (one has no rows, or their rows are not of the same items) are told of and left out.
    """
    cells = {(cell.row, cell.column): cell for cell in table.cells}
    found: list[Contrast] = []
    for at, other in table.against.items():
        one, than = cells[at], cells[other]
        if not isinstance(one.source, Ledgered) or not isinstance(than.source, Ledgered):
            continue
        try:
            difference = _difference(one.source, than.source, run, trials=trials)
        except (EvalError, AgentError, StreamingError) as trouble:
            run.note(f"{one.row}, {one.column} is not compared: {trouble}")
            continue
        printed = None if one.published is None or than.published is None else one.published - than.published
        found.append(Contrast(cell=one, other=than, difference=difference, published=printed))
    return tuple(_adjusted(found))


def printed_as(found: Sequence[Contrast], figures: Mapping[tuple[str, str], Figure]) -> tuple[Contrast, ...]:
    """Return contrasts in the units their cells are printed in; `figures` by row and column."""
    return tuple(
        one
        if (figure := figures.get((one.cell.row, one.cell.column))) is None
        else replace(one, difference=replace(one.difference, scale=figure.scale, decimals=figure.decimals))
        for one in found
    )


def _difference(one: Ledgered, other: Ledgered, run: PaperRun, *, trials: int) -> Difference:
    settings = replace(one.score, figures=(one.name,))
    (found,) = compare(other.ledger(run), one.ledger(run), settings, trials=trials).differences
    return found


def _adjusted(found: Sequence[Contrast]) -> list[Contrast]:
    """Return the contrasts with p adjusted over all of them; each signature says for how many tests."""
    ps = [one.difference.p for one in found if one.difference.p is not None]
    adjusted = iter(holm(ps))
    return [
        one
        if one.difference.p is None
        else replace(
            one,
            difference=replace(
                one.difference,
                p_holm=next(adjusted),
                signature=_with(one.difference.signature, n_tests=len(ps)),
            ),
        )
        for one in found
    ]


def _with(signature: Signature, *, n_tests: int) -> Signature:
    fields = tuple((key, value) for key, value in signature.fields if key != _HOLM)
    return Signature(fields=(*fields, (_HOLM, str(n_tests))), version=signature.version)
