import asyncio
import csv
import io
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent import history
from agent.errors import ConfigInvalid, TurnLogFailed
from agent.events import EmotionEstimate, Turn
from agent.turnlog import LoggedTurn, TurnLog, TurnLogConfig

CANARY = "zebra-canary-7391"
START = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "attune.db"


def turn(session: str, utterance: int, *, text: str = "hello", reply: str = "I see") -> Turn:
    return Turn(
        session=session,
        seq=None,
        utterance=utterance,
        start_s=1.0,
        end_s=2.5,
        text=text,
        nbest=((text, 1.0),),
        estimate=EmotionEstimate(
            utterance=utterance,
            revision=1,
            is_final=True,
            at_s=2.5,
            labels=("happy", "sad"),
            distribution=(0.75, 0.25),
            top="happy",
            confidence=0.75,
            arousal=0.5,
        ),
        prosody_words=("fast", "loud"),
        reply=reply,
        interrupted=True,
    )


def fill(path: Path, *turns: Turn, started: datetime = START) -> None:
    async def save() -> None:
        async with TurnLog.open(path, clock=lambda: started) as log:
            for each in turns:
                await log.start_session(each.session)
                await log.save(each)

    asyncio.run(save())


def texts(path: Path, session: str) -> list[str]:
    with history.reading(path) as past:
        return [each.turn.text for each in past.turns(session)]


def logged(text: str) -> LoggedTurn:
    return LoggedTurn(turn=replace(turn("one", 1, text=text), seq=1), saved_at="2026-05-01T00:00:00.000+00:00")


def test_sessions_are_listed_with_their_turns_and_what_was_said_last(path: Path) -> None:
    async def begin_without_a_word() -> None:
        async with TurnLog.open(path, clock=lambda: START) as log:
            await log.start_session("silent", locale="en-GB")

    fill(path, turn("one", 1), turn("one", 2, text="goodbye"), turn("two", 1, text="again"))
    asyncio.run(begin_without_a_word())

    with history.reading(path) as past:
        listed = past.sessions()
    assert [(each.session.id, each.n_turns, each.last_text) for each in listed] == [
        ("one", 2, "goodbye"),
        ("two", 1, "again"),
        ("silent", 0, ""),
    ]
    assert listed[0].session.started == listed[0].last_saved_at == "2026-05-01T00:00:00.000+00:00"
    assert listed[2].last_saved_at is None
    assert listed[2].session.locale == "en-GB"


def test_turns_of_all_sessions_come_session_by_session(path: Path) -> None:
    fill(path, turn("one", 1), turn("two", 1), turn("one", 2))
    with history.reading(path) as past:
        assert [(each.turn.session, each.turn.seq) for each in past.all_turns()] == [("one", 1), ("one", 2), ("two", 1)]


def test_a_session_that_is_not_there_is_told(path: Path) -> None:
    fill(path, turn("one", 1))
    with pytest.raises(TurnLogFailed, match=r"there is no session '\\x1b\[2J'"), history.reading(path) as past:
        past.turns("\x1b[2J")


def test_reading_goes_on_while_turns_are_saved(path: Path) -> None:
    async def both() -> None:
        async with TurnLog.open(path) as log:
            await log.start_session("one")
            for n in range(1, 4):
                await log.save(turn("one", n))
                assert len(texts(path, "one")) == n

    asyncio.run(both())


def test_reading_cannot_change_the_file(path: Path) -> None:
    fill(path, turn("one", 1))
    before = path.read_bytes()
    with history.reading(path) as past:
        past.sessions()
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            past._db.execute("DELETE FROM turns")
    assert path.read_bytes() == before


def test_the_line_export_loses_nothing_and_steers_no_terminal(path: Path) -> None:
    said = 'a "quote", \x1b[31m red \x9b2J \u202e back \n line \0 end 👋'
    fill(path, turn("one", 1, text=said))
    with history.reading(path) as past:
        (line,) = history.jsonl(past.all_turns())

    assert line.endswith("}\n")
    assert line.count("\n") == 1
    assert not set(line) & set("\x1b\x9b\u202e\0")
    row = json.loads(line)
    assert row["text"] == said
    assert row["nbest"] == [[said, 1.0]]
    assert row["estimate"]["distribution"] == [0.75, 0.25]
    assert (row["session"], row["seq"], row["saved_at"]) == ("one", 1, "2026-05-01T00:00:00.000+00:00")


def test_the_table_export_has_a_column_for_everything_a_reader_asks(path: Path) -> None:
    fill(path, turn("one", 1, text='he said "no", twice'))
    with history.reading(path) as past:
        (row,) = csv.DictReader(io.StringIO("".join(history.csv_lines(past.turns("one")))))

    assert row == {
        "session": "one",
        "seq": "1",
        "utterance": "1",
        "start_s": "1.0",
        "end_s": "2.5",
        "text": 'he said "no", twice',
        "emotion": "happy",
        "confidence": "0.75",
        "arousal": "0.5",
        "dominance": "",
        "valence": "",
        "voice": "fast, loud",
        "reply": "I see",
        "interrupted": "True",
        "is_crisis": "False",
        "saved_at": "2026-05-01T00:00:00.000+00:00",
        "corrected": "",
    }


