"""Which tokens a label is, and how all labels are scored in one forward pass. Pure; knows no model.

Labels are tokenised together with the prompt before them, as one text, so that any tokenisation comes out right: one
that merges the end of the prompt with the start of a label, labels that begin alike, a label that begins another.
A label's tokens are those from the point on where some label first leaves the prompt's own tokens.

The labels' tokens form a tree. A model takes it in one row behind the prompt: each node sees the prompt, the nodes
above it and itself, and sits at the position it would have if its label stood alone (a packed row with a block mask, as
in SpecInfer's tree attention, Miao et al. 2024). Sums of log-probabilities along the tree are the labels' scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ROOT = -1
"""Parent of the nodes that follow the prompt at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A token of one or more labels; `parent` is the node before it (ROOT: none), `depth` counts from 1."""

    token: int
    parent: int
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTree:
    """The tokens of a closed list of labels.

    Attributes:
        n_before: how many tokens of the prompt come before the tree, at least 1.
        nodes: parents come before their children.
        leaves: the node of each label's last token, shape (n_labels,); it may have children.
        paths: the nodes of each label, first token first, shape (n_labels,).
    """

    n_before: int
    nodes: tuple[Node, ...]
    leaves: tuple[int, ...]
    paths: tuple[tuple[int, ...], ...]

    @property
    def tokens(self) -> tuple[int, ...]:
        """Tokens of the nodes, shape (n_nodes,)."""
        return tuple(node.token for node in self.nodes)

    @property
    def positions(self) -> tuple[int, ...]:
        """Position of each node in the text its label ends, shape (n_nodes,); the prompt's first token is at 0."""
        return tuple(self.n_before + node.depth - 1 for node in self.nodes)

    @property
    def n_tokens(self) -> tuple[int, ...]:
        """How many tokens each label has, shape (n_labels,)."""
        return tuple(len(path) for path in self.paths)

    @property
    def inner(self) -> tuple[int, ...]:
        """Nodes that have children: logits are needed only there and at the last token before the tree."""
        return tuple(sorted({node.parent for node in self.nodes} - {ROOT}))


def label_tree(prompt_ids: Sequence[int], full_ids: Sequence[Sequence[int]]) -> LabelTree:
    """Return the tree of labels whose whole texts, prompt included, are `full_ids`, shape (n_labels,).

    Raises:
        ValueError: no labels, one that adds no token to the prompt, or no token left before the labels.
    """
    if not full_ids:
        raise ValueError("expected at least one label, got none")
    n_before = min(_n_alike(prompt_ids, full) for full in full_ids)
    if n_before == 0:
        raise ValueError("nothing of the prompt is left before the labels; begin it with a token of its own")
    nodes: list[Node] = []
    children: dict[tuple[int, int], int] = {}
    paths: list[tuple[int, ...]] = []
    for index, full in enumerate(full_ids):
        if len(full) <= n_before:
            raise ValueError(f"label {index} adds no token to the prompt: this tokenizer does not know it")
        path: list[int] = []
        parent = ROOT
        for token in full[n_before:]:
            at = children.get((parent, token))
            if at is None:
                at = children[parent, token] = len(nodes)
                nodes.append(Node(token=token, parent=parent, depth=len(path) + 1))
            path.append(at)
            parent = at
        paths.append(tuple(path))
    return LabelTree(
        n_before=n_before, nodes=tuple(nodes), leaves=tuple(path[-1] for path in paths), paths=tuple(paths)
    )


def attention_mask(tree: LabelTree, *, n_cached: int) -> NDArray[np.bool_]:
    """Return who sees whom when the rest of the prompt and the tree go through a model in one row.

    `n_cached` tokens of the prompt are in its cache. Shape (rest + n_nodes, n_before + n_nodes), rest = n_before -
    n_cached: row by row the new tokens, column by column all there are. The rest of the prompt sees what came before, a
    node sees the whole prompt, the nodes above it and itself.
    """
    n_before, n_nodes, n_rest = tree.n_before, len(tree.nodes), tree.n_before - n_cached
    mask = np.zeros((n_rest + n_nodes, n_before + n_nodes), dtype=np.bool_)
    mask[:n_rest, :n_before] = np.tri(n_rest, n_before, n_cached, dtype=np.bool_)
    mask[n_rest:, :n_before] = True
    for index, node in enumerate(tree.nodes):
        if node.parent != ROOT:
            mask[n_rest + index, n_before:] = mask[n_rest + node.parent, n_before:]
        mask[n_rest + index, n_before + index] = True
    return mask


def node_logps(tree: LabelTree, logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the log-probability of each node's token after what comes before it, shape (n_nodes,).

    `logits` has shape (1 + n_nodes, n_vocab): row 0 at the last token before the tree, row 1 + i at node i. Rows of
    nodes without children (`LabelTree.inner`) are not looked at.
    """
    found = np.empty(len(tree.nodes))
    norms: dict[int, float] = {}
    for index, node in enumerate(tree.nodes):
        row = logits[node.parent + 1]
        if node.parent not in norms:
            norms[node.parent] = _log_sum_exp(row)
        found[index] = float(row[node.token]) - norms[node.parent]
    return found


def label_scores(tree: LabelTree, logps: Sequence[float] | NDArray[np.float64]) -> tuple[float, ...]:
    """Return each label's sum of log-probabilities, shape (n_labels,); `logps` are the nodes'."""
    return tuple(float(sum(logps[node] for node in path)) for path in tree.paths)


def checked(labels: Sequence[str]) -> tuple[str, ...]:
    """Return `labels` as they are.

    Raises:
        ValueError: no labels, an empty one, or two alike.
    """
    if not labels:
        raise ValueError("expected at least one label, got none")
    if not all(labels):
        raise ValueError("a label must have at least one character")
    if len(set(labels)) < len(labels):
        raise ValueError(f"labels must differ from each other, got {', '.join(labels)}")
    return tuple(labels)


def _n_alike(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two texts begin with alike."""
    n = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        n += 1
    return n


def _log_sum_exp(row: NDArray[np.float32]) -> float:
    wide = row.astype(np.float64)
    top = float(wide.max())
    return top + float(np.log(np.exp(wide - top).sum()))
