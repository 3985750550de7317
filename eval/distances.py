"""How far distributions are from the votes of annotators (paper 001's metrics, as its group's code has them), and back.

One utterance: shape (n labels,). Many: shape (n, n labels). Natural logarithms, but for entropies, which are bits. The
formulas restate the code of AER-LLM; truths may be votes rounded to two decimals, so that they do not
quite sum to 1, and are taken as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from .metrics import Floats, Score

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

Direction: TypeAlias = Literal["prediction_truth", "truth_prediction"]

KL_EPS: Final = 1e-8
"""Added to what divides, so that a class it holds impossible costs much and not everything."""
_EPS: Final = 1e-10
ECE_BINS_AMBIGUOUS: Final = 5
"""Bins of `metrics.calibration_error` in that code."""
VOTE_DECIMALS: Final = 2
SMOOTHING: Final = 0.05


def kl(prediction: Floats, truth: Floats, *, direction: Direction = "prediction_truth", eps: float = KL_EPS) -> float:
    """Return KL(prediction | truth) or KL(truth | prediction), nats; which of them paper 001 used is not known."""
    a, b = (prediction, truth) if direction == "prediction_truth" else (truth, prediction)
    held = a > 0
    return float((a[held] * np.log(a[held] / (b[held] + eps))).sum())


def bhattacharyya_coefficient(prediction: Floats, truth: Floats) -> float:
    """Return BC, in [0, 1]: 1 for the same distribution."""
    return float(np.sqrt(prediction * truth).sum())


def bhattacharyya_distance(prediction: Floats, truth: Floats) -> float:
    """Return BD = -ln BC: 0 for the same distribution, about 23 for disjoint ones."""
    return float(-np.log(bhattacharyya_coefficient(prediction, truth) + _EPS))


def r_squared(prediction: Floats, truth: Floats) -> float:
    """Return the squared correlation over the classes, in [0, 1]; 0 where either is uniform."""
    a, b = prediction - prediction.mean(), truth - truth.mean()
    return float((a * b).mean() ** 2 / ((a * a).mean() * (b * b).mean() + _EPS))


def js_distance(prediction: Floats, truth: Floats) -> float:
    """Return the Jensen-Shannon distance, the root of the divergence in nats, in [0, 0.8326]."""
    middle = (prediction + truth) / 2
    divergence = (kl(prediction, middle, eps=0.0) + kl(truth, middle, eps=0.0)) / 2
    return float(np.sqrt(max(0.0, divergence)))


def vote_entropy(truth: Floats) -> float:
    """Return the entropy of votes, bits: 0, 0.9149 or 1.5835 for three annotators, their thirds being .33 and .67."""
    held = truth[truth > 0]
    return max(0.0, float(-(held * np.log2(held)).sum()))


METRICS: Final[Mapping[str, Callable[[Floats, Floats], float]]] = {
    "KL(p|t)": kl,
    "KL(t|p)": lambda prediction, truth: kl(prediction, truth, direction="truth_prediction"),
    "BC": bhattacharyya_coefficient,
    "BD": bhattacharyya_distance,
    "R2": r_squared,
    "JS": js_distance,
}


def vote_shares(counts: Mapping[str, float], labels: Sequence[str]) -> Floats | None:
    """Return the shares of votes for `labels`, not rounded; votes for others are dropped; None without any."""
    kept: Floats = np.array([counts.get(label, 0.0) for label in labels], np.float64)
    return kept / kept.sum() if kept.sum() > 0 else None


def smoothed(truth: Floats, *, by: float = SMOOTHING) -> Floats:
    """Return smoothed soft labels, as paper 003's label files are: (1 - ε) p + ε (1 - p) / (C - 1)."""
    return (1 - by) * truth + by * (1 - truth) / (truth.shape[-1] - 1)


def held_classes(distributions: Floats) -> NDArray[np.bool_]:
    """Return the classes with more than 1 / n labels (paper 003), the shape of `distributions`."""
    return distributions > 1 / distributions.shape[-1]


def threshold_macro_f1(truths: Floats, predictions: Floats) -> Score:
    """Return the mean F1 of classes held by truths and predictions, in [0, 1], over all utterances at once.

    A class that neither holds anywhere counts 0, as in `metrics.f1_scores`.
    """
    if not len(truths):
        return Score(value=None, reason="no utterances")
    true, said = held_classes(truths), held_classes(predictions)
    both = true.sum(axis=0) + said.sum(axis=0)
    f1 = 2 * (true & said).sum(axis=0) / np.maximum(both, 1)
    return Score(value=float(f1.mean()))
