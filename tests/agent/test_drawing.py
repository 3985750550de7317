"""Drawing tokens: greedy, by temperature and nucleus, under a shape; against plain shares."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from agent.llm.drawing import Drawing
from agent.llm.json_shape import parse_shape
from agent.llm.token_mask import Constraint, Tokens
from agent.llm.values import Decoding
from streaming.errors import EngineFailed

LOGITS = np.log(np.array([0.5, 0.2, 0.2, 0.1], dtype=np.float32))
TOKENS = Tokens([b"true", b"false", b"x", None])
END = 3


def shares(decoding: Decoding, n: int = 4000) -> dict[int, float]:
    drawing = Drawing(decoding, ends=())
    counts = Counter(drawing.next(LOGITS) for _ in range(n))
    return {token: count / n for token, count in counts.items()}


def test_without_temperature_the_likeliest_is_taken():
    assert shares(Decoding(), n=5) == {0: 1.0}


def test_draws_have_the_models_shares():
    assert shares(Decoding(temperature=1.0, seed=1)) == pytest.approx({0: 0.5, 1: 0.2, 2: 0.2, 3: 0.1}, abs=0.03)


def test_temperature_sharpens_and_flattens():
    weights = [0.5**2, 0.2**2, 0.2**2, 0.1**2]
    wanted = {token: weight / sum(weights) for token, weight in enumerate(weights)}
    assert shares(Decoding(temperature=0.5, seed=1)) == pytest.approx(wanted, abs=0.03)


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.4, {0}), (0.5, {0}), (0.6, {0, 1}), (0.85, {0, 1, 2}), (1.0, {0, 1, 2, 3})]
)
def test_a_nucleus_is_the_fewest_tokens_that_hold_the_share(top_p: float, kept: set[int]):
    assert set(shares(Decoding(temperature=1.0, top_p=top_p, seed=2), n=500)) == kept


def test_the_same_seed_draws_the_same():
    one, same, other = (Drawing(Decoding(temperature=1.0, seed=seed), ends=()) for seed in (1, 1, 2))
    drawn = [[drawing.next(LOGITS) for _ in range(40)] for drawing in (one, same, other)]
    assert drawn[0] == drawn[1] != drawn[2]


def boolean(decoding: Decoding) -> Drawing:
    return Drawing(decoding, ends={END}, constraint=Constraint(parse_shape({"type": "boolean"}), TOKENS))


def test_only_what_fits_the_shape_is_drawn_with_the_shares_it_has_among_itself():
    counts = Counter(boolean(Decoding(temperature=1.0, seed=seed)).next(LOGITS) for seed in range(3000))
    assert set(counts) == {0, 1}
    assert counts[0] / 3000 == pytest.approx(0.5 / 0.7, abs=0.03)


def test_an_answer_that_is_whole_is_over_and_an_end_before_is_not_drawn():
    drawing = boolean(Decoding())
    likely_end = np.array([0.0, -1.0, 5.0, 9.0], dtype=np.float32)
    assert not drawing.is_over
    assert drawing.next(likely_end) == 0
    assert drawing.is_over
    assert drawing.next(likely_end) == END


def test_a_model_of_more_tokens_than_its_tokenizer_never_draws_the_rest():
    assert boolean(Decoding()).next(np.array([0, -1, 0, 0, 9, 9], dtype=np.float32)) == 0


@pytest.mark.parametrize("logits", [np.full(4, -np.inf, np.float32), np.full(4, np.nan, np.float32)])
def test_logits_that_leave_nothing_are_told(logits: np.ndarray[tuple[int], np.dtype[np.float32]]):
    with pytest.raises(EngineFailed, match="no token of the model fits"):
        Drawing(Decoding(), ends=()).next(logits)


def test_a_vocabulary_that_cannot_write_the_shape_is_told():
    drawing = Drawing(Decoding(), ends=(), constraint=Constraint(parse_shape({"const": 7}), TOKENS))
    with pytest.raises(EngineFailed, match="no token of the model fits"):
        drawing.next(LOGITS)
