"""What the turn log holds: listing, showing, exporting, and deleting without a trace.

Reading never changes the file. Deleting rewrites it, so that nothing of what was said can be found in it afterwards.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from .errors import ConfigInvalid, TurnLogFailed
from .turnlog.config import TurnLogConfig
from .turnlog.database import open_for_reading, open_for_writing, rows, transaction
from .turnlog.faults import storage_fault
from .turnlog.rows import LoggedCorrection, LoggedTurn, SessionInfo, correction_from, instant, session_from, turn_from
from .turnlog.tables import CORRECTIONS_SINCE, migrate, remove_session, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from sqlite_utils import Database

CSV_COLUMNS: Final = (
    "session",
    "seq",
    "utterance",
    "start_s",
    "end_s",
    "text",
    "emotion",
    "confidence",
    "arousal",
    "dominance",
    "valence",
    "voice",
    "reply",
    "interrupted",
    "is_crisis",
    "saved_at",
    "corrected",
)

_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Control characters and those that turn the direction of writing: they could steer a terminal or mislead a reader."""

_FORMULA: Final = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""What makes a spreadsheet take a cell for a formula (their full-width forms too)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSummary:
    """One line of the list: a session, how many turns it has, what was said last and when that was saved."""

    session: SessionInfo
    n_turns: int
    last_text: str
    last_saved_at: str | None


class History:
    """The turn log, read only. Made by `reading`."""

    def __init__(self, db: Database, *, has_tables: bool, has_corrections: bool = True) -> None:
        self._db = db
        self._has_tables = has_tables
        self._has_corrections = has_tables and has_corrections

    def sessions(self) -> list[SessionSummary]:
        """Return all sessions in the order in which they were started, whatever the clock said."""
        if not self._has_tables:
            return []
        found = rows(self._db, _SESSIONS)
        return [
            SessionSummary(
                session=session_from(row),
                n_turns=int(str(row["n_turns"])),
                last_text=str(row["last_text"] or ""),
                last_saved_at=None if row["last_saved_at"] is None else str(row["last_saved_at"]),
            )
            for row in found
        ]

    def turns(self, session: str) -> list[LoggedTurn]:
        """Return one session's turns by their `seq`.

        Raises:
            TurnLogFailed: there is no such session.
        """
        if not self._has_tables or not rows(self._db, "SELECT 1 FROM sessions WHERE id = ?", (session,)):
            raise _unknown(session)
        said = self.corrections(session)
        turns = [turn_from(row) for row in rows(self._db, _TURNS_OF_SESSION, (session,))]
        return [replace(each, corrections=_of(each.turn.utterance, said)) for each in turns]

    def corrections(self, session: str) -> list[LoggedCorrection]:
        """Return what the user of one session said of their feelings, utterance by utterance, oldest first.

        A file that an older version wrote, and none has opened for writing since, holds none.
        """
        if not self._has_corrections:
            return []
        return [correction_from(row) for row in rows(self._db, _CORRECTIONS_OF_SESSION, (session,))]

    def all_turns(self) -> Iterator[LoggedTurn]:
        """Yield every session's turns, session after session in the order they were started."""
        for summary in self.sessions():
            yield from self.turns(summary.session.id)


# Columns by name: in a damaged file a missing one is then told by SQLite.
_SESSIONS: Final = """
    SELECT id, started, locale, consent, emotion_source, sessions.checksum AS checksum,
        coalesce(last.seq, 0) AS n_turns, last.text AS last_text, last.saved_at AS last_saved_at
    FROM sessions
    LEFT JOIN turns AS last
        ON last.session = sessions.id AND last.seq = (SELECT max(seq) FROM turns WHERE session = sessions.id)
    ORDER BY sessions.number
"""
"""The last turn's place is the number of turns: places have no gaps."""

_TURNS_OF_SESSION: Final = """
    SELECT session, seq, utterance, start_s, end_s, text, nbest, estimate, prosody_words, reply, interrupted, is_crisis,
        saved_at, checksum
    FROM turns WHERE session = ? ORDER BY seq
"""

_CORRECTIONS_OF_SESSION: Final = """
    SELECT session, utterance, revision, label, denied, text, is_spoken, estimate, saved_at, checksum
    FROM corrections WHERE session = ? ORDER BY utterance, revision
"""


@contextmanager
def reading(path: Path) -> Generator[History]:
    """Open the turn log at `path` for reading, as it is at this moment: what is saved meanwhile is not seen.

    Raises:
        TurnLogFailed: there is none, or it cannot be read, is damaged, another program's or newer than this program;
            also raised from within the block when damage shows there.
    """
    db = open_for_reading(path)
    try:
        with db.atomic():
            schema = schema_of(db, path=path)
            yield History(db, has_tables=schema > 0, has_corrections=schema >= CORRECTIONS_SINCE)
    except sqlite3.Error as error:
        raise storage_fault(error, path=path) from error
    finally:
        db.close()


def visible(text: str) -> str:
    r"""Return `text` for a terminal: control and direction characters as ``\x1b`` or ``\u202e``, the rest as it is."""
    return _UNSAFE.sub(lambda found: _escape(found.group(), width=2), text)


