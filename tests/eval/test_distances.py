"""Paper 001's metrics and paper 003's soft labels against values printed in the specification."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from eval.distances import (
    ECE_BINS_AMBIGUOUS,
    METRICS,
    VOTE_DECIMALS,
    bhattacharyya_coefficient,
    bhattacharyya_distance,
    held_classes,
    js_distance,
    kl,
    r_squared,
    smoothed,
    threshold_macro_f1,
    vote_entropy,
    vote_shares,
)
from eval.metrics import calibration_error

LABELS = ("neutral", "angry", "sad", "happy")
CASES = {
    "A": ([0.1, 0.2, 0.6, 0.1], [0, 0, 0.67, 0.33], (4.7885, 0.4679, 0.8157, 0.2037, 0.6541, 0.3706)),
    "B": ([0.25] * 4, [1.0, 0, 0, 0], (12.4292, 1.3863, 0.5, 0.6931, 0.0, 0.6168)),
    "C": ([0, 0.35, 0.65, 0], [0, 0.33, 0.67, 0], (0.0009, 0.0009, 0.9998, 0.0002, 0.9978, 0.0149)),
}


@pytest.mark.parametrize("case", CASES)
def test_distances_have_the_unit_values(case: str):
    prediction, truth, expected = CASES[case]
    p, t = np.array(prediction, np.float64), np.array(truth, np.float64)
    found = (
        kl(p, t),
        kl(p, t, direction="truth_prediction"),
        bhattacharyya_coefficient(p, t),
        bhattacharyya_distance(p, t),
        r_squared(p, t),
        js_distance(p, t),
    )
    assert found == pytest.approx(expected, abs=5.1e-5)
    assert [of(p, t) for of in METRICS.values()] == list(found)


@pytest.mark.parametrize(
    ("said", "entropy"),
    [(["sad"] * 3, 0.0), (["sad", "sad", "angry"], 0.9149), (["sad", "angry", "happy"], 1.5835)],
)
def test_three_votes_have_the_entropies_papers_group_by(said: list[str], entropy: float):
    truth = vote_shares(Counter(said), LABELS)
    assert truth is not None
    assert vote_entropy(truth.round(VOTE_DECIMALS)) == pytest.approx(entropy, abs=5.1e-5)


def test_votes_for_other_labels_are_dropped():
    assert vote_shares({"sad": 1, "frustrated": 1, "angry": 1}, LABELS) == pytest.approx([0, 0.5, 0.5, 0])
    assert vote_shares({"frustrated": 1, "other": 1}, LABELS) is None
    assert vote_shares({"sad": 2, "angry": 1}, LABELS) == pytest.approx([0, 1 / 3, 2 / 3, 0])


def test_calibration_error_of_five_bins_puts_together_what_fifteen_keep_apart():
    distributions = np.array([[0.65, 0.35], [0.75, 0.25]])
    truth = np.array([0, 1])
    assert calibration_error(truth, distributions, bins=ECE_BINS_AMBIGUOUS).value == pytest.approx(0.2)
    assert calibration_error(truth, distributions).value == pytest.approx((0.35 + 0.75) / 2)


@pytest.mark.parametrize(
    ("n", "p", "expected"),
    [
        (9, 1.0, 0.95),
        (9, 0.0, 0.00625),
        (9, 1 / 3, 0.320833),
        (9, 2 / 3, 0.635417),
        (6, 0.4, 0.386),
        (6, 0.6, 0.574),
        (6, 0.0, 0.01),
    ],
)
def test_smoothed_labels_are_those_of_the_published_files(n: int, p: float, expected: float):
    truth = np.array([p, 1 - p, *[0.0] * (n - 2)])
    assert smoothed(truth)[0] == pytest.approx(expected, abs=1e-6)
    assert smoothed(truth).sum() == pytest.approx(1)


TRUTH = np.array([0.2, 0.4, 0.4, 0.0])


@pytest.mark.parametrize(
    ("prediction", "held", "f1"),
    [
        ([0.2, 0.35, 0.35, 0.1], [False, True, True, False], 0.5),
        ([0.1, 0.45, 0.45, 0.0], [False, True, True, False], 0.5),
        ([0.45, 0.1, 0.0, 0.45], [True, False, False, True], 0.0),
    ],
)
def test_a_distribution_is_right_when_it_holds_the_same_classes(prediction: list[float], held: list[bool], f1: float):
    p = np.array(prediction)
    assert held_classes(p).tolist() == held
    # Of the four classes the two that are held are right or wrong; those that nobody holds count 0.
    assert threshold_macro_f1(TRUTH[None], p[None]).value == pytest.approx(f1)


def test_a_class_at_the_threshold_is_not_held_and_f1_runs_over_all_utterances():
    assert not held_classes(np.full(4, 0.25)).any()
    truths = np.array([[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    predictions = np.array([[0.5, 0.5, 0, 0], [0.5, 0, 0.5, 0]])
    assert threshold_macro_f1(truths, predictions).value == pytest.approx((2 / 3 + 1 + 1 + 0) / 4)
    assert threshold_macro_f1(np.zeros((0, 4)), np.zeros((0, 4))).reason == "no utterances"
