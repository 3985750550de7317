"""Names for what a session makes: events, items, responses, tool calls. Counted, so the same session gives the same."""

from __future__ import annotations

from collections import Counter
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["event", "item", "resp", "call"]


class Ids:
    """Makes names that are unique within a session, in order: `event_<session>_000017` is its seventeenth event."""

    def __init__(self, session: str) -> None:
        self._session = session
        self._made: Counter[Kind] = Counter()

    def event(self) -> str:
        """Name the next server event; its number is one more than the last one's."""
        return self._next("event")

    def item(self) -> str:
        """Name the next item of the conversation."""
        return self._next("item")

    def response(self) -> str:
        """Name the next response."""
        return self._next("resp")

    def call(self) -> str:
        """Name the next call of a tool."""
        return self._next("call")

    def _next(self, kind: Kind) -> str:
        self._made[kind] += 1
        return f"{kind}_{self._session}_{self._made[kind]:06d}"


def event_number(event_id: str) -> int | None:
    """Return which event of its session `event_id` names, from 1; None when it is no name of ours."""
    head, _, number = event_id.rpartition("_")
    # Longer than any number of ours: not worth reading.
    if not head.startswith("event_") or not (number.isascii() and number.isdigit()) or len(number) > 15:
        return None
    return int(number)
