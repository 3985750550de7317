"""`attune talk --record`, and `attune-eval recording`: by microphone, by file, and how both end."""

from __future__ import annotations

import json
import signal
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import anyio
import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

import agent.assembly
import agent.cli.talk
import eval.commands_recording
import eval.replay.recorded
from agent.backends.tts.scripted import ScriptedSpeech
from agent.config import Config, load_config
from agent.errors import ConfigInvalid
from agent.loudspeaker import SilentSink
from agent.recording.reader import read_recording
from agent.recording.writer import HEADER, LOG
from eval.commands_recording import Loaded, register
from eval.replay.recorded import config_of
from streaming.audio import FRAME
from streaming.backends.scripted import ScriptedTranscriber
from streaming.backends.scripted_activity import ScriptedActivity
from streaming.errors import AudioUnreadable
from streaming.events import AudioDropped
from streaming.listener import Listener, ListenerSettings, Stages
from streaming.prosody import ProsodyTracker
from streaming.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from agent.recording.reader import Recording
    from streaming.sources import Sound

    Attune = Callable[..., CompletedProcess[str]]

NOISE = np.random.default_rng(5).uniform(-0.2, 0.2, FRAME).astype(np.float32)


def recording(*words: str | Path) -> Result:
    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["recording", *map(str, words)])


