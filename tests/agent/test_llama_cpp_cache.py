"""The bookkeeping alone, on a context that only remembers which cells belong to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.backends.llm.llama_cpp_cache import Branch, SequenceCache
from agent.backends.llm.llama_cpp_jobs import owners, portions
from agent.backends.llm.llama_cpp_native import NO_ROOM, Context
from agent.llm.labels import label_tree
from streaming.errors import EngineFailed, ModelUnusable, OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.backends.llm.llama_cpp_cache import Held


class Cells:
    """What llama.cpp keeps: cells of a token at a position, each with the sequences it belongs to."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.cells: list[tuple[int, int, set[int]]] = []
        self.is_broken = False

    def decode(
        self,
        tokens: Sequence[int],
        *,
        positions: Sequence[int],
        sequences: Sequence[Sequence[int]],
        wanted: Sequence[int],
    ) -> int:
        if self.is_broken:
            raise EngineFailed("broken")
        if len(self.cells) + len(tokens) > self.n:
            return NO_ROOM
        for token, position, owned in zip(tokens, positions, sequences, strict=True):
            for sequence in owned:
                assert position == len(self.text(sequence)), "no gaps"
            self.cells.append((token, position, set(owned)))
        assert all(0 <= row < len(tokens) for row in wanted)
        return 0

    def copy(self, source: int, target: int, *, n_tokens: int) -> None:
        for _, position, owned in self.cells:
            if source in owned and (n_tokens < 0 or position < n_tokens):
                owned.add(target)

    def cut(self, sequence: int, *, n_tokens: int = 0) -> None:
        for _, position, owned in self.cells:
            if position >= n_tokens:
                owned.discard(sequence)
        self.cells = [cell for cell in self.cells if cell[2]]

    def text(self, sequence: int) -> list[int]:
        return [token for token, _, owned in sorted(self.cells, key=lambda cell: cell[1]) if sequence in owned]


def made(n_cells: int = 100, *, n_sequences: int = 8, n_side: int = 3) -> tuple[Cells, SequenceCache]:
    cells = Cells(n_cells)
    return cells, SequenceCache(cast("Context", cells), n_sequences=n_sequences, n_side=n_side)


def opened(cache: SequenceCache, tokens: Sequence[int], conversation: str = "") -> Held:
    held = cache.open(tokens, conversation=conversation)
    assert held is not None
    return held


def worked(cache: SequenceCache, tokens: Sequence[int], conversation: str) -> int:
    """Take a prompt in and let it be; return how much of it was there."""
    held = opened(cache, tokens, conversation)
    n = len(held.tokens)
    assert cache.extend(held, tokens[n:])
    cache.settle(held)
    return n


def test_what_a_conversation_begins_alike_is_shared_and_the_last_token_never():
    cells, cache = made()
    assert worked(cache, [1, 2, 3], "a") == 0
    assert worked(cache, [1, 2, 3], "a") == 2
    assert worked(cache, [1, 2, 9], "b") == 2
    assert worked(cache, [1, 2, 3, 4], "") == 0
    assert cache.conversations == ("a", "b")
    assert len(cells.cells) == 4, "the beginning is kept once"


def test_the_newest_of_a_conversation_is_kept_whichever_ends_last():
    _, cache = made()
    older, newer = opened(cache, [1, 2], "a"), opened(cache, [1, 3], "a")
    for held in (newer, older):
        assert cache.extend(held, [1, held.since])
        cache.settle(held)
    assert worked(cache, [1, newer.since, 0], "a") == 2


def test_what_failed_leaves_nothing_of_it():
    cells, cache = made()
    assert worked(cache, [1, 2, 3], "a") == 0
    held = opened(cache, [1, 2, 3, 4, 5], "a")
    cells.is_broken = True
    with pytest.raises(EngineFailed, match="broken"):
        cache.extend(held, [4, 5])
    cells.is_broken = False
    cache.settle(held)
    assert cells.text(held.number) == []
    assert worked(cache, [1, 2, 3, 4], "a") == 3, "the older state is still there"


def test_when_cells_run_out_the_least_used_conversation_goes():
    _, cache = made(10)
    for name, token in (("a", 1), ("b", 2), ("a", 1), ("c", 3)):
        worked(cache, [token] * 4, name)
    assert cache.conversations == ("a", "c")


