"""The section of a README that `attune-eval bench all --md` writes: between two markers, the rest stays as it is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ..errors import EvalError
from .measure import markdown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .measure import BenchReport

BEGIN: Final = "<!-- bench all: begin -->"
END: Final = "<!-- bench all: end -->"


class MarkersMissing(EvalError):
    """A file has no place for the section."""


def section(reports: Sequence[BenchReport], *, machine: str, is_quick: bool, options: str = "") -> str:
    """Return the section: what it was measured on, the table, how each figure was made.

    `options`: of the command, besides those that `is_quick` tells.
    """
    seconds = sum(report.seconds for report in reports)
    took = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"
    how = ", quick: as little as still says something" if is_quick else ""
    command = " ".join(filter(None, ("attune-eval bench all --md", "--quick" if is_quick else "", options)))
    head = f"`{command}` on {machine}, {took}{how}. Each ratio is of one run, times better."
    return f"{head}\n\n{markdown(reports)}\n"


def check_place(place: Path) -> None:
    """Find out whether a section could be written, before it is made.

    Raises:
        MarkersMissing: the file is there, and the markers are not, or not once and in order.
        OSError: it cannot be read, or nothing can be written in its folder.
    """
    if place.exists():
        _split(place)
    part = _part(place)
    part.touch()
    part.unlink()


def write_section(place: Path, text: str) -> None:
    """Put the section between the markers of a file, or make the file; all of it is written, or none.

    Raises:
        MarkersMissing, OSError: as `check_place`, or it cannot be written.
    """
    before, after = _split(place) if place.exists() else ("", "")
    part = _part(place)
    part.write_text(f"{before}{BEGIN}\n{text.strip()}\n{END}{after or chr(10)}", "utf-8")
    part.replace(place)


def _part(place: Path) -> Path:
    """Return the file that is written first, and then put in the place of the other."""
    return place.with_name(f".{place.name}.{os.getpid()}")


def _split(place: Path) -> tuple[str, str]:
    try:
        text = place.read_text("utf-8")
    except UnicodeDecodeError as trouble:
        raise MarkersMissing(f"{place} is not a text in UTF-8: {trouble}") from trouble
    before, begun, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended or text.count(BEGIN) > 1 or text.count(END) > 1:
        raise MarkersMissing(f"{place} has no one place for the table: put {BEGIN} and {END} on lines of their own")
    return before, after
