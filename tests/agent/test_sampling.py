from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.llm.sampling import draw
from streaming.errors import EngineFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOGITS = np.array([2.0, 0.0, -1.0, 1.0, -30.0], dtype=np.float32)


def draws(logits: NDArray[np.float32], n: int, *, temperature: float = 1.0, top_p: float = 1.0) -> list[int]:
    random = np.random.default_rng(3)
    return [draw(logits, random, temperature=temperature, top_p=top_p) for _ in range(n)]


def shares(drawn: list[int]) -> NDArray[np.float64]:
    return np.bincount(drawn, minlength=len(LOGITS)) / len(drawn)


def softmax(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float64]:
    weights = np.exp(logits.astype(np.float64) / temperature)
    return weights / weights.sum()


def test_no_temperature_takes_the_likeliest():
    assert set(draws(LOGITS, 10, temperature=0)) == {0}


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_have_the_shares_of_the_softmax(temperature: float):
    drawn = draws(LOGITS, 4000, temperature=temperature)
    assert shares(drawn) == pytest.approx(softmax(LOGITS, temperature), abs=0.03)


def test_a_nucleus_leaves_the_unlikely_out_and_keeps_the_shares_of_the_rest():
    left = softmax(LOGITS) * np.array([1, 0, 0, 1, 0])
    assert shares(draws(LOGITS, 4000, top_p=0.8)) == pytest.approx(left / left.sum(), abs=0.03)


@given(st.lists(st.floats(-8, 8, width=32), min_size=2, max_size=60), st.floats(0.01, 0.99))
def test_every_draw_comes_from_the_smallest_set_that_is_likely_enough(values: list[float], top_p: float):
    logits = np.array(values, dtype=np.float32)
    p = softmax(logits)
    for token in draws(logits, 5, top_p=top_p):
        assert p[p > p[token]].sum() < top_p + 1e-9


def test_tokens_that_are_out_are_never_drawn_and_none_left_is_told():
    logits = np.full(5, -np.inf, dtype=np.float32)
    with pytest.raises(EngineFailed, match="no token"):
        draws(logits, 1)
    logits[3] = -1e9
    assert draws(logits, 1, top_p=0.5) == [3]
