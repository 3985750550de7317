"""Soft labels of paper 003, and a light head trained on them over features that stay as they are. Pure, deterministic.

The paper's head is a projection, the mean over time and a second linear map, over a learned mix of the upstream's
layers: all of it linear, so that the mean over time can be taken first, and once.
"""

from __future__ import annotations

# scipy.optimize ships no types: what it returns is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import optimize
from threadpoolctl import threadpool_limits

from agent.distribution import softmax

from ..distances import SMOOTHING, held_classes, smoothed

if TYPE_CHECKING:
    from ..metrics import Floats

STRENGTHS: Final = (0.001, 0.01, 0.1, 1.0)
"""Inverse ridge penalties that are tried; the dev set chooses."""
WITHOUT_DEV: Final = 0.1
_CONSTANT: Final = 1e-6
"""A feature that varies by less than this share of its mean only shows how numbers are rounded (float32)."""


def class_weights(targets: Floats) -> Floats:
    """Return the weight of each class (Cui et al. 2019), shape (n classes,), their mean 1 over the classes held.

    `targets`: shape (n, n classes), soft labels before they are smoothed. A class counts in a row that gives it more
    than 1 / n classes; one that counts in none has an infinite weight by the formula, and here 0.
    """
    return weights_of_counts(held_classes(targets).sum(axis=0), n=len(targets))


def weights_of_counts(counts: Floats, *, n: int) -> Floats:
    """Return the weights for classes that are held `counts` times in `n` rows; see `class_weights`."""
    beta = (n - 1) / n if n else 0.0
    held = counts > 0
    weights = np.zeros(len(counts))
    weights[held] = (1 - beta) / (1 - beta ** counts[held])
    return weights / weights.sum() * held.sum() if held.any() else weights


