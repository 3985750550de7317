"""Whether two systems differ on the same rows: approximate randomisation by blocks, Holm over all tests. Pure, seeded.

Both systems stand in one table, the first's n rows above the second's n, so that any measure of rows can be tested.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from ..statistics import Rows

TRIALS: Final = 10_000
_SLACK: Final = 1e-12
"""Differences this near to the one found are as large: sums in another order are not the same to the last bit."""


def randomisation_p(
    blocks: Sequence[Hashable],
    statistic: Callable[[Rows], float | None],
    *,
    rows: Rows,
    n: int,
    trials: int = TRIALS,
    seed: int,
) -> float | None:
    """Return the two-sided p of the difference under random exchange of the systems, block by block, in (0, 1].

    (1 + trials at least as extreme) / (1 + trials), as Noreen (1989); a trial in which the statistic is undefined
    counts as extreme. None where the difference found is undefined.

    Args:
        blocks: the block of each of `rows`; what hangs together is exchanged together.
        statistic: of rows of the table.
        rows: of the first system, which the measure is about; the second's are these + n.
        n: rows of one system.
        trials: how many exchanges.
        seed: of the exchanges.
    """
    one, other = statistic(rows), statistic(rows + n)
    if one is None or other is None:
        return None
    found = abs(one - other) - _SLACK
    _, block = np.unique(np.array([str(each) for each in blocks]), return_inverse=True)
    n_blocks = int(block.max()) + 1
    random = np.random.default_rng(seed)
    extreme = 0
    for _ in range(trials):
        swapped = random.integers(2, size=n_blocks)[block] * n
        left, right = statistic(rows + swapped), statistic(rows + n - swapped)
        extreme += left is None or right is None or abs(left - right) >= found
    return (1 + extreme) / (1 + trials)


def holm(ps: Sequence[float]) -> list[float]:
    """Return p values adjusted for all of them being tested (Holm 1979), in the order given, each in [0, 1]."""
    order = sorted(range(len(ps)), key=lambda at: ps[at])
    adjusted = [0.0] * len(ps)
    highest = 0.0
    for place, at in enumerate(order):
        highest = max(highest, min(1.0, (len(ps) - place) * ps[at]))
        adjusted[at] = highest
    return adjusted
