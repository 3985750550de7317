"""Votes, pools, and what lies between two labels."""

from __future__ import annotations

import numpy as np
import pytest

from agent.elicitation import ambiguity, ensemble, vote
from agent.labels import BIG_FOUR


def test_the_majority_wins_and_answers_without_a_label_are_told():
    found = vote(["sad", "angry", None, "sad", "hungry"], labels=BIG_FOUR)
    assert (found.label, found.is_tied, found.n_valid) == ("sad", False, 3)
    assert found.distribution == pytest.approx([1 / 3, 0, 0, 2 / 3])
    assert found.warning == "2 of 5 answers hold no label"


def test_a_tie_goes_to_the_label_named_first_and_is_told():
    found = vote(["sad", "angry", "angry", "sad"], labels=BIG_FOUR)
    assert (found.label, found.is_tied, found.warning) == ("sad", True, None)


@pytest.mark.parametrize("said", [[], [None], ["hungry"]])
def test_a_vote_without_voters_has_no_winner(said: list[str | None]):
    found = vote(said, labels=BIG_FOUR)
    assert found.label is None
    assert found.problem == "no answer holds a label"
    assert found.distribution == pytest.approx(0.25)


def test_pools_are_weighted_means_plain_or_geometric():
    left, right = np.array([0.8, 0.2]), np.array([0.4, 0.6])
    assert ensemble([left, right]).distribution == pytest.approx([0.6, 0.4])
    assert ensemble([left, right], weights=[3, 1]).distribution == pytest.approx([0.7, 0.3])
    raised = np.sqrt(left * right)
    assert ensemble([left, right], pool="log").distribution == pytest.approx(raised / raised.sum())
    assert ensemble([left, left, left], pool="log").distribution == pytest.approx(left)


def test_members_that_are_no_distributions_are_left_out():
    good = np.array([0.8, 0.2])
    found = ensemble([good, np.array([np.nan, 1.0]), np.array([0.0, 0.0])])
    assert found.distribution == pytest.approx(good)
    assert found.warning == "2 of 3 members are no distributions"
    none = ensemble([np.array([np.inf, 1.0])])
    assert none.distribution == pytest.approx([0.5, 0.5])
    assert none.problem


def test_members_and_weights_must_fit():
    with pytest.raises(ValueError, match="same labels"):
        ensemble([np.array([1.0]), np.array([0.5, 0.5])])
    with pytest.raises(ValueError, match="same labels"):
        ensemble([])
    for weights in ([1.0], [-1.0, 2.0], [0.0, 0.0], [np.nan, 1.0]):
        with pytest.raises(ValueError, match="2 weights"):
            ensemble([np.array([0.5, 0.5])] * 2, weights=weights)


def test_two_likely_labels_near_each_other_are_named_together():
    found = ambiguity(np.array([0.40, 0.05, 0.07, 0.48]), BIG_FOUR)
    assert found.compound == ("sad", "angry")
    assert found.second == "angry"
    assert found.gap == pytest.approx(0.08)


@pytest.mark.parametrize(
    "distribution",
    [
        [0.30, 0.00, 0.20, 0.50],  # far from each other
        [0.24, 0.22, 0.20, 0.34],  # the second is below a quarter
        [0.32, 0.30, 0.05, 0.33],  # three alike
        [0.25, 0.25, 0.25, 0.25],
        [1.00, 0.00, 0.00, 0.00],
    ],
)
def test_other_distributions_have_no_compound_label(distribution: list[float]):
    assert ambiguity(np.array(distribution), BIG_FOUR).compound is None


def test_entropy_is_in_bits():
    assert ambiguity(np.full(4, 0.25), BIG_FOUR).entropy_bits == pytest.approx(2)
    assert ambiguity(np.array([1.0, 0, 0, 0]), BIG_FOUR).entropy_bits == 0
    assert ambiguity(np.array([0.5, 0.5]), ("sad", "happy")).compound is None
