"""A disk that is full, locked, read-only or damaged under sessions (fault 81)."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from agent.history import reading
from agent.turnlog import TurnLogConfig
from agent.turnlog import writer as writer_module
from agent.turnlog.database import transaction
from tests.agent.server.edge import eventually
from tests.agent.server.service import service

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from sqlite_utils import Database

    from tests.agent.server.service import Talker

LONG = ("it was a long day " * 1_100)[:20_000].strip()


async def degraded(talker: Talker) -> str:
    """Say something at length, and return why it is not on disk; it is answered all the same."""
    n = len(talker.of("attune.turn.degraded"))
    assert (await talker.types(LONG))["status"] == "completed"
    return (await talker.until("attune.turn.degraded", n=n + 1))["message"]


@pytest.mark.anyio
async def test_on_a_full_disk_the_conversation_goes_on_and_is_kept_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    most_pages = 2**30

    @contextmanager
    def capped(db: Database) -> Generator[None]:
        db.execute(f"PRAGMA max_page_count = {most_pages}")
        with transaction(db):
            yield

    monkeypatch.setattr(writer_module, "transaction", capped)
    database = tmp_path / "turns.db"
    async with service(database, bystander=False) as here, here.talker() as talker:
        await talker.types("before")
        await talker.until("attune.turn.saved")
        most_pages = 1
        for _ in range(2):
            assert "the disk is full" in await degraded(talker)
        most_pages = 2**30
        await talker.types("after")
        assert (await talker.until("attune.turn.saved", n=2))["seq"] == 4
        session = talker.session
        assert not talker.codes()
    with reading(database) as history:
        kept = [each.turn.text.strip() for each in history.turns(session)]
    assert kept == ["before", LONG.strip(), LONG.strip(), "after"]


@pytest.mark.anyio
async def test_while_another_program_locks_the_file_turns_are_held_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("agent.turnlog.log.TurnLogConfig", lambda: TurnLogConfig(busy_timeout_s=0.0))
    database = tmp_path / "turns.db"
    async with service(database, bystander=False) as here, here.talker() as talker:
        await talker.types("before")
        await talker.until("attune.turn.saved")
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            assert "is locked by another program" in await degraded(talker)
            assert here.host.log is not None
            assert here.host.log.n_unsaved == 1
        await talker.types("after")
        await talker.until("attune.turn.saved", n=2)
        await eventually(lambda: here.host.log is not None and not here.host.log.n_unsaved)


def damaged(path: Path) -> Path:
    path.write_bytes(b"dear diary, " * 1_000)
    return path


def newer(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE turns (x)")
        db.execute("PRAGMA user_version = 99")
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def below_a_file(path: Path) -> Path:
    path.write_text("mine")
    return path / "turns.db"


@pytest.mark.parametrize("spoil", [damaged, newer, folder, below_a_file])
def test_a_log_that_cannot_be_used_is_one_line_and_no_server(
    attune: Callable[..., Any], tmp_path: Path, spoil: Callable[[Path], Path]
):
    database = spoil(tmp_path / "turns.db")
    ran = attune("serve", "--port", "0", "--no-page", "--voice", "none", "--database", database)
    assert ran.returncode not in {0, 1}
    assert ran.stderr.startswith("attune: ")
    assert ran.stderr.count("\n") == 1
    assert str(tmp_path) in ran.stderr
    assert "programs:" not in ran.stdout
