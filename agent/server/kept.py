"""What is kept, for clients that may see it: listing, exporting and deleting the turn log's sessions."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..errors import TurnLogFailed
from ..history import delete_everything, delete_session, jsonl, reading

if TYPE_CHECKING:
    from pathlib import Path

    from ..wire.dialect import HistoryRequest

NEWEST = 200
"""Sessions that are listed, the newest ones."""


def answer_to(request: HistoryRequest, database: Path) -> dict[str, Any] | str:
    """Return what is kept, or was deleted, as values for JSON; a text says why that cannot be. Blocks.

    `list`: {"sessions": [{id, started, locale, consent, emotion_source, n_turns, last_text, last_saved_at}]}, newest
    first; `export`: {"session", "turns": [...]} as the lines of `attune history export`; `delete`: {"n_turns"}.
    """
    try:
        match request.action:
            case "list":
                return {"sessions": _sessions(database)}
            case "export":
                return {"session": request.session, "turns": _turns(database, request.session or "")}
            case "delete":
                n_turns = (
                    delete_everything(database)
                    if request.session is None
                    else delete_session(database, request.session)
                )
                return {"session": request.session, "n_turns": n_turns}
    except TurnLogFailed as trouble:
        return str(trouble)


def _sessions(database: Path) -> list[dict[str, Any]]:
    if not database.exists():
        return []
    with reading(database) as history:
        found = history.sessions()[-NEWEST:]
    return [
        {
            **asdict(each.session),
            "n_turns": each.n_turns,
            "last_text": each.last_text,
            "last_saved_at": each.last_saved_at,
        }
        for each in reversed(found)
    ]


def _turns(database: Path, session: str) -> list[dict[str, Any]]:
    with reading(database) as history:
        return [json.loads(line) for line in jsonl(history.turns(session))]
