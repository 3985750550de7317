"""Profiles at the command line: which one talks, what is said of it, what happens when it cannot be had."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

import agent.backends.choose
import agent.cli.doctor
import agent.cli.engines
from agent.backends.llm.scripted import ScriptedModel
from agent.cli.servers import trouble_with
from agent.models import user_store
from agent.profiles import models_of, read_profiles, shipped_profiles
from agent.profiles.engines import Engine
from streaming.backends.choose import Transcribers
from streaming.backends.scripted import ScriptedTranscriber
from streaming.backends.scripted_activity import ScriptedActivity
from streaming.errors import ModelUnusable, OutOfMemory
from streaming.hardware import Hardware
from streaming.listener import Listener, ListenerSettings, Stages
from streaming.prosody import ProsodyTracker
from streaming.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.openai_server import OpenAiServer

    Attune = Callable[..., CompletedProcess[str]]

LAPTOP = Hardware(cores=8, memory_bytes=16 * 10**9)
FILE = ("talk", "--no-history", "--no-speech", "--audio")


def assert_told(ran: CompletedProcess[str], *, code: int, words: str) -> None:
    assert (ran.returncode, ran.stdout) == (code, "")
    assert ran.stderr.startswith("attune: ")
    assert ran.stderr.count("\n") == 1
    assert words in ran.stderr


@pytest.fixture
def settings(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the user's config.toml."""

    def write(text: str) -> Path:
        path = tmp_path / "xdg_config_home" / "attune" / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    return write


@pytest.fixture
def pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the profile cpu is here, its engines by script, on a laptop."""
    store = user_store()
    for model in models_of(shipped_profiles()["cpu"]):
        store.path(model.name).mkdir(parents=True)
        told = {"repository": model.repository, "commit": "0", "licence": "mit", "n_bytes": 1}
        (store.path(model.name) / ".attune.json").write_text(json.dumps(told))

    def none_missing(_: Engine) -> list[str]:
        return []

    def hearing(*_: object) -> Transcribers:
        return Transcribers(lambda: ScriptedTranscriber(["i hear better now"]))

    def thinking(*_: object) -> ScriptedModel:
        return ScriptedModel(["I think more now."])

    monkeypatch.setattr(Engine, "missing_packages", none_missing)
    monkeypatch.setattr(agent.backends.choose, "_transcribers", hearing)
    monkeypatch.setattr(agent.backends.choose, "_language_model", thinking)
    for module in (agent.cli.engines, agent.cli.doctor):
        monkeypatch.setattr(module, "detect", lambda: LAPTOP)


@pytest.fixture
def real_listener(recording: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The scripted line of `recording`, but with the transcriber that the profile opens."""

    def listener(
        settings: ListenerSettings | None = None, *, transcriber: Callable[[], ScriptedTranscriber] | None = None
    ) -> Listener:
        heard = ScriptedTranscriber(["i hear as ever"]) if transcriber is None else transcriber()
        activity = Segmenter(ScriptedActivity([(0.5, 1.5)]))
        return Listener(Stages(segmenter=activity, transcriber=heard, prosody=ProsodyTracker()), settings)

    monkeypatch.setattr("agent.assembly.embedded_listener", listener)
    return recording


# Which one


def test_the_first_screen_says_in_one_line_how_to_get_a_better_one(attune: Attune, recording: Path):
    ran = attune(*FILE, recording)
    lines = [line for line in ran.stdout.splitlines() if "attune setup" in line]
    assert lines == ["profile embedded, nothing downloaded; for a better one: attune setup"]
    assert "attune setup" not in attune(*FILE, recording, "--json").stdout


def test_start_says_it_too(attune: Attune, monkeypatch: pytest.MonkeyPatch):
    opened: list[bool] = []

    def run(work: Callable[[], object]) -> None:
        opened.append(callable(work))

    monkeypatch.setattr("agent.cli.serve._run", run)
    assert attune("start").stdout.count("attune setup") == 1
    assert opened == [True]


@pytest.mark.usefixtures("pulled")
def test_the_best_that_is_here_talks_without_being_asked_for(attune: Attune, real_listener: Path):
    ran = attune(*FILE, real_listener)
    assert ran.returncode == 0, ran.stderr
    assert "profile cpu (whisper whisper-base, llama-cpp qwen2.5-1.5b-gguf)" in ran.stdout
    assert "you     i hear better now" in ran.stdout
    assert "attune  I think more now." in ran.stdout


@pytest.mark.usefixtures("pulled")
def test_the_profile_of_the_settings_wins_over_the_best_and_the_option_over_both(
    attune: Attune, settings: Callable[[str], Path], real_listener: Path
):
    settings('profile = "embedded"\n')
    assert "profile embedded" in attune(*FILE, real_listener).stdout
    ran = attune(*FILE, real_listener, "--profile", "server", "--voice", "none")
    assert "profile server (openai whisper-1, openai Qwen/Qwen2.5-7B-Instruct)" in " ".join(ran.stdout.split())


