"""Soft labels, their loss and the head: the specification's numbers, and what the head must learn."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.labels import EIGHT
from eval.distances import held_classes, smoothed, threshold_macro_f1, vote_shares
from eval.training import soft_labels
from eval.training.soft_labels import (
    HeadSettings,
    Rows,
    balanced_cross_entropy,
    class_weights,
    train_head,
    weights_of_counts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from eval.metrics import Floats

FOUR = ("neutral", "angry", "sad", "happy")


@pytest.mark.parametrize(
    ("votes", "labels", "expected"),
    [
        ({"neutral": 1, "angry": 2, "sad": 2}, FOUR, (0.2, 0.4, 0.4, 0.0)),
        (
            {"disgusted": 1, "contemptuous": 1, "fearful": 1, "neutral": 1, "happy": 6},
            EIGHT,
            (0, 0, 0.1, 0.1, 0.1, 0.1, 0, 0.6),
        ),
        ({"neutral": 1, "Other": 3}, FOUR, (1.0, 0, 0, 0)),
    ],
)
def test_reference_distributions_are_shares_of_votes(
    votes: dict[str, int], labels: tuple[str, ...], expected: tuple[float, ...]
):
    # papers_spec 6.4
    assert vote_shares(votes, labels) == pytest.approx(expected)


def test_votes_for_no_class_give_no_soft_label():
    assert vote_shares({"Other": 3}, EIGHT) is None
    assert vote_shares({}, EIGHT) is None


@given(st.lists(st.integers(0, 9), min_size=2, max_size=8).filter(any))
def test_smoothing_never_moves_a_share_over_the_threshold(votes: list[int]):
    """The repository thresholds smoothed labels: but for rounding at exactly 1/C that is the same."""
    shares = np.array(votes) / sum(votes)
    far = np.abs(shares - 1 / len(votes)) > 1e-9
    assert (held_classes(smoothed(shares)) == held_classes(shares))[far].all()


def test_class_weights_have_the_golden_values():
    # papers_spec 6.5: n = (100, 1000, 5000), N = 6000
    assert weights_of_counts(np.array([100, 1000, 5000]), n=6000) == pytest.approx((2.6388, 0.2841, 0.0771), abs=5e-5)


def test_a_class_that_no_label_holds_weighs_nothing():
    targets = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    weights = class_weights(targets)
    assert np.isfinite(weights).all()
    assert weights[2] == 0
    assert weights.sum() == pytest.approx(2)
    assert weights[1] > weights[0]


def test_classes_are_counted_by_what_is_above_the_threshold():
    # 1/3 of three classes is not above 1/3.
    targets = np.array([[1 / 3, 1 / 3, 1 / 3], [0.6, 0.4, 0.0]])
    assert class_weights(targets)[2] == 0


def test_the_loss_is_the_weighted_cross_entropy():
    # omega = 0.75 * 2 + 0.25 * 1; -sum p log q with uniform q over 2 classes = ln 2
    loss = balanced_cross_entropy(np.zeros((1, 2)), np.array([[0.75, 0.25]]), np.array([2.0, 1.0]))
    assert loss == pytest.approx(1.75 * np.log(2))
    two = balanced_cross_entropy(
        np.array([[0.0, 0.0], [100.0, 0.0]]), np.array([[0.75, 0.25], [1.0, 0.0]]), np.array([2.0, 1.0])
    )
    assert two == pytest.approx(1.75 * np.log(2) / 2)


@pytest.mark.parametrize(
    ("said", "is_right"),
    [((0.2, 0.35, 0.35, 0.1), True), ((0.1, 0.45, 0.45, 0.0), True), ((0.45, 0.1, 0.0, 0.45), False)],
)
def test_the_threshold_example_of_the_paper(said: tuple[float, ...], *, is_right: bool):
    # papers_spec 6.6: truth 0110, in the order neutral, anger, sadness, happiness
    truth, answer = np.array([[0.2, 0.4, 0.4, 0.0]]), np.array([said])
    assert (held_classes(truth) == held_classes(answer)).all() == is_right
    assert threshold_macro_f1(truth, answer).value == pytest.approx(0.5 if is_right else 0.0)


def rows(n: int = 200, *, seed: int = 0, layers: int = 2, size: int = 5) -> Rows:
    """Three classes; the second layer tells which, the first is noise."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, size=n)
    features = rng.normal(size=(n, layers, size))
    features[np.arange(n), -1, truth] += 3.0
    targets = np.full((n, 3), 0.1)
    targets[np.arange(n), truth] = 0.8
    return Rows(features=features, targets=targets)


def test_a_head_learns_and_mixes_in_the_layer_that_tells():
    train, dev, test = rows(), rows(seed=1), rows(seed=2)
    head = train_head(train, dev)
    said = head.predict(test.features)
    assert said.sum(axis=1) == pytest.approx(1)
    assert (said.argmax(axis=1) == test.targets.argmax(axis=1)).mean() > 0.9
    assert head.layers[1] > head.layers[0]
    assert head.dev_loss is not None


def test_training_again_gives_the_same_bytes():
    one, other = (train_head(rows(60), rows(30, seed=1)) for _ in range(2))
    assert one.weights.tobytes() == other.weights.tobytes()
    assert one.strength == other.strength


def test_the_slope_of_the_loss_is_right(monkeypatch: pytest.MonkeyPatch):
    """L-BFGS is given the loss and its slope: the slope is what differences say."""
    found: list[float] = []

    def minimize(loss: Callable[[Floats], tuple[float, Floats]], start: Floats, **_: object) -> SimpleNamespace:
        at = np.random.default_rng(4).normal(size=start.size)
        steps = 1e-6 * np.eye(start.size)
        by_difference = np.array([(loss(at + step)[0] - loss(at - step)[0]) / 2e-6 for step in steps])
        found.append(float(np.abs(loss(at)[1] - by_difference).max()))
        return SimpleNamespace(x=start)

    monkeypatch.setattr(soft_labels.optimize, "minimize", minimize)
    train_head(rows(20))
    assert found[0] < 1e-6


def test_rows_that_nothing_was_heard_in_say_what_is_usual():
    train = rows(100)
    train.features[:5] = np.nan
    head = train_head(train)
    said = head.predict(np.full((1, 2, 5), np.nan))
    assert np.isfinite(said).all()
    assert said[0] == pytest.approx(head.predict(head.mean[None])[0])


def test_a_feature_that_is_always_the_same_is_not_blown_up():
    # Its mean in float32 is another number: what is left of it is no spread.
    train = rows(100)
    features = np.concatenate([train.features, np.full((100, 2, 1), 0.1)], axis=2)
    head = train_head(Rows(features=features.astype("float32"), targets=train.targets))
    assert head.scale[:, -1].tolist() == [1.0, 1.0]
    assert (head.scale[:, :-1] < 10).all()


def test_the_dev_set_chooses_the_penalty():
    train = rows(12, size=30)
    dev = rows(200, seed=5, size=30)
    noise = Rows(features=dev.features[::-1], targets=dev.targets)
    mild = train_head(train, noise, HeadSettings(strengths=(1e-4, 100.0)))
    assert mild.strength == 1e-4
    assert train_head(train, dev, HeadSettings(strengths=(1e-4, 100.0))).strength == 100.0
    assert train_head(train).strength == soft_labels.WITHOUT_DEV


def test_a_head_needs_something_to_hear():
    with pytest.raises(ValueError, match="heard"):
        train_head(Rows(features=np.full((3, 1, 2), np.nan), targets=np.eye(3)))
    with pytest.raises(ValueError, match="strengths above 0"):
        HeadSettings(strengths=(0.0,))
