"""Figures of a training run as lines to print and to keep beside the weights. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..signature import Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure in percent with its 95 % interval; `value` None where it is undefined, `note` then says why."""

    figure: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    signature: Signature
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitReport:
    """What a run of `attune-eval fit emotion` gave: figures, and the files it wrote with their fingerprints."""

    rows: tuple[Row, ...]
    written: tuple[tuple[str, str], ...]

    def text(self) -> str:
        """Return the report for a terminal."""
        lines = [f"{row.figure}: {value_of(row)} (n {row.n})\n    {row.signature}" for row in self.rows]
        files = [f"wrote {name} #{fingerprint}" for name, fingerprint in self.written]
        return "\n".join([*lines, *files]) + "\n"

    def table(self) -> str:
        """Return the figures as a Markdown table; the signatures, numbered, stand below it."""
        signatures = list(dict.fromkeys(str(row.signature) for row in self.rows))
        lines = ["| figure | percent [95 %] | n | signature |", "|---|---|---|---|"]
        lines += [
            f"| {row.figure} | {value_of(row)} | {row.n} | {signatures.index(str(row.signature)) + 1} |"
            for row in self.rows
        ]
        return "\n".join([*lines, "", *(f"{at}. `{text}`" for at, text in enumerate(signatures, 1))]) + "\n"


def value_of(row: Row) -> str:
    """Return a figure as it is printed: "76.8 [74.9, 78.5]"."""
    if row.value is None:
        return f"undefined: {row.note}"
    interval = "" if row.low is None or row.high is None else f" [{row.low:.1f}, {row.high:.1f}]"
    return f"{row.value:.1f}{interval}"
