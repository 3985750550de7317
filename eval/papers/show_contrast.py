"""Cells against those they are variations of, as Markdown and as CSV. Pure."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from ..score.compare import significant
from ..statistics import LEVEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .contrast import Contrast

NONE: Final = "-"
CSV_HEAD: Final = (
    "row", "column", "against row", "against column", "paper", "ours", "low", "high", "p", "p (Holm)", "n", "why",
    "signature",
)  # fmt: skip
_HOW: Final = ("metric", "blocks", "bs", "seed", "test", "trials", "holm")


def contrast_lines(found: Sequence[Contrast]) -> list[str]:
    """Return a table of contrasts; a star stands where one is beyond chance after Holm."""
    if not found:
        return []
    level = float(found[0].difference.signature.get("level") or LEVEL)
    head = ("cell", "against", "paper", f"ours [{100 * level:g} %]", "p (Holm)", "n")
    rows = [_told(one, level) for one in found]
    made = "|".join(f"{key}:{value}" for key in _HOW if (value := _alike(found, key)) is not None)
    return [*map(line, (head, ["---"] * len(head), *rows)), "", f"differences, on the same items: `{made}`"]


def _alike(found: Sequence[Contrast], key: str) -> str | None:
    """Return what all signatures that tell a key say under it; None where they differ, the CSV has each whole."""
    told = {one.difference.signature.get(key) for one in found} - {None}
    return told.pop() if len(told) == 1 else None


def contrast_csv(found: Sequence[Contrast]) -> str:
    """Return contrasts for programs, a line for each, in the paper's units; what is not there is empty."""
    told = io.StringIO()
    writer = csv.writer(told, lineterminator="\n")
    writer.writerow(CSV_HEAD)
    for one in found:
        at = (one.cell.row, one.cell.column, one.other.row, one.other.column)
        ps = ("" if each is None else f"{each:.4f}" for each in (one.difference.p, one.difference.p_holm))
        rest = (str(one.difference.n), one.difference.reason, str(one.difference.signature))
        writer.writerow((*at, _printed(one), *_spread(one), *ps, *rest))
    return told.getvalue()


def line(cells: Sequence[str]) -> str:
    """Return a line of a table in Markdown; what would end a cell is written otherwise."""
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"


def _told(one: Contrast, level: float) -> tuple[str, ...]:
    than = one.other.row if one.other.column == one.cell.column else one.other.column
    value, low, high = _spread(one)
    shown = f"{value} [{low}, {high}]" if low else value or NONE
    if one.difference.reason:
        shown += f" ({one.difference.reason})"
    p = NONE if one.difference.p_holm is None else f"{one.difference.p_holm:.4f}"
    star = " *" if significant(one.difference, level) else ""
    return f"{one.cell.row} / {one.cell.column}", than, _printed(one), shown, p + star, str(one.difference.n)


def _printed(one: Contrast) -> str:
    return "" if one.published is None else f"{one.published:+.2f}"


def _spread(one: Contrast) -> tuple[str, str, str]:
    found, told = one.difference.difference, one.difference
    # Adding 0 takes the sign off a rounded zero.
    value, low, high = (
        "" if each is None else f"{round(each * told.scale, told.decimals) + 0.0:+.{told.decimals}f}"
        for each in (found.value, found.low, found.high)
    )
    return value, low, high
