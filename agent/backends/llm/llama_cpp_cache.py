"""Who has what in llama.cpp's cache: one sequence of tokens for each conversation and for each answer under way.

All sequences share one pool of cells. A new one begins as a copy of the longest beginning that any kept one has, which
costs nothing: the cells are shared, between conversations too (their system prompts are mostly alike). When cells run
out, the conversation that was not used for longest goes; then, the youngest answer under way, which works through its
tokens again later. The oldest answer is never robbed, so that there is always one that gets on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from streaming.errors import EngineFailed, OutOfMemory

from ...llm.prefix import best_source
from .llama_cpp_native import NO_ROOM

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .llama_cpp_native import Context


@dataclass(slots=True, kw_only=True, eq=False)
class Held:
    """A sequence in the cache.

    Attributes:
        number: llama.cpp's name for it.
        conversation: who may go on from it; empty: nobody.
        since: when it was begun, in sequences.
        used: when it was last worked on, in steps.
        is_busy: an answer is under way on it.
        tokens: what the cache holds of it; fewer than were put in once it was robbed.
    """

    number: int
    conversation: str
    since: int
    used: int
    is_busy: bool = True
    tokens: list[int] = field(default_factory=list[int])


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A token behind the end of a sequence: `owners` are the side sequences it belongs to, `depth` counts from 1."""

    token: int
    depth: int
    owners: tuple[int, ...]


class SequenceCache:
    """The sequences of a context, `n_side` of their numbers kept for side sequences. Not thread-safe."""

    def __init__(self, context: Context, *, n_sequences: int, n_side: int) -> None:
        self._context = context
        self._most_busy = n_sequences - n_side
        self._free = list(range(n_sequences))
        self._held: list[Held] = []
        self._clock = count()

    @property
    def conversations(self) -> tuple[str, ...]:
        """Conversations that something is kept of, in the order of their last use."""
        return tuple(held.conversation for held in sorted(self._idle(), key=lambda held: held.used))

    def open(self, tokens: Sequence[int], *, conversation: str) -> Held | None:
        """Begin a sequence that will hold `tokens`, with what of all but the last is there; None: too many are busy."""
        if sum(held.is_busy for held in self._held) >= self._most_busy:
            return None
        self._make_numbers(1)
        known = [(i, held.tokens) for i, held in enumerate(self._held) if held.conversation] if conversation else []
        source, shared = best_source(tokens[:-1], known)
        now = next(self._clock)
        begun = Held(number=self._free.pop(), conversation=conversation, since=now, used=now)
        if source is not None:
            self._context.copy(self._held[source].number, begun.number, n_tokens=shared)
            begun.tokens = list(tokens[:shared])
        self._held.append(begun)
        return begun

    def extend(self, held: Held, tokens: Sequence[int], *, branches: Sequence[Branch] = ()) -> bool:
        """Work through `tokens` at the end of the sequence; False: there is no room now, try again later.

        The logits after the last of them are those of row `len(tokens) - 1`; those after `branches` (tokens that are
        worked through beside the sequence, in side sequences got from `branch`) follow.

        Raises:
            OutOfMemory: there is no room and nobody will make any.
            EngineFailed: llama.cpp failed; the sequence is empty now.
        """
        n_before, n_new = len(held.tokens), len(tokens)
        everyone = (held.number, *sorted({owner for branch in branches for owner in branch.owners}))
        end = n_before + n_new
        while True:
            try:
                outcome = self._context.decode(
                    [*tokens, *(branch.token for branch in branches)],
                    positions=[*range(n_before, end), *(end + branch.depth - 1 for branch in branches)],
                    sequences=[*([everyone] * n_new), *(branch.owners for branch in branches)],
                    wanted=range(max(0, n_new - 1), n_new + len(branches)),
                )
            except EngineFailed:
                self._rob(held)
                raise
            if outcome != NO_ROOM:
                held.tokens += tokens
                held.used = next(self._clock)
                return True
            if not self._make_room(held):
                return False

    def branch(self, held: Held, n: int) -> tuple[int, ...]:
        """Return `n` <= `n_side` side sequences that hold what `held` holds."""
        self._make_numbers(n)
        numbers = tuple(self._free.pop() for _ in range(n))
        for number in numbers:
            self._context.copy(held.number, number, n_tokens=-1)
        return numbers

    def unbranch(self, numbers: Sequence[int]) -> None:
        """Free side sequences and what only they hold."""
        for number in numbers:
            self._context.cut(number)
            self._free.append(number)

    def settle(self, held: Held) -> None:
        """End the work on a sequence: of those of its conversation the one that was begun last is kept."""
        held.is_busy = False
        alike = [other for other in self._idle() if other.conversation == held.conversation]
        newest = max((other for other in alike if other.tokens), key=lambda other: other.since, default=None)
        for other in alike:
            if other is not newest or not other.conversation:
                self._drop(other)

    def forget(self, conversation: str) -> None:
        """Free what is kept of a conversation; what is under way on it leaves nothing."""
        for held in [held for held in self._held if held.conversation == conversation]:
            if held.is_busy:
                held.conversation = ""
            else:
                self._drop(held)

    def _idle(self) -> Iterator[Held]:
        return (held for held in self._held if not held.is_busy)

    def _make_numbers(self, n: int) -> None:
        while len(self._free) < n:
            self._drop(min(self._idle(), key=lambda held: held.used))

    def _make_room(self, asking: Held) -> bool:
        """Free somebody's cells; False when it is for others to finish first."""
        if idle := list(self._idle()):
            self._drop(min(idle, key=lambda held: held.used))
            return True
        rivals = [held for held in self._held if held is not asking and held.tokens]
        if not rivals:
            raise OutOfMemory("the cache is too small for this prompt; load the model with more cache_tokens")
        youngest = max(rivals, key=lambda held: held.since)
        if youngest.since < asking.since:
            return False
        self._rob(youngest)
        return True

    def _rob(self, held: Held) -> None:
        self._context.cut(held.number)
        held.tokens.clear()

    def _drop(self, held: Held) -> None:
        self._rob(held)
        self._held.remove(held)
        self._free.append(held.number)
