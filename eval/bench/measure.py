"""What benches say in one form: ours, what it stands beside in the same run, their ratio, the budget. Pure.

Each bench has a table of its own that says more; these are the rows that are told of all of them together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What is to be kept: of our own value in its unit, or of the ratio."""

    limit: float
    is_least: bool
    of: Literal["ours", "ratio"] = "ours"


def at_least(limit: float, *, of: Literal["ours", "ratio"] = "ours") -> Budget:
    """Return the budget of which no less is enough."""
    return Budget(limit=limit, is_least=True, of=of)


def at_most(limit: float, *, of: Literal["ours", "ratio"] = "ours") -> Budget:
    """Return the budget of which more is too much."""
    return Budget(limit=limit, is_least=False, of=of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure of a bench.

    Attributes:
        name: what is measured.
        ours: in `unit`; None: undefined, `note` says why.
        other, beside: the value it stands beside, of the same run and unit, and what that is.
        ratio: how many times better ours is (cheaper, faster, more), where that says something.
        budget: None where there is none, or none for a run of this kind.
        decimals: how the values are printed.
        note: what else is to be known, a few words.
    """

    name: str
    ours: float | None
    unit: str = ""
    other: float | None = None
    beside: str = ""
    ratio: float | None = None
    budget: Budget | None = None
    decimals: int = 1
    note: str = ""

    @property
    def is_kept(self) -> bool | None:
        """Whether the budget is kept; None without one."""
        if self.budget is None:
            return None
        value = self.ours if self.budget.of == "ours" else self.ratio
        if value is None:
            return False
        return value >= self.budget.limit if self.budget.is_least else value <= self.budget.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchReport:
    """What came of one bench.

    Attributes:
        name, command: what it is called, and how it is run by itself.
        measures, signature, text: figures in the common form, how they were made, the bench's own table.
        seconds: how long it ran, by the clock.
        problem: why there are no figures; `is_left_out`: it was not tried.
    """

    name: str
    command: str
    measures: tuple[Measure, ...] = ()
    signature: str = ""
    text: str = ""
    seconds: float = 0.0
    problem: str = ""
    is_left_out: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether it was tried in vain."""
        return bool(self.problem) and not self.is_left_out


def over(one: float | None, other: float | None) -> float | None:
    """Return `one` over `other`, None where that is undefined."""
    return one / other if one is not None and other else None


HEAD = ("bench", "measure", "here", "beside it, in the same run", "ratio", "budget", "")


def markdown(reports: Sequence[BenchReport]) -> str:
    """Return all reports as one Markdown table, how each was made below."""
    lines = [_line(HEAD), _line(["---"] * len(HEAD))]
    notes: list[str] = []
    for report in reports:
        if report.problem:
            said = "left out" if report.is_left_out else "failed"
            lines.append(_line((report.name, f"{said}: {report.problem}", "", "", "", "", "")))
            continue
        number = len(notes) + 1
        lines += [_line((f"{report.name} [{number}]", *_cells(measure))) for measure in report.measures]
        notes.append(f"[{number}] `{report.command}` ({report.seconds:.0f} s): `{report.signature}`  ")
    return "\n".join([*lines, "", *notes]).rstrip()


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _cells(measure: Measure) -> tuple[str, ...]:
    name = f"{measure.name} ({measure.note})" if measure.note else measure.name
    beside = "" if measure.other is None else f"{_value(measure.other, measure)} {measure.beside}"
    ratio = "" if measure.ratio is None else _times(measure.ratio)
    verdict = {True: "kept", False: "missed", None: ""}[measure.is_kept]
    return name, _value(measure.ours, measure), beside, ratio, _budget(measure), verdict


def _value(value: float | None, measure: Measure) -> str:
    return "undefined" if value is None else f"{value:.{measure.decimals}f} {measure.unit}".rstrip()


def _times(value: float) -> str:
    return f"{value:.0f}x" if value >= 20 else f"{value:.1f}x" if value >= 2 else f"{value:.2f}x"


def _budget(measure: Measure) -> str:
    if measure.budget is None:
        return ""
    sign = "≥" if measure.budget.is_least else "≤"
    unit = "x" if measure.budget.of == "ratio" else f" {measure.unit}" if measure.unit else ""
    limit = round(measure.budget.limit, measure.decimals if measure.budget.of == "ours" else 1)
    return f"{sign} {limit:g}{unit}"
