"""Connectionist temporal classification, exactly: how probable a reading is, and which frames it lies on.

Numpy only. A reading is a sequence of symbols; an alignment gives each frame a symbol or the blank; repeated symbols
count once unless a blank stands between them (Graves et al. 2006). With a word delimiter, readings are compared as
text: delimiters at the ends, and one after another, mean nothing, so all alignments that differ in these count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

LogProbs: TypeAlias = NDArray[np.floating]
"""Natural-log probabilities, shape (frames, symbols); each row sums to 1 or less."""

_STEPS = (0, -1, -2, -3, 1)
_N_LEFT, _N_RIGHT = 3, 1


def ctc_logp(log_probs: LogProbs, tokens: Sequence[int], *, blank: int, delimiter: int | None = None) -> float:
    """Return the log-probability of a reading: the sum over all its alignments (forward algorithm).

    Args:
        log_probs: of one utterance.
        tokens: symbols of the reading, no blanks; with `delimiter`, none at the ends and no two in a row.
        blank: index of the blank.
        delimiter: index of the word delimiter that is read as text is, None to take every symbol as it stands.
    """
    return float(ctc_logps(log_probs, [tokens], blank=blank, delimiter=delimiter)[0])


def ctc_logps(
    log_probs: LogProbs, readings: Sequence[Sequence[int]], *, blank: int, delimiter: int | None = None
) -> NDArray[np.float64]:
    """Return `ctc_logp` of several readings at once, shape (readings,)."""
    if len(log_probs) == 0:
        return np.array([-np.inf if tokens else 0.0 for tokens in readings])
    states = _States.of(readings, blank=blank, delimiter=delimiter)
    scores = states.first(log_probs[0])
    for row in log_probs[1:]:
        ways = states.ways(scores)
        top = ways.max(axis=0)
        top[np.isneginf(top)] = 0.0  # where nothing leads any finite shift keeps it so
        ways -= top
        np.exp(ways, out=ways)
        with np.errstate(divide="ignore"):
            states.enter(scores, np.log(ways.sum(axis=0)) + top, row)
    return np.logaddexp.reduce(np.where(states.is_end, states.inner(scores), -np.inf), axis=1)


def align(
    log_probs: LogProbs, readings: Sequence[Sequence[int]], *, blank: int, delimiter: int | None = None
) -> list[list[tuple[int, int]]]:
    """Return for each reading the frames of its symbols in its most probable alignment.

    Each symbol's frames are given as (first, last + 1), in order. A reading that fits into no alignment gives an empty
    list; so does an empty one. Arguments as for `ctc_logps`.
    """
    if len(log_probs) == 0:
        return [[] for _ in readings]
    states = _States.of(readings, blank=blank, delimiter=delimiter)
    scores = states.first(log_probs[0])
    entered_by = np.zeros((len(log_probs), *states.labels.shape), np.int8)
    for t, row in enumerate(log_probs[1:], start=1):
        ways = states.ways(scores)
        ways.argmax(axis=0, out=entered_by[t])
        states.enter(scores, ways.max(axis=0), row)
    finals = np.where(states.is_end, states.inner(scores), -np.inf)
    return [
        states.spans(i, entered_by[:, i], end=int(finals[i].argmax())) if np.isfinite(finals[i].max()) else []
        for i in range(len(readings))
    ]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _States:
    """The states of several readings side by side: blank, symbol, blank, symbol, ..., blank.

    A state is entered from itself, from one of the three before it, or from the one after it. Scores hold three columns
    of nowhere before the states and one after them.

    Attributes:
        labels: symbol of each state, shape (readings, states).
        bars: 0 where a way leads into the state, else minus infinity, shape (5, readings, states), ordered as `_STEPS`.
        symbols: which symbol of its reading a state stands for, -1 for none, shape (readings, states).
        is_start, is_end: where an alignment may start and end, shape (readings, states).
    """

    labels: NDArray[np.int64]
    bars: NDArray[np.float64]
    symbols: NDArray[np.int64]
    is_start: NDArray[np.bool_]
    is_end: NDArray[np.bool_]

    @classmethod
    def of(cls, readings: Sequence[Sequence[int]], *, blank: int, delimiter: int | None) -> _States:
        chains = [_Chain.of(tokens, blank=blank, delimiter=delimiter) for tokens in readings]
        n_states = max((len(chain.labels) for chain in chains), default=0)
        shape = (len(chains), n_states)
        labels, symbols = np.zeros(shape, np.int64), np.full(shape, -1, np.int64)
        bars = np.full((len(_STEPS), *shape), -np.inf)
        is_start, is_end = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
        for i, chain in enumerate(chains):
            n = len(chain.labels)
            labels[i, :n], symbols[i, :n] = chain.labels, chain.symbols
            is_start[i, list(chain.starts)] = True
            is_end[i, n - chain.n_ends : n] = True
            for state in range(n):
                bars[[_STEPS.index(step) for step in chain.steps(state)], i, state] = 0.0
        return cls(labels=labels, bars=bars, symbols=symbols, is_start=is_start, is_end=is_end)

    def inner(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the scores of the states, shape (readings, states), a view."""
        return scores[:, _N_LEFT:-_N_RIGHT]

    def first(self, row: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the scores after the first frame."""
        scores = np.full((self.labels.shape[0], _N_LEFT + self.labels.shape[1] + _N_RIGHT), -np.inf)
        self.inner(scores)[self.is_start] = row[self.labels[self.is_start]]
        return scores

    def ways(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the scores of the states each can be entered from, shape (5, readings, states)."""
        n = self.labels.shape[1]
        return self.bars + np.stack([scores[:, _N_LEFT + step : _N_LEFT + step + n] for step in _STEPS])

    def enter(self, scores: NDArray[np.float64], entered: NDArray[np.float64], row: NDArray[np.floating]) -> None:
        """Replace the scores by those after the next frame."""
        self.inner(scores)[:] = entered + row[self.labels]

    def spans(self, i: int, entered_by: NDArray[np.int8], *, end: int) -> list[tuple[int, int]]:
        """Return the frames of each symbol of reading `i`, walked back from state `end`."""
        spans: dict[int, tuple[int, int]] = {}
        symbols: list[int] = self.symbols[i].tolist()
        ways: list[list[int]] = entered_by.tolist()
        state = end
        for t in range(len(ways) - 1, -1, -1):
            symbol = symbols[state]
            if symbol >= 0:
                spans[symbol] = (t, spans.get(symbol, (t, t + 1))[1])
            if t:
                state += _STEPS[ways[t][state]]
        return [spans[symbol] for symbol in sorted(spans)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chain:
    """The states of one reading, in order."""

    labels: list[int]
    symbols: list[int]
    starts: tuple[int, ...]
    n_ends: int
    delimiter: int | None

    @classmethod
    def of(cls, tokens: Sequence[int], *, blank: int, delimiter: int | None) -> _Chain:
        spoken = list(enumerate(tokens))
        if delimiter is None:
            starts, n_ends = ((0, 1), 2) if tokens else ((0,), 1)
        else:  # one at each end that may be left out
            edge = (-1, delimiter)
            spoken = [edge, *spoken, edge] if tokens else [edge]
            starts, n_ends = ((0, 1, 3), 4) if tokens else ((0, 1), 3)
        labels, symbols = [blank], [-1]
        for symbol, label in spoken:
            labels += [label, blank]
            symbols += [symbol, -1]
        return cls(labels=labels, symbols=symbols, starts=starts, n_ends=n_ends, delimiter=delimiter)

    def steps(self, state: int) -> list[int]:
        """Return which states lead to `state`, as distances."""
        steps = [0, -1] if state else [0]
        if state % 2 == 0:
            return steps
        if state > 2 and self.labels[state - 2] != self.labels[state]:
            steps.append(-2)
        if self.labels[state] == self.delimiter:  # said again after a blank, it is still the same gap
            steps.append(+1)
        elif state == 3 and self.delimiter is not None:  # the delimiter before the first word was left out
            steps.append(-3)
        return steps