def jsonl(turns: Iterator[LoggedTurn] | list[LoggedTurn]) -> Iterator[str]:
    """Yield one JSON object per turn, with every field, each ending in a line feed; nothing is lost.

    Where the user corrected the estimate, `corrections` tells how, oldest first; `estimate` is what the turn was saved
    with.
    """
    for logged in turns:
        values = {**asdict(logged.turn), "saved_at": logged.saved_at}
        if logged.corrections:
            values["corrections"] = [_said(each) for each in logged.corrections]
        line = json.dumps(values, ensure_ascii=False)
        yield _UNSAFE.sub(lambda found: _escape(found.group(), width=4), line) + "\n"


def csv_lines(turns: Iterator[LoggedTurn] | list[LoggedTurn]) -> Iterator[str]:
    """Yield a header and one line per turn for a spreadsheet, each ending in a line feed.

    Text that a spreadsheet would run as a formula gets an apostrophe in front; control characters are spelled out.
    """
    yield _csv_line(list(CSV_COLUMNS))
    for logged in turns:
        yield _csv_line([_cell(value) for value in _csv_values(logged)])


def delete_session(path: Path, session: str) -> int:
    """Delete a session beyond recovery from the file; returns how many turns it had.

    Raises:
        TurnLogFailed: there is no such session (traces of earlier ones are wiped all the same), or another program
            keeps the file in use, so that traces may remain.
    """

    def chosen(db: Database) -> list[str]:
        return [str(row["id"]) for row in rows(db, "SELECT id FROM sessions WHERE id = ?", (session,))]

    n_sessions, n_turns = _delete(path, chosen)
    if not n_sessions:
        raise _unknown(session)
    return n_turns


def delete_everything(path: Path) -> int:
    """Delete all sessions beyond recovery from the file; returns how many turns. Errors as `delete_session`."""
    return _delete(path, lambda db: [str(row["id"]) for row in rows(db, "SELECT id FROM sessions")])[1]


def prune(path: Path, *, older_than_days: float, now: datetime) -> int:
    """Delete the sessions in which nothing was saved for so many days; returns how many sessions.

    `now` is wall-clock time in UTC. Errors as `delete_session`, and:

    Raises:
        ConfigInvalid: the number of days is negative or not a number.
    """
    if not 0 <= older_than_days < 100_000:
        raise ConfigInvalid(f"days is {older_than_days}, expected 0 or more")
    before = instant(now - timedelta(days=older_than_days))

    def chosen(db: Database) -> list[str]:
        found = rows(
            db,
            "SELECT id FROM sessions s WHERE coalesce((SELECT max(saved_at) FROM turns WHERE session = s.id), started)"
            " < ?",
            (before,),
        )
        return [str(row["id"]) for row in found]

    return _delete(path, chosen)[0]


def _delete(path: Path, choose: Callable[[Database], list[str]]) -> tuple[int, int]:
    db = open_for_writing(path, config=TurnLogConfig(), may_create=False)
    try:
        migrate(db, path=path)
        with transaction(db):
            sessions = choose(db)
            n_turns = sum(remove_session(db, session) for session in sessions)
        _wipe(db, path=path)
    except sqlite3.Error as error:
        raise storage_fault(error, path=path) from error
    finally:
        db.close()
    return len(sessions), n_turns


def _wipe(db: Database, *, path: Path) -> None:
    """Rewrite the file and empty the write-ahead log: deleted rows live on in the pages of both until then."""
    try:
        db.vacuum()
        is_busy = any(row["busy"] for row in rows(db, "PRAGMA wal_checkpoint(TRUNCATE)"))
    except sqlite3.OperationalError as error:
        raise _traces(storage_fault(error, path=path)) from error
    if is_busy:
        raise _traces(f"another program is reading {path}; close that program")


def _traces(why: object) -> TurnLogFailed:
    return TurnLogFailed(f"deleted, but traces may remain in the file: {why}; then delete again")


def _unknown(session: str) -> TurnLogFailed:
    return TurnLogFailed(f"there is no session {session!r} in the turn log; list them to see which there are")


def _escape(character: str, *, width: int) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if width == 2 and code < 0x100 else f"\\u{code:04x}"


def _of(utterance: int, said: list[LoggedCorrection]) -> tuple[LoggedCorrection, ...]:
    return tuple(each for each in said if each.correction.utterance == utterance)


def _said(logged: LoggedCorrection) -> dict[str, object]:
    return {**asdict(logged.correction), "estimate": asdict(logged.estimate), "saved_at": logged.saved_at}


def _now(logged: LoggedTurn) -> str | None:
    """Return the label that stands since the user's last correction, None without one."""
    return logged.corrections[-1].estimate.top or "unclear" if logged.corrections else None


def _csv_values(logged: LoggedTurn) -> list[object]:
    turn, estimate = logged.turn, logged.turn.estimate
    emotion: list[object] = [None] * 5
    if estimate is not None:
        emotion = [
            estimate.top or "unclear",
            estimate.confidence,
            estimate.arousal,
            estimate.dominance,
            estimate.valence,
        ]
    return [
        turn.session,
        turn.seq,
        turn.utterance,
        turn.start_s,
        turn.end_s,
        turn.text,
        *emotion,
        ", ".join(turn.prosody_words),
        turn.reply,
        turn.interrupted,
        turn.is_crisis,
        logged.saved_at,
        _now(logged),
    ]


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    return f"'{visible(value)}" if _FORMULA.match(value) else visible(value)


def _csv_line(values: list[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()