@pytest.mark.parametrize(
    ("said", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1", "'+1"),
        ("-1+1", "'-1+1"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\\x09=1"),
        ("\r=1", "'\\x0d=1"),
        ("\n=1", "'\\x0a=1"),
        ("\uff1d1", "'\uff1d1"),
        ("what = this", "what = this"),
        ("two\nlines \x1b[2J", "two\\x0alines \\x1b[2J"),
        ("\u202eevil", "\\u202eevil"),
        ("", ""),
    ],
)
def test_a_spreadsheet_runs_nothing_that_was_said(said: str, cell: str) -> None:
    (row,) = csv.DictReader(io.StringIO("".join(history.csv_lines([logged(said)]))))
    assert row["text"] == cell


def test_an_estimate_that_abstains_and_one_that_is_missing_are_told_apart() -> None:
    heard = logged("hm")
    assert heard.turn.estimate is not None
    unclear = replace(heard, turn=replace(heard.turn, estimate=replace(heard.turn.estimate, top=None)))
    missing = replace(heard, turn=replace(heard.turn, estimate=None))
    read = csv.DictReader(io.StringIO("".join(history.csv_lines([unclear, missing]))))
    assert [row["emotion"] for row in read] == ["unclear", ""]


def test_what_is_shown_in_a_terminal_cannot_steer_it() -> None:
    assert history.visible("a\x1b[2Jb\x07\x9b\u2028ü👋") == "a\\x1b[2Jb\\x07\\x9b\\u2028ü👋"


@pytest.mark.parametrize("everything", [False, True])
def test_deleting_leaves_no_trace_in_any_file(path: Path, everything: bool) -> None:
    said = [turn("one", n, text=f"{CANARY} {n} " * 40, reply=CANARY) for n in range(1, 40)]
    fill(path, *said, turn("two", 1, text="stays"))

    async def delete_beside_a_running_conversation() -> None:
        async with TurnLog.open(path) as log:
            await log.save(turn("one", 99, text=CANARY))  # still in the write-ahead log
            assert CANARY.encode() in path.with_name("attune.db-wal").read_bytes()
            if everything:
                assert history.delete_everything(path) == 41
            else:
                assert history.delete_session(path, "one") == 40
            for each in path.parent.glob("attune.db*"):
                assert CANARY.encode() not in each.read_bytes()

    asyncio.run(delete_beside_a_running_conversation())
    with history.reading(path) as past:
        assert [each.session.id for each in past.sessions()] == ([] if everything else ["two"])
    assert everything or texts(path, "two") == ["stays"]


def test_deleting_while_somebody_reads_says_that_traces_may_remain(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "TurnLogConfig", lambda: TurnLogConfig(busy_timeout_s=0.1))
    fill(path, turn("one", 1))
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM turns").fetchall()
        with pytest.raises(TurnLogFailed, match=r"traces may remain.*delete again"):
            history.delete_session(path, "one")
    assert history.delete_everything(path) == 0


def test_deleting_a_session_that_is_not_there_is_told(path: Path) -> None:
    fill(path, turn("one", 1))
    with pytest.raises(TurnLogFailed, match="no session 'two'"):
        history.delete_session(path, "two")
    assert texts(path, "one") == ["hello"]


def test_a_conversation_that_was_deleted_takes_no_further_turn(path: Path) -> None:
    async def talk_on() -> None:
        async with TurnLog.open(path) as log:
            await log.start_session("one")
            await log.save(turn("one", 1))
            history.delete_everything(path)
            with pytest.raises(TurnLogFailed, match="may have been deleted"):
                await log.save(turn("one", 2))
            assert log.n_unsaved == 0

    asyncio.run(talk_on())


def test_pruning_removes_what_nobody_added_to_for_so_long(path: Path) -> None:
    fill(path, turn("old", 1), started=START)
    fill(path, turn("revived", 1), started=START)
    fill(path, turn("revived", 2), started=START + timedelta(days=25))
    fill(path, turn("young", 1), started=START + timedelta(days=29))

    now = START + timedelta(days=31)
    assert history.prune(path, older_than_days=30, now=now) == 1
    with history.reading(path) as past:
        assert [each.session.id for each in past.sessions()] == ["revived", "young"]
    assert history.prune(path, older_than_days=30, now=now) == 0
    assert history.prune(path, older_than_days=0, now=now) == 2


@pytest.mark.parametrize("days", [-1.0, float("nan"), float("inf")])
def test_a_number_of_days_that_makes_no_sense_deletes_nothing(path: Path, days: float) -> None:
    fill(path, turn("one", 1))
    with pytest.raises(ConfigInvalid, match="days is"):
        history.prune(path, older_than_days=days, now=START + timedelta(days=9999))
    assert texts(path, "one") == ["hello"]
