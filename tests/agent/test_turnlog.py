import asyncio
import itertools
import sqlite3
import stat
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from agent import history
from agent.errors import ConfigInvalid, TurnLogFailed
from agent.events import EmotionEstimate, Turn
from agent.turnlog import TurnLog, TurnLogConfig, default_path
from agent.turnlog.database import open_for_writing, rows

pytestmark = pytest.mark.anyio

IMPATIENT = TurnLogConfig(busy_timeout_s=0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "attune" / "attune.db"


def turn(session: str, utterance: int, *, text: str = "hello", start_s: float = 1.0) -> Turn:
    return Turn(
        session=session,
        seq=None,
        utterance=utterance,
        start_s=start_s,
        end_s=2.5,
        text=text,
        nbest=((text, 0.75), ("yellow", 0.25)),
        estimate=EmotionEstimate(
            utterance=utterance,
            revision=2,
            is_final=True,
            at_s=2.5,
            labels=("happy", "sad"),
            distribution=(0.7, 0.3),
            top="happy",
            confidence=0.7,
            valence=0.6,
        ),
        prosody_words=("fast", "louder than usual"),
        reply="good to hear",
        interrupted=False,
    )


def stored(path: Path) -> list[tuple[str, int, int]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT session, seq, utterance FROM turns ORDER BY session, seq").fetchall()


def locked(path: Path) -> "closing[sqlite3.Connection]":
    """Another program's connection that holds the write lock."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return closing(other)


async def test_a_saved_turn_is_acknowledged_with_its_place_and_reads_back_as_it_was(path: Path) -> None:
    async with TurnLog.open(path) as log:
        session = await log.start_session(locale="en-GB", consent=True, emotion_source="voice")
        saved = await log.save(turn(session, 7))

    assert (saved.session, saved.seq, saved.utterance) == (session, 1, 7)
    with history.reading(path) as past:
        (read,) = past.turns(session)
        (summary,) = past.sessions()
    expected = turn(session, 7)
    assert read.turn.seq == 1
    assert read.turn.estimate == expected.estimate
    assert read.turn.nbest == expected.nbest
    assert read.turn.prosody_words == expected.prosody_words
    assert (read.turn.text, read.turn.reply, read.turn.end_s) == ("hello", "good to hear", 2.5)
    assert (summary.session.locale, summary.session.consent, summary.session.emotion_source) == ("en-GB", True, "voice")


async def test_file_and_folder_are_private(path: Path) -> None:
    async with TurnLog.open(path) as log:
        await log.start_session()
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}

    assert modes == {"attune.db": 0o600, "attune.db-wal": 0o600, "attune.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_every_commit_is_synced_and_deleted_content_overwritten(path: Path) -> None:
    db = open_for_writing(path, config=TurnLogConfig(), may_create=True)
    try:
        settings = {
            name: next(iter(rows(db, f"PRAGMA {name}")[0].values()))
            for name in ("journal_mode", "synchronous", "fullfsync", "foreign_keys", "secure_delete", "busy_timeout")
        }
    finally:
        db.close()

    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "fullfsync": 1,
        "foreign_keys": 1,
        "secure_delete": 1,
        "busy_timeout": 5000,
    }


async def test_a_turn_is_not_acknowledged_before_it_is_committed(path: Path) -> None:
    async with TurnLog.open(path) as log:
        await log.start_session("one")
        with locked(path) as other:
            waiting = asyncio.create_task(log.save(turn("one", 1)))
            await anyio.wait_all_tasks_blocked()
            assert not waiting.done()
            assert stored(path) == []
            other.execute("COMMIT")
        await waiting
        assert stored(path) == [("one", 1, 1)]


async def test_saving_an_utterance_again_changes_nothing(path: Path) -> None:
    async with TurnLog.open(path) as log:
        await log.start_session("one")
        first = await log.save(turn("one", 4))
        both = await asyncio.gather(log.save(turn("one", 4, text="other words")), log.save(turn("one", 5)))
        again = await log.save(turn("one", 5))

    assert [first.seq, *(each.seq for each in both), again.seq] == [1, 1, 2, 2]
    with history.reading(path) as past:
        assert [each.turn.text for each in past.turns("one")] == ["hello", "hello"]


async def test_starting_a_known_session_again_leaves_it_as_it_is(path: Path) -> None:
    moments = iter(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(9))
    async with TurnLog.open(path, clock=lambda: next(moments)) as log:
        await log.start_session("one", locale="de")
        await log.start_session("one", locale="fr")

    with history.reading(path) as past:
        (only,) = past.sessions()
    assert (only.session.locale, only.session.started) == ("de", "2026-01-01T00:00:00.000+00:00")


async def test_cancelling_the_wait_neither_loses_nor_doubles_the_turn(path: Path) -> None:
    async with TurnLog.open(path) as log:
        await log.start_session("one")
        with locked(path):
            at_commit = asyncio.create_task(log.save(turn("one", 1)))
            await anyio.wait_all_tasks_blocked()
            at_commit.cancel()
            with pytest.raises(asyncio.CancelledError):
                await at_commit
        with anyio.CancelScope() as scope:
            scope.cancel()
            await log.save(turn("one", 2))
        assert scope.cancelled_caught
        again = await log.save(turn("one", 1))

    assert again.seq == 1
    assert stored(path) == [("one", 1, 1), ("one", 2, 2)]


async def test_leaving_under_cancellation_still_writes_what_is_held(path: Path) -> None:
    async def cancelled_in_the_middle() -> None:
        async with TurnLog.open(path) as log:
            await log.start_session("one")
            scope.cancel()
            await log.save(turn("one", 1))

    with anyio.CancelScope() as scope:
        await cancelled_in_the_middle()

    assert scope.cancelled_caught
    assert stored(path) == [("one", 1, 1)]


async def test_many_turns_at_once_get_places_without_gaps_in_the_order_they_came(path: Path) -> None:
    async with TurnLog.open(path) as log:
        await log.start_session("one")
        await log.start_session("two")
        answers = await asyncio.gather(*(log.save(turn(name, n)) for n in range(300) for name in ("one", "two")))

    expected = [(name, n + 1, n) for n in range(300) for name in ("one", "two")]
    assert [(each.session, each.seq, each.utterance) for each in answers] == expected


async def test_two_writers_on_one_file_share_a_session_without_gaps_or_doubles(path: Path) -> None:
    async with TurnLog.open(path) as here, TurnLog.open(path) as there:
        await here.start_session("one")
        await there.start_session("one")
        pairs = zip(itertools.cycle((here, there)), range(60), strict=False)
        answers = await asyncio.gather(*(log.save(turn("one", n)) for log, n in pairs))
        same = await asyncio.gather(here.save(turn("one", 99)), there.save(turn("one", 99)))

    assert sorted(each.seq for each in answers) == list(range(1, 61))
    assert [each.seq for each in same] == [61, 61]
    assert [seq for _, seq, _ in stored(path)] == list(range(1, 62))


async def test_several_programs_may_make_the_file_at_the_same_moment(path: Path) -> None:
    async def begin(number: int) -> None:
        async with TurnLog.open(path) as log:
            await log.start_session(str(number))

    await asyncio.gather(*(begin(number) for number in range(6)))

    with history.reading(path) as past:
        assert sorted(each.session.id for each in past.sessions()) == list("012345")


async def test_a_clock_that_goes_backwards_does_not_change_the_order(path: Path) -> None:
    moments = iter(datetime(2026, 3, 29, 12, tzinfo=UTC) - timedelta(hours=n) for n in range(9))
    async with TurnLog.open(path, clock=lambda: next(moments)) as log:
        await log.start_session("one")
        await log.start_session("two")
        for utterance in (1, 2, 3):
            await log.save(turn("one", utterance))

    with history.reading(path) as past:
        read = past.turns("one")
        sessions = past.sessions()
    assert [each.turn.utterance for each in read] == [1, 2, 3]
    assert read[0].saved_at > read[2].saved_at
    assert [each.session.id for each in sessions] == ["one", "two"]


@pytest.mark.parametrize(
    "said",
    [
        "'); DROP TABLE turns; --",
        "<script>alert(1)</script>",
        "=cmd|' /C calc'!A0",
        "nul \0 bell \a escape \x1b[31m red",
        "\u202eright to left",
        "Grüße, 你好, 👋🏽",
        "",
        "long " * 50_000,
    ],
)
async def test_what_was_said_is_stored_as_it_is(path: Path, said: str) -> None:
    async with TurnLog.open(path) as log:
        await log.start_session("one")
        await log.save(turn("one", 1, text=said))

    with history.reading(path) as past:
        (read,) = past.turns("one")
    assert read.turn.text == said
    assert read.turn.nbest[0] == (said, 0.75)


async def test_a_lone_surrogate_is_replaced_since_no_file_can_hold_it(path: Path) -> None:
    async with TurnLog.open(path) as log:
        await log.start_session("one")
        await log.save(turn("one", 1, text="broken \ud800 half"))

    with history.reading(path) as past:
        (read,) = past.turns("one")
    assert read.turn.text == read.turn.nbest[0][0] == "broken \ufffd half"


async def test_a_turn_that_makes_no_sense_is_refused_alone(path: Path) -> None:
    async with TurnLog.open(path) as log:
        await log.start_session("one")
        with pytest.raises(TurnLogFailed, match="turn 2 cannot be stored: it lasts from nan"):
            await log.save(turn("one", 2, start_s=float("nan")))
        outcomes = await asyncio.gather(
            log.save(turn("one", 3)),
            log.save(turn("one", 2**70)),
            log.save(turn("never started", 4)),
            log.save(turn("one", 5)),
            return_exceptions=True,
        )
        assert log.n_unsaved == 0

    assert isinstance(outcomes[1], TurnLogFailed)
    assert isinstance(outcomes[2], TurnLogFailed)
    assert "session 'never started' is not in the turn log" in str(outcomes[2])
    assert stored(path) == [("one", 1, 3), ("one", 2, 5)]


async def test_a_queue_that_is_full_refuses_at_once_and_keeps_what_it_has(path: Path) -> None:
    async with TurnLog.open(path, config=TurnLogConfig(capacity=2)) as log:
        await log.start_session("one")
        with locked(path):
            held = [asyncio.create_task(log.save(turn("one", n))) for n in (1, 2)]
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(TurnLogFailed, match=r"storage degraded: 2 turn\(s\) wait"):
                await log.save(turn("one", 3))
            again = asyncio.create_task(log.save(turn("one", 2)))
            await anyio.wait_all_tasks_blocked()
            assert not again.done()
        assert [(await each).seq for each in (*held, again)] == [1, 2, 2]


async def test_nothing_can_be_saved_after_closing(path: Path) -> None:
    async with TurnLog.open(path) as log:
        await log.start_session("one")
    with pytest.raises(TurnLogFailed, match="takes no more turns"):
        await log.save(turn("one", 1))


def test_the_file_is_found_by_the_rules_of_the_desktop(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    assert default_path(home) == tmp_path / ".local/share/attune/attune.db"
    assert default_path({**home, "XDG_DATA_HOME": "/data"}) == Path("/data/attune/attune.db")
    assert default_path({**home, "XDG_DATA_HOME": "relative"}) == tmp_path / ".local/share/attune/attune.db"
    assert default_path({**home, "ATTUNE_DATABASE": "here.db", "XDG_DATA_HOME": "/data"}) == Path("here.db")


@pytest.mark.parametrize("wrong", [{"busy_timeout_s": -1.0}, {"capacity": 0}, {"checkpoint_pages": -1}])
def test_settings_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigInvalid, match=next(iter(wrong))):
        TurnLogConfig(**wrong)


async def test_an_estimate_that_is_not_finite_is_refused_with_its_turn(path: Path) -> None:
    async with TurnLog.open(path) as log:
        await log.start_session("one")
        spoilt = turn("one", 1)
        object.__setattr__(spoilt.estimate, "confidence", float("inf"))
        with pytest.raises(TurnLogFailed, match="turn 1 cannot be stored"):
            await log.save(spoilt)
