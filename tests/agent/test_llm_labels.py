"""Label trees against a plain reference: each label's tokens one by one, by any tokenisation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.llm.labels import ROOT, attention_mask, checked, label_scores, label_tree, node_logps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.llm.labels import LabelTree

N_VOCAB = 11
Ids = list[int]
TEXTS = st.lists(st.integers(0, 3), min_size=1, max_size=6)


def logps_after(text: Sequence[int]) -> list[float]:
    """A toy model: what comes next depends on all that came before."""
    draw = np.random.default_rng([7, *text])
    logits = draw.normal(size=N_VOCAB)
    return [float(x) for x in logits - math.log(np.exp(logits).sum())]


def naive(prompt: Ids, full: Sequence[Ids]) -> list[float]:
    start = min(
        next((i for i, (a, b) in enumerate(zip(prompt, text, strict=False)) if a != b), min(len(prompt), len(text)))
        for text in full
    )
    return [sum(logps_after(text[:at])[text[at]] for at in range(start, len(text))) for text in full]


def texts_of(tree: LabelTree, prompt: Ids) -> list[Ids]:
    """The text each node ends."""
    found: list[Ids] = []
    for node in tree.nodes:
        before = prompt[: tree.n_before] if node.parent == ROOT else found[node.parent]
        found.append([*before, node.token])
    return found


@given(prompt=TEXTS, kept=st.integers(1, 6), ends=st.lists(TEXTS, min_size=1, max_size=6))
def test_scores_of_the_tree_are_those_of_each_label_alone(prompt: Ids, kept: int, ends: list[Ids]):
    # What is kept of the prompt may be less than all of it: the tokenizer has drawn the border elsewhere.
    full = [[*prompt[:kept], *end] for end in ends]
    shared = min(len(prompt), kept)
    if any(text == prompt[: len(text)] for text in full):
        return
    tree = label_tree(prompt, full)
    assert tree.n_before >= shared
    logits = np.array([logps_after(text) for text in [prompt[: tree.n_before], *texts_of(tree, prompt)]], np.float32)
    assert label_scores(tree, node_logps(tree, logits)) == pytest.approx(naive(prompt, full), abs=1e-5)


@given(prompt=TEXTS, ends=st.lists(TEXTS, min_size=1, max_size=6))
def test_each_path_spells_its_label_and_no_token_is_there_twice(prompt: Ids, ends: list[Ids]):
    full = [[*prompt, *end] for end in ends]
    tree = label_tree(prompt, full)
    for path, leaf, n, text in zip(tree.paths, tree.leaves, tree.n_tokens, full, strict=True):
        assert [*prompt[: tree.n_before], *(tree.nodes[node].token for node in path)] == text
        assert path[-1] == leaf
        assert n == len(path)
        assert [tree.nodes[node].depth for node in path] == list(range(1, n + 1))
        assert [tree.positions[node] for node in path] == list(range(tree.n_before, len(text)))
    assert len({(node.parent, node.token) for node in tree.nodes}) == len(tree.nodes)
    assert all(node.parent < index for index, node in enumerate(tree.nodes))
    assert set(tree.inner) == {node.parent for node in tree.nodes} - {ROOT}


@given(prompt=TEXTS, ends=st.lists(TEXTS, min_size=1, max_size=5), n_cached=st.integers(0, 5))
def test_a_node_sees_the_prompt_and_what_its_own_label_begins_with(prompt: Ids, ends: list[Ids], n_cached: int):
    tree = label_tree(prompt, [[*prompt, *end] for end in ends])
    n_cached = min(n_cached, tree.n_before)
    n_rest = tree.n_before - n_cached
    mask = attention_mask(tree, n_cached=n_cached)
    row = [*prompt[: tree.n_before], *tree.tokens]
    for index, text in enumerate([*(prompt[: n_cached + i + 1] for i in range(n_rest)), *texts_of(tree, prompt)]):
        assert [token for token, is_seen in zip(row, mask[index], strict=True) if is_seen] == text
        assert mask[index, n_cached + index]


def test_labels_that_begin_alike_share_tokens_and_one_may_begin_another():
    tree = label_tree([1, 2], [[1, 2, 5], [1, 2, 5, 6], [1, 2, 5, 7], [1, 2, 8]])
    assert tree.tokens == (5, 6, 7, 8)
    assert tree.leaves == (0, 1, 2, 3)
    assert tree.inner == (0,)
    assert tree.n_tokens == (1, 2, 2, 1)


def test_a_border_drawn_anew_by_one_label_moves_it_for_all():
    tree = label_tree([1, 2, 3], [[1, 2, 3, 5], [1, 2, 9]])
    assert tree.n_before == 2
    assert tree.n_tokens == (2, 1)


def test_labels_with_the_same_tokens_score_the_same():
    tree = label_tree([1], [[1, 4], [1, 4]])
    assert tree.leaves == (0, 0)


@pytest.mark.parametrize(
    ("full", "words"),
    [([], "at least one label"), ([[1, 2]], "label 0 adds no token"), ([[3, 1]], "nothing of the prompt is left")],
)
def test_what_cannot_be_scored_is_refused(full: list[Ids], words: str):
    with pytest.raises(ValueError, match=words):
        label_tree([1, 2], full)


@pytest.mark.parametrize(
    ("labels", "words"), [((), "at least one label"), (("a", ""), "one character"), (("a", "b", "a"), "differ")]
)
def test_lists_of_labels_with_faults_are_refused(labels: tuple[str, ...], words: str):
    with pytest.raises(ValueError, match=words):
        checked(labels)


def test_good_labels_come_back_as_they_are():
    assert checked(["a", "ab"]) == ("a", "ab")
