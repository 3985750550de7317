"""Figures against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from eval.metrics import (
    Classes,
    calibration_error,
    class_weights,
    confusion,
    macro_f1,
    recalls,
    unweighted_accuracy,
    weighted_accuracy,
    weighted_f1,
)

LABELS = ("angry", "happy", "sad")
#  angry: 2 of 4 right, one called happy, one sad; happy: 1 of 2 right, one called angry; sad: 2 of 2.
TRUTH = np.array([0, 0, 0, 0, 1, 1, 2, 2])
SAID = np.array([0, 0, 1, 2, 1, 0, 2, 2])
NOBODY: Classes = np.zeros(0, dtype=np.intp)


def test_confusion_has_truth_in_rows():
    assert confusion(TRUTH, SAID, n_labels=3).tolist() == [[2, 1, 1], [1, 1, 0], [0, 0, 2]]


def test_unweighted_accuracy_is_the_mean_recall():
    assert unweighted_accuracy(TRUTH, SAID, labels=LABELS).value == pytest.approx((0.5 + 0.5 + 1.0) / 3)


def test_weighted_accuracy_is_the_share_right():
    assert weighted_accuracy(TRUTH, SAID).value == pytest.approx(5 / 8)


def test_f1_is_averaged_plainly_or_by_support():
    f1 = [2 * 2 / (4 + 3), 2 * 1 / (2 + 2), 2 * 2 / (2 + 3)]
    assert macro_f1(TRUTH, SAID, labels=LABELS).value == pytest.approx(sum(f1) / 3)
    expected = (4 * f1[0] + 2 * f1[1] + 2 * f1[2]) / 8
    assert weighted_f1(TRUTH, SAID, labels=LABELS).value == pytest.approx(expected)


def test_a_class_without_utterances_leaves_ua_undefined_with_the_reason():
    score = unweighted_accuracy(TRUTH, SAID, labels=(*LABELS, "neutral"))
    assert score.value is None
    assert score.reason == "no utterance is neutral"
    assert [each.value for each in recalls(TRUTH, SAID, labels=(*LABELS, "neutral"))][:3] == [0.5, 0.5, 1.0]


def test_a_class_never_predicted_counts_as_nought():
    assert unweighted_accuracy(TRUTH, np.zeros(8, dtype=np.intp), labels=LABELS).value == pytest.approx(1 / 3)
    assert macro_f1(TRUTH, np.zeros(8, dtype=np.intp), labels=LABELS).value == pytest.approx((8 / 12) / 3)


def test_figures_of_nothing_are_undefined():
    for score in (
        weighted_accuracy(NOBODY, NOBODY),
        macro_f1(NOBODY, NOBODY, labels=LABELS),
        weighted_f1(NOBODY, NOBODY, labels=LABELS),
        calibration_error(NOBODY, np.zeros((0, 3))),
    ):
        assert score.value is None
        assert score.reason == "no utterances"


def test_calibration_error_is_the_gap_between_sureness_and_accuracy_bin_by_bin():
    # Bin of 0.9: two of four right, gap 0.4; bin of 0.6: one of one right, gap 0.4; bin of 1.0: right, gap 0.
    distributions = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]] + [[1.0, 0.0]])
    truth = np.array([0, 0, 1, 1, 0, 0])
    assert calibration_error(truth, distributions).value == pytest.approx((4 * 0.4 + 0.4 + 0) / 6)


def test_an_honest_model_has_no_calibration_error():
    distributions = np.array([[0.75, 0.25]] * 4)
    assert calibration_error(np.array([0, 0, 0, 1]), distributions).value == pytest.approx(0)


def test_calibration_error_counts_utterances_by_their_weight():
    distributions = np.array([[0.9, 0.1], [0.9, 0.1]])
    weights = np.array([3.0, 1.0])
    assert calibration_error(np.array([0, 1]), distributions, weights=weights).value == pytest.approx(0.15)


def test_class_weights_make_the_classes_present_count_alike():
    weights = class_weights(TRUTH, n_labels=4)
    assert np.bincount(TRUTH, weights=weights) == pytest.approx(np.full(3, 8 / 3))
