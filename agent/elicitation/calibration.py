"""How scores of labels become honest probabilities: one temperature, or a scale and an offset for each label.

A calibration belongs to one model asked in one way. Fitted by `eval.training.calibration`, kept in a file
(`calibration_file`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Scores become `score * scale / temperature + bias` before the softmax (Guo et al. 2017).

    Attributes:
        temperature: above 0; more than 1 flattens.
        labels: those `scale` and `bias` are for; empty for a temperature alone, which suits any labels.
        scale: one above 0 for each of `labels`, all 1 unless given.
        bias: one for each of `labels`, all 0 unless given.
        per_token: it is for length-normalised scores, else for plain sums.
        fitted_on: what it was fitted on, for people: names and values in order.
    """

    temperature: float = 1.0
    labels: tuple[str, ...] = ()
    scale: tuple[float, ...] = ()
    bias: tuple[float, ...] = ()
    per_token: bool = True
    fitted_on: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what makes no probability."""
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"temperature must be a number above 0, got {self.temperature}")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"expected labels each once, got {self.labels}")
        for name, values in (("scale", self.scale), ("bias", self.bias)):
            if values and len(values) != len(self.labels):
                raise ValueError(f"expected a {name} for each of {len(self.labels)} labels, got {len(values)}")
            if not all(math.isfinite(value) for value in values):
                raise ValueError(f"{name} must be numbers, got {values}")
        if any(value <= 0 for value in self.scale):
            raise ValueError(f"scale must be above 0, got {self.scale}")

    def covers(self, label: str) -> bool:
        """Whether it can be applied to the label's score."""
        return not self.labels or label in self.labels

    def applied(self, scores: NDArray[np.float64], labels: Sequence[str]) -> NDArray[np.float64]:
        """Return calibrated scores; shape (n labels,) or (m, n labels), in the order of `labels`, all covered."""
        return scores * self._of(self.scale, labels, 1.0) / self.temperature + self._of(self.bias, labels, 0.0)

    def _of(self, values: Sequence[float], labels: Sequence[str], default: float) -> NDArray[np.float64]:
        known = dict(zip(self.labels, values, strict=True)) if values else {}
        return np.array([known.get(label, default) for label in labels])
