"""Multiple choice: how likely the keys of lettered answers are to come next (folktexts' first mode)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations
from string import ascii_uppercase
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from ..distribution import normalise
from .values import Elicited, joined, uniform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ..llm.values import LabelScores

Orders: TypeAlias = Literal["one", "rotations", "all"]

LEAST_MASS: Final = 0.1
"""Below it most of what the model would say is no key at all, and the distribution is told with a warning."""
MAX_PERMUTED: Final = 5
"""So many labels at most are asked in all their orders: 120 prompts."""

_ROUNDING: Final = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One prompt's answer.

    Attributes:
        order: the labels as they stood under the keys A, B, C, ...
        scores: of the keys as the next text, once for each white space that was tried before them.
    """

    order: tuple[str, ...]
    scores: tuple[LabelScores, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chosen(Elicited):
    """A distribution from multiple choice. `mass`: probability that the keys have together, mean over prompts."""

    mass: float


def key_orders(labels: Sequence[str], *, how: Orders = "rotations") -> tuple[tuple[str, ...], ...]:
    """Return the orders in which labels are put under keys.

    "rotations" puts each label once under each key, which takes out the liking for a key at the least cost.

    Raises:
        ValueError: all orders of more than MAX_PERMUTED labels.
    """
    if how == "all" and len(labels) > MAX_PERMUTED:
        raise ValueError(
            f"expected at most {MAX_PERMUTED} labels for all their orders, got {len(labels)}; use rotations"
        )
    if how == "all":
        return tuple(permutations(labels))
    n = len(labels) if how == "rotations" else 1
    return tuple((*labels[at:], *labels[:at]) for at in range(n))


def keyed(order: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return each label with its key, A first.

    >>> keyed(("sad", "happy"))
    (('A', 'sad'), ('B', 'happy'))
    """
    return tuple(zip(ascii_uppercase[: len(order)], order, strict=True))


def from_choices(answers: Sequence[Choice], labels: Sequence[str]) -> Chosen:
    """Return the mean over prompts of the keys' probabilities, each prompt's divided by their sum.

    Of the white spaces tried the one under which the keys have the largest mass counts.
    """
    read = [_read(answer, labels) for answer in answers]
    good = [(shares, mass) for shares, mass in read if mass > 0]
    if not good:
        problem = "the model holds none of the keys possible" if answers else "nothing was asked"
        return Chosen(distribution=uniform(max(1, len(labels))), problem=problem, mass=0.0)
    mass = sum(mass for _, mass in read) / len(read)
    lost = (
        f"{len(read) - len(good)} of {len(read)} prompts gave no key a probability" if len(good) < len(read) else None
    )
    thin = f"the keys have {mass:.1%} of the probability" if mass < LEAST_MASS else None
    distribution = normalise(np.mean([shares for shares, _ in good], axis=0))
    return Chosen(distribution=distribution, mass=mass, warning=joined(lost, thin))


def _read(answer: Choice, labels: Sequence[str]) -> tuple[NDArray[np.float64], float]:
    """Return one prompt's shares in the order of `labels`, and the mass of the keys, 0 when there is nothing in it."""
    label_of = dict(keyed(answer.order))
    best: Mapping[str, float] = {}
    for scores in answer.scores:
        found = {
            label_of[key.strip()]: _probability(logp)
            for key, logp in zip(scores.labels, scores.logps, strict=True)
            if key.strip() in label_of
        }
        best = max(best, found, key=lambda each: sum(each.values()))
    return normalise([best.get(label, 0.0) for label in labels]), min(1.0, sum(best.values()))


def _probability(logp: float) -> float:
    """Return a key's probability; 0 for a score that is none. An engine's rounding may put a sure one above 0."""
    return math.exp(min(0.0, logp)) if logp <= _ROUNDING else 0.0
