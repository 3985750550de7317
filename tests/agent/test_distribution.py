"""Combining, comparing and calibrating distributions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.distribution import (
    calibrate,
    decide,
    entropy,
    js_divergence,
    mixture,
    normalise,
    product_of_experts,
    softmax,
)

WEIGHTS = st.lists(st.floats(0, 1000), min_size=4, max_size=4)


@given(WEIGHTS)
def test_normalised_weights_sum_to_one(weights: list[float]):
    found = normalise(weights)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()


def test_weights_of_nothing_become_uniform():
    assert normalise([0.0, 0.0, 0.0, 0.0]).tolist() == [0.25] * 4


@pytest.mark.parametrize("weights", [[], [-1.0, 2.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_weights_that_make_no_distribution_are_refused(weights: list[float]):
    with pytest.raises(ValueError, match="weights"):
        normalise(weights)


@pytest.mark.parametrize(
    ("distribution", "bits"), [([0.25] * 4, 2.0), ([1.0, 0.0, 0.0, 0.0], 0.0), ([0.5, 0.5, 0.0, 0.0], 1.0)]
)
def test_entropy_is_in_bits(distribution: list[float], bits: float):
    assert entropy(np.array(distribution)) == pytest.approx(bits)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ([1.0, 0.0], [0.0, 1.0], 1.0),
        ([0.3, 0.7], [0.3, 0.7], 0.0),
        # The square root of the natural-log divergence of the published example A is 0.3706.
        ([0.1, 0.2, 0.6, 0.1], [0.0, 0.0, 0.67, 0.33], 0.3706**2 / np.log(2)),
    ],
)
def test_divergence_is_zero_for_equal_and_one_for_disjoint(left: list[float], right: list[float], expected: float):
    assert js_divergence(np.array(left), np.array(right)) == pytest.approx(expected, abs=2e-4)


@given(WEIGHTS, WEIGHTS)
def test_divergence_is_symmetric_and_bounded(left: list[float], right: list[float]):
    one, other = normalise(left), normalise(right)
    assert js_divergence(one, other) == pytest.approx(js_divergence(other, one), abs=1e-9)
    assert 0 <= js_divergence(one, other) <= 1


def test_mixture_is_the_mean_weighed_by_posteriors():
    rows = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert mixture(rows, [3.0, 1.0]).tolist() == [0.75, 0.25]


def test_product_of_experts_multiplies_independent_evidence():
    expert = np.array([0.8, 0.2])
    assert product_of_experts([expert, expert], weights=[1.0, 1.0])[0] == pytest.approx(0.64 / 0.68)


def test_an_expert_of_weight_zero_is_not_heard():
    sure, other = np.array([1.0, 0.0]), np.array([0.3, 0.7])
    assert product_of_experts([sure, other], weights=[0.0, 1.0]) == pytest.approx(other)


def test_product_of_contradicting_certainties_is_finite():
    found = product_of_experts([np.array([1.0, 0.0]), np.array([0.0, 1.0])], weights=[1.0, 1.0])
    assert found == pytest.approx([0.5, 0.5])


def test_higher_temperature_flattens_and_keeps_the_order():
    logits = np.array([2.0, 1.0, 0.0])
    flat, sharp = softmax(logits, temperature=3.0), softmax(logits, temperature=0.5)
    assert flat[0] < sharp[0]
    assert flat.argmax() == sharp.argmax() == 0


def test_calibration_moves_odds_by_the_offset():
    found = calibrate(np.zeros(2), temperature=2.0, bias=np.array([np.log(3.0), 0.0]))
    assert found == pytest.approx([0.75, 0.25])


@pytest.mark.parametrize(("distribution", "expected"), [([0.6, 0.4], 0), ([0.45, 0.55], 1), ([0.5, 0.5], None)])
def test_a_decision_below_the_threshold_abstains(distribution: list[float], expected: int | None):
    assert decide(np.array(distribution), threshold=0.55) == expected
