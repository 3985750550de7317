"""The `attune` command: help, settings, history, microphones; the recogniser and the voice activity are by script."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import agent.cli.talk
from agent.config import CHOICES, Config
from streaming.audio import SAMPLE_RATE, silence
from streaming.errors import DeviceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from streaming.events import Samples

    Attune = Callable[..., CompletedProcess[str]]
    Write = Callable[[Path, Samples], Path]


def assert_told(ran: CompletedProcess[str], *, code: int, words: str) -> None:
    """One line on stderr that says `words`, the exit code, and nothing on stdout."""
    assert (ran.returncode, ran.stdout) == (code, "")
    assert ran.stderr.startswith("attune: ")
    assert ran.stderr.count("\n") == 1
    assert words in ran.stderr


# Help


COMMANDS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("talk",): (
        "--audio",
        "--json",
        "--chunk-ms",
        "--paced",
        "--no-speech",
        "--no-history",
        "--profile",
        "--fallback",
        "Ctrl-C",
    ),
    ("start",): ("page", "browser", "--profile", "--fallback", "attune setup"),
    ("serve",): ("--host", "--port", "--workers", "--tls-cert", "ATTUNE_TOKENS", "OpenAI", "Ctrl-C"),
    ("client",): ("--url", "--token-env", "--save", "--json"),
    ("demo",): ("--no-paced", "--profile"),
    ("setup",): ("--profile", "--yes", "licences", "config.toml"),
    ("models",): ("list", "pull", "path", "remove", "attune setup"),
    ("models", "list"): ("here", "approximate"),
    ("models", "pull"): ("NAME", "--yes", "checksum", "Ctrl-C", "HF_TOKEN"),
    ("models", "path"): ("NAME",),
    ("models", "remove"): ("NAME", "--yes"),
    ("segment",): ("--json", "--utterances", "FILE"),
    ("transcribe",): ("--json", "10-best", "FILE"),
    ("emotion",): ("--jsonl", "--out", "exit code", "distribution"),
    ("doctor",): ("missing",),
    ("history",): ("list", "show", "export", "delete", "prune"),
    ("history", "list"): ("--database", "ATTUNE_DATABASE"),
    ("history", "show"): ("SESSION",),
    ("history", "export"): ("--format", "csv"),
    ("history", "delete"): ("--all",),
    ("history", "prune"): ("--older-than", "DAYS"),
}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_a_command_says_what_it_does_and_takes(attune: Attune, command: tuple[str, ...]):
    for flag in ("--help", "-h"):
        ran = attune(*command, flag)
        assert (ran.returncode, ran.stderr) == (0, "")
        for word in COMMANDS[command]:
            assert word in ran.stdout


def test_help_lists_every_command(attune: Attune):
    said = attune("--help").stdout
    assert all(command[0] in said for command in COMMANDS)


def test_the_settings_of_talk_are_those_of_the_config(attune: Attune):
    said = " ".join(attune("talk", "--help").stdout.replace("│", " ").split())
    for name in set(Config.__dataclass_fields__) - {"profiles"}:  # these are tables of the file
        assert f"--{name}" in said
    for choices in CHOICES.values():
        assert all(choice in said for choice in choices)


@pytest.mark.parametrize(
    "args",
    [("nope",), ("talk", "--nope"), ("talk", "--chunk-ms", "-1"), ("history", "prune"), ("emotion",), ("segment",)],
)
def test_a_wrong_usage_is_told_with_code_2(attune: Attune, args: tuple[str, ...]):
    ran = attune(*args)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "Error" in ran.stderr


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (("--emotion", "loud"), "off, text, voice, both"),
        (("--voice", "x"), "auto, flite, espeak, none"),
        (("--duplex", "none"), "half, full"),
        (("--locale", "here"), "such as en-US"),
    ],
)
def test_a_setting_that_makes_no_sense_is_told(attune: Attune, recording: Path, option: tuple[str, str], told: str):
    assert_told(attune("talk", "--audio", recording, *option), code=2, words=told)


# The turn log


@pytest.fixture
def kept(attune: Attune, recording: Path, tmp_path: Path) -> tuple[Path, str]:
    """A turn log with one session of two turns, and its id."""
    database = tmp_path / "kept.db"
    ran = attune("talk", "--audio", recording, "--json", "--no-speech", "--database", database)
    return database, next(r["session"] for r in map(json.loads, ran.stdout.splitlines()) if r["type"] == "turn.saved")


def test_history_lists_shows_and_exports_what_was_said(attune: Attune, kept: tuple[Path, str]):
    database, session = kept
    where = ("--database", database)
    listed = attune("history", "list", *where).stdout
    assert session in listed
    assert "i am so sad" in listed
    shown = attune("history", "show", session, *where).stdout
    assert all(words in shown for words in ("you     i am so happy", "happy", "attune", "i am so sad"))
    rows = [json.loads(line) for line in attune("history", "export", session, *where).stdout.splitlines()]
    assert [row["text"] for row in rows] == ["i am so happy", "i am so sad"]
    header, *lines = attune("history", "export", "--format", "csv", *where).stdout.splitlines()
    assert header.startswith("session,seq,")
    assert len(lines) == 2


def test_history_deletes_one_or_all_or_what_is_old(attune: Attune, kept: tuple[Path, str]):
    database, session = kept
    where = ("--database", database)
    assert attune("history", "prune", "--older-than", "30", *where).stdout == "deleted 0 sessions\n"
    assert attune("history", "delete", session, *where).stdout == "deleted 2 turns\n"
    assert attune("history", "list", *where).stdout == "no sessions yet\n"
    assert_told(attune("history", "delete", session, *where), code=4, words="there is no session")
    assert attune("history", "delete", "--all", *where).stdout == "deleted 0 turns\n"
    assert_told(attune("history", "delete", *where), code=2, words="either a session or --all")
    assert b"i am so happy" not in database.read_bytes()


def test_history_of_nobody_is_told(attune: Attune, tmp_path: Path):
    ran = attune("history", "list", "--database", tmp_path / "none.db")
    assert_told(ran, code=4, words="none.db")


# Looking at the machine


def test_doctor_says_what_there_is(attune: Attune):
    ran = attune("doctor")
    assert (ran.returncode, ran.stderr) == (0, "")
    for word in ("microphone", "transcriber", "pocketsphinx", "emotion", "voice", "turn log", "voice activity"):
        assert word in ran.stdout


def test_doctor_survives_a_broken_config_and_a_broken_turn_log(
    attune: Attune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "c.toml").write_text('duplex = "no"')
    monkeypatch.setenv("ATTUNE_CONFIG", str(tmp_path / "c.toml"))
    ran = attune("doctor")
    assert ran.returncode == 0
    assert "half, full" in ran.stdout


@pytest.mark.parametrize("args", [("talk", "--no-history"), ("demo",), ("history", "list")], ids=" ".join)
def test_a_config_file_that_makes_no_sense_is_one_line(
    attune: Attune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
):
    (tmp_path / "c.toml").write_text("volume = 11")
    monkeypatch.setenv("ATTUNE_CONFIG", str(tmp_path / "c.toml"))
    assert_told(attune(*args), code=2, words="c.toml sets volume, expected only database, duplex, emotion")


# Without a microphone


def no_microphone(*_: object, **__: object) -> object:
    raise DeviceUnavailable("no microphone can be used: PortAudio is not installed (Debian: apt install libportaudio2)")


def test_without_a_microphone_talk_says_so_and_what_to_do(attune: Attune, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(agent.cli.talk, "microphone", no_microphone)
    ran = attune("talk", "--no-history")
    assert_told(ran, code=4, words="apt install")


def test_the_demo_keeps_nothing_and_need_not_take_its_time(attune: Attune, recording: Path, instant_pace: list[float]):
    ran = attune("demo", "--no-paced")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "i am so happy" in ran.stdout
    assert not instant_pace
    assert_told(attune("history", "list"), code=4, words="attune.db")


# As processes of their own


def test_the_module_is_the_command():
    command = [sys.executable, "-m", "agent", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "talk" in done.stdout


def test_ctrl_c_ends_a_conversation_quietly(tmp_path: Path, write_wav: Write):
    sound = write_wav(tmp_path / "long.wav", silence(60 * SAMPLE_RATE))
    command = [
        sys.executable,
        "-m",
        "agent",
        "talk",
        "--audio",
        str(sound),
        "--paced",
        "--database",
        str(tmp_path / "x.db"),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    ) as talking:
        assert talking.stdout is not None
        assert talking.stdout.readline().startswith(b"Attune is a program.")
        talking.send_signal(signal.SIGINT)
        _, err = talking.communicate(timeout=60)
    assert (talking.returncode, err) == (130, b"")
