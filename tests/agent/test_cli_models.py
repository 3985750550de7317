"""`attune models` and `attune setup`, before a hub on this machine; nobody is asked unless the test says so."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

import agent.cli.fetching
import agent.cli.setup
from agent.models import registry, user_store
from streaming.hardware import Gpu, Hardware
from tests.fake_hub import Repository

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from tests.fake_hub import FakeHub

    Attune = Callable[..., CompletedProcess[str]]

WEIGHTS = bytes(range(256)) * 8
LAPTOP = Hardware(cores=8, memory_bytes=16 * 10**9)
OF_CPU = ("whisper-base", "qwen2.5-1.5b-gguf", "piper-ljspeech")


@pytest.fixture
def stocked(hub: FakeHub) -> FakeHub:
    """The hub holds what the registry names, all of it tiny."""
    for model in registry().values():
        files = {pattern.replace("*", "it"): WEIGHTS for pattern in model.files} | {"README.md": b"-"}
        hub.repositories[model.repository] = Repository(files, licence=model.licence.lower())
    return hub


@pytest.fixture
def laptop(monkeypatch: pytest.MonkeyPatch) -> Hardware:
    monkeypatch.setattr(agent.cli.setup, "detect", lambda: LAPTOP)
    return LAPTOP


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], bytes]:
    """Somebody sits at the terminal; gives what they type."""

    def type_in(words: str) -> bytes:
        monkeypatch.setattr(agent.cli.fetching, "is_interactive", lambda: True)
        return words.encode()

    return type_in


def assert_told(ran: CompletedProcess[str], *, code: int, words: str) -> None:
    assert ran.returncode == code
    assert ran.stderr.startswith("attune: ")
    assert ran.stderr.count("\n") == 1
    assert words in ran.stderr


# list, path, remove


def test_list_says_of_each_model_what_it_is(attune: Attune):
    ran = attune("models", "list")
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert len(lines) == 2 * len(registry())
    (base,) = [line for line in lines if " whisper-base " in line]
    assert base.split() == ["-", "whisper-base", "~148", "MB", "MIT", "cpu"]
    (dimensions,) = [line for line in lines if " emotion-dimensions " in line]
    assert "CC BY-NC-SA 4.0 (not for commercial use)" in dimensions


@pytest.mark.usefixtures("stocked")
def test_what_was_pulled_is_listed_found_and_removed(attune: Attune):
    ran = attune("models", "pull", "--yes", "whisper-tiny", "whisper-tiny")
    assert (ran.returncode, ran.stderr) == (0, "")
    place = user_store().path("whisper-tiny")
    assert ran.stdout.splitlines()[-1] == f"whisper-tiny: {place}"
    (line,) = [line for line in attune("models", "list").stdout.splitlines() if " whisper-tiny " in line]
    assert line.split() == ["here", "whisper-tiny", "0.1", "MB", "mit"]
    assert attune("models", "path", "whisper-tiny").stdout == f"{place}\n"
    assert attune("models", "remove", "--yes", "whisper-tiny").stdout == "whisper-tiny: 0.1 MB freed\n"
    assert_told(attune("models", "path", "whisper-tiny"), code=4, words="attune models pull whisper-tiny")
    assert attune("models", "remove", "--yes", "whisper-tiny").stdout == "whisper-tiny was not here\n"


@pytest.mark.parametrize("command", ["pull", "path", "remove"])
def test_an_unknown_model_is_told_with_those_there_are(attune: Attune, command: str):
    ran = attune("models", command, "gpt-5")
    assert_told(ran, code=2, words="there is no model 'gpt-5', expected one of whisper-tiny, whisper-base")


def test_a_users_own_profiles_are_named_beside_their_models(attune: Attune, tmp_path: Path):
    config = tmp_path / "xdg_config_home" / "attune" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[profiles.mine]\nextends = "cpu"\ntranscriber = { model = "whisper-tiny" }')
    (line,) = [line for line in attune("models", "list").stdout.splitlines() if " whisper-tiny " in line]
    assert line.endswith("mine")
    config.write_text("profiles = 3")
    assert attune("models", "list").returncode == 0


# pull


def test_true_sizes_and_licences_are_told_before_anything_is_fetched(attune: Attune, stocked: FakeHub):
    stocked.repositories["Systran/faster-whisper-tiny"].licence = "cc-by-nc-4.0"
    ran = attune("models", "pull", "whisper-tiny")
    assert_told(ran, code=2, words="nobody to ask: type attune models pull --yes whisper-tiny")
    for word in ("whisper-tiny", "0.1 MB", "cc-by-nc-4.0 (not for", "commercial use)", "Systran/faster-whisper-tiny"):
        assert word in ran.stdout
    assert not stocked.sent
    assert not user_store().root.exists()


@pytest.mark.parametrize(("answer", "is_pulled"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_it_asks_before_it_fetches(
    attune: Attune, stocked: FakeHub, says: Callable[[str], bytes], answer: str, is_pulled: bool
):
    ran = attune("models", "pull", "whisper-tiny", stdin=says(answer))
    assert ran.returncode == 0
    assert "Fetch 0.1 MB" in ran.stdout
    assert (user_store().installed("whisper-tiny") is not None) == is_pulled
    assert bool(stocked.sent) == is_pulled
    assert ("nothing done" in ran.stdout) != is_pulled


def test_what_is_here_needs_no_hub(attune: Attune, stocked: FakeHub, monkeypatch: pytest.MonkeyPatch):
    attune("models", "pull", "--yes", "whisper-tiny")
    stocked.asked.clear()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    ran = attune("models", "pull", "--yes", "whisper-tiny")
    assert (ran.returncode, ran.stdout) == (0, f"whisper-tiny: {user_store().path('whisper-tiny')}\n")


def test_a_hub_that_cannot_be_had_is_one_line(attune: Attune, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert_told(attune("models", "pull", "--yes", "whisper-tiny"), code=4, words="cannot be reached")


@pytest.mark.parametrize(
    ("status", "told"), [(404, "does not have"), (401, "without a login"), (403, "accept its licence")]
)
def test_a_hub_that_refuses_is_one_line(attune: Attune, stocked: FakeHub, status: int, told: str):
    stocked.repositories["Systran/faster-whisper-tiny"].status = status
    assert_told(attune("models", "pull", "--yes", "whisper-tiny"), code=4, words=told)


def test_content_that_came_damaged_is_one_line(attune: Attune, stocked: FakeHub):
    stocked.damages = True
    assert_told(attune("models", "pull", "--yes", "whisper-tiny"), code=4, words="came damaged")
    assert user_store().installed("whisper-tiny") is None


@pytest.mark.usefixtures("stocked")
def test_two_pulls_at_once_are_one_line(attune: Attune):
    with user_store().locked("whisper-tiny"):
        ran = attune("models", "pull", "--yes", "whisper-tiny")
    assert_told(ran, code=4, words="another program is fetching or removing whisper-tiny")


@pytest.mark.usefixtures("stocked")
def test_a_marker_that_is_damaged_is_no_model(attune: Attune):
    attune("models", "pull", "--yes", "whisper-tiny")
    marker = user_store().path("whisper-tiny") / ".attune.json"
    for content in ("", "[]", json.dumps({"repository": 1}), "\x00"):
        marker.write_text(content)
        assert user_store().installed("whisper-tiny") is None
    assert attune("models", "pull", "--yes", "whisper-tiny").returncode == 0
    assert user_store().installed("whisper-tiny") is not None


# setup


@pytest.mark.usefixtures("laptop")
def test_setup_proposes_and_without_anybody_to_ask_does_nothing(attune: Attune, hub: FakeHub, tmp_path: Path):
    ran = attune("setup")
    assert_told(ran, code=2, words="type attune setup --yes --profile cpu")
    said = " ".join(ran.stdout.split())
    assert "this machine: 8 cores, 15 GiB memory, no CUDA card" in said
    assert "profile cpu: a laptop without a graphics card" in said
    assert "not gpu: a CUDA card with 22 GB wanted, none here" in said
    for word in ("whisper-base", "~148 MB", "MIT", "qwen2.5-1.5b-gguf", "~1.1 GB", "Apache-2.0", "piper-ljspeech"):
        assert word in said
    assert not hub.asked
    assert not list(tmp_path.glob("xdg_*"))


@pytest.mark.usefixtures("stocked", "laptop")
def test_setup_fetches_and_writes_on_a_yes_and_keeps_what_was_in_the_file(
    attune: Attune, tmp_path: Path, says: Callable[[str], bytes]
):
    config = tmp_path / "xdg_config_home" / "attune" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('# mine\nlocale = "en-GB"  # London\n')
    ran = attune("setup", stdin=says("y\n"))
    assert ran.returncode == 0, ran.stderr
    assert config.read_text() == 'profile = "cpu"\n# mine\nlocale = "en-GB"  # London\n'
    assert all(user_store().installed(name) is not None for name in OF_CPU)
    assert f'wrote profile = "cpu" to {config}' in ran.stdout
    assert "undo: remove that line; attune models remove whisper-base qwen2.5-1.5b-gguf piper-ljspeech" in ran.stdout
    again = attune("setup", "--yes")
    assert again.returncode == 0
    assert "undo: remove that line\n" in again.stdout


@pytest.mark.usefixtures("stocked", "laptop")
def test_setup_does_nothing_on_a_no(attune: Attune, tmp_path: Path, says: Callable[[str], bytes]):
    ran = attune("setup", stdin=says("n\n"))
    assert (ran.returncode, ran.stdout.splitlines()[-1].split(": ")[-1]) == (0, "nothing done")
    assert not list(tmp_path.glob("xdg_config*"))


@pytest.mark.usefixtures("laptop")
def test_setup_takes_the_profile_that_is_asked_for(attune: Attune, tmp_path: Path):
    ran = attune("setup", "--profile", "server", "--yes")
    assert ran.returncode == 0
    assert "http://127.0.0.1:8000/v1" in " ".join(ran.stdout.split())
    assert (tmp_path / "xdg_config_home" / "attune" / "config.toml").read_text() == 'profile = "server"\n'
    assert_told(attune("setup", "--profile", "tpu"), code=2, words="expected one of embedded, cpu, gpu, server")


@pytest.mark.usefixtures("stocked", "laptop")
def test_setup_tells_of_licences_and_of_a_machine_that_is_too_small(attune: Attune):
    said = " ".join(attune("setup", "--profile", "gpu").stdout.split())
    assert "not for" in said
    assert "it may be slow here: a CUDA card with 22 GB wanted, none here" in said


@pytest.mark.usefixtures("laptop")
def test_setup_names_the_packages_that_are_missing(attune: Attune, monkeypatch: pytest.MonkeyPatch, stocked: FakeHub):
    monkeypatch.setattr(agent.cli.setup, "extras_of", lambda _: ["piper"])  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    ran = attune("setup", "--yes")
    assert "to install by hand, once: pip install --editable '.[piper]'" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "left to do: pip install --editable '.[piper]'"
    assert stocked.sent


@pytest.mark.usefixtures("laptop")
def test_setup_without_a_hub_changes_nothing(attune: Attune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert_told(attune("setup", "--yes"), code=4, words="cannot be reached")
    assert not list(tmp_path.glob("xdg_config*"))


@pytest.mark.usefixtures("stocked", "laptop")
def test_setup_of_a_file_that_cannot_be_written_says_the_line(attune: Attune, tmp_path: Path):
    (tmp_path / "xdg_config_home").write_text("a file where a folder should be")
    ran = attune("setup", "--yes")
    assert_told(ran, code=4, words='add the line profile = "cpu"')
    assert user_store().installed("whisper-base") is not None


def test_setup_of_a_station_proposes_its_card(attune: Attune, monkeypatch: pytest.MonkeyPatch):
    card = Gpu(name="NVIDIA RTX A5000", memory_bytes=24 * 10**9, free=0)
    station = Hardware(cores=16, memory_bytes=64 * 10**9, gpus=(card,))
    monkeypatch.setattr(agent.cli.setup, "detect", lambda: station)
    said = attune("setup").stdout
    assert "profile gpu" in said
    assert "NVIDIA RTX A5000 (22 GiB)" in said


def test_somebody_is_at_the_terminal_only_if_there_is_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert not agent.cli.fetching.is_interactive()
