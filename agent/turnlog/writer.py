"""The one thread that writes the turn log: a bounded hold of rows that are not on disk yet, committed in batches.

While one commit is being synced the next rows gather, and they share the next commit: nobody waits for a batch to fill.
A row that could not be written for want of space, lock or permission stays held and goes in front of the next ones.
"""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from ..errors import TurnLogFailed
from .database import open_for_writing, transaction
from .faults import storage_fault
from .tables import migrate, put_correction, put_session, put_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from sqlite_utils import Database

    from .config import TurnLogConfig
    from .rows import Row

BATCH: Final = 256
"""Rows in one commit at most: about 20 ms of work."""

_CLOSED: Final = "it was closed"
_Outcome: TypeAlias = int | TurnLogFailed
_Kind: TypeAlias = Literal["session", "turn", "correction"]

_KEYS: Final[Mapping[_Kind, tuple[str, ...]]] = {
    "session": ("id",),
    "turn": ("session", "utterance"),
    "correction": ("session", "utterance", "revision"),
}
_PUT: Final[Mapping[_Kind, Callable[[Database, Row], int]]] = {
    "session": put_session,
    "turn": put_turn,
    "correction": put_correction,
}
_REFUSALS: Final = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    TurnLogFailed,
)
"""What one row alone is to blame for; the others of its batch go on."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Held:
    """A row that is not on disk yet, and who waits for it."""

    row: Row
    kind: _Kind
    waiters: list[Future[int]] = field(default_factory=list[Future[int]])

    @property
    def key(self) -> tuple[object, ...]:
        return (self.kind, *(self.row[column] for column in _KEYS[self.kind]))


class Writer:
    """Writes rows to one file from a thread of its own; every method returns at once."""

    def __init__(self, path: Path, *, config: TurnLogConfig) -> None:
        self.opened: Future[None] = _promise()
        self.closed: Future[None] = _promise()
        self._path = path.absolute()  # the working folder may change
        self._config = config
        self._wake = threading.Condition()
        self._held: dict[tuple[object, ...], _Held] = {}
        self._is_asked = False
        self._is_closing = False
        self._place: tuple[int, int] | None = None
        self._why = _CLOSED
        self._thread = threading.Thread(target=self._run, name="turn log", daemon=True)

    @property
    def n_held(self) -> int:
        """How many rows are not on disk yet."""
        return len(self._held)

    def start(self) -> None:
        """Open the file; `opened` tells how that went."""
        self._thread.start()

    def put_session(self, row: Row) -> Future[int]:
        """Ask for a session; the answer is its number. Errors as `put_turn`."""
        return self._submit(_Held(row=row, kind="session"))

    def put_turn(self, row: Row) -> Future[int]:
        """Ask for a turn; the answer is its `seq`, given once it is on disk. Cancelling the answer changes nothing.

        Raises:
            TurnLogFailed: the log is closed, or too many rows are held already.
        """
        return self._submit(_Held(row=row, kind="turn"))

    def put_correction(self, row: Row) -> Future[int]:
        """Ask for a correction; the answer is the revision that it made. Errors as `put_turn`."""
        return self._submit(_Held(row=row, kind="correction"))

    def close(self) -> None:
        """Write what is held and close the file; `closed` tells how that went. Idempotent."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()

    def _submit(self, new: _Held) -> Future[int]:
        answer: Future[int] = _promise()
        with self._wake:
            if self._is_closing:
                raise TurnLogFailed(f"the turn log {self._path} takes no more turns: {self._why}")
            if new.key not in self._held and len(self._held) >= self._config.capacity:
                n_held = len(self._held)
                raise TurnLogFailed(f"storage degraded: {n_held} turn(s) wait for the disk, one more was not kept")
            self._held.setdefault(new.key, new).waiters.append(answer)
            self._is_asked = True
            self._wake.notify()
        return answer

    def _run(self) -> None:
        db: Database | None = None
        try:
            db = self._open()
            self.opened.set_result(None)
            self._serve(db)
        except TurnLogFailed as failed:
            self._why = str(failed)
        finally:
            if db is not None:
                db.close()
            self._finish()

    def _open(self) -> Database:
        db = open_for_writing(self._path, config=self._config, may_create=True)
        try:
            migrate(db, path=self._path)
            self._place = _place(self._path)
        except (sqlite3.Error, OSError, TurnLogFailed) as error:
            db.close()
            raise storage_fault(error, path=self._path) from error
        return db

    def _serve(self, db: Database) -> None:
        is_last = False
        while not is_last:
            with self._wake:
                self._wake.wait_for(lambda: self._is_asked or self._is_closing)
                self._is_asked = False
                is_last = self._is_closing
                everything = list(self._held.values())
            self._write(db, everything)

    def _write(self, db: Database, everything: Sequence[_Held]) -> None:
        for start in range(0, len(everything), BATCH):
            batch = everything[start : start + BATCH]
            try:
                self._check_place()
                outcomes = _commit(db, batch)
            except (sqlite3.Error, OSError, TurnLogFailed) as error:
                self._keep(everything[start:], storage_fault(error, path=self._path))
                return
            self._settle(batch, outcomes)

    def _check_place(self) -> None:
        """Refuse to write into a file that nobody can find any more."""
        if _place(self._path) != self._place:
            raise TurnLogFailed(
                f"the turn log {self._path} was moved, replaced or deleted while in use; put it back or start again"
            )

    def _settle(self, batch: Sequence[_Held], outcomes: Sequence[_Outcome]) -> None:
        with self._wake:
            self._why = _CLOSED
            for held in batch:
                del self._held[held.key]
        for held, outcome in zip(batch, outcomes, strict=True):
            for waiter in held.waiters:
                if isinstance(outcome, int):
                    waiter.set_result(outcome)
                else:
                    waiter.set_exception(TurnLogFailed(str(outcome)))

    def _keep(self, batch: Sequence[_Held], failed: TurnLogFailed) -> None:
        with self._wake:
            self._why = str(failed)
            waiters = [waiter for held in batch for waiter in held.waiters]
            for held in batch:
                held.waiters.clear()
        _fail(waiters, f"{failed}; what was not saved is kept in memory and tried again with the next turn")

    def _finish(self) -> None:
        with self._wake:
            self._is_closing = True
            left = list(self._held.values())
        if not self.opened.done():
            self.opened.set_exception(TurnLogFailed(self._why))
        message = f"could not save {len(left)} turn(s): {self._why}"
        _fail([waiter for held in left for waiter in held.waiters], message)
        if left:
            self.closed.set_exception(TurnLogFailed(message))
        else:
            self.closed.set_result(None)


def _commit(db: Database, batch: Sequence[_Held]) -> list[_Outcome]:
    with transaction(db):
        return [_put(db, held) for held in batch]


def _put(db: Database, held: _Held) -> _Outcome:
    try:
        with db.atomic():
            return _PUT[held.kind](db, held.row)
    except _REFUSALS as error:
        if isinstance(error, TurnLogFailed):
            return error
        return TurnLogFailed(f"the turn log refused a row: {error}".lower())


def _fail(waiters: Sequence[Future[int]], message: str) -> None:
    for waiter in waiters:
        waiter.set_exception(TurnLogFailed(message))


def _place(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _promise() -> Future[Any]:
    """Return a future that a waiter cannot cancel: a turn that was handed over is written, come what may."""
    promise: Future[Any] = Future()
    promise.set_running_or_notify_cancel()
    return promise
