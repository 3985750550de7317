"""Equations 1 and 2 of paper 001 against a plain reference, on logits made here and on a model's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.elicitation import from_trace, word_for
from agent.labels import BIG_FOUR
from agent.llm.values import Decoding, Message, Prompt, Trace, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from agent.backends.llm.transformers_model import TransformersModel

IDS = {"angry": (1, 2), "happy": (3,), "neutral": (4, 5), "sad": (6,)}


def trace(logits: object, *texts: str) -> Trace:
    rows = np.asarray(logits, np.float32)
    texts = texts or tuple("x" * len(rows))
    return Trace(
        text="".join(texts),
        token_ids=tuple(range(len(texts))),
        token_texts=texts,
        logits=rows,
        usage=Usage(n_prompt=None, n_cached=None),
    )


def plain(logits: NDArray[np.float32], ids: Mapping[str, Sequence[int]], steps: Sequence[int]) -> list[float]:
    """The equations written out, one number at a time."""
    z = [
        sum(sum(float(logits[j][k]) for k in tokens) / len(tokens) for j in steps) / len(steps)
        for tokens in ids.values()
    ]
    return [each / sum(z) for each in z]


def test_token_level_is_the_plain_reference_on_stored_logits(tmp_path: Path):
    made = np.random.default_rng(3).uniform(0.5, 9, (7, 11)).astype(np.float32)
    np.save(tmp_path / "logits.npy", made)
    stored = np.load(tmp_path / "logits.npy")
    found = from_trace(trace(stored), IDS)
    assert found.distribution == pytest.approx(plain(stored, IDS, range(7)), abs=1e-12)
    assert (found.norm_used, found.n_steps, found.problem) == ("linear", 7, None)


def test_only_the_steps_that_write_emotion_words_are_averaged_when_asked_for():
    made = np.random.default_rng(4).uniform(0.5, 9, (7, 11)).astype(np.float32)
    answer = trace(made, "H", "app", "iness", ": 6", "0%, ne", "utral", " hungry")
    found = from_trace(answer, IDS, words_only=True)
    assert found.n_steps == 5
    assert found.distribution == pytest.approx(plain(made, IDS, (0, 1, 2, 4, 5)), abs=1e-12)


@pytest.mark.parametrize("shift", [-100.0, -5.0, -0.5])
def test_logits_not_above_nought_are_moved_and_that_is_told(shift: float):
    row = np.array([[0, 4, 4, 1, 2, 2, 0.25]]) + shift
    found = from_trace(trace(row), IDS)
    assert found.norm_used == "shifted"
    assert found.warning is not None
    assert found.distribution == pytest.approx(np.array([3.751, 0.751, 1.751, 0.001]) / 6.254, abs=1e-5)
    assert found.logits == pytest.approx((4 + shift, 1 + shift, 2 + shift, 0.25 + shift))


def test_a_softmax_may_take_the_place_of_equation_two():
    found = from_trace(trace([[0, 1, 3, -1, 0, 0, 1]]), IDS, norm="softmax")
    raised = np.exp([2.0, -1.0, 0.0, 1.0])
    assert found.norm_used == "softmax"
    assert found.distribution == pytest.approx(raised / raised.sum())


@pytest.mark.parametrize(
    ("answer", "ids", "problem"),
    [
        (trace(np.empty((0, 7))), IDS, "wrote nothing"),
        (trace(np.full((2, 7), np.nan)), IDS, "not numbers"),
        (trace([[0, np.inf, -np.inf, 1, 1, 1, 1]]), IDS, "not numbers"),
        (trace(np.ones((2, 7))), {"angry": (1,), "sad": ()}, "stand for sad"),
        (trace(np.ones((2, 7))), {"angry": (7,), "sad": (-1,)}, "stand for angry, sad"),
        (trace(np.ones((2, 7))), {}, "no labels"),
    ],
)
def test_what_gives_no_distribution_is_uniform_with_the_reason(
    answer: Trace, ids: Mapping[str, Sequence[int]], problem: str
):
    found = from_trace(answer, ids)
    assert problem in (found.problem or "")
    assert found.norm_used == "uniform"
    assert found.distribution == pytest.approx(1 / max(1, len(ids)))


def test_an_answer_without_emotion_words_has_no_word_steps():
    found = from_trace(trace(np.ones((2, 7)), "no", "thing"), IDS, words_only=True)
    assert found.problem == "the answer names no emotion"


@pytest.mark.anyio
@pytest.mark.parametrize("norm", ["linear", "softmax"])
async def test_token_level_is_the_plain_reference_on_a_models_own_logits(
    load_hf: Callable[..., TransformersModel], norm: str
):
    model = load_hf()
    ids = {label: model.tokens_of(word_for(label, wording="ambiguous")) for label in BIG_FOUR}
    prompt = Prompt(messages=(Message(role="user", text="How does the speaker feel?"),))
    answer = await model.trace(prompt, Decoding(max_tokens=12))
    assert any(len(tokens) > 1 for tokens in ids.values())
    assert len(answer.logits) > 1
    found = from_trace(answer, ids, norm="softmax" if norm == "softmax" else "linear")
    z = [
        sum(sum(float(row[k]) for k in tokens) / len(tokens) for row in answer.logits) / len(answer.logits)
        for tokens in ids.values()
    ]
    assert found.logits == pytest.approx(z, abs=1e-6)
    moved = z if min(z) > 0 else [each - min(z) + 1e-3 for each in z]
    expected = np.exp(z) if norm == "softmax" else np.array(moved)
    assert found.distribution == pytest.approx(expected / expected.sum(), abs=1e-6)
    assert found.norm_used == ("softmax" if norm == "softmax" else "linear" if min(z) > 0 else "shifted")
