"""Corrections in the turn log: kept, shown, exported, deleted; older files go on working."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import pytest
from typer.testing import CliRunner

from agent import history
from agent.backends.emotion.scripted import scripted_estimate
from agent.cli.history import app
from agent.correction import EmotionCorrection, corrected
from agent.errors import TurnLogFailed
from agent.events import Turn
from agent.turnlog import TurnLog

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

READ = replace(scripted_estimate("angry"), utterance=1, revision=2)
SAID = EmotionCorrection(utterance=1, denied=("angry",), label="sad", text="zebra-canary i'm sad", is_spoken=True)
NOW = corrected(READ, SAID)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "attune.db"


def turn(utterance: int = 1) -> Turn:
    return Turn(
        session="one",
        seq=None,
        utterance=utterance,
        start_s=0.0,
        end_s=1.0,
        text="hm",
        nbest=(),
        estimate=replace(READ, utterance=utterance),
        prosody_words=(),
        reply="I see",
        interrupted=False,
    )


async def fill(path: Path) -> None:
    async with TurnLog.open(path, clock=lambda: datetime(2026, 5, 1, tzinfo=UTC)) as log:
        await log.start_session("one")
        await log.save(turn())
        await log.save(turn(2))
        await log.correct("one", SAID, NOW)


async def test_a_correction_reads_back_beside_its_turn_which_stays_as_it_was(path: Path):
    await fill(path)
    with history.reading(path) as past:
        first, second = past.turns("one")
        (kept,) = past.corrections("one")
    assert (kept.correction, kept.estimate, kept.session) == (SAID, NOW, "one")
    assert (first.corrections, second.corrections) == ((kept,), ())
    assert first.turn.estimate == READ


async def test_it_may_come_before_its_turn_and_saying_it_twice_keeps_it_once(path: Path):
    async with TurnLog.open(path) as log:
        await log.start_session("one")
        await log.correct("one", SAID, NOW)
        await log.correct("one", SAID, NOW)
        await log.correct("one", SAID, replace(NOW, revision=NOW.revision + 1))
        await log.save(turn())
    with history.reading(path) as past:
        (logged,) = past.turns("one")
    assert [each.estimate.revision for each in logged.corrections] == [NOW.revision, NOW.revision + 1]


async def test_both_exports_and_the_list_tell_of_it(path: Path):
    await fill(path)
    with history.reading(path) as past:
        first, second = (json.loads(line) for line in history.jsonl(past.turns("one")))
        rows = list(csv.DictReader(io.StringIO("".join(history.csv_lines(past.turns("one"))))))
    assert first["corrections"][0]["label"] == "sad"
    assert first["corrections"][0]["estimate"]["is_corrected"] is True
    assert "corrections" not in second
    assert [(row["emotion"], row["corrected"]) for row in rows] == [("angry", "sad"), ("angry", "")]
    shown = CliRunner().invoke(app, ["show", "one", "--database", str(path)]).output
    assert shown.count("corrected by you: sad") == 1


def test_deleting_a_session_leaves_no_trace_of_it(path: Path):
    anyio.run(fill, path)
    assert b"zebra-canary" in path.read_bytes()
    assert history.delete_session(path, "one") == 2
    assert not any(b"zebra-canary" in each.read_bytes() for each in path.parent.iterdir())


async def test_a_file_of_the_older_schema_is_read_as_it_is_and_migrated_when_written(path: Path):
    await fill(path)
    with closing(sqlite3.connect(path)) as db:
        db.executescript("DROP TABLE corrections; PRAGMA user_version = 1;")
    with history.reading(path) as past:
        assert past.corrections("one") == []
        assert len(past.turns("one")) == 2
    async with TurnLog.open(path) as log:
        await log.correct("one", SAID, NOW)
    with history.reading(path) as past:
        assert len(past.turns("one")) == 2
        assert len(past.corrections("one")) == 1


async def test_what_makes_no_sense_is_refused(path: Path):
    async with TurnLog.open(path) as log:
        with pytest.raises(TurnLogFailed, match="not in the turn log"):
            await log.correct("nobody", SAID, NOW)
        await log.start_session("one")
        with pytest.raises(TurnLogFailed, match="utterance 2"):
            await log.correct("one", SAID, replace(NOW, utterance=2))
        with pytest.raises(TurnLogFailed, match="cannot be stored"):
            await log.correct("one", SAID, replace(NOW, confidence=float("nan")))


async def test_a_changed_letter_in_a_correction_is_noticed(path: Path):
    await fill(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE corrections SET label = 'happy'")
        db.commit()
    with history.reading(path) as past, pytest.raises(TurnLogFailed, match="damaged"):
        past.turns("one")
