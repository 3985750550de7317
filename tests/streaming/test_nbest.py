from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.events import Hypothesis, Word
from streaming.nbest import (
    Reading,
    cross_wer,
    edits,
    log_sum_exp,
    normalise,
    posteriors,
    rank,
    word_error_rate,
)

VOCABULARY = ("a", "b", "the", "The", "the(2)", "car", "<sil>")
WORDS = st.lists(st.sampled_from(VOCABULARY), max_size=5)
SCORES = st.floats(-2000, 0)


def reading(text: str, logp: float) -> Reading:
    words = text.split()
    return Reading(words=tuple(Word(text=w, start_s=i, end_s=i + 1) for i, w in enumerate(words)), logp=logp)


def hypothesis(text: str) -> Hypothesis:
    return Hypothesis(text=text, logp=0.0, posterior=1.0, source="test")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<s> the(2) <sil> [NOISE] car ++BREATH++ </s>", "the car"),
        ("I can\u2019t, Really!", "i can't really"),
        ("!NULL word !SENT_END", "word"),
        ("don't 'quote' o'clock", "don't quote o'clock"),
        ("Café über 3", "café über 3"),
        ("<sil>", ""),
        ("", ""),
    ],
)
def test_normalised_text_holds_the_spoken_words_only(text: str, plain: str):
    assert normalise(text) == plain


@given(st.text())
def test_normalising_twice_changes_nothing(text: str):
    assert normalise(normalise(text)) == normalise(text)


def test_like_readings_become_one_with_the_sum_of_their_probabilities():
    found = rank([reading("the car", -10), reading("the(2) car", -10), reading("a car", -11)], source="x")
    assert [h.text for h in found] == ["the car", "a car"]
    assert found[0].logp == pytest.approx(-10 + math.log(2))
    assert found[0].posterior == pytest.approx(2 / (2 + math.exp(-1)))


def test_empty_and_infinite_readings_are_left_out():
    assert rank([reading("<sil>", -1), reading("", -1), reading("car", -math.inf)], source="x") == ()


@given(st.lists(st.tuples(WORDS, SCORES), max_size=30), st.integers(1, 12), st.floats(0.5, 50))
def test_a_ranked_list_is_sorted_distinct_and_sums_to_one(
    entries: list[tuple[list[str], float]], n_best: int, temperature: float
):
    readings = [reading(" ".join(words), logp) for words, logp in entries]
    found = rank(readings, source="x", n_best=n_best, temperature=temperature)
    scores, keys = [h.logp for h in found], [normalise(h.text) for h in found]
    assert scores == sorted(scores, reverse=True)
    assert len(set(keys)) == len(keys) == min(n_best, len({normalise(r.text) for r in readings} - {""}))
    assert not found or sum(h.posterior for h in found) == pytest.approx(1)
    assert all(a.posterior >= b.posterior for a, b in pairwise(found))


@given(st.permutations([reading("a b", -3), reading("b", -3), reading("a", -1), reading("The car", -2)]))
def test_the_order_of_readings_does_not_matter(readings: list[Reading]):
    assert rank(readings, source="x") == rank(sorted(readings, key=lambda r: r.text), source="x")


def test_posteriors_flatten_as_temperature_rises():
    cold, hot = posteriors([-1, -5], temperature=1), posteriors([-1, -5], temperature=10)
    assert cold[0] > hot[0] > 0.5
    assert posteriors([]) == []


def test_log_sum_exp_survives_huge_scores():
    assert log_sum_exp([-1e5, -1e5]) == pytest.approx(-1e5 + math.log(2))
    assert log_sum_exp([]) == -math.inf


@given(WORDS, WORDS, WORDS)
def test_edits_are_a_distance(a: list[str], b: list[str], c: list[str]):
    assert edits(a, a) == 0
    assert edits(a, b) == edits(b, a)
    assert edits(a, c) <= edits(a, b) + edits(b, c)
    assert abs(len(a) - len(b)) <= edits(a, b) <= max(len(a), len(b))


def test_word_error_rate_counts_all_three_kinds_of_error():
    assert word_error_rate("a b c d", "a x c d e") == 0.5
    assert word_error_rate("", "a") == 1.0
    assert word_error_rate("", "<sil>") == 0.0


def test_cross_wer_is_the_mean_over_ordered_pairs():
    assert cross_wer([hypothesis("a b"), hypothesis("a b")]) == 0.0
    assert cross_wer([hypothesis("a b c d"), hypothesis("a b")]) == pytest.approx((0.5 + 1.0) / 2)
    assert cross_wer([hypothesis("a")]) is None
    assert cross_wer([hypothesis("a"), hypothesis("x y z w")]) == 1.0
