"""What was said, expressed and answered so far in one session. Pure; knows no engine and no storage."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .behaviour import Behaviour
from .llm.prefix import slide

if TYPE_CHECKING:
    from .behaviour import Aside
    from .events import Turn

KEPT = 100
"""Turns held in memory; the whole conversation is in the turn log."""

KEPT_CHARACTERS = 400_000
"""Of all asides together: more than any model's window takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An aside in its place: after so many turns of the session (`Conversation.n_turns` when it came)."""

    aside: Aside
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One session's last turns, oldest first.

    Attributes:
        session: id of the session, as in the turn log.
        locale: BCP 47 tag such as "en-US"; picks the helpline of the crisis check.
        n_left: turns that were said before `turns` and are not held any more.
        before: turns of earlier sessions that the user agreed to have remembered, oldest first.
        asides: what a program let a language model know besides, oldest first.
        behaviour: what the program wants of the next answer (instructions, tools, length).
    """

    session: str
    locale: str = "en"
    turns: tuple[Turn, ...] = ()
    n_left: int = 0
    before: tuple[Turn, ...] = ()
    asides: tuple[Placed, ...] = ()
    behaviour: Behaviour = field(default_factory=Behaviour)

    @property
    def n_turns(self) -> int:
        """How many turns there were so far, those that are not held included."""
        return self.n_left + len(self.turns)

    def with_turn(self, turn: Turn) -> Conversation:
        """Return the conversation with `turn` at its end and the oldest beyond `KEPT` gone."""
        turns = (*self.turns, turn)
        n_gone = max(0, len(turns) - KEPT)
        return replace(self, turns=turns[n_gone:], n_left=self.n_left + n_gone)

    def recent(self, window: int, *, block: int | None = None) -> tuple[Turn, ...]:
        """Return at most the last `window` turns, oldest first.

        The oldest leave in blocks (`agent.llm.prefix.slide`), so that what a model has in its cache goes on holding;
        a `block` of 1 gives exactly the last `window`. A window of 0 is empty.
        """
        if window == 0:
            return ()
        first = slide(self.n_left + len(self.turns), window=window, block=block)
        return self.turns[max(0, first - self.n_left) :]

    def with_aside(self, aside: Aside) -> Conversation:
        """Return the conversation with something to know from here on; the oldest beyond the bounds are gone."""
        asides = (*self.asides, Placed(aside=aside, after=self.n_turns))[-KEPT:]
        while len(asides) > 1 and sum(len(placed.aside.text) for placed in asides) > KEPT_CHARACTERS:
            asides = asides[1:]
        return replace(self, asides=asides)

    def with_reply(self, utterance: int, text: str) -> Conversation:
        """Return the conversation with another answer to an utterance; unchanged where that is not held."""
        turns = tuple(replace(turn, reply=text) if turn.utterance == utterance else turn for turn in self.turns)
        return replace(self, turns=turns)

    def without(self, *, key: str = "", utterance: int | None = None) -> Conversation:
        """Return the conversation without the aside of that key and the turn of that utterance."""
        turns = tuple(turn for turn in self.turns if turn.utterance != utterance)
        asides = tuple(placed for placed in self.asides if not key or placed.aside.key != key)
        # What is gone was said all the same: the window goes on sliding by the same count.
        return replace(self, turns=turns, asides=asides, n_left=self.n_left + len(self.turns) - len(turns))
