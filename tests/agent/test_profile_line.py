"""Whole conversations over profiles of true engines: tiny models with random weights, and a server on this machine.

What they say is noise; the way through loading, hearing, feeling, thinking and speaking is the true one.
"""

from __future__ import annotations

import json
import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest
import torch

from agent.backends.choose import Loading, load_engines
from agent.backends.emotion.measured import MeasuredRecognizer
from agent.backends.reply.language_model import LanguageModelResponder
from agent.models import user_store
from agent.profiles import read_profiles
from eval.tiny.audio_llm import tiny_audio_llm
from eval.tiny.emotion import tiny_audio_classifier, tiny_dimensions
from eval.tiny.llama import tiny_llama
from eval.tiny.piper import tiny_piper
from eval.tiny.whisper import tiny_whisper

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.openai_server import OpenAiServer

    Attune = Callable[..., CompletedProcess[str]]

PROFILES = """
[profiles.local]
transcriber = {{ engine = "whisper", model = "{folder}/whisper", device = "cpu" }}
dimensions = {{ engine = "wav2vec2", model = "{folder}/dimensions", device = "cpu" }}
language_model = {{ engine = "llama-cpp", model = "{folder}/llama", device = "cpu", context_length = 2048 }}
reply = "language-model"
voice = {{ engine = "piper", model = "{folder}/voice" }}

[profiles.far]
extends = "server"
transcriber = {{ url = "{url}" }}
language_model = {{ url = "{url}" }}
voice = {{ engine = "openai", url = "{url}", model = "tts-1" }}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model for each engine."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models")
    tiny_whisper(folder)
    tiny_llama(folder / "llama", context=2048)
    tiny_dimensions(folder / "dimensions")
    tiny_audio_classifier(folder / "classifier")
    tiny_audio_llm(folder / "audio")
    tiny_piper(folder / "voice")
    return folder


@pytest.fixture
def settings(tmp_path: Path, folder: Path) -> Callable[[str], None]:
    def write(url: str) -> None:
        path = tmp_path / "xdg_config_home" / "attune" / "config.toml"
        path.parent.mkdir(parents=True)
        path.write_text(PROFILES.format(folder=folder, url=url), "utf-8")

    return write


@pytest.fixture(scope="session")
def said(spoken: Callable[..., Path]) -> Path:
    return spoken("i got the job today and i am so happy")


def events_of(ran: CompletedProcess[str]) -> list[dict[str, Any]]:
    assert (ran.returncode, ran.stderr) == (0, "")
    return [json.loads(line) for line in ran.stdout.splitlines()]


def of_kind(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


@pytest.mark.usefixtures("llama_cpp")
def test_a_conversation_goes_through_local_engines(attune: Attune, settings: Callable[[str], None], said: Path):
    settings("http://127.0.0.1:1/v1")
    n_threads = threading.active_count()
    args = ("talk", "--audio", said, "--json", "--no-history", "--profile", "local")
    events = events_of(attune(*args))
    (final,) = of_kind(events, "transcript.final")
    assert {hypothesis["source"] for hypothesis in final["nbest"]} == {"whisper"}
    (estimate,) = of_kind(events, "emotion.final")
    assert 0 <= estimate["arousal"] <= 1
    (done,) = of_kind(events, "reply.done")
    assert done["text"].strip()
    (metrics,) = of_kind(events, "metrics")
    assert metrics["sound_ms"] is not None
    assert not of_kind(events, "engine.trouble")
    assert threading.active_count() <= n_threads
    again = events_of(attune(*args, "--chunk-ms", "137"))
    unmeasured = [[event for event in run if event["type"] != "metrics"] for run in (events, again)]
    assert unmeasured[0] == unmeasured[1]


def test_a_conversation_goes_through_servers(
    attune: Attune, settings: Callable[[str], None], said: Path, openai_server: OpenAiServer
):
    settings(openai_server.url)
    openai_server.manners.reply = "That is wonderful news."
    openai_server.manners.model = "Qwen/Qwen2.5-7B-Instruct"
    events = events_of(attune("talk", "--audio", said, "--json", "--no-history", "--profile", "far"))
    (final,) = of_kind(events, "transcript.final")
    assert final["text"]
    (done,) = of_kind(events, "reply.done")
    assert done["text"] == "That is wonderful news."
    for path in ("/v1/audio/transcriptions", "/v1/chat/completions", "/v1/audio/speech"):
        assert openai_server.asked(path)
    assert openai_server.wait_until(lambda: openai_server.n_open == 0)


@pytest.mark.usefixtures("llama_cpp")
def test_rows_are_estimated_by_the_language_model_of_a_profile(attune: Attune, settings: Callable[[str], None]):
    settings("http://127.0.0.1:1/v1")
    rows = b'{"id": 1, "text": "i am so happy"}\n{"id": 2, "text": "i miss him"}'
    args = ("emotion", "--jsonl", "-", "--profile", "local", "--condition", "r3-label", "--explain")
    ran = attune(*args, stdin=rows)
    assert ran.returncode == 0, ran.stderr
    first, second = map(json.loads, ran.stdout.splitlines())
    assert first["method"].startswith("r3:")
    assert sum(first["model_only"].values()) == pytest.approx(1, abs=1e-3)
    assert second["cached_share"] > first["cached_share"] == 0
    assert "tokens, 0% cached" in ran.stderr


def test_rows_are_estimated_by_a_server(attune: Attune, settings: Callable[[str], None], openai_server: OpenAiServer):
    settings(openai_server.url)
    openai_server.manners.reply = "Transcript: i am so happy\nReason: the word happy\nEmotion: happy"
    openai_server.manners.model = "Qwen/Qwen2.5-7B-Instruct"
    args = ("emotion", "i am so happy", "--profile", "far", "--condition", "r3")
    ran = attune(*args)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("happy 1.00\n")
    assert "understood as “i am so happy” · the word happy" in ran.stdout


@pytest.mark.parametrize(
    ("engine", "model"), [("transformers", "llama/hf"), ("audio", "audio")], ids=["transformers", "audio"]
)
def test_the_engines_of_torch_are_loaded_and_freed(folder: Path, engine: str, model: str):
    n_threads = threading.active_count()
    tables = {
        "transcriber": "pocketsphinx",
        "emotion": {"engine": "audio-classification", "model": str(folder / "classifier"), "device": "cpu"},
        "dimensions": {"engine": "wav2vec2", "model": str(folder / "dimensions"), "device": "cpu"},
        "language_model": {"engine": engine, "model": str(folder / model), "device": "cpu", "dtype": "float32"},
        "reply": "language-model",
    }
    loading = Loading(store=user_store(), note=pytest.fail)
    with load_engines(read_profiles({"mine": tables})["mine"], loading) as engines:
        assert engines.language_model is not None
        assert engines.language_model.capabilities.scoring == "exact"
        assert isinstance(engines.responder, LanguageModelResponder)
        assert isinstance(engines.recognizer, MeasuredRecognizer)
    assert threading.active_count() <= n_threads


TORN = ("whisper/model.bin", "llama/model.gguf", "voice/voice.onnx", "dimensions/config.json")


@pytest.fixture
def torn(request: pytest.FixtureRequest, tmp_path: Path, folder: Path) -> Path:
    """Settings whose models are copies, one of them cut off; gives that one."""
    mine = tmp_path / "mine"
    shutil.copytree(folder, mine)
    file = mine / request.param
    file.write_bytes(file.read_bytes()[:100])
    path = tmp_path / "xdg_config_home" / "attune" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(PROFILES.format(folder=mine, url="http://127.0.0.1:1/v1"), "utf-8")
    return file


@pytest.mark.usefixtures("llama_cpp")
@pytest.mark.parametrize("torn", TORN, indirect=True)
def test_a_torn_model_is_one_line(attune: Attune, said: Path, torn: Path):
    ran = attune("talk", "--audio", said, "--json", "--no-history", "--profile", "local")
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (4, "", 1)
    assert str(torn.parent) in ran.stderr


@pytest.mark.usefixtures("llama_cpp")
@pytest.mark.parametrize("torn", ["llama/model.gguf"], indirect=True)
def test_a_torn_model_and_a_fallback_still_talk(attune: Attune, said: Path, torn: Path):
    ran = attune("talk", "--audio", said, "--json", "--no-history", "--profile", "local", "--fallback")
    assert (ran.returncode, ran.stderr.count("\n")) == (0, 1)
    assert "language_model llama-cpp" in ran.stderr
    assert str(torn.parent) in ran.stderr
    (done,) = of_kind([json.loads(line) for line in ran.stdout.splitlines()], "reply.done")
    assert done["text"]
