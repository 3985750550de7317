"""A filled table as a picture: ours with intervals beside the paper's, as SVG; the same table gives the same bytes."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# matplotlib's types are partly unknown.

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .cell import Filled
    from .fill import FilledTable

PAPER_COLOUR: Final = "#8a8a8a"
OUR_COLOURS: Final = ("#0b6bcb", "#c2570c", "#2f7d32", "#7b3fa0", "#b3261e")
"""Told apart by people who see colours differently, too; marks differ besides."""
MARKS: Final = ("o", "s", "^", "D", "v")
MOST_COLUMNS: Final = 4
_PANEL_WIDTH: Final = 3.6
_ROW_HEIGHT: Final = 0.34
_SPREAD: Final = 0.5
"""Of a row's height: how far marks of one row lie apart."""


@dataclass(frozen=True, slots=True)
class _Point:
    """A mark: on which line, in the units of the table, with its interval where there is one."""

    line: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class _Series:
    name: str
    is_ours: bool
    points: tuple[_Point, ...]


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    lines: tuple[str, ...]
    series: tuple[_Series, ...]


def svg(filled: FilledTable) -> str | None:
    """Return the picture; None where no cell has a number."""
    panels = [panel for panel in _panels(filled) if any(series.points for series in panel.series)]
    if not panels:
        return None
    import matplotlib as mpl  # noqa: PLC0415 - takes half a second, and only pictures need it
    from matplotlib.figure import Figure as Picture  # noqa: PLC0415 - as above

    # Ids are drawn from the salt: without it no two pictures are the same bytes.
    with mpl.rc_context({"svg.hashsalt": "attune", "svg.fonttype": "none", "font.size": 9}):
        n_columns = min(MOST_COLUMNS, len(panels))
        n_rows = -(-len(panels) // n_columns)
        n_lines = max(len(panel.lines) for panel in panels)
        size = (2.4 + _PANEL_WIDTH * n_columns, 0.8 + n_rows * (0.7 + _ROW_HEIGHT * n_lines))
        picture = Picture(figsize=size, layout="constrained")
        picture.suptitle(f"{filled.table.title} ({filled.table.unit})", fontsize=10)
        places: list[Axes] = picture.subplots(n_rows, n_columns, squeeze=False).flatten().tolist()
        for at, (place, panel) in enumerate(zip(places, panels, strict=False)):
            _draw(place, panel, is_first=at % n_columns == 0)
        for place in places[len(panels) :]:
            place.set_visible(False)
        _legend(picture)
        written = io.StringIO()
        picture.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return written.getvalue()


def _panels(filled: FilledTable) -> list[_Panel]:
    """One panel for each column that holds theirs and ours; columns that hold one of them stand together in one.

    A table of one row is turned: its columns are the lines.
    """
    table = filled.table
    if len(table.rows) == 1:
        theirs = tuple(_printed(one, line=one.cell.column) for one in filled.cells if one.cell.published is not None)
        ours = tuple(point for one in filled.cells if (point := _ours(one, line=one.cell.column)))
        both = (_Series("paper", False, theirs), _Series("ours", True, ours))  # noqa: FBT003 - named in the class
        return [_Panel(table.rows[0], table.columns, both)]
    panels: list[_Panel] = []
    alone: list[_Series] = []
    for column in table.columns:
        cells = [one for one in filled.cells if one.cell.column == column]
        theirs = tuple(_printed(one, line=one.cell.row) for one in cells if one.cell.published is not None)
        ours = tuple(point for one in cells if (point := _ours(one, line=one.cell.row)))
        if theirs and any(one.cell.source is not None for one in cells):
            both = (_Series("paper", False, theirs), _Series("ours", True, ours))  # noqa: FBT003 - as above
            panels.append(_Panel(column, table.rows, both))
        elif theirs or ours:
            alone.append(_Series(column, not theirs, theirs or ours))
    together = [_Panel("", table.rows, tuple(alone))] if alone else []
    return [*together, *panels]


def _printed(one: Filled, *, line: str) -> _Point:
    assert one.cell.published is not None
    return _Point(line, one.cell.published)


def _ours(one: Filled, *, line: str) -> _Point | None:
    figure = one.figure
    if figure is None or figure.value is None:
        return None
    low, high = (None if each is None else each * figure.scale for each in (figure.low, figure.high))
    return _Point(line, figure.value * figure.scale, low, high)


def _draw(place: Axes, panel: _Panel, *, is_first: bool) -> None:
    at = {line: number for number, line in enumerate(panel.lines)}
    n_ours = n_theirs = 0
    for number, series in enumerate(panel.series):
        shift = _SPREAD * ((number + 0.5) / len(panel.series) - 0.5)
        heights = [at[point.line] + shift for point in series.points]
        if series.is_ours:
            colour, mark, n_ours = OUR_COLOURS[n_ours % len(OUR_COLOURS)], MARKS[n_ours % len(MARKS)], n_ours + 1
        else:
            colour, mark, n_theirs = PAPER_COLOUR, MARKS[n_theirs % len(MARKS)], n_theirs + 1
        face = colour if series.is_ours else "none"
        for point, height in zip(series.points, heights, strict=True):
            if point.low is not None and point.high is not None:
                place.hlines(height, point.low, point.high, color=colour, linewidth=1.4)
        values = [point.value for point in series.points]
        place.scatter(
            values, heights, s=26, marker=mark, edgecolors=colour, facecolors=face, zorder=3, label=series.name
        )
    place.set_title(panel.title, fontsize=9)
    place.set_ylim(len(panel.lines) - 0.5, -0.5)
    place.set_yticks(range(len(panel.lines)), panel.lines if is_first else [""] * len(panel.lines))
    place.grid(axis="x", color="#dddddd", linewidth=0.6)
    place.set_axisbelow(True)


def _legend(picture: Figure) -> None:
    """Say once what marks stand for: those that look alike are called alike in all panels."""
    found: dict[str, Any] = {}
    for place in picture.axes:
        for handle, name in zip(*place.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    picture.legend(
        found.values(), found.keys(), loc="outside lower center", ncols=MOST_COLUMNS, fontsize=8, frameon=False
    )
