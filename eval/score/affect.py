"""How well arousal, dominance and valence are told: Lin's concordance with the annotators' means. Pure.

A row without a prediction counts as the middle of the range, 0.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ..metrics import Floats, Score
from .measure import Measure, final_of, is_scored, rows_where

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..replay.row import Row
    from ..statistics import Rows

DIMENSIONS: Final = ("arousal", "dominance", "valence")
MIDDLE: Final = 0.5


def concordance(predicted: Floats, truth: Floats) -> Score:
    """Return the concordance correlation coefficient, in [-1, 1] (Lin 1989, population moments).

    `predicted`, `truth`: shape (n,). Undefined for fewer than two values and where the truth never varies.
    """
    if truth.size < 2 or not np.ptp(truth):
        return Score(value=None, reason="the truth does not vary" if truth.size else "no row tells it")
    shared = float(((predicted - predicted.mean()) * (truth - truth.mean())).mean())
    apart = float(predicted.mean() - truth.mean()) ** 2
    return Score(value=2 * shared / (float(predicted.var()) + float(truth.var()) + apart))


def affect_measures(rows: Sequence[Row]) -> list[Measure]:
    """Return the concordance of each dimension."""
    return [_measure(rows, dimension) for dimension in DIMENSIONS]


def _measure(rows: Sequence[Row], dimension: str) -> Measure:
    truth = [_number(row.truth, dimension) if is_scored(row) else None for row in rows]
    said = [_number(final_of(row), dimension) for row in rows]
    true_values = np.array([MIDDLE if value is None else value for value in truth])
    said_values = np.array([MIDDLE if value is None else value for value in said])
    is_said = np.array([value is not None for value in said], np.bool_)

    def of(rows: Rows) -> Score:
        if rows.size and not is_said[rows].any():
            return Score(value=None, reason=f"no estimate tells {dimension}")
        return concordance(said_values[rows], true_values[rows])

    return Measure(
        name=f"CCC {dimension}",
        rows=rows_where([value is not None for value in truth]),
        of=of,
        how={"missing": "0.5", "moments": "population"},
        scale=1.0,
        decimals=3,
    )


def _number(held: Mapping[str, object], name: str) -> float | None:
    value = held.get(name)
    return float(value) if isinstance(value, int | float) else None
