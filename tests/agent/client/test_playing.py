"""The sound of replies: played in order, kept, cut where somebody speaks over it."""

from __future__ import annotations

import base64
import wave
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
import pytest

from agent.client.playing import RATE, Player, Recording
from agent.loudspeaker import SilentSink
from streaming.audio import to_pcm16
from tests.talking import settled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from streaming.events import Samples

pytestmark = pytest.mark.anyio
SPEECH = {"type": "input_audio_buffer.speech_started", "item_id": "user", "audio_start_ms": 0}


class Heard(SilentSink):
    """Remembers what was done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.n_played = 0

    def begin(self, *, at_s: float) -> None:
        self.calls.append(f"begin {at_s:g}")
        super().begin(at_s=at_s)

    async def play(self, samples: Samples) -> None:
        self.n_played += samples.size
        await super().play(samples)

    def duck(self) -> None:
        self.calls.append("duck")

    def resume(self) -> None:
        self.calls.append("resume")

    def finish(self) -> None:
        self.calls.append("finish")
        super().finish()

    def cancel(self, *, at_s: float) -> int:
        self.calls.append(f"cancel {at_s:g}")
        return super().cancel(at_s=at_s)


class Playing:
    """A player that runs, on a clock that is set."""

    def __init__(self, recording: Recording | None = None) -> None:
        self.now_s = 0.0
        self.sink = Heard()
        self.player = Player(self.sink, recording=recording, clock=lambda: self.now_s)

    async def feed(self, event: dict[str, Any]) -> Any:
        answer = self.player.feed(event)
        await settled()
        return answer

    async def sound(self, item: str, seconds: float) -> None:
        pcm = to_pcm16(np.full(round(seconds * RATE), 0.5, np.float32))
        delta = base64.b64encode(pcm).decode()
        await self.feed({"type": "response.output_audio.delta", "item_id": item, "delta": delta})


@pytest.fixture
async def playing() -> AsyncIterator[Playing]:
    playing = Playing()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(playing.player.run)
        yield playing
        tasks.cancel_scope.cancel()
    playing.player.close()


async def test_a_reply_sounds_until_its_end_was_heard(playing: Playing):
    assert not playing.player.sounds
    await playing.sound("a", 0.5)
    await playing.sound("a", 0.5)
    assert playing.player.sounds
    await playing.feed({"type": "response.output_audio.done", "item_id": "a"})
    playing.now_s = 0.99
    assert playing.player.sounds
    playing.now_s = 1.01
    assert not playing.player.sounds
    assert playing.sink.calls == ["begin 0", "finish"]
    assert playing.sink.n_played == 16_000


async def test_speech_over_a_reply_cuts_it_where_it_was(playing: Playing):
    await playing.sound("a", 1.0)
    playing.now_s = 0.25
    cut = await playing.feed(SPEECH)
    assert cut == {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": 250}
    await playing.sound("a", 1.0)  # still on its way
    assert not playing.player.sounds
    await playing.feed({"type": "response.output_audio.done", "item_id": "a"})
    await playing.sound("b", 0.5)
    assert playing.sink.calls == ["begin 0", "cancel 0.25", "begin 0.25"]
    assert playing.player.sounds


async def test_speech_over_nothing_cuts_nothing(playing: Playing):
    assert await playing.feed(SPEECH) is None
    await playing.sound("a", 0.5)
    await playing.feed({"type": "response.output_audio.done", "item_id": "a"})
    playing.now_s = 2.0
    assert await playing.feed(SPEECH) is None


async def test_a_reply_that_has_not_begun_to_sound_was_not_heard_at_all():
    playing = Playing()  # nobody plays what comes
    await playing.sound("a", 0.5)
    assert playing.player.sounds
    assert (await playing.feed(SPEECH))["audio_end_ms"] == 0
    playing.player.close()


async def test_an_answer_without_the_end_of_its_sound_ends_all_the_same(playing: Playing):
    await playing.sound("a", 0.5)
    await playing.feed({"type": "response.done", "response": {}})
    playing.now_s = 1.0
    assert not playing.player.sounds


async def test_the_floor_is_heard(playing: Playing):
    await playing.feed({"type": "attune.floor", "action": "duck"})
    await playing.feed({"type": "attune.floor", "action": "resume"})
    assert playing.sink.calls == ["duck", "resume"]


@pytest.mark.parametrize("delta", ["!!!", "AAA", base64.b64encode(b"\x01").decode()])
async def test_sound_that_is_none_is_left_out(playing: Playing, delta: str):
    await playing.feed({"type": "response.output_audio.delta", "item_id": "a", "delta": delta})
    assert not playing.player.sounds
    assert not playing.sink.calls


async def test_a_recording_holds_what_was_heard(tmp_path: Path):
    path = tmp_path / "reply.wav"
    with Recording(path) as recording:
        playing = Playing(recording)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(playing.player.run)
            await playing.sound("a", 1.0)
            playing.now_s = 0.25
            await playing.feed(SPEECH)
            await playing.sound("a", 1.0)
            await playing.sound("b", 0.5)
            tasks.cancel_scope.cancel()
        playing.player.close()
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels()) == (RATE, 1)
        assert file.getnframes() == round(0.75 * RATE)


def test_a_file_that_cannot_be_written_is_said_so(tmp_path: Path):
    with pytest.raises(OSError, match="No such file"):
        Recording(tmp_path / "none" / "reply.wav")