@pytest.mark.usefixtures("pulled")
def test_a_profile_of_ones_own_talks(attune: Attune, settings: Callable[[str], Path], real_listener: Path):
    settings('profile = "mine"\n[profiles.mine]\nextends = "cpu"\nreply = "reflective"\nlanguage_model = "none"\n')
    ran = attune(*FILE, real_listener)
    assert "profile mine" in ran.stdout
    assert "i hear better now" in ran.stdout
    assert "I think more now." not in ran.stdout


@pytest.mark.usefixtures("pulled")
def test_transcribe_uses_the_profile_and_loads_nothing_else(
    attune: Attune, real_listener: Path, monkeypatch: pytest.MonkeyPatch
):
    def unwanted(*_: object) -> ScriptedModel:
        raise AssertionError("nobody answers here")

    monkeypatch.setattr(agent.backends.choose, "_language_model", unwanted)
    ran = attune("transcribe", real_listener, "--profile", "cpu")
    assert (ran.returncode, ran.stdout) == (0, "i hear better now\n")


@pytest.mark.usefixtures("pulled")
def test_what_a_model_keeps_of_a_conversation_goes_with_it(
    attune: Attune, real_listener: Path, monkeypatch: pytest.MonkeyPatch
):
    told: list[str] = []

    class Model(ScriptedModel):
        def forget(self, conversation: str) -> None:
            told.append(conversation)

        def close(self) -> None:
            told.append("closed")

    def thinking(*_: object) -> ScriptedModel:
        return Model(["I think more now."])

    monkeypatch.setattr(agent.backends.choose, "_language_model", thinking)
    assert attune(*FILE, real_listener).returncode == 0
    session, *others = told
    assert session.startswith("file-")
    assert others == [f"{session}/emotion", f"{session}/translation", "closed"]


# What cannot be had


@pytest.mark.parametrize("command", [(*FILE, "x"), ("demo",), ("start",), ("transcribe", "x")], ids=lambda c: c[0])
def test_an_unknown_profile_is_told_with_those_there_are(attune: Attune, recording: Path, command: tuple[str, ...]):
    words = [recording if word == "x" else word for word in command]
    ran = attune(*words, "--profile", "tpu")
    assert ran.returncode == 2
    assert "profile is 'tpu', expected one of embedded, cpu, gpu, server" in ran.stderr


@pytest.mark.parametrize("text", ['profile = "tpu"', "[profiles.a]\nears = 2", "profiles = 3", "profile = 3"])
def test_settings_that_make_no_sense_are_one_line(
    attune: Attune, settings: Callable[[str], Path], recording: Path, text: str
):
    path = settings(text)
    ran = attune(*FILE, recording)
    assert_told(ran, code=2, words="expected")
    assert str(path) in ran.stderr or "tpu" in ran.stderr


def test_a_profile_whose_models_are_not_here_is_one_line_with_the_command(attune: Attune, recording: Path):
    ran = attune(*FILE, recording, "--profile", "cpu")
    assert_told(ran, code=4, words="attune models pull whisper-base qwen2.5-1.5b-gguf")
    assert "or go on without: --fallback" in ran.stderr
    assert "piper" not in ran.stderr  # nobody speaks here


def test_with_a_fallback_the_embedded_engines_take_over_port_by_port(attune: Attune, recording: Path):
    ran = attune(*FILE, recording, "--profile", "cpu", "--fallback", "--json")
    assert ran.returncode == 0
    assert [line.split()[:2] for line in ran.stderr.splitlines()] == [
        ["attune:", "transcriber"],
        ["attune:", "language_model"],
    ]
    assert ran.stdout.count('"reply.done"') == 2


