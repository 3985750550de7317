"""`attune talk --translate`: from a file to a translation by a server, with the line by script."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.openai_server import OpenAiServer

    Attune = Callable[..., CompletedProcess[str]]

PROFILE = """
[profiles.far]
extends = "embedded"
language_model = {{ engine = "openai", url = "{url}", model = "toy" }}
"""


@pytest.fixture
def far(tmp_path: Path, openai_server: OpenAiServer) -> OpenAiServer:
    """Settings with a profile whose language model is the test's server."""
    path = tmp_path / "xdg_config_home" / "attune" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(PROFILE.format(url=openai_server.url), "utf-8")
    openai_server.manners.reply = "Je suis si content."
    return openai_server


def events_of(ran: CompletedProcess[str], kind: str) -> list[dict[str, Any]]:
    return [event for line in ran.stdout.splitlines() if (event := json.loads(line))["type"] == kind]


def test_each_utterance_is_translated_with_its_arousal(attune: Attune, recording: Path, far: OpenAiServer):
    ran = attune("talk", "--audio", recording, "--json", "--no-speech", "--no-history", "--profile", "far",
                 "--translate", "fr")  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [done["text"] for done in events_of(ran, "reply.done")] == ["Je suis si content."] * 2
    bodies = [seen.json for seen in far.asked("/v1/chat/completions")]
    assert [body["messages"][0]["role"] for body in bodies] == ["system", "system"]
    estimates = events_of(ran, "emotion.final")
    for body, estimate, said in zip(bodies, estimates, ("i am so happy", "i am so sad"), strict=True):
        status = "with" if estimate["arousal"] > 0.5 else "without"
        assert body["messages"][1]["content"] == f"English {status} arousal: {said}\nFrench:"
    plain = attune("talk", "--audio", recording, "--json", "--no-speech", "--no-history", "--profile", "embedded")
    shapes = [{(e["type"], *e) for e in map(json.loads, run.stdout.splitlines())} for run in (ran, plain)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("how", "path", "begins"),
    [("base-valence5", "/v1/completions", "English: [valence "), ("instruct-2", "/v1/chat/completions", "Translate ")],
)
def test_the_way_to_ask_can_be_chosen(
    attune: Attune, recording: Path, far: OpenAiServer, how: str, path: str, begins: str
):
    ran = attune("talk", "--audio", recording, "--json", "--no-speech", "--no-history", "--profile", "far",
                 "--translate", "german", "--translate-as", how)  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    bodies = [seen.json for seen in far.asked(path)]
    assert len(bodies) == 2
    for body in bodies:
        text = body["prompt"] if "prompt" in body else body["messages"][0]["content"]
        assert text.startswith(begins)
        assert "German" in text


def test_what_is_said_in_the_target_language_is_passed_on_and_told_once(
    attune: Attune, recording: Path, far: OpenAiServer
):
    ran = attune("talk", "--audio", recording, "--json", "--no-speech", "--no-history", "--profile", "far",
                 "--translate", "en-GB")  # fmt: skip
    assert ran.returncode == 0
    assert ran.stderr == "attune: what is said in English is passed on as it is\n"
    assert [done["text"] for done in events_of(ran, "reply.done")] == ["i am so happy", "i am so sad"]
    assert not far.asked("/v1/chat/completions")


def test_a_translated_conversation_is_kept_as_a_session_of_its_own(
    attune: Attune, recording: Path, far: OpenAiServer, tmp_path: Path
):
    del far
    args = ("talk", "--audio", recording, "--json", "--no-speech", "--database", tmp_path / "turns.db")
    attune(*args, "--profile", "embedded")
    ran = attune(*args, "--profile", "far", "--translate", "fr")
    saved = events_of(ran, "turn.saved")
    assert [turn["seq"] for turn in saved] == [1, 2]
    assert saved[0]["session"].endswith("-to-fr")
    told = attune("history", "show", saved[0]["session"], "--database", tmp_path / "turns.db")
    assert told.stdout.count("Je suis si content.") == 2
    listed = attune("history", "list", "--database", tmp_path / "turns.db")
    assert listed.stdout.count("file-") == 2


def test_a_translation_is_spoken_where_a_voice_speaks_the_language(attune: Attune, recording: Path, far: OpenAiServer):
    del far
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not on PATH")
    ran = attune("talk", "--audio", recording, "--json", "--no-history", "--profile", "far", "--translate", "fr")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert all(metrics["sound_ms"] is not None for metrics in events_of(ran, "metrics"))


def test_where_none_does_it_is_written_and_told_once(attune: Attune, recording: Path, far: OpenAiServer):
    del far
    if shutil.which("flite") is None:
        pytest.skip("flite is not on PATH")
    ran = attune("talk", "--audio", recording, "--json", "--no-history", "--profile", "far", "--translate", "fr",
                 "--voice", "flite")  # fmt: skip
    assert ran.returncode == 0
    assert ran.stderr == ("attune: no voice here speaks French, translations are written only: install espeak-ng\n")
    assert all(metrics["sound_ms"] is None for metrics in events_of(ran, "metrics"))


def test_without_emotion_it_is_translated_plainly_and_told_once(attune: Attune, recording: Path, far: OpenAiServer):
    ran = attune("talk", "--audio", recording, "--json", "--no-speech", "--no-history", "--profile", "far",
                 "--translate", "fr", "--emotion", "off")  # fmt: skip
    assert ran.stderr == "attune: arousal is not known: translated without it\n"
    bodies = [seen.json for seen in far.asked("/v1/chat/completions")]
    assert [body["messages"][1]["content"] for body in bodies] == [
        "English: i am so happy\nFrench:",
        "English: i am so sad\nFrench:",
    ]


def test_a_server_that_fails_is_told_and_the_line_goes_on(attune: Attune, recording: Path, far: OpenAiServer):
    far.manners.model = "another"
    ran = attune("talk", "--audio", recording, "--json", "--no-speech", "--no-history", "--profile", "far",
                 "--translate", "fr")  # fmt: skip
    assert ran.returncode == 0
    assert {trouble["engine"] for trouble in events_of(ran, "engine.trouble")} == {"responder"}
    assert [done["text"] for done in events_of(ran, "reply.done")] == ["", ""]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("--profile", "embedded", "--translate", "fr"), 4, "translation needs a language model and profile embedded"),
        (("--translate", "klingon"), 2, "--translate is 'klingon', expected a language such as fr"),
        (("--translate-as", "base-4"), 2, "--translate-as is 'base-4' and no language is named"),
        (("--translate", "fr", "--translate-as", "poem"), 2, "--translate-as: there is no way to translate"),
        (("--translate", "fr", "--translate-as", "chat-2"), 2, "--translate-as: template 2 does not go with chat"),
    ],
)
def test_what_cannot_be_done_is_one_line(attune: Attune, recording: Path, args: tuple[str, ...], code: int, words: str):
    ran = attune("talk", "--audio", recording, "--json", "--no-history", *args)
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (code, "", 1)
    assert words in ran.stderr


def test_help_tells_of_it(attune: Attune):
    said = attune("talk", "--help").stdout
    assert "--translate" in said
    assert "base-arousal4" in said
