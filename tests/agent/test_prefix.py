from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.llm.prefix import CacheShare, best_source, common_prefix, slide

TOKENS = st.lists(st.integers(0, 3), max_size=12)


@given(TOKENS, TOKENS)
def test_a_common_prefix_is_common_and_cannot_be_longer(one: list[int], other: list[int]):
    n = common_prefix(one, other)
    assert one[:n] == other[:n]
    assert one[: n + 1] != other[: n + 1] or n == min(len(one), len(other))


@given(st.integers(0, 200), st.integers(1, 40), st.data())
def test_the_window_never_shows_too_many_and_only_as_few_as_a_block_costs(
    n_turns: int, window: int, data: st.DataObject
):
    block = data.draw(st.integers(1, window))
    shown = n_turns - slide(n_turns, window=window, block=block)
    assert min(n_turns, window - block + 1) <= shown <= window


@given(st.integers(1, 40), st.data())
def test_the_window_moves_once_per_block_and_never_back(window: int, data: st.DataObject):
    block = data.draw(st.integers(1, window))
    firsts = [slide(n, window=window, block=block) for n in range(4 * window)]
    moves = [b - a for a, b in pairwise(firsts) if b != a]
    assert set(moves) <= {block}
    assert all(first % block == 0 for first in firsts)


def test_a_block_of_one_shows_exactly_the_last_turns():
    assert [slide(n, window=5, block=1) for n in range(8)] == [0, 0, 0, 0, 0, 0, 1, 2]


def test_most_of_a_25_turn_window_stays_in_the_cache():
    system, turn = 800, 60
    total = CacheShare()
    before = range(0)
    for n in range(26, 226):
        shown = range(slide(n, window=25), n)
        kept = len(before) if shown.start == before.start else 0
        total += CacheShare(n_prompt=system + turn * len(shown), n_cached=system + turn * kept)
        before = shown
    assert total.share > 0.9


@pytest.mark.parametrize(("window", "block"), [(0, None), (5, 0), (5, 6), (-1, 1)])
def test_a_window_that_cannot_move_is_refused(window: int, block: int | None):
    with pytest.raises(ValueError, match="cannot move"):
        slide(3, window=window, block=block)


def test_the_longest_beginning_wins_and_the_first_of_equals():
    held = [(7, [1, 2]), (8, [1, 2, 3]), (9, [1, 2, 3, 9])]
    assert best_source([1, 2, 3, 4], held) == (8, 3)
    assert best_source([5], held) == (None, 0)
    assert best_source([], held) == (None, 0)


def test_nothing_asked_is_nothing_cached():
    assert CacheShare().share == 0
