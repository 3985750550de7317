# ruff: noqa: ASYNC240 - nothing else runs on the loops of these tests, so a blocking file operation keeps nobody waiting
import asyncio
import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from sqlite_utils import Database

from agent import history
from agent.errors import TurnLogFailed
from agent.events import Turn
from agent.turnlog import TurnLog, TurnLogConfig
from agent.turnlog import writer as writer_module
from agent.turnlog.database import transaction

pytestmark = pytest.mark.anyio

IMPATIENT = TurnLogConfig(busy_timeout_s=0.0)
KEPT = "kept in memory and tried again"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "attune.db"


def turn(utterance: int, *, text: str = "hello") -> Turn:
    return Turn(
        session="one",
        seq=None,
        utterance=utterance,
        start_s=1.0,
        end_s=2.5,
        text=text,
        nbest=((text, 1.0),),
        estimate=None,
        prosody_words=(),
        reply="I see",
        interrupted=False,
    )


async def fill(path: Path, n_turns: int) -> None:
    async with TurnLog.open(path) as log:
        await log.start_session("one")
        await asyncio.gather(*(log.save(turn(n, text=f"turn {n}")) for n in range(1, n_turns + 1)))


def utterances(path: Path) -> list[int]:
    with history.reading(path) as past:
        read = past.turns("one")
    assert [each.turn.seq for each in read] == list(range(1, len(read) + 1))
    return [each.turn.utterance for each in read]


@contextmanager
def lock(path: Path) -> Generator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