def test_the_younger_of_two_under_way_gives_way_and_the_older_never_waits():
    cells, cache = made(10)
    older, younger = opened(cache, [1] * 8, "a"), opened(cache, [2] * 8, "b")
    assert cache.extend(older, [1] * 4)
    assert cache.extend(younger, [2] * 6)
    assert not cache.extend(younger, [2]), "it is for the older to finish first"
    assert cells.text(younger.number) == younger.tokens == [2] * 6
    assert cache.extend(older, [1] * 4)
    assert younger.tokens == cells.text(younger.number) == []
    cache.settle(older)
    assert cache.extend(younger, [2] * 8), "now the older one is at rest and goes"
    assert cache.conversations == ()


def test_one_alone_that_does_not_fit_says_so():
    _, cache = made(10)
    held = opened(cache, [1] * 20, "a")
    assert cache.extend(held, [1] * 10)
    with pytest.raises(OutOfMemory, match="cache_tokens"):
        cache.extend(held, [1])


def test_too_many_under_way_wait_and_side_sequences_are_always_to_be_had():
    _, cache = made(n_sequences=8, n_side=3)
    busy = [opened(cache, [n, 0], "x" * n) for n in range(5)]
    assert cache.open([9, 9], conversation="y") is None
    assert cache.extend(busy[0], [0])
    sides = cache.branch(busy[0], 3)
    assert len({*sides, *(held.number for held in busy)}) == 8
    cache.unbranch(sides)
    cache.settle(busy[0])
    assert cache.open([9, 9], conversation="y") is not None


def test_numbers_run_out_before_cells_do_and_the_least_used_goes():
    _, cache = made(n_sequences=5, n_side=2)
    for n in range(9):
        worked(cache, [n, n], str(n))
    assert cache.conversations == ("4", "5", "6", "7", "8")
    held = opened(cache, [8, 8, 8], "8")
    cache.branch(held, 2)
    assert cache.conversations == ("7", "8") or len(cache.conversations) == 2


def test_forgetting_takes_what_is_kept_and_what_is_under_way_leaves_nothing():
    cells, cache = made()
    worked(cache, [1, 2], "a")
    under_way = opened(cache, [1, 2, 3], "a")
    cache.forget("a")
    assert cache.extend(under_way, [2, 3])
    cache.settle(under_way)
    assert cells.cells == []
    assert cache.conversations == ()


def test_a_tree_grows_beside_its_prompt_and_is_gone_afterwards():
    cells, cache = made()
    held = opened(cache, [1, 2], "a")
    left, right = sides = cache.branch(held, 2)
    branches = [
        Branch(token=5, depth=1, owners=(left, right)),
        Branch(token=6, depth=2, owners=(left,)),
        Branch(token=7, depth=2, owners=(right,)),
    ]
    assert cache.extend(held, [1, 2], branches=branches)
    assert cells.text(left) == [1, 2, 5, 6]
    assert cells.text(right) == [1, 2, 5, 7]
    assert cells.text(held.number) == held.tokens == [1, 2]
    cache.unbranch(sides)
    assert len(cells.cells) == 2


@settings(max_examples=200)
@given(
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=8),
    st.integers(1, 4),
    st.integers(5, 8),
)
def test_lots_cover_every_inner_node_once_as_whole_paths(labels: list[list[int]], n_side: int, n_inner: int):
    tree = label_tree([9], [[9, *label] for label in labels])
    needed: set[int] = set()
    for lot in portions(tree, n_side=n_side, n_inner=n_inner):
        assert len(lot) <= n_inner
        assert all(tree.nodes[node].parent in {-1, *lot} for node in lot)
        ends = owners(tree, lot)
        assert len({number for own in ends for number in own}) <= n_side
        for number in {number for own in ends for number in own}:
            path = [node for node, own in zip(lot, ends, strict=True) if number in own]
            assert [tree.nodes[node].depth for node in path] == list(range(1, len(path) + 1))
            assert [tree.nodes[node].parent for node in path] == [-1, *path[:-1]]
        needed |= set(lot)
    assert needed == set(tree.inner)


def test_labels_of_one_token_need_no_tree_at_all():
    tree = label_tree([1], [[1, 2], [1, 3]])
    assert list(portions(tree, n_side=4, n_inner=4)) == [()]


def test_a_label_longer_than_a_lot_is_refused():
    tree = label_tree([1], [[1, *range(9)]])
    with pytest.raises(ModelUnusable, match="9 tokens"):
        list(portions(tree, n_side=4, n_inner=4))
