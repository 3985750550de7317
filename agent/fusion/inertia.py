"""Feelings last and spread: a small filter over turns (after EmotionIC, papers_spec 8.1). Off by default. Pure.

    score(y) = log p(y) + inertia k(gap) sum_y' q(y') A[y', y] + contagion sum_z r(z) A[z, y],   p' = softmax(score)

p is the turn's distribution, q the same speaker's previous one, r what the other speaker expressed last;
A[y', y] = log P(y | y') - log P(y) from label bigrams: 0 where knowing the previous label changes nothing, so that
nothing is dragged along for being common. k(gap) = 0.5^(gap / half_life_s): what was felt minutes ago weighs less.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..distribution import Distribution, log, softmax

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class InertiaSettings:
    """How much earlier turns weigh: 0 (the default) is not at all, 1 takes them as full evidence.

    Attributes:
        inertia, contagion: weights of the same speaker's and of the other speaker's previous turn, in [0, 1].
        half_life_s: pause after which inertia weighs half.
    """

    inertia: float = 0.0
    contagion: float = 0.0
    half_life_s: float = 60.0

    def __post_init__(self) -> None:
        """Refuse weights outside [0, 1] and a half-life that is none.

        Raises:
            ValueError: a value is out of range.
        """
        if not (0 <= self.inertia <= 1 and 0 <= self.contagion <= 1):
            raise ValueError(f"inertia and contagion must lie in [0, 1], got {self.inertia} and {self.contagion}")
        if not self.half_life_s > 0:
            raise ValueError(f"half_life_s must be over 0, got {self.half_life_s}")

    @property
    def is_on(self) -> bool:
        """Whether anything is filtered at all."""
        return self.inertia > 0 or self.contagion > 0


def staying(n_labels: int, *, stay: float = 0.5) -> NDArray[np.float64]:
    """Return A where nothing was counted: a label follows itself with probability `stay`, others alike.

    Shape (n, n), rows are the previous label. `stay` = 1 / n gives zeros: no inertia.

    Raises:
        ValueError: fewer than two labels, or `stay` outside (0, 1).
    """
    if n_labels < 2 or not 0 < stay < 1:
        raise ValueError(f"expected two labels or more and stay in (0, 1), got {n_labels} and {stay}")
    table = np.full((n_labels, n_labels), (1 - stay) / (n_labels - 1))
    np.fill_diagonal(table, stay)
    return np.log(table * n_labels)


def counted(
    sequences: Iterable[Sequence[str]], *, labels: Sequence[str], smoothing: float = 1.0
) -> NDArray[np.float64]:
    """Return A from labelled turns, one sequence per speaker and conversation, `smoothing` added to every bigram.

    For contagion the sequences alternate between the speakers. Labels outside the set break a sequence's bigrams.

    Raises:
        ValueError: `smoothing` is not over 0.
    """
    if not smoothing > 0:
        raise ValueError(f"smoothing must be over 0, got {smoothing}")
    bigrams = Counter(pair for sequence in sequences for pair in pairwise(sequence))
    counts = np.array([[bigrams[before, after] + smoothing for after in labels] for before in labels])
    joint = counts / counts.sum()
    return np.log(joint) - np.log(joint.sum(axis=1, keepdims=True)) - np.log(joint.sum(axis=0, keepdims=True))


def filtered(
    distribution: Distribution,
    *,
    previous: Distribution | None = None,
    other: Distribution | None = None,
    gap_s: float = 0.0,
    settings: InertiaSettings,
    links: NDArray[np.float64] | None = None,
) -> Distribution:
    """Return the distribution in the light of the turns before; the same object when there is nothing to weigh.

    `links` is A, by default `staying`; all are over the same labels. A negative gap counts as none.
    """
    weigh_previous = settings.inertia if previous is not None else 0.0
    weigh_other = settings.contagion if other is not None else 0.0
    if weigh_previous == 0 == weigh_other:
        return distribution
    table = staying(len(distribution)) if links is None else links
    score = log(distribution)
    if previous is not None:
        score = score + weigh_previous * 0.5 ** (max(0.0, gap_s) / settings.half_life_s) * (previous @ table)
    if other is not None:
        score = score + weigh_other * (other @ table)
    return softmax(score)
