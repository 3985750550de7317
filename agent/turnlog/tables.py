"""The tables of the turn log: how they come to be and how a row gets in."""
# sqlite-utils types its rows and column tables as dict[str, Any], and some as a bare dict.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import TurnLogFailed
from .database import rows, transaction
from .faults import damaged
from .rows import CORRECTION_COLUMNS, SESSION_COLUMNS, TURN_COLUMNS, sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sqlite_utils import Database

    from .rows import Row

APPLICATION_ID: Final = 0x41545455
"""The bytes "ATTU" in the file's header: this is a turn log and nobody else's database."""


def _first_tables(db: Database) -> None:
    sessions = db.create_table(
        "sessions",
        {
            "number": int,
            "id": str,
            "started": str,
            "locale": str,
            "consent": int,
            "emotion_source": str,
            "checksum": int,
        },
        pk="number",
        not_null={*SESSION_COLUMNS, "checksum"},
        strict=True,
    )
    sessions.create_index(["id"], unique=True)
    turn_columns = {
        "session": str,
        "seq": int,
        "utterance": int,
        "start_s": float,
        "end_s": float,
        "text": str,
        "nbest": str,
        "estimate": str,
        "prosody_words": str,
        "reply": str,
        "interrupted": int,
        "is_crisis": int,
        "saved_at": str,
        "checksum": int,
    }
    turns = db.create_table(
        "turns",
        turn_columns,
        pk=("session", "seq"),
        not_null=set(turn_columns) - {"estimate"},
        foreign_keys=[("session", "sessions", "id")],
        strict=True,
    )
    turns.create_index(["session", "utterance"], unique=True)


def _corrections_table(db: Database) -> None:
    columns = {
        "session": str,
        "utterance": int,
        "revision": int,
        "label": str,
        "denied": str,
        "text": str,
        "is_spoken": int,
        "estimate": str,
        "saved_at": str,
        "checksum": int,
    }
    db.create_table(
        "corrections",
        columns,
        pk=("session", "utterance", "revision"),
        not_null=set(columns) - {"label", "text"},
        foreign_keys=[("session", "sessions", "id")],
        strict=True,
    )


MIGRATIONS: Final[tuple[Callable[[Database], None], ...]] = (_first_tables, _corrections_table)
"""Step n brings a file from schema n to schema n + 1; steps are only ever added."""


CORRECTIONS_SINCE: Final = 2
"""The schema from which on corrections are kept."""


def schema_of(db: Database, *, path: Path) -> int:
    """Return the file's schema number, 0 where no table was made yet.

    Raises:
        TurnLogFailed: the file belongs to another program, or to a newer version of this one.
    """
    with db.atomic():  # the three are of one moment: another program may just be making the tables
        application = _number(db, "PRAGMA application_id")
        schema = _number(db, "PRAGMA user_version")
        n_tables = _number(db, "SELECT count(*) FROM sqlite_master")
    if application != APPLICATION_ID and (application or schema or n_tables):
        raise TurnLogFailed(
            f"{path} is another program's database, not a turn log; it was left as it is: choose another place with"
            " --database"
        )
    if n_tables and not schema:
        raise damaged(path, why="its schema number is gone")
    if schema > len(MIGRATIONS):
        raise TurnLogFailed(
            f"the turn log {path} was written by a newer version (schema {schema}, this one knows {len(MIGRATIONS)});"
            " update this program"
        )
    if schema == len(MIGRATIONS):
        _verify_columns(db, path=path)
    return schema


def migrate(db: Database, *, path: Path) -> None:
    """Bring the file to the newest schema, in one transaction; several programs may try at once.

    Raises:
        TurnLogFailed: as `schema_of`.
    """
    if schema_of(db, path=path) == len(MIGRATIONS):
        return
    with transaction(db):
        for step in MIGRATIONS[schema_of(db, path=path) :]:
            step(db)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def put_session(db: Database, row: Row) -> int:
    """Insert a session unless it is there; returns its number. Runs inside the caller's transaction."""
    known = rows(db, "SELECT number FROM sessions WHERE id = ?", (row["id"],))
    if not known:
        db.table("sessions").insert(sealed(row, columns=SESSION_COLUMNS))
        known = rows(db, "SELECT number FROM sessions WHERE id = ?", (row["id"],))
    return _integer(known[0], "number")


def put_turn(db: Database, row: Row) -> int:
    """Insert a turn unless its utterance is there; returns its place in the session, from 1 without gaps.

    Runs inside the caller's transaction, so that nobody else can take the same place.

    Raises:
        TurnLogFailed: the session is not in the log.
    """
    of_turn = (row["session"], row["utterance"])
    known = rows(db, "SELECT seq FROM turns WHERE session = ? AND utterance = ?", of_turn)
    if known:
        return _integer(known[0], "seq")
    if not rows(db, "SELECT 1 FROM sessions WHERE id = ?", (row["session"],)):
        raise TurnLogFailed(
            f"turn {row['utterance']} cannot be stored: session {row['session']!r} is not in the turn log; start it"
            " first (it may have been deleted)"
        )
    last = rows(db, "SELECT coalesce(max(seq), 0) AS seq FROM turns WHERE session = ?", (row["session"],))
    seq = _integer(last[0], "seq") + 1
    db.table("turns").insert(sealed({**row, "seq": seq}, columns=TURN_COLUMNS))
    return seq


def put_correction(db: Database, row: Row) -> int:
    """Insert a correction unless it is there; returns the revision that it made. Runs in the caller's transaction.

    The turn itself may follow: it is saved when its answer has ended.

    Raises:
        TurnLogFailed: the session is not in the log.
    """
    if not rows(db, "SELECT 1 FROM sessions WHERE id = ?", (row["session"],)):
        raise TurnLogFailed(
            f"a correction cannot be stored: session {row['session']!r} is not in the turn log; start it first (it may"
            " have been deleted)"
        )
    of_correction = (row["session"], row["utterance"], row["revision"])
    known = "SELECT 1 FROM corrections WHERE session = ? AND utterance = ? AND revision = ?"
    if not rows(db, known, of_correction):
        db.table("corrections").insert(sealed(row, columns=CORRECTION_COLUMNS))
    return _integer(row, "revision")


def remove_session(db: Database, session: str) -> int:
    """Delete a session with all that is of it and return how many turns those were. In the caller's transaction."""
    db.execute("DELETE FROM corrections WHERE session = ?", (session,))
    n_turns = db.execute("DELETE FROM turns WHERE session = ?", (session,)).rowcount
    db.execute("DELETE FROM sessions WHERE id = ?", (session,))
    return n_turns


def _verify_columns(db: Database, *, path: Path) -> None:
    made = {"sessions": {"number", *SESSION_COLUMNS}, "turns": {*TURN_COLUMNS}, "corrections": {*CORRECTION_COLUMNS}}
    for table, columns in made.items():
        if {row["name"] for row in rows(db, f"PRAGMA table_info({table})")} != columns | {"checksum"}:
            raise damaged(path, why=f"its table {table} is not as it was made")


def _number(db: Database, sql: str) -> int:
    return next((value for value in rows(db, sql)[0].values() if isinstance(value, int)), 0)


def _integer(row: Mapping[str, object], column: str) -> int:
    value = row[column]
    if not isinstance(value, int):
        raise TurnLogFailed(f"the turn log holds {value!r} as {column}, expected a number; restore a copy")
    return value
