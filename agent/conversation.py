"""The window of a conversation: what was said, expressed and answered so far. Pure; knows no engine and no storage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .events import Turn

WINDOW = 25
"""Turns kept in view; the whole conversation is in the turn log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One session's last turns, oldest first.

    Attributes:
        session: id of the session, as in the turn log.
        locale: BCP 47 tag such as "en-US"; picks the helpline of the crisis check.
    """

    session: str
    locale: str = "en"
    turns: tuple[Turn, ...] = ()

    def with_turn(self, turn: Turn, *, window: int = WINDOW) -> Conversation:
        """Return the conversation with `turn` at its end and the oldest beyond `window` gone."""
        return replace(self, turns=(*self.turns, turn)[-window:])
