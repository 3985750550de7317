"""What labels were told for which, how sure estimates were, and where feelings lie beside where they were put. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ..metrics import ECE_BINS
from ..score.measure import final_of, is_scored
from ..score.said import NOT_SAID, true_label
from .values import Bin, Dot, Matrix, MatrixCell, Plane, Reliability

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..replay.row import Row
    from ..score.measure import ScoreSettings
    from ..score.report import ScoreReport
    from ..score.said import Said

NONE_SAID: Final = "none"
DOTS: Final = 240
"""Most places that are drawn on one plane; of more, every second, third and so on."""
TRUTH, SAID = "As annotated", "As told"


def matrix_of(report: ScoreReport, *, title: str = "") -> Matrix | None:
    """Return the confusion matrix, without labels that are neither true nor said anywhere; None without any row."""
    columns = (*report.labels, NONE_SAID)
    by_column = [sum(row[at] for row in report.confusion) for at in range(len(columns))]
    kept = [
        at for at in range(len(columns)) if by_column[at] or (at < len(report.labels) and sum(report.confusion[at]))
    ]
    rows = [
        (label, sum(counts), tuple(_cell(counts, at, columns, label=label) for at in kept))
        for label, counts in zip(report.labels, report.confusion, strict=True)
        if sum(counts)
    ]
    return Matrix(columns=tuple(columns[at] for at in kept), rows=tuple(rows), title=title) if rows else None


def _cell(counts: Sequence[int], at: int, columns: Sequence[str], *, label: str) -> MatrixCell:
    share = counts[at] / sum(counts)
    return MatrixCell(
        n=counts[at],
        share=f"{100 * share:.0f}",
        weight=round(share, 3),
        column=columns[at],
        is_right=columns[at] == label,
    )


def reliability_of(report: ScoreReport, said: Said, *, title: str = "") -> Reliability:
    """Return how often estimates are right by how sure they are, in the bins that the calibration error is taken over.

    An item without a distribution counts as the even one, as it does there.
    """
    error = next((each for each in report.figures if each.name == "ECE"), None)
    if error is None or error.value is None:
        return Reliability(reason=error.reason if error else "it is not asked for", title=title)
    told = np.flatnonzero(said.truth != NOT_SAID)
    distributions = said.distributions[told]
    sure = distributions.max(axis=1)
    right = distributions.argmax(axis=1) == said.truth[told]
    place = np.minimum((sure * ECE_BINS).astype(np.intp), ECE_BINS - 1)
    bins: list[Bin] = []
    for at in range(ECE_BINS):
        here = place == at
        n = int(here.sum())
        bins.append(
            Bin(
                low=at / ECE_BINS,
                high=(at + 1) / ECE_BINS,
                n=n,
                sure=float(sure[here].mean()) if n else None,
                right=float(right[here].mean()) if n else None,
            )
        )
    return Reliability(bins=tuple(bins), error=f"{100 * error.value:.{error.decimals}f} %", title=title)


def commonest(said: Said) -> tuple[str, float] | None:
    """Return the commonest true label and its share: what always saying it would get right; None without any."""
    told = said.truth[said.truth != NOT_SAID]
    if not told.size:
        return None
    counts = np.bincount(told, minlength=len(said.labels))
    return said.labels[int(counts.argmax())], float(counts.max() / told.size)


def planes_of(runs: Mapping[str, Sequence[Row]], settings: ScoreSettings) -> tuple[Plane, ...]:
    """Return where annotators put items on the plane of valence and arousal, and where each run put the same ones.

    `runs`: rows by the title of their picture, all about the same items. Only items that have a place on all pictures
    that have any are shown.
    """
    first = next(iter(runs.values()))
    found = {TRUTH: [_dot(row.truth, row, settings) for row in first]}
    found |= {title: [_dot(final_of(row), row, settings) for row in rows] for title, rows in runs.items()}
    told = [dots for dots in found.values() if any(dots)]
    kept = [at for at, row in enumerate(first) if is_scored(row) and all(dots[at] for dots in told)]
    return tuple(_plane(title, dots, kept) for title, dots in found.items())


def _plane(title: str, places: Sequence[Dot | None], kept: Sequence[int]) -> Plane:
    dots = [dot for at in kept if (dot := places[at])]
    if not any(places):
        who = "item" if title == TRUTH else "estimate"
        return Plane(title=title, reason=f"no {who} tells both valence and arousal")
    if not dots:
        return Plane(title=title, reason="no item has a place on all of these pictures")
    by_label: dict[str, list[Dot]] = {}
    for dot in dots:
        by_label.setdefault(dot.label, []).append(dot)
    means = [
        Dot(
            valence=sum(each.valence for each in some) / len(some),
            arousal=sum(each.arousal for each in some) / len(some),
            label=label,
            item=f"{len(some)}",
        )
        for label, some in sorted(by_label.items())
    ]
    step = -(-len(dots) // DOTS)
    return Plane(title=title, dots=tuple(dots[::step]), means=tuple(means))


def _dot(told: Mapping[str, object], row: Row, settings: ScoreSettings) -> Dot | None:
    valence, arousal = told.get("valence"), told.get("arousal")
    if not isinstance(valence, int | float) or not isinstance(arousal, int | float):
        return None
    label = true_label(row, settings) or str(row.truth.get("label") or "no label")
    return Dot(valence=_held(valence), arousal=_held(arousal), label=label, item=row.item)


def _held(value: float) -> float:
    """A value on the plane: one beyond its edge lies at the edge."""
    return min(1.0, max(0.0, float(value)))
