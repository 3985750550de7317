"""Which token comes next: the likeliest, or one drawn; held to a shape where one is given. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streaming.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from .token_mask import Constraint
    from .values import Decoding


class Drawing:
    """Draws the tokens of one answer; the same seed and logits give the same tokens.

    `ends` are the tokens that end an answer: under a `constraint` one is drawn only where the answer may end.
    """

    def __init__(self, decoding: Decoding, *, ends: Collection[int], constraint: Constraint | None = None) -> None:
        self._decoding = decoding
        self._ends = frozenset(ends)
        self._constraint = constraint
        self._random = np.random.default_rng(decoding.seed)

    @property
    def is_over(self) -> bool:
        """Whether the answer must end here."""
        return self._constraint is not None and self._constraint.is_over

    def next(self, logits: NDArray[np.float32]) -> int:
        """Return the token to go on with. `logits` has shape (n_vocab,).

        Raises:
            EngineFailed: no token fits the shape, or the logits are no numbers.
        """
        token = self._drawn(logits)
        if self._constraint is None:
            return token
        if not self._fits(token):
            # Only now is the whole vocabulary looked through: drawing again from what fits gives each token the share
            # it would have had, had the others never been there.
            token = self._drawn(self._left(logits))
        if token not in self._ends:
            self._constraint.accept(token)
        return token

    def _fits(self, token: int) -> bool:
        constraint = self._constraint
        return constraint is None or (constraint.is_whole if token in self._ends else constraint.allows(token))

    def _left(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return `logits` with minus infinity where a token does not fit."""
        assert self._constraint is not None
        fits = np.zeros(logits.shape, dtype=np.bool_)
        fitting = self._constraint.fitting()[: len(fits)]
        fits[: len(fitting)] = fitting
        fits[[end for end in self._ends if end < len(fits)]] = self._constraint.is_whole
        return np.where(fits, logits, np.float32(-np.inf))

    def _drawn(self, logits: NDArray[np.float32]) -> int:
        best = int(logits.argmax())
        if not np.isfinite(logits[best]):
            raise EngineFailed("no token of the model fits the shape of the answer, or its weights are not numbers")
        if self._decoding.temperature <= 0:
            return best
        scaled = (logits.astype(np.float64) - float(logits[best])) / self._decoding.temperature
        weights: NDArray[np.float64] = np.exp(scaled)
        if self._decoding.top_p >= 1:
            return _one_of(weights, self._random.random())
        order = np.argsort(-weights, kind="stable")
        shares: NDArray[np.float64] = np.cumsum(weights[order])
        n = min(int(shares.searchsorted(self._decoding.top_p * float(shares[-1]))) + 1, len(order))
        return int(order[_one_of(weights[order[:n]], self._random.random())])


def _one_of(weights: NDArray[np.float64], drawn: float) -> int:
    """Return the index that the number `drawn` in [0, 1) falls on, each as wide as its weight."""
    sums: NDArray[np.float64] = np.cumsum(weights)
    return min(int(sums.searchsorted(drawn * float(sums[-1]), side="right")), len(weights) - 1)
