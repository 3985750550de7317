"""What of a prompt a model still has in its cache, and how a window of turns moves so that it keeps having it.

A causal model's state after some tokens depends on nothing that follows: a new prompt costs only what comes after the
longest beginning it shares with one that was worked through before. A window that drops its oldest turn at every new
one changes the beginning each time, and nothing is ever reused. So the window moves in blocks: turns are only added for
a while, then many are dropped at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two sequences have in common at their beginnings."""
    mine, theirs = list(one), list(other)  # lists compare fast, and only with lists
    low, high = 0, min(len(mine), len(theirs))
    if mine[:high] == theirs[:high]:
        return high
    while high - low > 1:  # alike up to `low`, not up to `high`
        middle = (low + high) // 2
        if mine[low:middle] == theirs[low:middle]:
            low = middle
        else:
            high = middle
    return low


def slide(n_turns: int, *, window: int, block: int | None = None) -> int:
    """Return the index of the first turn to show when there are `n_turns`; never more than `window` are shown.

    The answer is a multiple of `block` and changes once every `block` turns: between `window - block + 1` and `window`
    turns are shown once there are that many. With blocks of b turns the move costs (window - b) turns worked through
    again, shared by b turns: a fifth of the window for a block of a fifth loses about a sixth of all tokens, half of
    the window about a twentieth, and then at least half of the window is always shown. So half is the default; a
    `block` of 1 shows exactly the last `window` turns, as the papers do.

    Raises:
        ValueError: `window` or `block` is not positive, or the block is larger than the window.
    """
    step = max(1, window // 2) if block is None else block
    if window < 1 or not 1 <= step <= window:
        raise ValueError(f"a window of {window} turns cannot move by {step}; take 1 <= block <= window")
    return max(0, -(-(n_turns - window) // step)) * step


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheShare:
    """How much of the prompts so far came from the cache; add calls up with `+`."""

    n_prompt: int = 0
    n_cached: int = 0

    def __add__(self, other: CacheShare) -> CacheShare:
        return CacheShare(n_prompt=self.n_prompt + other.n_prompt, n_cached=self.n_cached + other.n_cached)

    @property
    def share(self) -> float:
        """Cached tokens per prompt token, in [0, 1]; 0 before the first."""
        return self.n_cached / self.n_prompt if self.n_prompt else 0.0


def best_source(tokens: Sequence[int], held: Iterable[tuple[int, Sequence[int]]]) -> tuple[int | None, int]:
    """Return which of the sequences `held` (key, tokens) begins most like `tokens`, and how many tokens they share.

    The first of equals; (None, 0) when none shares any.
    """
    best: tuple[int | None, int] = (None, 0)
    for key, others in held:
        shared = common_prefix(tokens, others)
        if shared > best[1]:
            best = (key, shared)
    return best
