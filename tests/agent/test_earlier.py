"""Earlier sessions come to mind only where the speaker agreed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.assembly import Talk, _before
from agent.config import Config
from agent.earlier import earlier_turns
from agent.errors import ConfigInvalid, TurnLogFailed
from agent.events import Turn
from agent.turnlog import TurnLog

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def turn(session: str, utterance: int, *, is_crisis: bool = False) -> Turn:
    return Turn(
        session=session,
        seq=None,
        utterance=utterance,
        start_s=1.0,
        end_s=2.0,
        text=f"{session} {utterance}",
        nbest=(),
        estimate=None,
        prosody_words=(),
        reply="I see.",
        interrupted=False,
        is_crisis=is_crisis,
    )


async def fill(path: Path) -> None:
    async with TurnLog.open(path) as log:
        for session, consent in (("one", True), ("two", False), ("three", True)):
            await log.start_session(session, consent=consent)
            for utterance in (1, 2, 3):
                await log.save(turn(session, utterance, is_crisis=utterance == 2))


async def test_turns_of_those_who_agreed_come_oldest_first_without_danger(tmp_path: Path):
    path = tmp_path / "attune.db"
    await fill(path)
    assert [found.text for found in earlier_turns(path)] == ["one 1", "one 3", "three 1", "three 3"]


async def test_the_last_ones_are_kept_and_the_own_session_is_left_out(tmp_path: Path):
    path = tmp_path / "attune.db"
    await fill(path)
    assert [found.text for found in earlier_turns(path, most=3)] == ["one 3", "three 1", "three 3"]
    assert [found.text for found in earlier_turns(path, other_than="three")] == ["one 1", "one 3"]
    assert earlier_turns(path, most=0) == ()


async def test_without_a_log_there_are_none_and_a_broken_one_is_told(tmp_path: Path):
    assert earlier_turns(tmp_path / "none.db") == ()
    (tmp_path / "bad.db").write_bytes(b"no database " * 100)
    with pytest.raises(TurnLogFailed):
        earlier_turns(tmp_path / "bad.db")


@pytest.mark.parametrize(
    ("memory", "is_live", "keeps", "found"),
    [
        ("log", True, True, ["one 1", "one 3", "three 1", "three 3"]),
        ("session", True, True, []),
        ("log", False, True, []),
        ("log", True, False, []),
    ],
)
async def test_earlier_sessions_are_read_only_at_the_microphone_and_when_asked_for(
    memory: str, is_live: bool, keeps: bool, found: list[str], tmp_path: Path
):
    path = tmp_path / "attune.db"
    await fill(path)
    config = Config(memory=memory, database=path)
    before = await _before("new", config, Talk(is_live=is_live, keeps=keeps))
    assert [turn.text for turn in before] == found


def test_a_memory_that_is_none_of_the_choices_is_refused():
    with pytest.raises(ConfigInvalid, match="memory is 'all', expected one of session, log"):
        Config(memory="all")
