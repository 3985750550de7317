"""Profiles: those that ship, a user's own, what is missing, which one is proposed and which one is taken."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from agent.errors import ConfigInvalid
from agent.models import ModelStore, registry
from agent.profiles import PORTS, Profile, extras_of, gaps, models_of, propose, read_profiles, shipped_profiles, take
from agent.profiles.engines import ENGINES, Engine
from streaming.backends.extras import INSTALL
from streaming.hardware import Gpu, Hardware

if TYPE_CHECKING:
    from pathlib import Path

SMALL = Hardware(cores=2, memory_bytes=4 * 10**9)
LAPTOP = Hardware(cores=8, memory_bytes=16 * 10**9)
STATION = Hardware(
    cores=16,
    memory_bytes=64 * 10**9,
    gpus=(Gpu(name="a card", memory_bytes=24 * 10**9, free=24 * 10**9),),
)


def own(text: str) -> dict[str, Any]:
    return tomllib.loads(text).get("profiles", {})


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def put(store: ModelStore, *names: str) -> None:
    for name in names:
        store.path(name).mkdir(parents=True)
        told = {"repository": "people/it", "commit": "0", "licence": "mit", "n_bytes": 1}
        (store.path(name) / ".attune.json").write_text(json.dumps(told))


def put_all(store: ModelStore, profile: Profile) -> None:
    put(store, *(model.name for model in models_of(profile) if store.installed(model.name) is None))


@pytest.fixture
def _with_all_packages(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    def none_missing(_: Engine) -> list[str]:
        return []

    monkeypatch.setattr(Engine, "missing_packages", none_missing)


# Those that ship


def test_four_profiles_ship_from_light_to_heavy():
    profiles = shipped_profiles()
    assert list(profiles) == ["embedded", "cpu", "gpu", "server"]
    assert [profile.is_automatic for profile in profiles.values()] == [True, True, True, False]
    assert all(profile.about for profile in profiles.values())


def test_the_embedded_profile_needs_nothing(store: ModelStore):
    embedded = shipped_profiles()["embedded"]
    assert models_of(embedded) == []
    assert extras_of(embedded) == []
    assert not embedded.wants.lacking(Hardware(cores=1, memory_bytes=0))
    assert gaps(embedded, store=store, hardware=lambda: SMALL) == []


def test_every_known_model_is_for_an_engine_and_says_what_it_is_for():
    kinds = {engine.kind for engines in ENGINES.values() for engine in engines.values()}
    for model in registry().values():
        assert model.kind in kinds
        assert model.about
        assert model.files
        assert model.megabytes > 0
        assert model.licence
        assert model.repository.count("/") == 1
    assert registry()["emotion-dimensions"].non_commercial


def test_the_ten_systems_of_paper_000_are_there():
    ten = "whisper-large whisper-small whisper-base whisper-tiny wav2vec2-large-960h-self hubert-large"
    ten += " wav2vec2-large-960h wav2vec2-base-960h wavlm-base-plus wav2vec2-base-100h"
    members = [
        {"engine": "whisper" if name.startswith("whisper") else "ctc", "model": name, "weight": 0.5}
        for name in ten.split()
    ]
    profile = read_profiles({"ten": {"transcriber": {"engine": "ensemble", "members": members}}})["ten"]
    assert [model.name for model in models_of(profile)] == ten.split()
    assert {weight for _, weight in profile.transcriber.members} == {0.5}


def test_every_extra_has_a_way_to_get_it():
    extras = {engine.extra for engines in ENGINES.values() for engine in engines.values()} - {None}
    assert extras | {"ray"} == set(INSTALL)  # ray is no engine of a conversation: it spreads replays


# A user's own


def test_a_profile_of_ones_own_changes_only_what_it_says():
    text = """
    [profiles.mine]
    about = "my desk"
    extends = "cpu"
    transcriber = { model = "whisper-small", language = "en" }
    voice = "espeak"
    """
    profiles = read_profiles(own(text))
    mine, cpu = profiles["mine"], profiles["cpu"]
    assert (mine.transcriber.engine, mine.transcriber.model) == ("whisper", "whisper-small")
    assert mine.transcriber.option("language") == "en"
    assert mine.transcriber.option("device") == cpu.transcriber.option("device")
    assert mine.voice.engine == "espeak"
    assert mine.language_model == cpu.language_model
    assert mine.wants == cpu.wants
    assert not mine.is_automatic
    assert cpu == shipped_profiles()["cpu"]


def test_another_engine_starts_anew():
    mine = read_profiles(own('[profiles.mine]\nextends = "cpu"\nlanguage_model = "none"\nreply = "reflective"'))["mine"]
    assert mine.language_model.model is None
    assert mine.language_model.options == {}


def test_without_extends_a_profile_is_embedded_otherwise():
    mine = read_profiles(own('[profiles.mine]\nvoice = "none"'))["mine"]
    embedded = shipped_profiles()["embedded"]
    assert {port for port in PORTS if getattr(mine, port) != getattr(embedded, port)} == {"voice"}


def test_a_shipped_profile_can_be_changed_under_its_name():
    profiles = read_profiles(own('[profiles.cpu]\ntranscriber = { model = "whisper-tiny" }'))
    assert profiles["cpu"].transcriber.model == "whisper-tiny"
    assert profiles["cpu"].language_model == shipped_profiles()["cpu"].language_model
    assert profiles["cpu"].is_automatic
    assert list(profiles) == list(shipped_profiles())


def test_shipped_profiles_build_on_each_other_as_they_ship():
    text = """
    [profiles.cpu]
    extends = "gpu"
    voice = "none"
    [profiles.mine]
    extends = "cpu"
    [profiles.other]
    extends = "gpu"
    """
    profiles, shipped = read_profiles(own(text)), shipped_profiles()
    assert profiles["gpu"] == shipped["gpu"]
    assert profiles["cpu"].transcriber == profiles["mine"].transcriber == shipped["gpu"].transcriber
    assert profiles["mine"].voice.engine == "none"
    assert profiles["other"].voice == shipped["gpu"].voice


def test_a_server_has_an_address_a_model_and_a_variable_for_its_key(store: ModelStore, monkeypatch: pytest.MonkeyPatch):
    text = """
    [profiles.mine]
    extends = "server"
    language_model = { url = "https://models.example/v1", model = "llama", key_env = "MY_KEY" }
    """
    mine = read_profiles(own(text))["mine"]
    assert (mine.language_model.url, mine.language_model.key_env) == ("https://models.example/v1", "MY_KEY")
    monkeypatch.delenv("MY_KEY", raising=False)
    (gap,) = gaps(mine, store=store, hardware=lambda: SMALL)
    assert str(gap) == "MY_KEY is not set: put the key of https://models.example/v1 there"
    monkeypatch.setenv("MY_KEY", "secret")
    assert gaps(mine, store=store, hardware=lambda: SMALL) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[profiles.a]\nears = 'big'", "profiles.a sets ears, expected only about, extends, wants"),
        ("[profiles.a]\ntranscriber = 'siri'", "transcriber.engine is 'siri', expected one of pocketsphinx, whisper"),
        ("[profiles.a]\ntranscriber = 3", "transcriber is 3, expected a table"),
        ("[profiles.a]\ntranscriber = { engine = 'whisper' }", "model is None, expected one of whisper-tiny"),
        ("[profiles.a]\ntranscriber = { engine = 'whisper', model = 'qwen2.5-7b' }", "or a path that begins with"),
        ("[profiles.a]\ntranscriber = { engine = 'whisper', model = 'whisper-tiny', beam = 3 }", "sets beam, expected"),
        ("[profiles.a]\nextends = 'cpu'\ntranscriber = { device = 1 }", "device is 1, expected one of auto, cpu, cuda"),
        ("[profiles.a]\nextends = 'cpu'\ntranscriber = { language = 1 }", "language is 1, expected text"),
        ("[profiles.a]\nextends = 'cpu'\nlanguage_model = { context_length = 0 }", "expected at least 1"),
        ("[profiles.a]\nextends = 'gpu'\nlanguage_model = { dtype = 'int3' }", "expected one of auto, float32"),
        ("[profiles.a]\nextends = 'cpu'\nlanguage_model = { context_length = 'long' }", "expected a number"),
        ("[profiles.a]\nextends = ['cpu']", r"extends ['cpu'], expected one of embedded"),
        ("[profiles.a]\nextends = 'a'", "a extends itself: a extends a"),
        ("[profiles.a]\nautomatic = 1", "automatic is 1, expected true or false"),
        ("[profiles.a]\nextends = 'cpu'\ntranscriber = { model = 3 }", "model is 3, expected text"),
        ("[profiles.a]\nextends = 'b'", "extends 'b', expected one of embedded, cpu"),
        ("[profiles.a]\nextends = 'b'\n[profiles.b]\nextends = 'a'", "a extends itself: a extends b"),
        ("[profiles.a]\nreply = 'language-model'", "reply is language-model, but profiles.a.language_model is none"),
        ("[profiles.a]\nemotion = 'r3'", "emotion is r3, but profiles.a.language_model is none: choose one"),
        ("[profiles.a]\nextends = 'cpu'\nemotion = { engine = 'r3', condition = 4 }", "condition is 4, expected text"),
        ("[profiles.a]\nlanguage_model = { engine = 'openai', model = 'x' }", "url is None, expected an address"),
        ("[profiles.a]\nextends = 'server'\nlanguage_model = { url = 'ftp://x' }", "url is 'ftp://x'"),
        ("[profiles.a]\nlanguage_model = { engine = 'openai', url = 'http://x/v1' }", "model is missing"),
        ("[profiles.a]\nabout = 1", "about is 1, expected text"),
        ("[profiles.a]\nwants = { cores = 'many' }", "wants.cores is 'many', expected a number"),
        ("[profiles.a]\nwants = { disk = 3 }", "sets disk, expected only cores, memory_gb, gpu_memory_gb"),
        ("[profiles.a]\ntranscriber = { engine = 'ensemble' }", "members is None, expected a list"),
        (
            "[profiles.a.transcriber]\nengine = 'ensemble'\nmembers = [{ engine = 'ensemble' }]",
            "expected one of pocket",
        ),
        ("[profiles.a.transcriber]\nengine = 'ensemble'\nmembers = ['x', 1]", "is 'x', expected a table"),
        (
            "[profiles.a.transcriber]\nengine = 'ensemble'\nmembers = [{ engine = 'pocketsphinx', weight = -1 }]",
            "expected a number above 0",
        ),
        ("profiles = { a = 3 }", "profiles.a is 3, expected a table"),
    ],
)
def test_a_profile_that_makes_no_sense_is_one_line_with_the_choices(text: str, told: str):
    with pytest.raises(ConfigInvalid, match=told.replace("[", r"\[")) as caught:
        read_profiles(own(text))
    assert "\n" not in str(caught.value)


# What is missing


def test_missing_models_are_one_command(store: ModelStore):
    cpu = shipped_profiles()["cpu"]
    put(store, "whisper-base")
    told = [str(gap) for gap in gaps(cpu, store=store, hardware=lambda: LAPTOP)]
    pull = "attune models pull qwen2.5-1.5b-gguf piper-ljspeech"
    assert f"qwen2.5-1.5b-gguf, piper-ljspeech are not here: {pull}" in told


@pytest.mark.usefixtures("_with_all_packages")
def test_nothing_is_missing_when_all_is_here(store: ModelStore):
    cpu = shipped_profiles()["cpu"]
    put_all(store, cpu)
    assert gaps(cpu, store=store, hardware=lambda: SMALL) == []


def test_a_missing_package_is_told_with_its_extra(store: ModelStore, monkeypatch: pytest.MonkeyPatch):
    def all_missing(engine: Engine) -> list[str]:
        return list(engine.packages)

    monkeypatch.setattr(Engine, "missing_packages", all_missing)
    cpu = shipped_profiles()["cpu"]
    assert extras_of(cpu) == ["llama", "piper"]
    told = [str(gap) for gap in gaps(cpu, store=store, hardware=lambda: LAPTOP)]
    assert f"the extra llama is not installed: {INSTALL['llama']}" in told


def test_packages_are_looked_for_without_importing_them():
    assert Engine(packages=("tomllib", "no_such_package")).missing_packages() == ["no_such_package"]


@pytest.mark.usefixtures("_with_all_packages")
def test_a_card_that_is_insisted_on_must_be_there(store: ModelStore):
    gpu = shipped_profiles()["gpu"]
    put_all(store, gpu)
    (gap,) = gaps(gpu, store=store, hardware=lambda: LAPTOP)
    assert str(gap).startswith("there is no CUDA card")
    assert gaps(gpu, store=store, hardware=lambda: STATION) == []


def test_a_path_that_does_not_exist_is_told(store: ModelStore, tmp_path: Path):
    text = f"[profiles.a]\ntranscriber = {{ engine = 'whisper', model = '{tmp_path}/none' }}"
    profile = read_profiles(own(text))["a"]
    assert models_of(profile) == []
    (gap,) = gaps(profile, store=store, hardware=lambda: SMALL)
    assert str(gap) == f"{tmp_path}/none does not exist: correct the model of transcriber"
    (tmp_path / "none").mkdir()
    assert gaps(profile, store=store, hardware=lambda: SMALL) == []


# Which one


@pytest.mark.parametrize(("hardware", "name"), [(SMALL, "embedded"), (LAPTOP, "cpu"), (STATION, "gpu")])
def test_the_strongest_that_fits_is_proposed(hardware: Hardware, name: str):
    assert propose(shipped_profiles(), hardware).name == name


def test_what_is_lacking_is_told_in_figures():
    wants = shipped_profiles()["gpu"].wants
    assert wants.lacking(SMALL) == [
        "4 cores wanted, 2 here",
        "16 GB memory wanted, 4 here",
        "a CUDA card with 22 GB wanted, none here",
    ]
    small_card = Hardware(cores=8, memory_bytes=0, gpus=(Gpu(name="x", memory_bytes=8 * 10**9, free=0),))
    assert wants.lacking(small_card) == ["a CUDA card with 22 GB wanted, 8 here"]


@pytest.mark.usefixtures("_with_all_packages")
def test_without_a_name_the_strongest_that_is_whole_is_taken(store: ModelStore):
    profiles = shipped_profiles()

    def taken(hardware: Hardware) -> str:
        return take(None, profiles=profiles, store=store, hardware=lambda: hardware).profile.name

    assert taken(STATION) == "embedded"
    put_all(store, profiles["cpu"])
    assert [taken(hardware) for hardware in (SMALL, LAPTOP, STATION)] == ["embedded", "cpu", "cpu"]
    put_all(store, profiles["gpu"])
    assert [taken(hardware) for hardware in (LAPTOP, STATION)] == ["cpu", "gpu"]


def test_where_nothing_was_pulled_the_machine_is_not_looked_at(store: ModelStore):
    def hardware() -> Hardware:
        raise AssertionError("it takes time to look at the machine")

    # The profile for a card asks for one only after its models are here.
    assert take(None, profiles=shipped_profiles(), store=store, hardware=hardware).profile.name == "embedded"


def test_a_named_profile_is_taken_and_an_unknown_one_told(store: ModelStore):
    profiles = shipped_profiles()
    assert take("gpu", profiles=profiles, store=store, hardware=lambda: SMALL).profile is profiles["gpu"]
    with pytest.raises(ConfigInvalid, match="profile is 'tpu', expected one of embedded, cpu, gpu, server"):
        take("tpu", profiles=profiles, store=store, hardware=lambda: SMALL)
