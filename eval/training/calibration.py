"""Fits a `Calibration` of label scores to what was true, by maximum likelihood. Deterministic.

`truths` are labels, or soft labels of shape (n, n labels) in the order of the scores' labels.
"""

from __future__ import annotations

# scipy ships no types: what it returns is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from agent.elicitation import Calibration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.llm.values import LabelScores

Floats: TypeAlias = NDArray[np.float64]

RANGE: Final = (0.02, 50.0)
"""Temperatures looked at: of answers that are always right, or always wrong, the likeliest would be 0 or infinite."""
RIDGE: Final = 1e-3
"""Weight, per utterance, of squared offsets and log scales: a few utterances do not settle a rare label."""


def fit_temperature(
    scores: Sequence[LabelScores], truths: Sequence[str] | Floats, *, per_token: bool = True
) -> Calibration:
    """Return the temperature under which the truths are likeliest.

    Raises:
        ValueError: no utterance can be used, labels differ between them, or a truth is none of them.
    """
    rows, targets, _ = _data(scores, truths, per_token=per_token)

    def loss(log_t: float) -> float:
        return _loss(rows / np.exp(log_t), targets)

    found: Any = optimize.minimize_scalar(loss, bounds=tuple(np.log(RANGE)), method="bounded")
    temperature = float(np.exp(found.x))
    fitted = Calibration(temperature=temperature, per_token=per_token)
    return _told(fitted, before=_loss(rows, targets), after=_loss(rows / temperature, targets), n=len(rows))


def fit_vector(
    scores: Sequence[LabelScores], truths: Sequence[str] | Floats, *, per_token: bool = True, ridge: float = RIDGE
) -> Calibration:
    """Return the scale and offset of each label under which the truths are likeliest, held near 1 and 0 by `ridge`.

    Raises:
        ValueError: as `fit_temperature`.
    """
    rows, targets, labels = _data(scores, truths, per_token=per_token)
    n_labels = len(labels)

    def loss(at: Floats) -> tuple[float, Floats]:
        scale, bias = np.exp(at[:n_labels]), at[n_labels:]
        logits = rows * scale + bias
        wrong = (np.exp(_log_softmax(logits)) - targets) / len(rows)
        slope = np.concatenate([(wrong * rows * scale).sum(axis=0), wrong.sum(axis=0)])
        return _loss(logits, targets) + ridge * float(at @ at), slope + 2 * ridge * at

    found: Any = optimize.minimize(loss, np.zeros(2 * n_labels), jac=True, method="L-BFGS-B")
    scale, bias = np.exp(found.x[:n_labels]), found.x[n_labels:]
    fitted = Calibration(labels=labels, scale=tuple(scale.tolist()), bias=tuple(bias.tolist()), per_token=per_token)
    return _told(fitted, before=_loss(rows, targets), after=_loss(rows * scale + bias, targets), n=len(rows))


def _data(
    scores: Sequence[LabelScores], truths: Sequence[str] | Floats, *, per_token: bool
) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Return scores and targets, shape (n, n labels), of the utterances all of whose labels were seen; the labels."""
    if len(scores) != len(truths) or len({each.labels for each in scores}) != 1:
        raise ValueError(
            f"expected as many truths as scores, all over the same labels, got {len(truths)}, {len(scores)}"
        )
    labels = scores[0].labels
    if strange := {truth for truth in truths if isinstance(truth, str)} - set(labels):
        raise ValueError(f"expected truths among {', '.join(labels)}, got {', '.join(sorted(strange))}")
    rows = np.array([each.per_token if per_token else each.logps for each in scores], np.float64)
    targets = np.array(
        [[float(truth == label) for label in labels] if isinstance(truth, str) else truth for truth in truths],
        np.float64,
    )
    usable = np.isfinite(rows).all(axis=1)
    if not usable.any():
        raise ValueError("no utterance has a score for every label; use an engine that scores them exactly")
    return rows[usable], targets[usable], labels


def _log_softmax(logits: Floats) -> Floats:
    lowered = logits - logits.max(axis=1, keepdims=True)
    return lowered - np.log(np.exp(lowered).sum(axis=1, keepdims=True))


def _loss(logits: Floats, targets: Floats) -> float:
    """Return the mean cross entropy, nats."""
    return float(-(targets * _log_softmax(logits)).sum(axis=1).mean())


def _told(calibration: Calibration, *, before: float, after: float, n: int) -> Calibration:
    told = (("utterances", str(n)), ("nats_before", f"{before:.4f}"), ("nats_after", f"{after:.4f}"))
    return replace(calibration, fitted_on=told)
