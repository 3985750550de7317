"""`attune talk` by microphone: the live loop with a device by script; and what happens when the device goes."""

from __future__ import annotations

import json
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

import agent.assembly
import agent.cli.talk
from agent.backends.tts.scripted import ScriptedSpeech
from streaming.audio import FRAME, silence
from streaming.backends.scripted import ScriptedTranscriber
from streaming.backends.scripted_activity import ScriptedActivity
from streaming.errors import DeviceUnavailable
from streaming.events import AudioDropped
from streaming.listener import Listener, Stages
from streaming.prosody import ProsodyTracker
from streaming.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from agent.loudspeaker import SilentSink
    from streaming.sources import Sound

    Attune = Callable[..., CompletedProcess[str]]


class Device:
    """A microphone by script: three seconds with an utterance, then `end`."""

    def __init__(self, end: BaseException | None = None) -> None:
        self.asked_for: list[int | str | None] = []
        self.is_open = False
        self._end = end

    @asynccontextmanager
    async def microphone(self, device: int | str | None = None) -> AsyncGenerator[AsyncIterator[Sound]]:
        self.asked_for.append(device)
        self.is_open = True
        try:
            yield self._sound()
        finally:
            self.is_open = False

    async def _sound(self) -> AsyncIterator[Sound]:
        for _ in range(150):
            yield silence(FRAME)
            await anyio.lowlevel.checkpoint()
        yield AudioDropped(at_s=3.0, seconds=0.2, total_s=0.2)
        for _ in range(20):
            await anyio.wait_all_tasks_blocked()
        if isinstance(self._end, KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
            await anyio.sleep_forever()
        if self._end is not None:
            raise self._end


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Device]:
    """Plugs a microphone in, before a line by script."""

    def listener() -> Listener:
        stages = Stages(
            segmenter=Segmenter(ScriptedActivity([(0.5, 1.5)])),
            transcriber=ScriptedTranscriber(["i am so happy"]),
            prosody=ProsodyTracker(),
        )
        return Listener(stages)

    def plug_in(end: BaseException | None = None) -> Device:
        device = Device(end)
        monkeypatch.setattr(agent.cli.talk, "microphone", device.microphone)
        monkeypatch.setattr(agent.assembly, "embedded_listener", listener)
        return device

    return plug_in


def kept(attune: Attune, database: Path) -> list[str]:
    return [
        json.loads(line)["text"] for line in attune("history", "export", "--database", database).stdout.splitlines()
    ]


def test_what_is_said_is_answered_and_kept(attune: Attune, plug: Callable[..., Device], tmp_path: Path):
    device = plug()
    ran = attune("talk", "--voice", "none", "--json", "--database", tmp_path / "x.db")
    assert (ran.returncode, ran.stderr) == (0, "")
    kinds = [json.loads(line)["type"] for line in ran.stdout.splitlines()]
    for kind in ("transcript.final", "emotion.final", "reply.done", "turn.saved", "audio.dropped"):
        assert kinds.count(kind) == 1
    assert not device.is_open
    assert kept(attune, tmp_path / "x.db") == ["i am so happy"]


@pytest.mark.parametrize(("option", "device"), [((), None), (("--device", "3"), 3), (("--device", "usb"), "usb")])
def test_a_device_is_named_by_number_or_part_of_its_name(
    attune: Attune, plug: Callable[..., Device], option: tuple[str, ...], device: int | str | None
):
    plugged = plug()
    attune("talk", "--voice", "none", "--no-history", *option)
    assert plugged.asked_for == [device]


def test_a_microphone_that_is_unplugged_is_one_line_and_nothing_is_lost(
    attune: Attune, plug: Callable[..., Device], tmp_path: Path
):
    device = plug(DeviceUnavailable("the microphone stopped: it was unplugged or taken by another program"))
    ran = attune("talk", "--voice", "none", "--json", "--database", tmp_path / "x.db")
    assert ran.returncode == 4
    assert ran.stderr == "attune: the microphone stopped: it was unplugged or taken by another program\n"
    assert not device.is_open
    assert kept(attune, tmp_path / "x.db") == ["i am so happy"]


def test_ctrl_c_is_how_a_conversation_ends(attune: Attune, plug: Callable[..., Device], tmp_path: Path):
    plug(KeyboardInterrupt())
    ran = attune("talk", "--voice", "none", "--database", tmp_path / "x.db")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert kept(attune, tmp_path / "x.db") == ["i am so happy"]


def test_without_a_loudspeaker_answers_are_written_and_that_is_said(
    attune: Attune, plug: Callable[..., Device], monkeypatch: pytest.MonkeyPatch
):
    def voice(name: str) -> ScriptedSpeech:
        assert name == "auto"
        return ScriptedSpeech()

    def no_loudspeaker() -> SilentSink:
        raise DeviceUnavailable("no loudspeaker can be opened")

    monkeypatch.setattr(agent.assembly, "Loudspeaker", no_loudspeaker)
    monkeypatch.setattr(agent.assembly, "choose_speech", voice)
    plug()
    ran = attune("talk", "--no-history")
    assert ran.returncode == 0
    assert ran.stderr == "attune: answers are written only: no loudspeaker can be opened\n"
    assert "attune  " in ran.stdout