def balanced_cross_entropy(logits: Floats, targets: Floats, weights: Floats) -> float:
    """Return the class-balanced soft cross-entropy of rows, each weighing what its soft label weighs."""
    raised = logits - logits.max(axis=1, keepdims=True)
    logs = raised - np.log(np.exp(raised).sum(axis=1, keepdims=True))
    return float(-((targets @ weights) * (targets * logs).sum(axis=1)).mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSettings:
    """How a head is trained.

    Attributes:
        smoothing: of the soft labels, the paper's 0.05.
        strengths: inverse ridge penalties, of which the dev set takes the one with the least balanced cross-entropy.
        max_steps: of L-BFGS, which stands in for the paper's AdamW: the loss is the same, and the result repeats.
    """

    smoothing: float = SMOOTHING
    strengths: tuple[float, ...] = STRENGTHS
    max_steps: int = 300

    def __post_init__(self) -> None:
        """Refuse settings that make no sense."""
        if not 0 <= self.smoothing < 1 or not self.strengths or min(self.strengths) <= 0 or self.max_steps < 1:
            raise ValueError(f"expected smoothing in [0, 1), strengths above 0 and at least one step, got {self}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """What a head learns from.

    Attributes:
        features: shape (n, layers, size), NaN in a row nothing was heard in.
        targets: soft labels before they are smoothed, shape (n, n classes).
    """

    features: Floats
    targets: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SoftHead:
    """A trained head.

    Attributes:
        mean, scale: of the training features, shape (layers, size).
        layers: how the layers are mixed, logits, shape (layers,).
        weights, bias: shape (size, n classes) and (n classes,).
        strength: the one the dev set chose; `dev_loss` there, None without one.
    """

    mean: Floats
    scale: Floats
    layers: Floats
    weights: Floats
    bias: Floats
    strength: float
    dev_loss: float | None = None

    def logits(self, features: Floats) -> Floats:
        """Return the logits of rows, shape (n, n classes); a row nothing was heard in gives those of the mean."""
        mixed = np.einsum("nld,l->nd", _standard(features, self.mean, self.scale), softmax(self.layers))
        return mixed @ self.weights + self.bias

    def predict(self, features: Floats) -> Floats:
        """Return the distributions of rows, shape (n, n classes)."""
        raised = self.logits(features)
        shares = np.exp(raised - raised.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)


def train_head(train: Rows, dev: Rows | None = None, settings: HeadSettings | None = None) -> SoftHead:
    """Return the head whose penalty the dev set likes best; without one, with the penalty of WITHOUT_DEV.

    Raises:
        ValueError: there are no rows, or nothing was heard in any of them.
    """
    settings = settings or HeadSettings()
    if not np.isfinite(train.features).any():
        raise ValueError("a head needs rows that something was heard in")
    weights = class_weights(train.targets)
    strengths = settings.strengths if dev is not None and len(dev.targets) else (WITHOUT_DEV,)
    with threadpool_limits(1):
        heads = [_fitted(train, weights, strength, settings) for strength in strengths]
    if dev is None or not len(dev.targets):
        return heads[0]
    held = smoothed(dev.targets, by=settings.smoothing)
    losses = [balanced_cross_entropy(head.logits(dev.features), held, weights) for head in heads]
    best = int(np.argmin(losses))
    return _with_loss(heads[best], losses[best])


def _with_loss(head: SoftHead, loss: float) -> SoftHead:
    return SoftHead(
        mean=head.mean,
        scale=head.scale,
        layers=head.layers,
        weights=head.weights,
        bias=head.bias,
        strength=head.strength,
        dev_loss=loss,
    )


def _standard(features: Floats, mean: Floats, scale: Floats) -> Floats:
    """Rows less the mean over the scale; where nothing was heard, the mean."""
    return np.nan_to_num((features - mean) / scale)


def _mean_and_scale(features: Floats) -> tuple[Floats, Floats]:
    """Return both in the number type of the features, shape (layers, size); what is constant has scale 1."""
    mean: Floats = np.asarray(np.nanmean(features, axis=0, dtype=np.float64))
    spread = np.nanstd(features, axis=0, dtype=np.float64)
    scale = np.where(spread > _CONSTANT * np.abs(mean), spread, 1.0)
    return mean.astype(features.dtype), scale.astype(features.dtype)


def _fitted(train: Rows, weights: Floats, strength: float, settings: HeadSettings) -> SoftHead:
    mean, scale = _mean_and_scale(train.features)
    x = _standard(train.features, mean, scale)
    targets = smoothed(train.targets, by=settings.smoothing)
    targets = targets * (targets @ weights)[:, None] / len(targets)
    n_layers, size, n_classes = x.shape[1], x.shape[2], targets.shape[1]
    mass = targets.sum(axis=1, keepdims=True)
    cuts = (n_layers, n_layers + size * n_classes)

    def loss(flat: Floats) -> tuple[float, Floats]:
        mix, w, bias = softmax(flat[: cuts[0]]), flat[cuts[0] : cuts[1]].reshape(size, n_classes), flat[cuts[1] :]
        mixed = np.einsum("nld,l->nd", x, mix)
        logits = mixed @ w + bias
        logits -= logits.max(axis=1, keepdims=True)
        raised = np.exp(logits)
        total = raised.sum(axis=1, keepdims=True)
        value = -(targets * (logits - np.log(total))).sum() + 0.5 * np.square(w).sum() / (strength * len(x))
        slope = raised / total * mass - targets
        by_layer = np.einsum("nld,nd->l", x, slope @ w.T)
        of_mix = mix * (by_layer - by_layer @ mix)
        of_w = mixed.T @ slope + w / (strength * len(x))
        return float(value), np.concatenate([of_mix, of_w.ravel(), slope.sum(axis=0)])

    options = {"maxiter": settings.max_steps, "gtol": 1e-6, "ftol": 1e-10}
    start = np.zeros(n_layers + size * n_classes + n_classes)
    flat = np.asarray(optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x, np.float64)
    return SoftHead(
        mean=mean,
        scale=scale,
        layers=flat[: cuts[0]],
        weights=flat[cuts[0] : cuts[1]].reshape(size, n_classes),
        bias=flat[cuts[1] :],
        strength=strength,
    )
