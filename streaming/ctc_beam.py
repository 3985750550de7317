"""Prefix beam search over the output of a frame-wise character model.

Numpy only. The search keeps the best prefixes of the text, each with the summed probability of all alignments that
lead to it (Graves et al. 2006; Hannun et al. 2014, without a language model).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .ctc_alignment import LogProbs

_ROOT = 0
_NO_TOKEN = -1
_LEAST = float(np.finfo(np.float64).min)


@dataclass(frozen=True, slots=True, kw_only=True)
class BeamSettings:
    """How wide the search is.

    Attributes:
        n_best: readings returned at most.
        width: prefixes kept after each frame.
        n_symbols: symbols that may extend a prefix at one frame, the most probable ones.
        min_logp: symbols below this log-probability extend nothing.
        margin: prefixes this far (natural log) below the best are dropped.
    """

    n_best: int = 10
    width: int = 20
    n_symbols: int = 12
    min_logp: float = -12.0
    margin: float = 30.0

    def __post_init__(self) -> None:
        """Check the values."""
        if not 1 <= self.n_best <= self.width:
            raise ValueError(f"n_best is {self.n_best}, expected 1 to width ({self.width})")
        if self.n_symbols < 1:
            raise ValueError(f"n_symbols is {self.n_symbols}, expected at least 1")
        if self.min_logp >= 0 or self.margin <= 0:
            raise ValueError(f"expected min_logp below 0 and margin above 0, got {self.min_logp} and {self.margin}")


def search(
    log_probs: LogProbs, *, blank: int, delimiter: int | None = None, settings: BeamSettings | None = None
) -> list[tuple[tuple[int, ...], float]]:
    """Return the symbols of the best readings with the log-probability the search saw of each, best first.

    What was pruned is missing from that log-probability; without pruning it is `ctc_logp` of the reading.

    Args:
        log_probs: natural log, shape (frames, symbols); minus infinity for what is never read.
        blank: index of the blank.
        delimiter: index of the word delimiter, read as text is (see `streaming.ctc_alignment`); None without words.
        settings: how wide to search.
    """
    settings = settings or BeamSettings()
    rows = np.asarray(log_probs, np.float64)
    beam = _Beam(blank=blank, delimiter=_NO_TOKEN if delimiter is None else delimiter, settings=settings)
    for row, tokens in zip(rows, _candidates(rows, blank=blank, settings=settings), strict=True):
        beam.step(row, tokens)
    return beam.readings()


def _candidates(rows: NDArray[np.float64], *, blank: int, settings: BeamSettings) -> list[NDArray[np.int64]]:
    """Return for each frame the symbols that may extend a prefix there."""
    symbols = rows.copy()
    symbols[:, blank] = -np.inf
    n_kept = min(settings.n_symbols, symbols.shape[1])
    top = np.argpartition(symbols, -n_kept, axis=1)[:, -n_kept:]
    is_likely = np.take_along_axis(symbols, top, axis=1) >= settings.min_logp
    return [tokens[likely] for tokens, likely in zip(top, is_likely, strict=True)]


@dataclass(slots=True, kw_only=True)
class _Tree:
    """All prefixes met so far; each is a node that knows its parent and its last symbol."""

    parents: list[int] = field(default_factory=lambda: [_NO_TOKEN])
    tokens: list[int] = field(default_factory=lambda: [_NO_TOKEN])
    children: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])

    def child(self, node: int, token: int) -> int:
        """Return the prefix that follows `node` by `token`; always the same one."""
        known = self.children.get((node, token))
        if known is None:
            known = self.children[node, token] = len(self.parents)
            self.parents.append(node)
            self.tokens.append(token)
        return known

    def path(self, node: int) -> tuple[int, ...]:
        """Return the symbols of a prefix."""
        tokens: list[int] = []
        while node != _ROOT:
            tokens.append(self.tokens[node])
            node = self.parents[node]
        return tuple(reversed(tokens))


class _Beam:
    """The prefixes alive after a frame: log-probability of ending in a blank, and of ending in their last symbol.

    The beginning counts as if it ended in a delimiter, and a delimiter after a delimiter changes nothing: so prefixes
    are those of the text.
    """

    def __init__(self, *, blank: int, delimiter: int, settings: BeamSettings) -> None:
        self._blank = blank
        self._delimiter = delimiter
        self._settings = settings
        self._tree = _Tree()
        self._nodes: list[int] = [_ROOT]
        # Without a delimiter the beginning repeats nothing: the symbol it points at is never added to its score.
        self._last = np.array([_NO_TOKEN - 1 if delimiter == _NO_TOKEN else delimiter])
        self._in_blank = np.zeros(1)
        self._in_symbol = np.full(1, -np.inf)

    def step(self, row: NDArray[np.float64], tokens: NDArray[np.int64]) -> None:
        """Take the next frame, in which `tokens` may extend a prefix."""
        total = np.logaddexp(self._in_blank, self._in_symbol)
        in_blank = total + row[self._blank]
        in_symbol = np.where(self._last == self._delimiter, total, self._in_symbol) + row[self._last]
        # A symbol that repeats the last one is a new one only after a blank.
        is_repeat = self._last[:, None] == tokens
        longer = np.where(is_repeat, self._in_blank[:, None], total[:, None]) + row[tokens]
        longer[is_repeat & (tokens == self._delimiter)] = -np.inf
        child, parent = self._families()
        if len(child):  # what leads from one living prefix to another belongs to that other
            last = self._last[child]
            lead = np.where(self._last[parent] == last, self._in_blank[parent], total[parent]) + row[last]
            in_symbol[child] = np.logaddexp(in_symbol[child], lead)
            which, column = np.nonzero(last[:, None] == tokens)
            longer[parent[which], column] = -np.inf
        self._keep(in_blank, in_symbol, longer=longer, tokens=tokens)

    def _families(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the slots of living prefixes whose parents live too, and of those parents."""
        slots = {node: slot for slot, node in enumerate(self._nodes)}
        parents = self._tree.parents
        pairs = [(slot, slots[parents[node]]) for slot, node in enumerate(self._nodes) if parents[node] in slots]
        children_and_parents = np.array(pairs, np.int64).reshape(-1, 2)
        return children_and_parents[:, 0], children_and_parents[:, 1]

    def _keep(
        self,
        in_blank: NDArray[np.float64],
        in_symbol: NDArray[np.float64],
        *,
        longer: NDArray[np.float64],
        tokens: NDArray[np.int64],
    ) -> None:
        """Keep the best of the prefixes as they are and of the longer ones."""
        grown = longer.ravel()
        old, new = self._best(np.concatenate([np.logaddexp(in_blank, in_symbol), grown]))
        parents, columns = np.divmod(new, max(1, len(tokens)))
        symbols = tokens[columns]
        nodes = self._nodes
        pairs: list[tuple[int, int]] = list(zip(parents.tolist(), symbols.tolist(), strict=True))
        self._nodes = [nodes[slot] for slot in old.tolist()]
        self._nodes += [self._tree.child(nodes[slot], token) for slot, token in pairs]
        self._last = np.concatenate([self._last[old], symbols])
        self._in_blank = np.concatenate([in_blank[old], np.full(len(new), -np.inf)])
        self._in_symbol = np.concatenate([in_symbol[old], grown[new]])

    def _best(self, scores: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which prefixes stay, and which places of the longer ones are kept."""
        width = self._settings.width
        kept = np.argpartition(-scores, width)[:width] if len(scores) > width else np.arange(len(scores))
        kept = np.sort(kept[scores[kept] >= max(float(scores.max()) - self._settings.margin, _LEAST)])
        n_old = len(self._nodes)
        return kept[kept < n_old], kept[kept >= n_old] - n_old

    def readings(self) -> list[tuple[tuple[int, ...], float]]:
        """Return the texts of the living prefixes; a delimiter at the end makes no difference."""
        found: dict[tuple[int, ...], float] = {}
        for node, logp in zip(self._nodes, np.logaddexp(self._in_blank, self._in_symbol).tolist(), strict=True):
            tokens = self._tree.path(node)
            if tokens and tokens[-1] == self._delimiter:
                tokens = tokens[:-1]
            found[tokens] = float(np.logaddexp(found.get(tokens, -np.inf), logp))
        return sorted(found.items(), key=lambda entry: (-entry[1], entry[0]))
