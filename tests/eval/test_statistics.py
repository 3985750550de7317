"""Bootstrap intervals: what is drawn, that it is seeded, and that it covers what it should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats

from eval.statistics import (
    Interval,
    Resampling,
    Rows,
    bootstrap_blocks,
    bootstrap_stratified,
    paired_bootstrap,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SCIPY: Any = stats
QUICK = Resampling(draws=200)


def mean_of(values: list[float]) -> Callable[[Rows], float]:
    array = np.array(values)

    def mean(rows: Rows) -> float:
        return float(array[rows].mean())

    return mean


def test_the_value_is_the_statistic_of_the_data_as_they_are():
    found = bootstrap_blocks(list("abcd"), mean_of([0.0, 1.0, 1.0, 0.0]), resampling=QUICK)
    assert found.value == 0.5
    assert found.low is not None
    assert found.high is not None
    assert found.low <= 0.5 <= found.high


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    values = np.random.default_rng(0).normal(size=40).tolist()
    one, same = (bootstrap_blocks(range(40), mean_of(values), resampling=QUICK) for _ in range(2))
    other = bootstrap_blocks(range(40), mean_of(values), resampling=Resampling(draws=200, seed=2))
    assert one == same
    assert one.value == other.value
    assert one.low != other.low


def test_utterances_of_one_block_are_drawn_together():
    seen: list[tuple[int, ...]] = []

    def remember(rows: Rows) -> float:
        seen.append(tuple(rows.tolist()))
        return 0.0

    bootstrap_blocks(["a", "b", "a", "b"], remember, resampling=QUICK)
    assert set(seen[1:]) == {(0, 2, 0, 2), (0, 2, 1, 3), (1, 3, 0, 2), (1, 3, 1, 3)}


def test_blocks_that_hang_together_widen_the_interval():
    values = [0.0] * 50 + [1.0] * 50
    by_block = bootstrap_blocks(["a"] * 50 + ["b"] * 50, mean_of(values), resampling=QUICK)
    by_row = bootstrap_blocks(range(100), mean_of(values), resampling=QUICK)
    assert (by_block.low, by_block.high) == (0.0, 1.0)
    assert by_row.low is not None
    assert by_row.low > 0.3


def test_strata_keep_their_size_in_every_draw():
    strata = ["a"] * 3 + ["b"] * 5
    sizes: set[tuple[int, int]] = set()

    def count(rows: Rows) -> float:
        sizes.add((int((rows < 3).sum()), int((rows >= 3).sum())))
        return 0.0

    bootstrap_stratified(strata, count, resampling=QUICK)
    assert sizes == {(3, 5)}


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(7)
    covered = 0
    for seed in range(60):
        found = bootstrap_blocks(
            range(80), mean_of(random.normal(size=80).tolist()), resampling=Resampling(draws=200, seed=seed)
        )
        covered += not found.excludes(0.0)
    assert 50 <= covered <= 60


def test_paired_differences_are_taken_on_the_same_draws():
    base = np.random.default_rng(1).normal(size=60).tolist()
    better = [value + 0.01 for value in base]
    found = paired_bootstrap(range(60), mean_of(better), mean_of(base), resampling=QUICK)
    assert found.value == pytest.approx(0.01)
    assert found.excludes(0.0)
    same = paired_bootstrap(range(60), mean_of(base), mean_of(base), resampling=QUICK)
    assert not same.excludes(0.0)


def test_undefined_draws_are_counted_and_left_out():
    def only_with_first(rows: Rows) -> float | None:
        return 1.0 if 0 in rows.tolist() else None

    found = bootstrap_blocks(range(3), only_with_first, resampling=QUICK)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
    assert 20 < found.n_undefined < 100


def test_a_figure_that_is_never_defined_has_no_interval():
    found = paired_bootstrap(range(3), lambda _: None, lambda _: 1.0, resampling=QUICK)
    assert found == Interval(value=None, low=None, high=None, n_undefined=200)
    assert not found.excludes(0.0)


def test_no_utterances_give_no_interval():
    assert bootstrap_blocks([], lambda _: 1.0) == Interval(value=None, low=None, high=None)


@pytest.mark.parametrize(("draws", "level"), [(0, 0.95), (10, 0.0), (10, 1.0)])
def test_settings_that_give_no_interval_are_refused(draws: int, level: float):
    with pytest.raises(ValueError, match="draws"):
        Resampling(draws=draws, level=level)


def test_corrected_intervals_are_those_of_scipy():
    values = np.random.default_rng(0).exponential(size=60)
    resampling = Resampling(draws=4000, ends="bca")
    found = bootstrap_blocks(range(60), mean_of(values.tolist()), resampling=resampling)
    plain = bootstrap_blocks(range(60), mean_of(values.tolist()), resampling=Resampling(draws=4000))
    told = SCIPY.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(1))
    expected = told.confidence_interval
    assert found.low == pytest.approx(expected.low, abs=0.01)
    assert found.high == pytest.approx(expected.high, abs=0.015)
    # The data lean to the right, and so does the interval.
    assert plain.low is not None
    assert plain.high is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low > plain.low
    assert found.high > plain.high


def test_corrected_intervals_of_what_never_varies_are_that_value():
    found = bootstrap_blocks(range(9), lambda _: 0.5, resampling=Resampling(draws=50, ends="bca"))
    assert (found.low, found.high) == (0.5, 0.5)


def test_corrected_intervals_leave_out_blocks_without_which_nothing_is_defined():
    def share(rows: Rows) -> float | None:
        return float((rows == 0).mean()) if 0 in rows else None

    found = bootstrap_blocks(range(4), share, resampling=Resampling(draws=200, ends="bca"))
    assert found.n_undefined > 0
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low <= 0.25 <= found.high


def test_corrected_intervals_of_differences_and_strata():
    values = np.random.default_rng(0).normal(size=40)
    better = paired_bootstrap(
        range(40),
        mean_of((values + 1).tolist()),
        mean_of(values.tolist()),
        resampling=Resampling(draws=200, ends="bca"),
    )
    assert better.value == pytest.approx(1.0)
    assert better.excludes(0.0)
    strata = bootstrap_stratified(
        ["a"] * 20 + ["b"] * 20, mean_of(values.tolist()), resampling=Resampling(draws=200, ends="bca")
    )
    assert strata.low is not None
    assert strata.value is not None
    assert strata.low < strata.value


@pytest.mark.parametrize("sign", [1, -1])
def test_corrected_ends_are_never_turned_around(sign: int):
    def odd(rows: Rows) -> float:
        if rows.tolist() == list(range(100)):
            return -1000.0 * sign
        if rows.size == 99:  # one left out: the first weighs more than all others together
            return 0.0 if 0 in rows else 10.0 * sign
        return float(rows.mean())

    found = bootstrap_blocks(range(100), odd, resampling=Resampling(level=0.999, ends="bca"))
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.high
