"""Connections to the turn log's file: how it is made, opened, checked and locked. Knows no table.

A file is made with mode 0600 in a folder of mode 0700, and only where there was none: a damaged or foreign file is
refused and left as it is.
"""
# sqlite-utils types its rows as a bare dict.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from sqlite_utils import Database

from ..errors import TurnLogFailed
from .faults import READ_ONLY, damaged, primary_code, storage_fault

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from .config import TurnLogConfig
    from .rows import Row

CHECKED_BYTES: Final = 64 * 1024 * 1024
"""Files up to this size are checked page by page when they are opened; damage in larger ones shows when it is met."""

_RETRY_S: Final = 0.02


def rows(db: Database, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
    """Return all rows of a query, column by name.

    Raises:
        sqlite3.Error: the query failed, or the file is so damaged that a name in it is no text.
    """
    try:
        cursor = db.execute(sql, parameters)
    except UnicodeDecodeError as error:
        raise sqlite3.DatabaseError("a name in it is no text") from error
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


@contextmanager
def transaction(db: Database) -> Generator[None]:
    """Hold the file's write lock, commit at the end, undo everything on an error."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        db.rollback()
        raise


def open_for_writing(path: Path, *, config: TurnLogConfig, may_create: bool) -> Database:
    """Return a connection that commits durably (write-ahead log, every commit synced), in autocommit mode.

    Raises:
        TurnLogFailed: the file cannot be made, opened or written, is locked or damaged.
    """
    try:
        _provide_file(path, may_create=may_create)
        if not _may_write(path):  # SQLite would open it read only, without a word
            raise TurnLogFailed(f"the turn log {path} {READ_ONLY}")
        db = _connect(path, mode="rw", timeout_s=config.busy_timeout_s)
    except (sqlite3.Error, OSError) as error:
        raise storage_fault(error, path=path) from error
    try:
        _check_pages(db, path=path)
        _enable_wal(db, path=path, timeout_s=config.busy_timeout_s)
        for setting in _durable(config):
            db.execute(f"PRAGMA {setting}")
    except (sqlite3.Error, OSError) as error:
        db.close()
        raise storage_fault(error, path=path) from error
    except BaseException:
        db.close()
        raise
    return db


def open_for_reading(path: Path) -> Database:
    """Return a connection that cannot change anything; works in a folder that may not be written.

    Raises:
        TurnLogFailed: there is no file, or it cannot be read, or is damaged.
    """
    try:
        _provide_file(path, may_create=False)
        return _checked_reader(path)
    except (sqlite3.Error, OSError) as error:
        raise storage_fault(error, path=path) from error


def _checked_reader(path: Path) -> Database:
    db = _connect(path, mode="ro", timeout_s=5.0)
    try:
        _check_pages(db, path=path)
    except sqlite3.OperationalError as error:
        db.close()
        if primary_code(error) not in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY} or _size(_wal(path)):
            raise
        # The files that readers share cannot be made in this folder. Nobody is writing (no write-ahead log), so the
        # file can be read as one that never changes.
        return _connect(path, mode="ro&immutable=1", timeout_s=5.0)
    except BaseException:
        db.close()
        raise
    return db


def _durable(config: TurnLogConfig) -> tuple[str, ...]:
    return (
        "synchronous = FULL",
        "fullfsync = ON",  # on macOS a plain sync leaves the data in the disk's own cache
        "checkpoint_fullfsync = ON",
        f"wal_autocheckpoint = {config.checkpoint_pages}",
        "journal_size_limit = 4194304",
        "foreign_keys = ON",
        "secure_delete = ON",
        "temp_store = MEMORY",  # no speech in temporary files
    )


def _provide_file(path: Path, *, may_create: bool) -> None:
    if path.is_dir():
        raise TurnLogFailed(f"the turn log {path} is a folder, expected a file; choose another place with --database")
    # In this order: another program that is just making the file fills it before its write-ahead log.
    if _size(_wal(path)) and not _size(path):
        raise damaged(path, why=f"it is missing or empty, yet {_wal(path).name} holds turns")
    if path.exists():
        return
    if not may_create:
        raise TurnLogFailed(f"there is no turn log at {path} yet; it begins with the first conversation")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A file that another thread has just made must not be opened here: closing it would drop SQLite's locks on it.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # else a power cut could take the name away, and with it all that was synced under it
    finally:
        os.close(folder)


def _connect(path: Path, *, mode: str, timeout_s: float) -> Database:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=timeout_s)
    connection.text_factory = _decode
    return Database(connection, execute_plugins=False)  # other packages have no business in this file


def _decode(text: bytes) -> str:
    """Read damaged text too: its checksum tells, with a better message than the decoder's."""
    return text.decode(errors="replace")


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _check_pages(db: Database, *, path: Path) -> None:
    rows(db, "SELECT count(*) FROM sqlite_master")
    if _size(path) > CHECKED_BYTES:
        return
    found = [str(value) for row in rows(db, "PRAGMA integrity_check(1)") for value in row.values()]
    if found != ["ok"]:
        raise damaged(path, why=" ".join(found[0].lower().replace("*", "").split()))
    if rows(db, "PRAGMA foreign_key_check"):
        raise damaged(path, why="a turn has lost its session")


def _enable_wal(db: Database, *, path: Path, timeout_s: float) -> None:
    """Switch to the write-ahead log; SQLite does not wait for another program's lock here, so this does."""
    give_up_at = time.monotonic() + timeout_s
    while db.journal_mode != "wal":
        try:
            db.enable_wal()
        except sqlite3.OperationalError as error:
            if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > give_up_at:
                raise
            time.sleep(_RETRY_S)
        else:
            break
    if db.journal_mode != "wal":
        raise TurnLogFailed(
            f"the turn log {path} cannot be kept safely in this place (a network file system?); choose a local disk"
            " with --database"
        )


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
