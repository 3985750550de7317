"""Turns of earlier sessions that may come to mind: read from the turn log, of people who agreed, and only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .history import reading

if TYPE_CHECKING:
    from pathlib import Path

    from .events import Turn

MOST = 300
"""Turns that are looked through for each answer."""


def earlier_turns(path: Path, *, other_than: str = "", most: int = MOST) -> tuple[Turn, ...]:
    """Return the last turns of the sessions in the log at `path` in which the speaker agreed, oldest first.

    Turns with danger in them are left out, and so is the session `other_than`, the one that begins. Without a log there
    are none. Reads a file.

    Raises:
        TurnLogFailed: the log cannot be read.
    """
    if not path.exists():
        return ()
    found: list[Turn] = []
    with reading(path) as history:
        agreed = (one.session for one in reversed(history.sessions()) if one.session.consent)
        for session in agreed:
            if len(found) >= most:
                break
            if session.id != other_than:
                found.extend(logged.turn for logged in reversed(history.turns(session.id)) if not logged.turn.is_crisis)
    return tuple(reversed(found[:most]))
