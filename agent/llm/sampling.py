"""One token out of a model's logits: the likeliest, or one drawn. Pure but for the random numbers it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streaming.errors import EngineFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray


def draw(logits: NDArray[np.float32], random: np.random.Generator, *, temperature: float, top_p: float) -> int:
    """Return a token. `logits` has shape (n_vocab,), minus infinity where a token is out; temperature 0 is greedy.

    `top_p` leaves only the fewest tokens that have that share together, after the temperature.

    Raises:
        EngineFailed: all tokens are out, or the logits are no numbers.
    """
    best = int(logits.argmax())
    if not np.isfinite(logits[best]):
        raise EngineFailed("no token of the model fits what was asked for; relax the schema")
    if temperature <= 0:
        return best
    weights: NDArray[np.float64] = np.exp((logits.astype(np.float64) - float(logits[best])) / temperature)
    if top_p >= 1:
        return _one_of(weights, random.random())
    likely = _nucleus(weights, top_p)
    return int(likely[_one_of(weights[likely], random.random())])


def _nucleus(weights: NDArray[np.float64], top_p: float) -> NDArray[np.intp]:
    """Return the fewest tokens that have a share of `top_p` together, likeliest first."""
    enough = top_p * weights.sum()
    # Tokens below this cannot have more than the rest together: the sort is spared them, nearly all.
    likely = np.flatnonzero(weights >= (weights.sum() - enough) / len(weights))
    likely = likely[np.argsort(-weights[likely], kind="stable")]
    n_short: int = (np.cumsum(weights[likely]) < enough).sum()
    return likely[: n_short + 1]


def _one_of(weights: NDArray[np.float64], drawn: float) -> int:
    """Return the index that the number `drawn` in [0, 1) falls on, each as wide as its weight."""
    sums: NDArray[np.float64] = np.cumsum(weights)
    return min(int((sums <= drawn * sums[-1]).sum()), len(weights) - 1)
