"""Several answers made one: majority votes of labels, pools of distributions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ..distribution import mixture, normalise, product_of_experts
from .values import Elicited, uniform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..distribution import Distribution

Pool: TypeAlias = Literal["linear", "log"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vote(Elicited):
    """What a majority said.

    Attributes:
        label: the winner; None when nobody gave a label. Of several with as many votes the one named first.
        is_tied: there were several.
        n_valid: answers that held a label.
    """

    label: str | None
    is_tied: bool = False
    n_valid: int = 0


def vote(said: Sequence[str | None], *, labels: Sequence[str]) -> Vote:
    """Return the majority among answers, None being one without a label; `distribution` holds the shares of votes."""
    counts = Counter(label for label in said if label in labels)
    if not counts:
        return Vote(distribution=uniform(max(1, len(labels))), problem="no answer holds a label", label=None)
    (winner, most), *others = counts.most_common()
    n_lost = len(said) - counts.total()
    return Vote(
        distribution=normalise([float(counts[label]) for label in labels]),
        warning=f"{n_lost} of {len(said)} answers hold no label" if n_lost else None,
        label=winner,
        is_tied=any(n == most for _, n in others),
        n_valid=counts.total(),
    )


def ensemble(
    distributions: Sequence[Distribution], *, pool: Pool = "linear", weights: Sequence[float] | None = None
) -> Elicited:
    """Return the pool of distributions over the same labels: their weighted mean, or normalised geometric mean.

    Weights are divided by their sum, all alike unless given. What is no distribution is left out with a warning.

    Raises:
        ValueError: no distributions, of different lengths, or weights that are not as many, negative or all 0.
    """
    if len({len(each) for each in distributions}) != 1:
        raise ValueError("expected one or more distributions over the same labels")
    shares = np.full(len(distributions), 1.0) if weights is None else np.asarray(weights, np.float64)
    if shares.shape != (len(distributions),) or not np.isfinite(shares).all() or shares.min() < 0 or not shares.any():
        raise ValueError(f"expected {len(distributions)} weights, none negative and not all 0, got {weights}")
    good = [
        (np.asarray(each, np.float64), float(share))
        for each, share in zip(distributions, shares, strict=True)
        if _is_distribution(each)
    ]
    n = len(distributions[0])
    if not any(share for _, share in good):
        return Elicited(distribution=uniform(n), problem="none of the members is a distribution")
    rows, kept = np.array([row for row, _ in good]), normalise([share for _, share in good])
    pooled = mixture(rows, kept.tolist()) if pool == "linear" else product_of_experts(list(rows), weights=kept.tolist())
    n_lost = len(distributions) - len(good)
    warning = f"{n_lost} of {len(distributions)} members are no distributions" if n_lost else None
    return Elicited(distribution=pooled, warning=warning)


def _is_distribution(values: Distribution) -> bool:
    array = np.asarray(values, np.float64)
    return bool(np.isfinite(array).all() and array.min() >= 0 and array.sum() > 0)
