"""Prefix beam search against the exact score of every text there is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.ctc_alignment import LogProbs, ctc_logps
from streaming.ctc_beam import BeamSettings, search

BLANK, DELIMITER = 0, 2
UNPRUNED = BeamSettings(width=10_000, n_symbols=100, min_logp=-1e6, margin=1e6)


def frames(n_frames: int, n_symbols: int, *, seed: int, sharpness: float = 0.7) -> LogProbs:
    return np.log(np.random.default_rng(seed).dirichlet(np.full(n_symbols, sharpness), n_frames))


def texts(n_frames: int, n_symbols: int, delimiter: int | None) -> list[tuple[int, ...]]:
    """Every text of at most `n_frames` symbols."""
    symbols = [symbol for symbol in range(n_symbols) if symbol != BLANK]
    every = itertools.chain.from_iterable(itertools.product(symbols, repeat=n) for n in range(n_frames + 1))
    if delimiter is None:
        return list(every)
    return [
        text
        for text in every
        if delimiter not in {*text[:1], *text[-1:]} and (delimiter, delimiter) not in itertools.pairwise(text)
    ]


@pytest.mark.parametrize("delimiter", [None, DELIMITER])
@given(n_frames=st.integers(1, 6), seed=st.integers(0, 10_000))
@settings(deadline=None, max_examples=25)
def test_without_pruning_the_search_finds_every_text_with_its_exact_score(
    delimiter: int | None, n_frames: int, seed: int
):
    log_probs = frames(n_frames, 4, seed=seed)
    possible = texts(n_frames, 4, delimiter)
    exact = ctc_logps(log_probs, possible, blank=BLANK, delimiter=delimiter)
    expected = {text: score for text, score in zip(possible, exact.tolist(), strict=True) if np.isfinite(score)}
    found = dict(search(log_probs, blank=BLANK, delimiter=delimiter, settings=UNPRUNED))
    assert set(found) == set(expected)
    assert [found[text] for text in expected] == pytest.approx(list(expected.values()), rel=1e-9)


@given(seed=st.integers(0, 10_000), width=st.integers(2, 12))
@settings(deadline=None, max_examples=25)
def test_pruning_only_takes_away(seed: int, width: int):
    log_probs = frames(30, 6, seed=seed, sharpness=0.2)
    found = search(
        log_probs, blank=BLANK, delimiter=DELIMITER, settings=BeamSettings(n_best=1, width=width, n_symbols=3)
    )
    exact = ctc_logps(log_probs, [text for text, _ in found], blank=BLANK, delimiter=DELIMITER)
    seen = np.array([score for _, score in found])
    assert len(found) <= width
    assert np.all(seen <= exact + 1e-9)
    assert list(seen) == sorted(seen, reverse=True)


def test_a_wider_beam_finds_nothing_worse():
    log_probs = frames(60, 8, seed=4, sharpness=0.3)
    best = [search(log_probs, blank=0, settings=BeamSettings(n_best=1, width=width))[0] for width in (1, 4, 16, 64)]
    exact = ctc_logps(log_probs, [text for text, _ in best], blank=0)
    assert exact[-1] == max(exact)


def test_a_prefix_that_was_dropped_and_found_again_is_the_same_one():
    # Many near-equal symbols and a narrow beam: parents leave the beam while their children live.
    log_probs = frames(40, 5, seed=9, sharpness=3.0)
    found = search(log_probs, blank=0, settings=BeamSettings(n_best=1, width=6, margin=50.0))
    assert len({text for text, _ in found}) == len(found)


def test_symbols_that_cannot_be_are_never_read():
    log_probs = frames(10, 4, seed=5)
    log_probs[:, 3] = -np.inf
    assert all(3 not in text for text, _ in search(log_probs, blank=0, settings=UNPRUNED))


def test_no_frames_are_read_as_nothing():
    assert search(np.zeros((0, 4)), blank=0) == [((), 0.0)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": 5}, "n_best is 10"),
        ({"n_symbols": 0}, "n_symbols is 0"),
        ({"min_logp": 0.0}, "min_logp below 0"),
        ({"margin": 0.0}, "margin above 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float], message: str):
    with pytest.raises(ValueError, match=message):
        BeamSettings(**wrong)  # pyright: ignore[reportArgumentType] - one wrong value at a time
