"""Intervals for figures: the percentile bootstrap, by blocks or by strata, single or paired. Pure and seeded.

What is drawn again is what could have been drawn otherwise when the data were made: dialogues or speakers (blocks),
where utterances of one hang together; utterances within their class (strata), where they do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

Rows: TypeAlias = NDArray[np.intp]
"""Indices of utterances, drawn with replacement."""

DRAWS: Final = 1000
SEED: Final = 1
LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """How an interval is made; `seed` is stated with every figure."""

    draws: int = DRAWS
    seed: int = SEED
    level: float = LEVEL

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
    return _interval(len(blocks), _block_draws(members, settings), statistic, level=settings.level)


def bootstrap_stratified(
    strata: Sequence[Hashable],
    statistic: Callable[[Rows], float | None],
    *,
    resampling: Resampling | None = None,
) -> Interval:
    """Return the interval of `statistic` when utterances are drawn again within their stratum (their true class)."""
    settings = resampling or Resampling()
    members = _members(strata)
    return _interval(len(strata), _stratified_draws(members, settings), statistic, level=settings.level)


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


def _interval(n: int, draws: Iterator[Rows], statistic: Callable[[Rows], float | None], *, level: float) -> Interval:
    if n == 0:
        return Interval(value=None, low=None, high=None)
    value = statistic(np.arange(n))
    found = [statistic(rows) for rows in draws]
    known = [each for each in found if each is not None]
    if value is None or not known:
        return Interval(value=value, low=None, high=None, n_undefined=len(found) - len(known))
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value=value, low=float(low), high=float(high), n_undefined=len(found) - len(known))
