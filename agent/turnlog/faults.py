"""What a storage error means to the person who reads it: one line each. Pure."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from ..errors import TurnLogFailed

if TYPE_CHECKING:
    from pathlib import Path

_ELSEWHERE: Final = "or choose another place with --database"
READ_ONLY: Final = f"cannot be written: the file or its folder is read-only; make it writable {_ELSEWHERE}"
_NOT_OPENED: Final = f"cannot be opened; check that the file and its folder may be read and written {_ELSEWHERE}"
_DAMAGED: Final = f"is damaged; it was left as it is: move it away, restore a copy {_ELSEWHERE}"

_MEANINGS: Final = {
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full; free some space",
    sqlite3.SQLITE_BUSY: "is locked by another program; close that program, then try again",
    sqlite3.SQLITE_LOCKED: "is locked by another program; close that program, then try again",
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_PERM: READ_ONLY,
    sqlite3.SQLITE_AUTH: READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _NOT_OPENED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: f"is not a turn log, or is damaged; it was left as it is: move it away {_ELSEWHERE}",
    sqlite3.SQLITE_IOERR: f"could not be read or written: the disk failed; check the disk {_ELSEWHERE}",
}


def primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code of an error, 0 where it carries none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def storage_fault(error: sqlite3.Error | OSError | TurnLogFailed, *, path: Path) -> TurnLogFailed:
    """Return the error to raise for what SQLite or the system said, in one line."""
    if isinstance(error, TurnLogFailed):
        return error
    if isinstance(error, OSError):
        reason = f"{error.strerror or error}: {error.filename or path}"
        return TurnLogFailed(
            f"the turn log {path} cannot be used ({reason[:1].lower()}{reason[1:]}); check it {_ELSEWHERE}"
        )
    code = primary_code(error)
    if code in {0, sqlite3.SQLITE_ERROR}:  # our statements are sound, so what they ask for is not there
        return damaged(path, why=str(error))
    return TurnLogFailed(f"the turn log {path} {_MEANINGS.get(code, f'failed: {error}')}")


def damaged(path: Path, *, why: str) -> TurnLogFailed:
    """Return the error for a file that is no sound turn log, with what was found."""
    return TurnLogFailed(f"the turn log {path} {_DAMAGED} ({why})")
