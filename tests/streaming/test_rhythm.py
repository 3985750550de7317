from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.rhythm import Lengths, Moments, Runs


def runs(pattern: str, *, longest_gap: int = 3) -> Runs:
    found = Runs(longest_gap=longest_gap)
    found.add(letter == "v" for letter in pattern)
    return found.finished()


def test_moments_are_mean_and_spread_of_each_column():
    values = np.random.default_rng(0).normal(5, 2, (50, 3))
    moments = Moments(3)
    moments.add(values[:20])
    moments.add(values[20:])
    np.testing.assert_allclose(moments.means(), values.mean(axis=0))
    np.testing.assert_allclose(moments.spreads(), values.std(axis=0))


def test_values_that_do_not_count_are_left_out():
    moments = Moments(2)
    moments.add(np.array([[1.0, 10.0], [3.0, np.nan]]), np.array([[True, True], [True, False]]))
    assert moments.n.tolist() == [2, 1]
    assert moments.means().tolist() == [2.0, 10.0]


def test_nothing_counted_is_zero():
    assert Moments(1).means().tolist() == Moments(1).spreads().tolist() == [0.0]
    assert (Lengths().mean, Lengths().spread) == (0.0, 0.0)


def test_voice_and_gaps_are_measured_between_first_and_last_voice():
    found = runs("...vv..vvvv....")
    assert (found.voiced.n, found.voiced.total) == (2, 6)
    assert (found.gaps.n, found.gaps.total) == (1, 2)
    assert found.voiced.mean == pytest.approx(3)
    assert found.voiced.spread == pytest.approx(1)


def test_a_long_gap_is_a_pause_and_counts_nowhere():
    assert runs("vv....vv", longest_gap=3).gaps.n == 0
    assert runs("vv...vv", longest_gap=3).gaps.n == 1


def test_no_voice_is_no_run():
    assert runs("....").voiced.n == runs("").voiced.n == 0


@given(pattern=st.text("v.", max_size=60), cut=st.integers(0, 60))
def test_runs_do_not_depend_on_how_they_are_cut(pattern: str, cut: int):
    found = Runs(longest_gap=3)
    found.add(letter == "v" for letter in pattern[:cut])
    found.add(letter == "v" for letter in pattern[cut:])
    assert found.finished() == runs(pattern)
    assert found.finished().voiced.total == pattern.count("v")


def test_finishing_a_copy_leaves_the_runs_open():
    found = Runs(longest_gap=3)
    found.add([True, True])
    assert found.finished().voiced.total == 2
    found.add([True])
    assert found.finished().voiced.total == 3
    assert found.voiced.total == 0
