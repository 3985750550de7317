"""What was elicited from a model, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..distribution import Distribution


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Elicited:
    """A distribution over the labels that were asked for.

    Attributes:
        distribution: in the order of the labels; uniform when there is a problem.
        problem: why nothing could be learnt; None when something was.
        warning: what is to be known about a distribution that stands; None for nothing.
    """

    distribution: Distribution
    problem: str | None = None
    warning: str | None = None


def uniform(n: int) -> Distribution:
    """Return the distribution of somebody who knows nothing."""
    return np.full(n, 1.0 / n)


def joined(*remarks: str | None) -> str | None:
    """Return the remarks that there are, as one."""
    return "; ".join(remark for remark in remarks if remark) or None
