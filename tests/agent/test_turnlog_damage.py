# ruff: noqa: ASYNC240 - nothing else runs on the loops of these tests, so a blocking file operation keeps nobody waiting
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

import anyio
import pytest

from agent import history
from agent.errors import TurnLogFailed
from agent.events import EmotionEstimate, Turn
from agent.turnlog import TurnLog, TurnLogConfig, database
from agent.turnlog import log as log_module
from agent.turnlog.faults import storage_fault

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "attune.db"


def turn(utterance: int) -> Turn:
    return Turn(
        session="one",
        seq=None,
        utterance=utterance,
        start_s=1.0,
        end_s=2.5,
        text="hello",
        nbest=(("hello", 1.0),),
        estimate=EmotionEstimate(
            utterance=utterance,
            revision=1,
            is_final=True,
            at_s=2.5,
            labels=("happy", "sad"),
            distribution=(0.75, 0.25),
            top=None,
            confidence=0.75,
        ),
        prosody_words=(),
        reply="I see",
        interrupted=False,
    )


async def fill(path: Path, n_turns: int = 3) -> None:
    async with TurnLog.open(path) as log:
        await log.start_session("one")
        for n in range(1, n_turns + 1):
            await log.save(turn(n))


def tamper(path: Path, sql: str) -> None:
    """Change the file behind the log's back, as valid SQLite."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(sql)


def read(path: Path) -> int:
    with history.reading(path) as past:
        past.sessions()
        return len(past.turns("one"))


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("UPDATE turns SET text = 'jello' WHERE seq = 2", "turn 2 of session 'one'.*damaged: its checksum"),
        ("UPDATE turns SET estimate = NULL WHERE seq = 3", "turn 3 of session 'one'.*damaged: its checksum"),
        ("UPDATE sessions SET consent = 1", "session 'one' in the turn log is damaged: its checksum"),
        ("DELETE FROM sessions", "is damaged.*a turn has lost its session"),
        ("ALTER TABLE turns RENAME COLUMN reply TO replay", "is damaged.*its table turns is not as it was made"),
        ("DROP TABLE turns", "is damaged.*its table turns is not as it was made"),
    ],
)
async def test_what_was_changed_behind_its_back_is_told(path: Path, sql: str, message: str) -> None:
    await fill(path)
    tamper(path, sql)
    with pytest.raises(TurnLogFailed, match=message):
        read(path)


async def test_damage_in_a_file_too_large_to_check_is_told_when_it_is_met(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(path)
    with closing(sqlite3.connect(path)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'turns'").fetchone()
    sound = path.read_bytes()
    path.write_bytes(sound[: (page - 1) * 4096] + b"\xff" * 4096 + sound[page * 4096 :])
    monkeypatch.setattr(database, "CHECKED_BYTES", 0)

    with pytest.raises(TurnLogFailed, match="is damaged"):
        read(path)
    with pytest.raises(TurnLogFailed, match=r"could not save 1 turn\(s\).*is damaged"):
        await fill(path, 9)


async def test_a_name_that_is_no_text_is_told(path: Path) -> None:
    await fill(path)
    spoilt = path.read_bytes().replace(b'"prosody_words" TEXT', b'"prosody_w\xffrds" TEXT')
    path.write_bytes(spoilt)
    with pytest.raises(TurnLogFailed, match="is damaged"):
        read(path)


async def test_closing_does_not_wait_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "CLOSE_LIMIT_S", 0.05)
    locks = ExitStack()

    async def leave_while_locked() -> None:
        async with TurnLog.open(path, config=TurnLogConfig(busy_timeout_s=1.0)) as log:
            await log.start_session("one")
            other = locks.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
            other.execute("BEGIN IMMEDIATE")
            with anyio.CancelScope() as scope:
                scope.cancel()
                await log.save(turn(1))

    with locks, pytest.raises(TurnLogFailed, match=r"did not close in 0.05 s: 1 turn\(s\) unsaved"):
        await leave_while_locked()


async def test_a_place_that_keeps_no_write_ahead_log_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: database.Database) -> None:
        """What such a file system does: the journal stays as it was, without an error."""

    monkeypatch.setattr(database.Database, "enable_wal", refuse)
    with pytest.raises(TurnLogFailed, match="cannot be kept safely in this place"):
        await fill(path)


def test_every_fault_is_one_line_that_names_the_file() -> None:
    here = Path("/data/attune.db")
    errors: list[sqlite3.Error | OSError] = [sqlite3.DatabaseError("odd"), OSError(5, "Input/output error", str(here))]
    for code in (1, 3, 5, 6, 8, 10, 11, 13, 14, 15, 23, 26):
        error = sqlite3.OperationalError("what SQLite says")
        error.sqlite_errorcode = code | 0x100
        errors.append(error)
    for error in errors:
        message = str(storage_fault(error, path=here))
        assert message.startswith("the turn log /data/attune.db ")
        assert "\n" not in message
        assert not message.endswith(".")
