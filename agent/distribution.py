"""Probability distributions over a label set: combine, compare, calibrate, decide. Pure; knows no engine and no label.

A distribution is a one-dimensional float64 array, each value in [0, 1], summing to 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Distribution: TypeAlias = NDArray[np.float64]
"""Float64, shape (n labels,), in [0, 1], summing to 1."""

FLOOR = 1e-12
"""Smallest probability that enters a logarithm."""


def normalise(weights: Sequence[float] | NDArray[np.float64]) -> Distribution:
    """Return `weights` divided by their sum; uniform when they sum to 0.

    Raises:
        ValueError: no weights, a negative one, or one that is not finite.
    """
    values = np.asarray(weights, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"a distribution needs a flat list of weights, got shape {values.shape}")
    if not np.isfinite(values).all() or values.min() < 0:
        raise ValueError(f"weights must be finite and not negative, got {values.tolist()}")
    total = float(values.sum())
    return np.full(values.size, 1.0 / values.size) if total == 0 else values / total


def softmax(logits: NDArray[np.float64], *, temperature: float = 1.0) -> Distribution:
    """Return exp(logits / temperature), normalised over the last axis. `temperature` > 1 flattens."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    raised = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def log(distribution: Distribution) -> NDArray[np.float64]:
    """Return the natural logarithm, finite also where a probability is 0."""
    return np.log(np.maximum(distribution, FLOOR))


def entropy(distribution: Distribution) -> float:
    """Return the Shannon entropy in bits, in [0, log2(n)]."""
    held = distribution[distribution > 0]
    return max(0.0, float(-(held * np.log2(held)).sum()))


def js_divergence(left: Distribution, right: Distribution) -> float:
    """Return the Jensen-Shannon divergence in bits, in [0, 1]: 0 for the same distribution, 1 for disjoint ones."""
    middle = (left + right) / 2
    value = entropy(middle) - (entropy(left) + entropy(right)) / 2
    return min(1.0, max(0.0, value))


def mixture(distributions: NDArray[np.float64], weights: Sequence[float]) -> Distribution:
    """Return the expected distribution: the weighted mean of the rows of `distributions`, shape (m, n)."""
    return normalise(normalise(weights) @ distributions)


def product_of_experts(distributions: Sequence[Distribution], *, weights: Sequence[float]) -> Distribution:
    """Return the normalised product of the experts, each raised to its weight (Hinton 2002; log-linear pool).

    A weight of 1 trusts an expert fully as independent evidence, 0 ignores it.
    """
    total = np.sum([weight * log(p) for p, weight in zip(distributions, weights, strict=True)], axis=0)
    return softmax(total)


def calibrate(logits: NDArray[np.float64], *, temperature: float, bias: NDArray[np.float64]) -> Distribution:
    """Return softmax(logits / temperature + bias): temperature scaling with class offsets (after Guo et al. 2017).

    `logits` may be one row or shape (m, n).
    """
    return softmax(logits / temperature + bias)


def decide(distribution: Distribution, *, threshold: float) -> int | None:
    """Return the index of the most likely label, None (abstain) when its probability is below `threshold`."""
    best = int(np.argmax(distribution))
    return best if float(distribution[best]) >= threshold else None
