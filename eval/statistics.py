"""Intervals for figures: the bootstrap, percentile or BCa, by blocks or by strata, single or paired. Pure and seeded.

What is drawn again is what could have been drawn otherwise when the data were made: dialogues or speakers (blocks),
where utterances of one hang together; utterances within their class (strata), where they do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

Rows: TypeAlias = NDArray[np.intp]
"""Indices of utterances, drawn with replacement."""

Ends: TypeAlias = Literal["percentile", "bca"]
"""Where an interval ends: at percentiles of the draws as they are, or corrected for bias and skew (Efron 1987)."""

DRAWS: Final = 1000
SEED: Final = 1
LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """How an interval is made; `seed` is stated with every figure."""

    draws: int = DRAWS
    seed: int = SEED
    level: float = LEVEL
    ends: Ends = "percentile"

    def __post_init__(self) -> None:
        """Refuse settings that give no interval."""
        if self.draws < 1 or not 0 < self.level < 1:
            raise ValueError(f"draws must be 1 or more and level between 0 and 1, got {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure on the data as they are, and where it falls when they are drawn again.

    `value`, `low`, `high` are None where the figure is undefined; `n_undefined` counts the draws it was undefined in.
    """

    value: float | None
    low: float | None
    high: float | None
    n_undefined: int = 0

    def excludes(self, value: float) -> bool:
        """Tell whether the interval lies wholly on one side of `value`; an undefined one does not."""
        return self.low is not None and self.high is not None and not self.low <= value <= self.high


def bootstrap_blocks(
    blocks: Sequence[Hashable],
    statistic: Callable[[Rows], float | None],
    *,
    resampling: Resampling | None = None,
) -> Interval:
    """Return the interval of `statistic` when whole blocks are drawn again.

    `blocks` names the block of each utterance (its dialogue or speaker). `statistic` gets the indices of a draw.
    """
    settings = resampling or Resampling()
    members = _members(blocks)
    return _interval(_block_draws(members, settings), statistic, settings=settings, members=members)


def bootstrap_stratified(
    strata: Sequence[Hashable],
    statistic: Callable[[Rows], float | None],
    *,
    resampling: Resampling | None = None,
) -> Interval:
    """Return the interval of `statistic` when utterances are drawn again within their stratum (their true class)."""
    settings = resampling or Resampling()
    members = _members(strata)
    alone = [np.array([row], dtype=np.intp) for row in range(len(strata))]
    return _interval(_stratified_draws(members, settings), statistic, settings=settings, members=alone)


def paired_bootstrap(
    blocks: Sequence[Hashable],
    left: Callable[[Rows], float | None],
    right: Callable[[Rows], float | None],
    *,
    resampling: Resampling | None = None,
) -> Interval:
    """Return the interval of `left` minus `right` on the same draws of blocks; it excludes 0 where they differ."""

    def difference(rows: Rows) -> float | None:
        one, other = left(rows), right(rows)
        return None if one is None or other is None else one - other

    return bootstrap_blocks(blocks, difference, resampling=resampling)


def _members(names: Sequence[Hashable]) -> list[Rows]:
    """The rows of each name, in order of first appearance."""
    found: dict[Hashable, list[int]] = {}
    for row, name in enumerate(names):
        found.setdefault(name, []).append(row)
    return [np.array(rows, dtype=np.intp) for rows in found.values()]


def _block_draws(members: list[Rows], settings: Resampling) -> Iterator[Rows]:
    random = np.random.default_rng(settings.seed)
    for _ in range(settings.draws):
        drawn: list[int] = random.integers(len(members), size=len(members)).tolist()
        yield np.concatenate([members[at] for at in drawn])


def _stratified_draws(members: list[Rows], settings: Resampling) -> Iterator[Rows]:
    random = np.random.default_rng(settings.seed)
    for _ in range(settings.draws):
        yield np.concatenate([rows[random.integers(rows.size, size=rows.size)] for rows in members])


def _interval(
    draws: Iterator[Rows], statistic: Callable[[Rows], float | None], *, settings: Resampling, members: list[Rows]
) -> Interval:
    """`members`: the rows of each thing that is drawn; all of them together are the data."""
    n = sum(rows.size for rows in members)
    if n == 0:
        return Interval(value=None, low=None, high=None)
    value = statistic(np.arange(n))
    found = [statistic(rows) for rows in draws]
    known = [each for each in found if each is not None]
    if value is None or not known:
        return Interval(value=value, low=None, high=None, n_undefined=len(found) - len(known))
    ends = ((1 - settings.level) / 2, (1 + settings.level) / 2)
    if settings.ends == "bca":
        ends = _corrected(ends, value=value, draws=np.array(known), left_out=_left_out(n, members, statistic))
    low, high = np.quantile(known, ends)
    return Interval(value=value, low=float(low), high=float(high), n_undefined=len(found) - len(known))


def _left_out(n: int, members: list[Rows], statistic: Callable[[Rows], float | None]) -> NDArray[np.float64]:
    """The statistic without each of `members` in turn, where it is defined."""
    every = np.arange(n)
    found = [statistic(np.setdiff1d(every, rows)) for rows in members] if len(members) > 1 else []
    return np.array([each for each in found if each is not None], np.float64)


def _corrected(
    ends: tuple[float, float], *, value: float, draws: NDArray[np.float64], left_out: NDArray[np.float64]
) -> tuple[float, float]:
    """The shares of draws at which a bias-corrected and accelerated interval ends (Efron and Tibshirani 1993, 14.10).

    Draws alike to the value count half below it; the acceleration is that of the jackknife over `left_out`.
    """
    normal = NormalDist()
    below = float((draws < value).mean() + (draws == value).mean() / 2)
    spare = 1 / (2 * draws.size)
    bias = normal.inv_cdf(min(max(below, spare), 1 - spare))
    away = left_out.mean() - left_out if left_out.size else np.zeros(1)
    spread = float((away**2).sum())
    skew = float((away**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0

    def share(end: float) -> float:
        at = bias + normal.inv_cdf(end)
        scale = 1 - skew * at
        if scale <= 0:  # past the pole, where the formula would turn the ends around: the last draw there is
            return 1.0 if at > 0 else 0.0
        return normal.cdf(bias + at / scale)

    return share(ends[0]), share(ends[1])