class Microphone:
    """By script: seven seconds with two utterances, some sound lost, then an end."""

    def __init__(self, end: BaseException | None = None) -> None:
        self._end = end

    @asynccontextmanager
    async def open(self, device: int | str | None = None) -> AsyncGenerator[AsyncIterator[Sound]]:
        del device
        yield self._sound()

    async def _sound(self) -> AsyncIterator[Sound]:
        for block in range(350):
            yield NOISE * (1 + block % 7)
            await anyio.sleep(0.001 * (block % 3))
            if block == 50:
                yield AudioDropped(at_s=1.02, seconds=0.2, total_s=0.2)
        if isinstance(self._end, KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
            await anyio.sleep_forever()


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Plugs a microphone in, before a line by script with a voice."""

    def listener(settings: ListenerSettings | None = None) -> Listener:
        del settings
        stages = Stages(
            segmenter=Segmenter(ScriptedActivity([(0.5, 1.5), (4.9, 5.9)])),
            transcriber=ScriptedTranscriber(["i am so happy", "no wait stop that"]),
            prosody=ProsodyTracker(),
        )
        return Listener(stages, ListenerSettings(waits_for_partials=False))

    def plug(end: BaseException | None = None) -> None:
        monkeypatch.setattr(agent.cli.talk, "microphone", Microphone(end).open)

    monkeypatch.setattr(agent.assembly, "embedded_listener", listener)

    def voice(name: str) -> ScriptedSpeech:
        del name
        return ScriptedSpeech(s_per_character=0.1)

    monkeypatch.setattr(agent.assembly, "choose_speech", voice)
    monkeypatch.setattr(agent.assembly, "Loudspeaker", SilentSink)
    return plug


@pytest.mark.parametrize("duplex", ["half", "full"])
def test_a_conversation_by_microphone_happens_again(
    attune: Attune, line: Callable[..., None], tmp_path: Path, duplex: str
):
    line()
    ran = attune("talk", "--no-history", "--json", "--duplex", duplex, "--record", tmp_path / "held")
    assert (ran.returncode, ran.stderr) == (0, "")
    (folder,) = (tmp_path / "held").iterdir()
    held = read_recording(folder)
    # In half duplex the line heard silence while the answer sounded, and so does the replay.
    assert (not held.sound[3 * 16_000 : 4 * 16_000].any()) == (duplex == "half")
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [event for event in held.events if event["type"] != "turn.saved"] == told
    again = recording(tmp_path / "held", "--out", tmp_path / "again")
    assert again.exit_code == 0, again.output
    assert again.stdout == f"{folder.name}: {len(told)} events, all the same\n"
    lines = (tmp_path / "again" / f"{folder.name}.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == len(told)


def test_one_that_ctrl_c_ended_ends_there_again(attune: Attune, line: Callable[..., None], tmp_path: Path):
    line(KeyboardInterrupt())
    ran = attune("talk", "--no-history", "--duplex", "full", "--record", tmp_path / "held")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "This conversation is recorded" in ran.stdout
    (folder,) = (tmp_path / "held").iterdir()
    held = read_recording(folder)
    assert held.has_ended
    assert [event["ended_by"] for event in held.events if event["type"] == "reply.done"][-1] == "session"
    again = recording(folder)
    assert (again.exit_code, "all the same" in again.stdout) == (0, True), again.output


def test_a_conversation_from_files_happens_again(attune: Attune, spoken: Callable[..., Path], tmp_path: Path):
    path = spoken("i got the job today and i am so happy", voice="slt")
    ran = attune("talk", "--audio", path, "--no-history", "--json", "--record", tmp_path)
    assert ran.returncode == 0
    again = recording(tmp_path)
    assert again.exit_code == 0, again.output
    assert f"{len(ran.stdout.splitlines())} events, all the same" in again.stdout


def test_what_is_not_the_same_is_told_and_is_exit_code_1(attune: Attune, line: Callable[..., None], tmp_path: Path):
    line()
    attune("talk", "--no-history", "--duplex", "full", "--record", tmp_path)
    (folder,) = tmp_path.iterdir()
    log = (folder / LOG).read_text("utf-8")
    (folder / LOG).write_text(log.replace("i am so happy", "i am so glad"), "utf-8")
    again = recording(tmp_path)
    assert again.exit_code == 1
    assert "events are not the same" in again.stdout
    assert '"text": "i am so glad"' in again.stdout
    assert '"text": "i am so happy"' in again.stdout


def test_nothing_is_recorded_unless_it_is_asked_for(
    attune: Attune, line: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    line()
    ran = attune("talk", "--no-history")
    assert "recorded" not in ran.stdout
    assert not list(tmp_path.glob("**/*.wav"))


def test_one_that_cannot_be_read_does_not_keep_the_others_from_it(
    attune: Attune, line: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    line()
    attune("talk", "--no-history", "--duplex", "full", "--record", tmp_path)
    (folder,) = tmp_path.iterdir()
    (tmp_path / "0-damaged").mkdir()
    (tmp_path / "0-damaged" / HEADER).write_text("{", "utf-8")
    ran = recording(tmp_path)
    assert isinstance(ran.exception, AudioUnreadable)
    assert str(ran.exception).startswith("1 of 2 recordings cannot be read: ")
    first, second = ran.stdout.splitlines()
    assert first == "0-damaged: cannot be read"
    assert second.startswith(f"{folder.name}: ")
    assert second.endswith("all the same")
    monkeypatch.chdir(folder)
    assert recording(".", "--out", "again").stdout.startswith(f"{folder.name}: ")
    assert (folder / "again" / f"{folder.name}.jsonl").is_file()


def test_recordings_with_and_without_the_profiles_voice_are_replayed_with_other_engines(
    monkeypatch: pytest.MonkeyPatch,
):
    loadings: list[Config] = []

    def chosen(config: Config) -> Config:
        return config

    def loaded(config: Config, *, is_live: bool) -> AbstractContextManager[SimpleNamespace]:
        del is_live
        loadings.append(config)
        return nullcontext(SimpleNamespace(transcribers=None))

    monkeypatch.setattr(eval.commands_recording, "chosen", chosen)
    monkeypatch.setattr(eval.commands_recording, "loaded", loaded)
    held = cast("Recording", SimpleNamespace(about={}))
    with ExitStack() as stack:
        engines = Loaded(stack)
        for voice in ("none", "auto", "none", "flite"):
            engines.of(held, Config(voice=voice))
    assert [config.voice for config in loadings] == ["none", "auto"]


def test_the_settings_are_those_of_the_recording_not_of_whoever_replays_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ATTUNE_LOCALE", "fr-FR")
    mine = replace(load_config(), helplines=tmp_path / "mine.toml", duplex="full")
    monkeypatch.setattr(eval.replay.recorded, "load_config", lambda: mine)
    about = {"profile": "embedded", "config": {"emotion": "text", "locale": "en-GB", "helplines": None}}
    held = cast("Recording", SimpleNamespace(about=about))
    config = config_of(held)
    assert (config.locale, config.emotion, config.profile) == ("en-GB", "text", "embedded")
    assert (config.helplines, config.duplex) == (None, Config().duplex)
    assert config_of(held, profile="cpu").profile == "cpu"
    with pytest.raises(ConfigInvalid, match="profile is 'gone'"):
        config_of(cast("Recording", SimpleNamespace(about=about | {"profile": "gone"})))


@pytest.mark.parametrize("content", [None, "{}", "no json"])
def test_a_folder_without_a_recording_is_refused(tmp_path: Path, content: str | None):
    if content is not None:
        (tmp_path / HEADER).write_text(content)
    ran = recording(tmp_path)
    assert isinstance(ran.exception, AudioUnreadable)
    assert "recording" in str(ran.exception)
