"""Writes a filled table as Markdown, CSV and SVG, each whole or as it was before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..replay.ledger import write_whole
from .plot import svg
from .show import comma_separated, markdown
from .show_contrast import contrast_csv

if TYPE_CHECKING:
    from pathlib import Path

    from .fill import FilledTable


def write(filled: FilledTable, out: Path) -> str:
    """Write a table into the folder `out`; return its Markdown.

    Raises:
        OSError: it cannot be written.
    """
    table = filled.table
    name = f"{table.paper}-{table.number if table.number.startswith('figure') else f'table{table.number}'}"
    out.mkdir(parents=True, exist_ok=True)
    text = markdown(filled)
    write_whole(out / f"{name}.csv", comma_separated(filled).encode("utf-8", "replace"))
    _write_or_remove(out / f"{name}.svg", svg(filled))
    _write_or_remove(out / f"{name}-differences.csv", contrast_csv(filled.contrasts) if filled.contrasts else None)
    write_whole(out / f"{name}.md", text.encode("utf-8", "replace"))
    return text


def _write_or_remove(place: Path, text: str | None) -> None:
    """Write a file, or remove what an earlier table left there."""
    if text is None:
        place.unlink(missing_ok=True)
    else:
        write_whole(place, text.encode("utf-8", "replace"))