def test_without_a_card_the_profile_for_one_is_told(attune: Attune, recording: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(agent.cli.engines, "detect", lambda: LAPTOP)
    assert_told(attune(*FILE, recording, "--profile", "gpu"), code=4, words="there is no CUDA card")


@pytest.mark.parametrize(("emotion", "is_needed"), [("both", True), ("voice", True), ("text", False), ("off", False)])
def test_what_the_settings_leave_nothing_to_do_for_is_not_asked_for(
    attune: Attune, settings: Callable[[str], Path], recording: Path, emotion: str, is_needed: bool
):
    settings('[profiles.mine]\ndimensions = { engine = "wav2vec2", model = "/no/such/model" }')
    ran = attune(*FILE, recording, "--profile", "mine", "--emotion", emotion)
    assert ran.returncode == (4 if is_needed else 0)


def test_a_path_that_does_not_exist_is_one_line(attune: Attune, settings: Callable[[str], Path], recording: Path):
    settings('[profiles.mine]\ntranscriber = { engine = "whisper", model = "/no/such/model" }')
    ran = attune(*FILE, recording, "--profile", "mine")
    assert_told(ran, code=4, words="/no/such/model does not exist: correct the model of transcriber")


@pytest.mark.usefixtures("pulled")
@pytest.mark.parametrize(
    "trouble", [ModelUnusable("model.bin is truncated: pull it again"), OutOfMemory("2 GB are not enough")]
)
def test_an_engine_that_does_not_load_is_one_line(
    attune: Attune, real_listener: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception
):
    def broken(*_: object) -> None:
        raise trouble

    monkeypatch.setattr(agent.backends.choose, "_language_model", broken)
    assert_told(attune(*FILE, real_listener), code=4, words=str(trouble))
    ran = attune(*FILE, real_listener, "--fallback")
    assert ran.returncode == 0
    assert f"the embedded one takes over: {trouble}" in ran.stderr


def test_a_server_that_is_down_is_told_when_it_is_needed_and_the_session_lives(
    attune: Attune, settings: Callable[[str], Path], recording: Path
):
    settings(
        '[profiles.mine]\nextends = "server"\ntranscriber = "pocketsphinx"\n'
        'language_model = { url = "http://127.0.0.1:1/v1" }'
    )
    ran = attune(*FILE, recording, "--profile", "mine", "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    troubles = [event for event in events if event["type"] == "engine.trouble"]
    assert len(troubles) == 2
    assert all("127.0.0.1:1" in event["message"] for event in troubles)
    assert len([event for event in events if event["type"] == "emotion.final"]) == 2


def test_a_key_that_is_not_set_is_one_line(
    attune: Attune, settings: Callable[[str], Path], recording: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("MY_KEY", raising=False)
    settings('[profiles.mine]\nextends = "server"\nlanguage_model = { key_env = "MY_KEY" }')
    assert_told(attune(*FILE, recording, "--profile", "mine"), code=4, words="MY_KEY is not set")


# Doctor


def said_by(ran: CompletedProcess[str]) -> str:
    assert (ran.returncode, ran.stderr) == (0, "")
    return " ".join(ran.stdout.split())


@pytest.mark.usefixtures("pulled")
def test_doctor_says_of_each_profile_whether_it_is_usable_and_which_is_taken(
    attune: Attune, settings: Callable[[str], Path]
):
    settings('[profiles.far]\nextends = "server"\ntranscriber = { url = "http://127.0.0.1:1/v1" }')
    said = said_by(attune("doctor"))
    assert "8 cores, 15 GiB memory, no CUDA card" in said
    assert "ok profile embedded usable" in said
    assert "ok profile cpu usable" in said
    assert "-- profile gpu" in said
    assert "there is no CUDA card" in said
    assert "-- profile far http://127.0.0.1:1/v1 does not answer" in said
    assert "would be used cpu, because none is named, all of it is here" in said


def test_doctor_says_why_the_embedded_one_is_taken(attune: Attune, settings: Callable[[str], Path]):
    said = said_by(attune("doctor"))
    assert "attune models pull whisper-base" in said
    assert "would be used embedded, because none is named, and no stronger one is here as a whole" in said
    settings('profile = "embedded"')
    assert "would be used embedded, because it is named" in said_by(attune("doctor"))


def test_doctor_knocks_at_the_servers(
    attune: Attune, settings: Callable[[str], Path], openai_server: OpenAiServer, monkeypatch: pytest.MonkeyPatch
):
    settings(
        '[profiles.mine]\nextends = "server"\ntranscriber = "pocketsphinx"\n'
        f'language_model = {{ url = "{openai_server.url}", model = "llama", key_env = "MY_KEY" }}'
    )
    monkeypatch.setenv("MY_KEY", "secret")
    assert f"-- profile mine {openai_server.url} does not have llama: it offers toy, other" in said_by(attune("doctor"))
    assert openai_server.asked("/v1/models")[0].headers["authorization"] == "Bearer secret"
    openai_server.manners.model = "llama:8b"
    assert "ok profile mine usable" in said_by(attune("doctor"))


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, b"{}", "wants another key"),
        (200, b"<html>", ""),
        (200, b'{"data": 3}', ""),
        (200, b"[]", ""),
        (200, b'{"data": [{"id": "other"}]}', "it offers other"),
        (404, b"", ""),
    ],
)
def test_what_a_server_answers_is_taken_as_far_as_it_makes_sense(
    monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, told: str
):
    monkeypatch.setenv("MY_KEY", "secret")

    def get(url: str, **_: object) -> httpx.Response:
        assert url == "http://far/v1/models"
        return httpx.Response(status, content=body)

    monkeypatch.setattr(httpx, "get", get)
    model = {"engine": "openai", "url": "http://far/v1/", "model": "llama", "key_env": "MY_KEY"}
    profile = read_profiles({"mine": {"language_model": model}})["mine"]
    found = trouble_with(profile)
    assert len(found) == bool(told)
    assert told in "".join(found)
