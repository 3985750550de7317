"""`attune talk` from files, good and bad, and with a turn log that cannot be used; the engines are by script."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

import agent.assembly
from agent.turnlog.config import TurnLogConfig
from streaming.audio import SAMPLE_RATE, silence
from streaming.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from streaming.events import Samples
    from streaming.listener import Listener

    Attune = Callable[..., CompletedProcess[str]]
    Write = Callable[[Path, Samples], Path]

SHORT_WAIT = TurnLogConfig(busy_timeout_s=0.0)


def records(ran: CompletedProcess[str]) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    return [record for record in found if record["type"] != "metrics"]


def assert_told(ran: CompletedProcess[str], *, code: int, words: str) -> None:
    """One line on stderr that says `words`, the exit code, and nothing on stdout."""
    assert (ran.returncode, ran.stdout) == (code, "")
    assert ran.stderr.startswith("attune: ")
    assert ran.stderr.count("\n") == 1
    assert words in ran.stderr


# Talking from files


def test_a_conversation_is_shown_as_people_read_it(attune: Attune, recording: Path):
    ran = attune("talk", "--audio", recording, "--no-speech", "--no-history")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("Attune is a program.")
    for words in ("you     i am so happy", "happy", "attune  ", "you     i am so sad", "endpoint "):
        assert words in ran.stdout


def test_paced_is_unpaced(attune: Attune, recording: Path, instant_pace: list[float]):
    args = ("talk", "--audio", recording, "--json", "--no-history", "--voice", "none")
    at_once = attune(*args)
    assert not instant_pace
    paced = attune(*args, "--paced")
    assert sum(instant_pace) == pytest.approx(12.0)
    assert records(paced) == records(at_once)
    assert [r["text"] for r in records(paced) if r["type"] == "transcript.final"] == ["i am so happy", "i am so sad"]


def test_without_history_nothing_is_kept(attune: Attune, recording: Path, tmp_path: Path):
    database = tmp_path / "x.db"
    ran = attune("talk", "--audio", recording, "--json", "--no-speech", "--no-history", "--database", database)
    assert "turn.saved" not in {r["type"] for r in records(ran)}
    assert not database.exists()


def test_several_files_are_one_conversation(attune: Attune, recording: Path, tmp_path: Path, write_wav: Write):
    other = write_wav(tmp_path / "other.wav", silence(SAMPLE_RATE))
    ran = attune(
        "talk", "--audio", other, "--audio", recording, "--json", "--no-speech", "--database", tmp_path / "x.db"
    )
    saved = [r for r in records(ran) if r["type"] == "turn.saved"]
    assert [(r["seq"], r["utterance"]) for r in saved] == [(1, 1), (2, 2)]
    assert len({r["session"] for r in saved}) == 1


def test_the_same_files_again_are_the_same_session_and_nothing_is_doubled(
    attune: Attune, recording: Path, tmp_path: Path
):
    args = ("talk", "--audio", recording, "--json", "--no-speech", "--database", tmp_path / "x.db")
    first, second = attune(*args), attune(*args)
    assert records(first) == records(second)
    export = attune("history", "export", "--database", tmp_path / "x.db").stdout
    assert [json.loads(line)["seq"] for line in export.splitlines()] == [1, 2]


@pytest.mark.parametrize(
    ("source", "words", "voice"), [("both", True, True), ("text", True, False), ("voice", False, True)]
)
def test_emotion_is_read_from_what_is_allowed(attune: Attune, recording: Path, source: str, words: bool, voice: bool):
    ran = attune("talk", "--audio", recording, "--json", "--no-speech", "--no-history", "--emotion", source)
    estimates = [r for r in records(ran) if r["type"] == "emotion.final"]
    assert len(estimates) == 2
    for estimate in estimates:
        assert words or estimate["words_only"] is None
        assert voice or estimate["voice_only"] is None
        assert words == (estimate["words_only"] is not None)


def test_with_emotion_off_there_is_none_and_the_answer_comes(attune: Attune, recording: Path):
    ran = attune("talk", "--audio", recording, "--json", "--no-speech", "--no-history", "--emotion", "off")
    kinds = [r["type"] for r in records(ran)]
    assert not [kind for kind in kinds if kind.startswith("emotion")]
    assert kinds.count("reply.done") == 2


def test_an_engine_that_does_not_start_is_one_line(attune: Attune, recording: Path, monkeypatch: pytest.MonkeyPatch):
    def broken() -> Listener:
        raise EngineFailed("the recogniser's worker did not start: install pocketsphinx again")

    monkeypatch.setattr(agent.assembly, "embedded_listener", broken)
    assert_told(attune("talk", "--audio", recording, "--json"), code=4, words="did not start")


# Files that are none


@pytest.fixture
def bad_file(tmp_path: Path, write_wav: Write) -> Callable[[str], Path]:
    return lambda kind: make_bad(tmp_path, kind, write_wav)


def make_bad(tmp_path: Path, kind: str, write_wav: Write) -> Path:
    path = tmp_path / f"{kind}.wav"
    match kind:
        case "empty":
            path.touch()
        case "directory":
            path.mkdir()
        case "text":
            path.write_text("this is no sound\n" * 100)
        case "header only":
            write_wav(path, silence(0))
        case _:
            assert kind == "missing"
    return path


@pytest.mark.parametrize("command", ["talk", "segment", "transcribe"])
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("missing", "does not exist"),
        ("empty", "is empty"),
        ("directory", "is a directory"),
        ("text", "not a sound file"),
    ],
)
def test_a_file_that_is_no_sound_is_one_line_with_code_3(
    attune: Attune, tmp_path: Path, bad_file: Callable[[str], Path], command: str, kind: str, told: str
):
    database = tmp_path / "x.db"
    path = bad_file(kind)
    args = ("talk", "--audio", path, "--database", database) if command == "talk" else (command, path)
    ran = attune(*args)
    assert_told(ran, code=3, words=told)
    assert str(path) in ran.stderr
    assert not database.exists()


def test_a_header_without_sound_is_told(attune: Attune, bad_file: Callable[[str], Path], recording: Path):
    ran = attune("talk", "--audio", bad_file("header only"), "--json", "--no-history")
    assert_told(ran, code=3, words="holds no sound")


def test_one_bad_file_among_good_ones_is_told_before_anything_begins(attune: Attune, tmp_path: Path, recording: Path):
    ran = attune("talk", "--audio", recording, "--audio", tmp_path / "nope.wav", "--database", tmp_path / "x.db")
    assert_told(ran, code=3, words="nope.wav does not exist")
    assert not (tmp_path / "x.db").exists()


def test_a_truncated_file_is_heard_as_far_as_it_goes_and_that_is_said(attune: Attune, tmp_path: Path, recording: Path):
    whole = recording.read_bytes()
    short = tmp_path / "short.wav"
    short.write_bytes(whole[: len(whole) // 2])
    ran = attune("talk", "--audio", short, "--json", "--no-speech", "--no-history")
    assert ran.returncode == 0
    assert ran.stderr.count("\n") == 1
    assert "is truncated: 6.0 s of 12.0 s" in ran.stderr
    assert [r["type"] for r in records(ran)].count("reply.done") == 1


# The turn log


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("directory", "is a folder"),
        ("corrupt", "left as it is"),
        ("below a file", "choose another place"),
        ("locked", "locked"),
    ],
)
def test_a_turn_log_that_cannot_be_used_is_one_line_that_says_what_to_do(
    attune: Attune, tmp_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch, kind: str, told: str
):
    database = tmp_path / "x.db"
    holder: sqlite3.Connection | None = None
    match kind:
        case "directory":
            database.mkdir()
        case "corrupt":
            database.write_bytes(b"no database" * 1000)
        case "below a file":
            database = recording / "x.db"
        case _:
            monkeypatch.setattr("agent.turnlog.log.TurnLogConfig", lambda: SHORT_WAIT)
            holder = sqlite3.connect(database)
            holder.execute("BEGIN EXCLUSIVE")
    ran = attune("talk", "--audio", recording, "--json", "--no-speech", "--database", database)
    if holder is not None:
        holder.close()
    assert_told(ran, code=4, words=told)
    assert str(database) in ran.stderr
    if kind == "corrupt":
        assert database.read_bytes() == b"no database" * 1000
