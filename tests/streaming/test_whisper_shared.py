"""A tiny real Whisper shared by sessions: whatever they ask and however it is batched, each gets what it gets alone."""

from __future__ import annotations

from copy import copy
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.backends.whisper_engine import WhisperEngine
from streaming.backends.whisper_model import WhisperModel, load_whisper
from streaming.backends.whisper_values import DecodeOptions, Question
from streaming.batching import Lane, SchedulerSettings
from streaming.errors import Superseded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streaming.backends.whisper_values import Answer

OPTIONS = (
    DecodeOptions(n_frames=200, n_beams=1, max_tokens=24),
    DecodeOptions(n_frames=200, n_beams=4, max_tokens=24),
    DecodeOptions(n_frames=300, n_beams=4, max_tokens=24),
)


def sound(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.5, (80, 60 + 20 * seed)).astype(np.float32)


# A question for each sound, options and length of what was said before: six to a bucket.
QUESTIONS = [
    Question(features=sound(seed), options=options, language="en", context=tuple(range(300, 300 + n_context)))
    for seed, options, n_context in product(range(6), OPTIONS, (0, 3))
]


@pytest.fixture(scope="module")
def model(tiny_whisper_path: Path) -> Iterator[WhisperModel]:
    model = load_whisper(tiny_whisper_path, device="cpu", compute_type="float32", n_threads=1)
    yield model
    model.close()


@pytest.fixture(scope="module")
def alone(model: WhisperModel) -> list[Answer]:
    """What each question is answered when it is asked alone."""
    return [model.decode([question])[0] for question in QUESTIONS]


def test_the_questions_have_different_answers(alone: list[Answer]):
    assert len({answer.hypotheses[0].tokens for answer in alone}) > len(alone) / 3


def assert_same(answer: Answer, expected: Answer) -> None:
    assert [each.tokens for each in answer.hypotheses] == [each.tokens for each in expected.hypotheses]
    assert [each.logp for each in answer.hypotheses] == pytest.approx([e.logp for e in expected.hypotheses], abs=1e-3)
    assert [word.text for word in answer.words] == [word.text for word in expected.words]
    assert answer.p_no_speech == pytest.approx(expected.p_no_speech, abs=1e-4)


asked = st.tuples(st.integers(0, len(QUESTIONS) - 1), st.integers(0, 3), st.sampled_from(Lane))


@settings(max_examples=25, deadline=None)
@given(st.lists(asked, min_size=1, max_size=20), st.integers(1, 8))
def test_every_session_is_answered_as_if_it_were_alone(
    model: WhisperModel, alone: list[Answer], script: list[tuple[int, int, Lane]], max_batch: int
):
    # An engine closes its model with itself; a copy lets go of the weights for itself only.
    engine = WhisperEngine(copy(model), scheduler=SchedulerSettings(max_batch=max_batch, window_s=0.0))
    tickets = [engine.ask(QUESTIONS[number], session=session, lane=lane) for number, session, lane in script]
    for ticket, (number, _, lane) in zip(tickets, script, strict=True):
        try:
            assert_same(ticket.result(), alone[number])
        except Superseded:
            assert lane is Lane.PARTIAL
    stats = engine.stats()
    engine.close()
    assert stats.answered + stats.superseded == len(script)
    assert stats.failed == stats.refused == 0
