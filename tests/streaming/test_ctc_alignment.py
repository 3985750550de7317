"""The exact scores and alignments against every alignment there is, one by one."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.ctc_alignment import LogProbs, align, ctc_logp, ctc_logps

BLANK, DELIMITER = 0, 2


def frames(n_frames: int, n_symbols: int, *, seed: int) -> LogProbs:
    return np.log(np.random.default_rng(seed).dirichlet(np.full(n_symbols, 0.7), n_frames))


def read(path: tuple[int, ...], delimiter: int | None) -> tuple[int, ...]:
    """What an alignment says, by the definition."""
    tokens = [token for token, _ in itertools.groupby(path) if token != BLANK]
    if delimiter is None:
        return tuple(tokens)
    kept: list[int] = []
    for token in tokens:
        if token != delimiter or (kept and kept[-1] != delimiter):
            kept.append(token)
    return tuple(kept[:-1] if kept and kept[-1] == delimiter else kept)


def by_reading(
    log_probs: LogProbs, delimiter: int | None
) -> dict[tuple[int, ...], list[tuple[float, tuple[int, ...]]]]:
    """All alignments with their scores, by what they say."""
    n_frames, n_symbols = log_probs.shape
    groups: dict[tuple[int, ...], list[tuple[float, tuple[int, ...]]]] = defaultdict(list)
    for path in itertools.product(range(n_symbols), repeat=n_frames):
        groups[read(path, delimiter)].append((float(log_probs[np.arange(n_frames), path].sum()), path))
    return groups


@pytest.mark.parametrize("delimiter", [None, DELIMITER])
@given(n_frames=st.integers(1, 5), seed=st.integers(0, 10_000))
@settings(deadline=None, max_examples=20)
def test_a_score_is_the_sum_over_all_alignments(delimiter: int | None, n_frames: int, seed: int):
    log_probs = frames(n_frames, 4, seed=seed)
    groups = by_reading(log_probs, delimiter)
    expected = [np.logaddexp.reduce([score for score, _ in paths]) for paths in groups.values()]
    found = ctc_logps(log_probs, list(groups), blank=BLANK, delimiter=delimiter)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert np.logaddexp.reduce(found) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("delimiter", [None, DELIMITER])
@given(n_frames=st.integers(1, 5), seed=st.integers(0, 10_000))
@settings(deadline=None, max_examples=20)
def test_frames_of_symbols_are_those_of_the_best_alignment(delimiter: int | None, n_frames: int, seed: int):
    log_probs = frames(n_frames, 4, seed=seed)
    groups = by_reading(log_probs, delimiter)
    for tokens, spans in zip(groups, align(log_probs, list(groups), blank=BLANK, delimiter=delimiter), strict=True):
        best_score, _ = max(groups[tokens])
        assert len(spans) == len(tokens)
        assert all(first < end for first, end in spans)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
        if delimiter is None:
            # The symbols' frames and blanks everywhere else are the best alignment.
            path = np.full(n_frames, BLANK)
            for token, (first, end) in zip(tokens, spans, strict=True):
                path[first:end] = token
            assert log_probs[np.arange(n_frames), path].sum() == pytest.approx(best_score)


def test_a_double_letter_needs_a_blank_between():
    log_probs = np.log(np.array([[0.1, 0.9], [0.1, 0.9]]))
    assert ctc_logp(log_probs, [1, 1], blank=0) == -np.inf
    three = np.log(np.array([[0.1, 0.9], [0.8, 0.2], [0.1, 0.9]]))
    assert ctc_logp(three, [1, 1], blank=0) == pytest.approx(np.log(0.9 * 0.8 * 0.9))


def test_a_reading_longer_than_the_sound_has_no_probability_and_no_frames():
    log_probs = frames(2, 4, seed=1)
    assert ctc_logp(log_probs, [1, 3, 1], blank=0) == -np.inf
    assert align(log_probs, [[1, 3, 1]], blank=0) == [[]]


def test_without_frames_only_nothing_can_be_said():
    none = np.zeros((0, 4))
    assert ctc_logps(none, [[], [1]], blank=0).tolist() == [0.0, -np.inf]
    assert align(none, [[1]], blank=0) == [[]]


def test_gaps_at_the_ends_and_double_gaps_count_as_the_same_text():
    rows = [[0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
    with np.errstate(divide="ignore"):
        log_probs = np.log(np.array(rows, float))  # "|a|" blank "|b|"
    assert ctc_logp(log_probs, [1, DELIMITER, 3], blank=BLANK, delimiter=DELIMITER) == pytest.approx(0.0)
    assert ctc_logp(log_probs, [1, DELIMITER, 3], blank=BLANK) == -np.inf
    assert align(log_probs, [[1, DELIMITER, 3]], blank=BLANK, delimiter=DELIMITER) == [[(1, 2), (2, 5), (5, 6)]]


def test_scores_of_long_sound_do_not_underflow():
    log_probs = frames(3000, 8, seed=3)
    tokens = ([1, 2, 3, 4] * 100)[:300]
    alone = ctc_logp(log_probs, tokens, blank=0)
    assert -30_000 < alone < -1000
    together = ctc_logps(log_probs, [tokens, [], tokens[:50]], blank=0)
    assert together[0] == pytest.approx(alone, rel=1e-12)
    assert together[1] == pytest.approx(log_probs[:, 0].sum())
