"""Figures of a set of decisions or distributions. Pure.

A figure that is not defined for the data is a `Score` without a value and with the reason; it is never 0 and never left
out. The label set is always given: a class that was never predicted or never true counts as what it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Classes: TypeAlias = NDArray[np.intp]
"""Shape (n,): the index of each utterance's label in the label set."""

Floats: TypeAlias = NDArray[np.float64]

ECE_BINS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A figure, or None and why there is none."""

    value: float | None
    reason: str = ""


def confusion(truth: Classes, predicted: Classes, *, n_labels: int) -> NDArray[np.int64]:
    """Return how often each true label (row) was called each label (column), shape (n labels, n labels)."""
    flat = np.bincount(truth * n_labels + predicted, minlength=n_labels * n_labels)
    return flat.reshape(n_labels, n_labels)


def recalls(truth: Classes, predicted: Classes, *, labels: Sequence[str]) -> list[Score]:
    """Return the recall of each label, in [0, 1]; undefined where no utterance bears it."""
    table = confusion(truth, predicted, n_labels=len(labels))
    total = table.sum(axis=1)
    return [
        Score(value=float(table[at, at] / total[at]))
        if total[at]
        else Score(value=None, reason=f"no utterance is {name}")
        for at, name in enumerate(labels)
    ]


def unweighted_accuracy(truth: Classes, predicted: Classes, *, labels: Sequence[str]) -> Score:
    """Return the mean recall over the fixed label set (UA, balanced accuracy), in [0, 1]."""
    found = recalls(truth, predicted, labels=labels)
    known = [score.value for score in found if score.value is not None]
    if len(known) < len(labels):
        return Score(value=None, reason="; ".join(score.reason for score in found if score.value is None))
    return Score(value=sum(known) / len(known))


def weighted_accuracy(truth: Classes, predicted: Classes) -> Score:
    """Return the share of right decisions (WA, accuracy), in [0, 1]."""
    return Score(value=float((truth == predicted).mean())) if truth.size else Score(value=None, reason="no utterances")


def f1_scores(truth: Classes, predicted: Classes, *, n_labels: int) -> Floats:
    """Return each label's F1, shape (n labels,); 0 for one that is neither true nor predicted anywhere."""
    table = confusion(truth, predicted, n_labels=n_labels)
    both = table.sum(axis=0) + table.sum(axis=1)
    right: Floats = np.diagonal(table).astype(np.float64)
    return 2 * right / np.maximum(both, 1)


def macro_f1(truth: Classes, predicted: Classes, *, labels: Sequence[str]) -> Score:
    """Return the mean F1 over the fixed label set, in [0, 1]."""
    if not truth.size:
        return Score(value=None, reason="no utterances")
    return Score(value=float(f1_scores(truth, predicted, n_labels=len(labels)).mean()))


def weighted_f1(truth: Classes, predicted: Classes, *, labels: Sequence[str]) -> Score:
    """Return the mean F1 weighed by how many utterances bear each label, in [0, 1]."""
    if not truth.size:
        return Score(value=None, reason="no utterances")
    share = np.bincount(truth, minlength=len(labels)) / truth.size
    return Score(value=float(share @ f1_scores(truth, predicted, n_labels=len(labels))))


def calibration_error(
    truth: Classes, distributions: Floats, *, bins: int = ECE_BINS, weights: Floats | None = None
) -> Score:
    """Return the expected calibration error of the top label, in [0, 1] (Naeini et al. 2015; equal-width bins).

    `distributions`: shape (n, n labels). `weights`: shape (n,), what each utterance counts, all alike unless given.
    """
    if not truth.size:
        return Score(value=None, reason="no utterances")
    share = np.full(truth.size, 1.0) if weights is None else weights
    sure = distributions.max(axis=1)
    right = (distributions.argmax(axis=1) == truth).astype(np.float64)
    place = np.minimum((sure * bins).astype(np.intp), bins - 1)
    gaps = np.bincount(place, weights=share * (right - sure), minlength=bins)
    return Score(value=float(np.abs(gaps).sum() / share.sum()))


def class_weights(truth: Classes, *, n_labels: int) -> Floats:
    """Return weights under which every label present counts alike, shape (n,), mean 1."""
    counts = np.bincount(truth, minlength=n_labels)
    return truth.size / (np.count_nonzero(counts) * counts[truth])
