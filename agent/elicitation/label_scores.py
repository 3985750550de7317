"""Label likelihood: the distribution that label scores of one forward pass give, calibrated. The live default."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..distribution import softmax
from .values import Elicited, uniform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..llm.values import LabelScores
    from .calibration import Calibration


def from_scores(scores: LabelScores, calibration: Calibration | None = None) -> Elicited:
    """Return the softmax of the length-normalised, calibrated scores, over `scores.labels`.

    A label that the engine could not see (minus infinity) gets 0. A calibration fitted for other labels is left out,
    with a warning.
    """
    is_per_token = calibration is None or calibration.per_token
    raw = np.array(scores.per_token if is_per_token else scores.logps, np.float64)
    if problem := _problem(raw, n_labels=len(scores.labels)):
        return Elicited(distribution=uniform(max(1, len(scores.labels))), problem=problem)
    if calibration is None:
        return Elicited(distribution=softmax(raw))
    if strange := [label for label in scores.labels if not calibration.covers(label)]:
        warning = f"not calibrated: the calibration was not fitted for {', '.join(strange)}"
        return Elicited(distribution=softmax(raw), warning=warning)
    return Elicited(distribution=softmax(calibration.applied(raw, scores.labels)))


def _problem(raw: NDArray[np.float64], *, n_labels: int) -> str | None:
    if not n_labels:
        return "no labels were scored"
    if any(math.isnan(score) or score == math.inf for score in raw):
        return "the model's scores are not numbers"
    if not np.isfinite(raw).any():
        return "the model saw none of the labels"
    return None