@pytest.fixture
def open_ground() -> Generator[Path]:
    """A folder in which this process has no more rights than its files grant (the administrator may do anything)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if os.geteuid() != 0:
            yield folder
        else:
            os.chown(folder, 65534, 65534)
            os.seteuid(65534)
            try:
                yield folder
            finally:
                os.seteuid(0)
        folder.chmod(0o700)


async def test_a_turn_saved_while_the_file_is_locked_is_written_with_the_next(path: Path) -> None:
    async with TurnLog.open(path, config=IMPATIENT) as log:
        await log.start_session("one")
        with lock(path):
            with pytest.raises(TurnLogFailed, match=f"is locked by another program.*{KEPT}"):
                await log.save(turn(1))
            with pytest.raises(TurnLogFailed, match="is locked"):
                await log.save(turn(2))
            assert log.n_unsaved == 2
        saved = await log.save(turn(3))
        assert log.n_unsaved == 0

    assert saved.seq == 3
    assert utterances(path) == [1, 2, 3]


async def test_a_turn_saved_while_the_file_is_locked_is_written_at_closing(path: Path) -> None:
    async with TurnLog.open(path, config=IMPATIENT) as log:
        await log.start_session("one")
        with lock(path), pytest.raises(TurnLogFailed):
            await log.save(turn(1))

    assert utterances(path) == [1]


async def test_a_session_started_while_the_file_is_locked_is_written_before_its_turns(path: Path) -> None:
    async with TurnLog.open(path, config=IMPATIENT) as log:
        with lock(path), pytest.raises(TurnLogFailed):
            await log.start_session("one")
        await log.save(turn(1))

    assert utterances(path) == [1]


async def test_closing_tells_what_could_not_be_saved(path: Path) -> None:
    async def talk() -> None:
        async with TurnLog.open(path, config=IMPATIENT) as log:
            await log.start_session("one")
            locks.enter_context(lock(path))
            await log.save(turn(1))

    with ExitStack() as locks, pytest.raises(TurnLogFailed, match=r"could not save 1 turn\(s\): .* is locked"):
        await talk()
    assert utterances(path) == []


async def test_a_file_that_is_locked_cannot_be_opened_and_says_so(path: Path) -> None:
    with lock(path), pytest.raises(TurnLogFailed, match="is locked by another program"):
        async with TurnLog.open(path, config=IMPATIENT):
            pass


async def test_a_full_disk_loses_nothing_once_there_is_space_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most_pages = 2**30

    @contextmanager
    def capped(db: Database) -> Generator[None]:
        db.execute(f"PRAGMA max_page_count = {most_pages}")
        with transaction(db):
            yield

    monkeypatch.setattr(writer_module, "transaction", capped)
    async with TurnLog.open(path) as log:
        await log.start_session("one")
        await log.save(turn(1))
        most_pages = 1
        for n in (2, 3):
            with pytest.raises(TurnLogFailed, match=f"the disk is full.*{KEPT}"):
                await log.save(turn(n, text="long " * 20_000))
        most_pages = 2**30
        assert (await log.save(turn(4))).seq == 4

    assert utterances(path) == [1, 2, 3, 4]


async def test_a_file_moved_away_takes_no_turn_until_it_is_back(path: Path) -> None:
    away = path.with_name("away.db")
    async with TurnLog.open(path) as log:
        await log.start_session("one")
        path.rename(away)
        with pytest.raises(TurnLogFailed, match="moved, replaced or deleted while in use"):
            await log.save(turn(1))
        assert not path.exists()
        away.rename(path)
        await log.save(turn(2))

    assert utterances(path) == [1, 2]


@pytest.mark.parametrize("folder_mode", [0o500, 0o700])
async def test_a_file_that_may_not_be_written_is_refused_and_still_read(open_ground: Path, folder_mode: int) -> None:
    path = open_ground / "attune.db"
    await fill(path, 2)
    path.chmod(0o400)
    open_ground.chmod(folder_mode)

    with pytest.raises(TurnLogFailed, match=r"read-only|cannot be opened"):
        await fill(path, 1)
    assert utterances(path) == [1, 2]


async def test_a_folder_that_may_not_be_written_is_refused(open_ground: Path) -> None:
    open_ground.chmod(0o500)
    with pytest.raises(TurnLogFailed, match=r"ermission denied.*attune.db"):
        await fill(open_ground / "attune.db", 1)
    with pytest.raises(TurnLogFailed, match=r"ermission denied.*deeper"):
        await fill(open_ground / "deeper" / "attune.db", 1)


async def test_a_place_that_is_no_place_for_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TurnLogFailed, match="is a folder, expected a file"):
        await fill(tmp_path, 1)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TurnLogFailed, match=r"cannot be used \(.*file"):
        await fill(tmp_path / "file" / "attune.db", 1)


def test_reading_where_there_is_no_log_makes_none(path: Path) -> None:
    with pytest.raises(TurnLogFailed, match="no turn log at"), history.reading(path):
        pass
    with pytest.raises(TurnLogFailed, match="no turn log at"):
        history.delete_everything(path)
    assert not path.exists()


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "header": (lambda sound: b"SQLite forbid" + sound[13:], "not a turn log, or is damaged"),
    "text file": (lambda sound: b"dear diary, " * (len(sound) // 12), "not a turn log, or is damaged"),
    "cut in half": (lambda sound: sound[: len(sound) // 2], "is damaged"),
    "page of zeros": (lambda sound: sound[:4096] + bytes(4096) + sound[8192:], "is damaged"),
    "schema number gone": (lambda sound: sound[:60] + bytes(4) + sound[64:], "is damaged.*schema number is gone"),
    "newer": (lambda sound: sound[:60] + b"\0\0\0\7" + sound[64:], r"newer version \(schema 7, this one knows 2\)"),
    "foreign": (lambda sound: sound[:68] + b"else" + sound[72:], "another program's database"),
}


@pytest.mark.parametrize("kind", DAMAGES)
async def test_a_damaged_or_foreign_file_is_refused_and_left_as_it_is(path: Path, kind: str) -> None:
    damage, message = DAMAGES[kind]
    await fill(path, 30)
    spoilt = damage(path.read_bytes())
    path.write_bytes(spoilt)

    for attempt in (fill(path, 1), fill(path, 1)):
        with pytest.raises(TurnLogFailed, match=message):
            await attempt
    with pytest.raises(TurnLogFailed, match=message), history.reading(path):
        pass
    with pytest.raises(TurnLogFailed, match=message):
        history.delete_everything(path)
    assert path.read_bytes() == spoilt
    assert [each.name for each in path.parent.iterdir() if each.suffix == ".db"] == ["attune.db"]


async def test_a_flipped_byte_is_told_or_harmless_but_never_changes_what_was_said(path: Path) -> None:
    await fill(path, 60)
    sound = path.read_bytes()
    with history.reading(path) as past:
        expected = (past.sessions(), past.turns("one"))
    dice = random.Random(5)
    n_told = 0
    for _ in range(150):
        at = dice.randrange(len(sound))
        path.write_bytes(sound[:at] + bytes([sound[at] ^ dice.randrange(1, 256)]) + sound[at + 1 :])
        try:
            with history.reading(path) as past:
                assert (past.sessions(), past.turns("one")) == expected
        except TurnLogFailed:
            n_told += 1
    assert n_told > 20


async def test_a_database_of_another_program_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(TurnLogFailed, match="another program's database"):
        await fill(path, 1)


@pytest.mark.parametrize("left", [None, b""], ids=["missing", "empty"])
async def test_a_write_ahead_log_without_its_file_is_told_not_thrown_away(path: Path, left: bytes | None) -> None:
    wal = path.with_name("attune.db-wal")
    async with TurnLog.open(path) as log:
        await log.start_session("one")
        kept = wal.read_bytes()
    path.unlink()
    wal.write_bytes(kept)
    if left is not None:
        path.write_bytes(left)

    with pytest.raises(TurnLogFailed, match=r"missing or empty, yet attune.db-wal holds turns"):
        await fill(path, 1)
    assert wal.read_bytes() == kept


async def test_a_file_killed_before_it_had_tables_opens(path: Path) -> None:
    path.touch()
    with history.reading(path) as past:
        assert past.sessions() == []
        with pytest.raises(TurnLogFailed, match="no session 'one'"):
            past.turns("one")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    await fill(path, 1)
    assert utterances(path) == [1]


async def test_a_write_ahead_log_cut_anywhere_opens_to_a_prefix(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    folder.mkdir()
    copy, wal = folder / "attune.db", folder / "attune.db-wal"
    async with TurnLog.open(path, config=TurnLogConfig(checkpoint_pages=0)) as log:
        await log.start_session("one")
        for n in range(1, 31):
            await log.save(turn(n))
        whole = path.with_name("attune.db-wal").read_bytes()
        main = path.read_bytes()
    dice = random.Random(7)
    lengths: set[int] = set()
    for _ in range(100):
        shutil.rmtree(folder)
        folder.mkdir()
        copy.write_bytes(main)
        wal.write_bytes(whole[: dice.randrange(len(whole) + 1)])
        with history.reading(copy) as past:
            known = {each.session.id for each in past.sessions()}
        found = utterances(copy) if known else []
        assert found == list(range(1, len(found) + 1))
        lengths.add(len(found))
    assert len(lengths) > 10
    await fill(copy, 40)
    assert utterances(copy) == list(range(1, 41))
