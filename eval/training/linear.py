"""Multinomial logistic regression over sparse rows, with soft targets and learned feature scales. Deterministic.

Single-threaded and without random numbers: the same input gives the same weights.
"""

from __future__ import annotations

# scipy.sparse and scipy.optimize ship no types: what they return is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

Floats = NDArray[np.float64]
Rows: TypeAlias = Any
"""A scipy CSR matrix, float64, shape (n documents, n features)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearSettings:
    """How a head is trained; chosen by cross-validation on GoEmotions train.

    Attributes:
        strength: inverse weight of the ridge penalty (C).
        contrast: exponent of the naive Bayes scales; 0 turns them off.
        smoothing: count added to every feature in every class before the scales are taken.
        max_steps: of L-BFGS; it converges earlier.
    """

    strength: float = 0.7
    contrast: float = 0.7
    smoothing: float = 1.0
    max_steps: int = 1000

    def __post_init__(self) -> None:
        """Refuse settings that make no sense."""
        if self.strength <= 0 or self.smoothing <= 0 or self.contrast < 0 or self.max_steps < 1:
            raise ValueError(f"strength, smoothing and max_steps must be above 0, contrast not below, got {self}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """A trained head: logits = x @ weights + bias, the prior of the training data already taken out of `bias`."""

    weights: Floats
    bias: Floats


def contrast_scales(rows: Rows, targets: Floats, settings: LinearSettings) -> Floats:
    """Return how much each feature's frequency differs between classes, root mean square 1. Shape (n features,).

    The spread over classes of the log of the smoothed share of each class' occurrences, as in the naive Bayes
    features of Wang & Manning (2012), but as a penalty: a feature spread evenly must earn its weight.
    """
    counts = np.asarray(rows.sign().T @ targets) + settings.smoothing
    logs = np.log(counts / counts.sum(axis=0))
    spread = np.sqrt(np.square(logs - logs.mean(axis=1, keepdims=True)).mean(axis=1))
    scales = spread**settings.contrast
    size = np.sqrt(np.square(scales).mean())
    return scales / size if size > 0 else np.ones_like(scales)


def train_head(rows: Rows, targets: Floats, settings: LinearSettings) -> Head:
    """Return the head that fits `targets`, shape (n, k): each row a share of the classes times the row's weight."""
    scales = contrast_scales(rows, targets, settings)
    scaled = (rows @ sparse.diags(scales)).tocsr()
    weights, bias = _fit(scaled, targets, settings)
    prior = targets.sum(axis=0) / targets.sum()
    # A class no row has stays as unlikely as the smallest share can make it.
    bias = bias - np.log(np.maximum(prior, 1e-6))
    return Head(weights=weights * scales[:, None], bias=bias - bias.mean())


def _fit(rows: Rows, targets: Floats, settings: LinearSettings) -> tuple[Floats, Floats]:
    n_features, n_classes = rows.shape[1], targets.shape[1]
    mass = targets.sum(axis=1, keepdims=True)
    turned = rows.T.tocsr()
    strength = settings.strength

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat[:-n_classes].reshape(n_features, n_classes)
        logits = rows @ weights + flat[-n_classes:]
        logits -= logits.max(axis=1, keepdims=True)
        raised = np.exp(logits)
        total = raised.sum(axis=1, keepdims=True)
        value = -(targets * (logits - np.log(total))).sum()
        slope = raised / total * mass - targets
        gradient = np.concatenate([(strength * (turned @ slope) + weights).ravel(), strength * slope.sum(axis=0)])
        return float(strength * value + 0.5 * np.square(weights).sum()), gradient

    start = np.zeros((n_features + 1) * n_classes)
    options = {"maxiter": settings.max_steps, "gtol": 1e-6, "ftol": 1e-7}
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    flat = np.asarray(found.x, dtype=np.float64)
    return flat[:-n_classes].reshape(n_features, n_classes), flat[-n_classes:]


def fit_calibration(logits: Floats, classes: NDArray[np.intp]) -> tuple[float, Floats]:
    """Return the temperature and the class offsets (sum 0) that fit `logits` best, every class weighing the same.

    `logits`: shape (n, k), of rows the model has not seen in training; `classes`: shape (n,).
    """
    n_classes = logits.shape[1]
    weight = 1.0 / np.bincount(classes, minlength=n_classes)[classes] / n_classes
    row = np.arange(len(classes))

    def loss(flat: Floats) -> tuple[float, Floats]:
        sharpness, offset = np.exp(flat[0]), np.append(flat[1:], -flat[1:].sum())
        scaled = logits * sharpness + offset
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        raised = np.exp(scaled)
        shares = raised / raised.sum(axis=1, keepdims=True)
        value = -(weight * np.log(shares[row, classes])).sum()
        shares[row, classes] -= 1.0
        slope = shares * weight[:, None]
        by_class = slope.sum(axis=0)
        return float(value), np.append((slope * logits).sum() * sharpness, by_class[:-1] - by_class[-1])

    found = optimize.minimize(loss, np.zeros(n_classes), jac=True, method="L-BFGS-B", options={"gtol": 1e-7})
    flat = np.asarray(found.x, dtype=np.float64)
    return float(np.exp(-flat[0])), np.append(flat[1:], -flat[1:].sum())
