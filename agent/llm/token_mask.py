"""Which tokens an answer may go on with so that it becomes JSON of a given shape. Pure; knows no tokenizer's files.

A vocabulary is looked through in the order of its tokens' bytes, so that what cannot begin is skipped with all that
begins alike. Inside a text nearly every token fits: those are counted beforehand, and only the few that may end the
text are looked at one by one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import numpy as np

from .json_automaton import BACKSLASH, DONE, QUOTE, State, States, Text, begin, step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from .json_shape import Shape

_MAX_MASKS: Final = 128
_INSIDE: Final[States] = frozenset({(Text(0, None), DONE)})
_ONLY_DONE: Final[States] = frozenset({DONE})
_NOT_INSIDE: Final = frozenset((QUOTE, BACKSLASH, 0x7F, *range(0x20)))


class Tokens:
    """A vocabulary: what each token writes, None for those that write nothing (special ones)."""

    def __init__(self, token_bytes: Sequence[bytes | None]) -> None:
        self._bytes = tuple(token_bytes)
        self._n_inside = np.array([_n_inside(written) for written in self._bytes], dtype=np.int64)
        written = sorted((text, number) for number, text in enumerate(self._bytes) if text)
        self._all = _Sorted(written)
        self._ending = _Sorted([pair for pair in written if self._n_inside[pair[1]] < 0])
        self._longest = max((len(text) for text, _ in written), default=0)
        self._masks: OrderedDict[State, NDArray[np.bool_]] = OrderedDict()

    def written_by(self, token: int) -> bytes | None:
        """Return what a token writes."""
        return self._bytes[token] if token < len(self._bytes) else None

    def fitting(self, states: States) -> NDArray[np.bool_]:
        """Return which tokens fit, shape (n_tokens,)."""
        found = np.zeros(len(self._bytes), dtype=np.bool_)
        for state in states:
            found |= self._mask(state)
        return found

    def _mask(self, state: State) -> NDArray[np.bool_]:
        state = self._alike(state)
        known = self._masks.pop(state, None)
        self._masks[state] = mask = self._looked_through(state) if known is None else known
        if len(self._masks) > _MAX_MASKS:
            self._masks.popitem(last=False)
        return mask

    def _alike(self, state: State) -> State:
        """Return the state itself, or one that takes the same tokens: so many characters fit that no token tells."""
        if not state or not isinstance(text := state[0], Text):
            return state
        most = None if text.most is None or text.most >= self._longest else text.most
        return text._replace(most=most, least=min(text.least, self._longest)), state[1]

    def _looked_through(self, state: State) -> NDArray[np.bool_]:
        mask = np.zeros(len(self._bytes), dtype=np.bool_)
        if state and isinstance(text := state[0], Text) and not text.pending and not text.is_escape:
            mask |= (self._n_inside >= 0) & (self._n_inside <= (self._longest if text.most is None else text.most))
            mask[self._ending.fitting(frozenset({state}))] = True
        else:
            mask[self._all.fitting(frozenset({state}))] = True
        return mask


class Constraint:
    """Holds one answer to a shape, token by token."""

    def __init__(self, shape: Shape, tokens: Tokens) -> None:
        self._tokens = tokens
        self._states = begin(shape)

    @property
    def is_whole(self) -> bool:
        """Whether the answer may end here."""
        return DONE in self._states

    @property
    def is_over(self) -> bool:
        """Whether it must."""
        return self._states == _ONLY_DONE

    def allows(self, token: int) -> bool:
        """Return whether the answer may go on with a token."""
        return bool(self._after(token))

    def fitting(self) -> NDArray[np.bool_]:
        """Return which tokens it may go on with, shape (n_tokens,)."""
        return self._tokens.fitting(self._states)

    def accept(self, token: int) -> None:
        """Go on with a token.

        Raises:
            ValueError: it does not fit.
        """
        states = self._after(token)
        if not states:
            raise ValueError(f"token {token} does not fit the shape of the answer")
        self._states = states

    def _after(self, token: int) -> States:
        written = self._tokens.written_by(token)
        return _read(self._states, written) if written else frozenset()


class _Sorted:
    """Tokens in the order of what they write."""

    def __init__(self, pairs: Sequence[tuple[bytes, int]]) -> None:
        self._written = [text for text, _ in pairs]
        self._numbers = [number for _, number in pairs]

    def fitting(self, states: States) -> list[int]:
        """Return the tokens that can be read from `states` on."""
        found: list[int] = []
        self._look(0, len(self._written), depth=0, states=states, found=found)
        return found

    def _look(self, start: int, end: int, *, depth: int, states: States, found: list[int]) -> None:
        """Look through the tokens from `start` to `end`, which write the same first `depth` bytes."""
        while start < end and len(self._written[start]) == depth:
            found.append(self._numbers[start])
            start += 1
        while start < end:
            byte = self._written[start][depth]
            stop = bisect_right(self._written, byte, start, end, key=lambda text: text[depth])
            if after := step(states, byte):
                self._look(start, stop, depth=depth + 1, states=after, found=found)
            start = stop


def _read(states: States, written: Iterable[int]) -> States:
    for byte in written:
        states = step(states, byte)
        if not states:
            break
    return states


def _n_inside(written: bytes | None) -> int:
    """Return how many characters a token begins inside a text; -1 where it may end it, escapes, or does not fit."""
    if not written or not _NOT_INSIDE.isdisjoint(written):
        return -1
    try:
        return len(written.decode())
    except UnicodeDecodeError:  # the last character is not whole, or the first
        return sum(byte & 0xC0 != 0x80 for byte in written) if _read(_INSIDE, written) else -1
