"""Loading the engines of a profile: what is loaded, what stands in for what cannot be had, and that all is freed."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.backends import choose
from agent.backends.choose import Loading, load_engines, load_transcribers, model_path
from agent.backends.emotion.embedded import EmbeddedRecognizer
from agent.backends.emotion.fused import FusedRecognizer
from agent.backends.emotion.measured import MeasuredRecognizer
from agent.backends.emotion.r3 import R3Recognizer
from agent.backends.llm.overheard import OverheardModel
from agent.backends.llm.scripted import ScriptedModel
from agent.backends.reply.language_model import LanguageModelResponder
from agent.backends.reply.reflective import ReflectiveResponder
from agent.backends.tts.none import NoSpeech
from agent.errors import ConfigInvalid, SpeechFailed
from agent.given import conversation_of, given, utterance_of
from agent.models import ModelStore
from agent.ports import Foresighted
from agent.profiles import Choice, read_profiles, shipped_profiles
from agent.session import SessionSettings
from streaming.backends.choose import Transcribers
from streaming.backends.scripted import ScriptedTranscriber
from streaming.errors import EngineFailed, EngineMissing, ModelUnusable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.backends.llm.overheard import Overheard
    from agent.labels import Affect
    from agent.ports import LanguageModel
    from agent.profiles import Profile
    from streaming.backends.choose import TranscriberChoice
    from streaming.events import Samples

EMBEDDED, CPU = shipped_profiles()["embedded"], shipped_profiles()["cpu"]


class Reader:
    """Dimensions by script."""

    name = "by script"

    def __init__(self) -> None:
        self.is_closed = False

    async def read(self, samples: Samples) -> Affect:
        raise NotImplementedError(len(samples))

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def loading(tmp_path: Path) -> Loading:
    notes: list[str] = []
    return Loading(store=ModelStore(tmp_path / "models"), note=notes.append)


@pytest.fixture
def notes(loading: Loading) -> tuple[Loading, list[str]]:
    told: list[str] = []
    return replace(loading, note=told.append, falls_back=True), told


def put(store: ModelStore, name: str, *files: str) -> Path:
    for file in files:
        path = store.path(name) / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    told = {"repository": "people/it", "commit": "0", "licence": "mit", "n_bytes": 1}
    (store.path(name) / ".attune.json").write_text(json.dumps(told))
    return store.path(name)


def always(loaded: object) -> Callable[..., object]:
    def load(*_: object) -> object:
        return loaded

    return load


def cannot(trouble: Exception) -> Callable[..., None]:
    def load(*_: object) -> None:
        raise trouble

    return load


def test_the_embedded_profile_loads_nothing_that_others_have(loading: Loading):
    with load_engines(EMBEDDED, loading) as engines:
        assert engines.profile == "embedded"
        assert engines.transcribers is None
        assert engines.language_model is None
        assert engines.speech is None
        assert isinstance(engines.recognizer, EmbeddedRecognizer)
        assert isinstance(engines.responder, ReflectiveResponder)


def test_what_is_loaded_is_used_and_freed(loading: Loading, monkeypatch: pytest.MonkeyPatch):
    model, reader, closed = ScriptedModel(["hello"]), Reader(), list[str]()
    hearing = Transcribers(lambda: ScriptedTranscriber(["a"]), close=lambda: closed.append("transcriber"))
    monkeypatch.setattr(choose, "_transcribers", always(hearing))
    monkeypatch.setattr(choose, "_language_model", always(model))
    monkeypatch.setattr(choose, "_dimensions", always(reader))
    engines = load_engines(replace(CPU, voice=Choice(engine="none")), loading)
    assert engines.transcribers is hearing
    assert engines.language_model is model
    assert isinstance(engines.recognizer, FusedRecognizer)
    assert isinstance(engines.responder, LanguageModelResponder)
    assert isinstance(engines.speech, NoSpeech)
    engines.close()
    engines.close()
    assert closed == ["transcriber"]
    assert reader.is_closed


def test_what_goes_around_the_language_model_is_what_everybody_is_given(
    loading: Loading, monkeypatch: pytest.MonkeyPatch
):
    model = ScriptedModel(["hello"])
    others: list[LanguageModel] = []
    heard: list[Overheard] = []

    def around(inner: LanguageModel) -> LanguageModel:
        others.append(inner)
        return ScriptedModel(["around"])

    monkeypatch.setattr(choose, "_language_model", always(model))
    profile = asking("r3")
    with load_engines(profile, replace(loading, wrap=around)) as engines:
        assert others == [model]
        assert isinstance(engines.language_model, ScriptedModel)
        assert engines.language_model is not model
    with load_engines(profile, replace(loading, wrap=around, overhear=heard.append)):
        assert isinstance(others[1], OverheardModel)
    monkeypatch.setattr(choose, "_language_model", always(None))
    with load_engines(EMBEDDED, replace(loading, wrap=around)) as engines:
        assert engines.language_model is None


def asking(engine: str, **more: str) -> Profile:
    """The embedded profile with a language model that reads emotion."""
    model = {"engine": "openai", "url": "http://127.0.0.1:1/v1", "model": "m"}
    return read_profiles({"a": {"language_model": model, "emotion": {"engine": engine, **more}}})["a"]


@pytest.mark.parametrize("has_reader", [False, True])
@pytest.mark.parametrize(("engine", "kind"), [("r3", R3Recognizer), ("fused", FusedRecognizer)])
def test_a_language_model_reads_emotion_alone_or_among_others(
    loading: Loading, monkeypatch: pytest.MonkeyPatch, engine: str, kind: type, has_reader: bool
):
    reader = Reader() if has_reader else None
    monkeypatch.setattr(choose, "_dimensions", always(reader))
    with load_engines(asking(engine), loading) as engines:
        recognizer = engines.recognizer
        expected = MeasuredRecognizer if has_reader and engine == "r3" else kind
        assert isinstance(recognizer, expected)
        assert isinstance(recognizer, Foresighted)
    assert reader is None or reader.is_closed


@pytest.mark.parametrize("engine", ["r3", "fused"])
def test_the_condition_of_a_profile_is_the_one_that_is_asked(
    loading: Loading, monkeypatch: pytest.MonkeyPatch, engine: str
):
    named: list[str] = []

    def recognizer(_model: object, name: str, **_: object) -> EmbeddedRecognizer:
        named.append(name)
        return EmbeddedRecognizer()

    monkeypatch.setattr("agent.backends.emotion.choose.recognizer_of_condition", recognizer)
    for profile in (asking(engine), asking(engine, condition="live-eight")):
        load_engines(profile, loading).close()
    assert named == ["live", "live-eight"]


def test_a_condition_that_is_not_there_is_told_even_with_a_fallback(notes: tuple[Loading, list[str]]):
    loading, told = notes
    with pytest.raises(ConfigInvalid, match="expected one of live"):
        load_engines(asking("fused", condition="guess"), loading)
    assert not told


@pytest.mark.parametrize("engine", ["r3", "fused"])
def test_without_its_language_model_the_embedded_one_reads_emotion(
    notes: tuple[Loading, list[str]], monkeypatch: pytest.MonkeyPatch, engine: str
):
    loading, told = notes
    monkeypatch.setattr(choose, "_language_model", cannot(EngineFailed("its weights are torn")))
    with load_engines(asking(engine), loading) as engines:
        assert isinstance(engines.recognizer, EmbeddedRecognizer)
    assert len(told) == 1


@pytest.mark.anyio
async def test_whoever_wants_to_know_hears_what_the_model_is_asked(loading: Loading, monkeypatch: pytest.MonkeyPatch):
    model = ScriptedModel(["hello"], scores=[{" sad": -0.1}])
    monkeypatch.setattr(choose, "_language_model", always(model))
    heard: list[Overheard] = []
    with load_engines(asking("r3"), replace(loading, overhear=heard.append)) as engines:
        utterance = utterance_of(given("i am fine"))
        estimate = await engines.recognizer.recognize(utterance, conversation_of(), revision=1, source="both")
        assert estimate.top == "sad"
    assert [call.prompt for call in heard] == [asked.prompt for asked in model.asked if asked.call != "prefill"]
    assert heard


def test_when_one_cannot_be_had_the_others_are_freed(loading: Loading, monkeypatch: pytest.MonkeyPatch):
    closed: list[str] = []
    hearing = Transcribers(lambda: ScriptedTranscriber(["a"]), close=lambda: closed.append("transcriber"))
    monkeypatch.setattr(choose, "_transcribers", always(hearing))
    monkeypatch.setattr(choose, "_language_model", cannot(EngineMissing("llama_cpp cannot be used")))
    with pytest.raises(EngineMissing, match="llama_cpp cannot be used"):
        load_engines(CPU, loading)
    assert closed == ["transcriber"]


@pytest.mark.parametrize(
    ("port", "function"),
    [
        ("transcriber", "_transcribers"),
        ("emotion", "_recognizer"),
        ("dimensions", "_dimensions"),
        ("language_model", "_language_model"),
        ("voice", "_speech"),
    ],
)
def test_with_a_fallback_the_embedded_engine_of_that_port_takes_over(
    notes: tuple[Loading, list[str]], monkeypatch: pytest.MonkeyPatch, port: str, function: str
):
    loading, told = notes
    monkeypatch.setattr(choose, function, cannot(EngineFailed("its weights are torn")))
    with load_engines(EMBEDDED, loading) as engines:
        assert engines.transcribers is None
        assert engines.speech is None
        assert isinstance(engines.recognizer, EmbeddedRecognizer)
        assert isinstance(engines.responder, ReflectiveResponder)
    (line,) = told
    assert line.startswith(port)
    assert line.endswith("the embedded one takes over: its weights are torn")


def test_a_fallback_takes_over_everything_that_is_not_here(notes: tuple[Loading, list[str]]):
    loading, told = notes
    with load_engines(CPU, loading) as engines:
        assert engines.transcribers is None
        assert isinstance(engines.responder, ReflectiveResponder)
    assert [line.split()[0] for line in told] == ["transcriber", "language_model", "voice"]
    assert "the model whisper-base is not here: attune models pull whisper-base" in told[0]


def test_a_fallback_does_not_hide_settings_that_make_no_sense(
    notes: tuple[Loading, list[str]], monkeypatch: pytest.MonkeyPatch
):
    loading, told = notes
    monkeypatch.setattr(choose, "_language_model", cannot(ConfigInvalid("the url is none")))
    with pytest.raises(ConfigInvalid, match="the url is none"):
        load_engines(CPU, loading)
    assert len(told) == 1


def test_only_what_hears_can_be_loaded_alone(loading: Loading, monkeypatch: pytest.MonkeyPatch):
    assert load_transcribers(EMBEDDED, loading) is None
    asked: list[TranscriberChoice] = []

    def transcriber_for(choice: TranscriberChoice) -> Transcribers:
        asked.append(choice)
        return Transcribers(lambda: ScriptedTranscriber(["a"]))

    monkeypatch.setattr(choose, "transcriber_for", transcriber_for)
    path = put(loading.store, "whisper-base", "model.bin")
    found = load_transcribers(CPU, loading)
    assert found is not None
    (choice,) = asked
    assert (choice.engine, choice.path, choice.device, choice.language) == ("whisper", path, "cpu", None)


def test_an_ensemble_and_a_server_reach_their_factory(loading: Loading, monkeypatch: pytest.MonkeyPatch):
    asked: list[TranscriberChoice] = []

    def transcriber_for(choice: TranscriberChoice) -> Transcribers:
        asked.append(choice)
        return Transcribers(lambda: ScriptedTranscriber(["a"]))

    monkeypatch.setattr(choose, "transcriber_for", transcriber_for)
    members = [
        {"engine": "pocketsphinx", "weight": 2},
        {"engine": "openai", "url": "http://127.0.0.1:1/v1", "model": "w", "language": "de", "key_env": "A_KEY"},
    ]
    profile = read_profiles({"a": {"transcriber": {"engine": "ensemble", "members": members}}})["a"]
    load_transcribers(profile, loading)
    (choice,) = asked
    (_, first), (second, _) = choice.members
    assert (first, second.model, second.language) == (2.0, "w", "de")
    assert second.endpoint is not None
    assert (second.endpoint.url, second.endpoint.key_from) == ("http://127.0.0.1:1/v1", "A_KEY")


def test_servers_are_not_called_at_the_start(loading: Loading):
    voice = {"engine": "openai", "url": "http://127.0.0.1:1/v1", "model": "tts-1", "voice": "nova"}
    profile: Profile = read_profiles({"a": {"extends": "server", "voice": voice}})["a"]
    with load_engines(profile, loading) as engines:
        assert isinstance(engines.responder, LanguageModelResponder)
        assert engines.transcribers is not None
        assert engines.speech is not None


def test_an_address_that_is_none_is_told(loading: Loading):
    profile = read_profiles({"a": {"extends": "server", "language_model": {"url": "http://user:pass@x/v1"}}})["a"]
    with pytest.raises(ConfigInvalid, match="user and password"):
        load_engines(profile, loading)


def test_a_voice_that_is_not_on_path_is_told(loading: Loading, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SpeechFailed, match="espeak-ng"):
        load_engines(replace(EMBEDDED, voice=Choice(engine="espeak")), loading)


# Where models lie


def test_a_model_is_its_folder_or_its_file(loading: Loading):
    folder = put(loading.store, "whisper-base", "model.bin")
    whisper = Choice(engine="whisper", model="whisper-base")
    assert model_path(whisper, kind="whisper", store=loading.store) == folder
    folder = put(loading.store, "qwen2.5-7b-gguf", "it-00002-of-00002.gguf", "it-00001-of-00002.gguf")
    gguf = Choice(engine="llama-cpp", model="qwen2.5-7b-gguf")
    assert model_path(gguf, kind="gguf", store=loading.store) == folder / "it-00001-of-00002.gguf"
    folder = put(loading.store, "piper-ljspeech", "en/en_US/x.onnx", "en/en_US/x.onnx.json")
    piper = Choice(engine="piper", model="piper-ljspeech")
    assert model_path(piper, kind="piper", store=loading.store) == folder / "en/en_US/x.onnx"


def test_a_path_is_taken_as_it_is(loading: Loading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "my.gguf"
    choice = Choice(engine="llama-cpp", model="~/my.gguf")
    with pytest.raises(ModelUnusable, match=r"my\.gguf does not exist, expected a model for llama-cpp"):
        model_path(choice, kind="gguf", store=loading.store)
    file.write_bytes(b"")
    assert model_path(choice, kind="gguf", store=loading.store) == file
    file.unlink()
    with pytest.raises(ModelUnusable, match=r"there is no \*\.gguf in"):
        model_path(replace(choice, model=str(tmp_path)), kind="gguf", store=loading.store)


@pytest.mark.parametrize("is_live", [True, False])
def test_live_a_fused_estimate_does_not_wait_for_a_slow_model_and_in_replay_it_does(
    loading: Loading, monkeypatch: pytest.MonkeyPatch, *, is_live: bool
):
    model = ScriptedModel()
    monkeypatch.setattr(choose, "_language_model", always(model))
    profile = replace(EMBEDDED, emotion=CPU.emotion)
    with load_engines(profile, replace(loading, is_live=is_live)) as engines:
        assert isinstance(engines.recognizer, FusedRecognizer)
        patience_s = engines.recognizer._settings.patience_s
    assert patience_s < SessionSettings().emotion_wait_s if is_live else patience_s == math.inf
