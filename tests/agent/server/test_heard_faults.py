"""Sound that is odd, or none, before real ears (faults 39, 41, 42, 43, 45, 46, 49, 54 and 75): embedded engines."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from agent.backends.reply.scripted import ScriptedResponder
from streaming.audio import SAMPLE_RATE
from streaming.backends.embedded import EmbeddedEngines
from streaming.files import read_audio
from tests.agent.server.service import Talker, same, service, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streaming.events import Samples


pytestmark = pytest.mark.anyio

SENTENCE = "my brother bought a new car yesterday"


@pytest.fixture(scope="module")
def ears() -> Iterator[EmbeddedEngines]:
    engines = EmbeddedEngines()
    yield engines
    engines.close()


@pytest.fixture(scope="module")
def sentence(spoken: Callable[..., Path]) -> Samples:
    """The sentence in a quiet room, 16 kHz."""
    speech = read_audio(spoken(SENTENCE))
    sound = room(speech.size / SAMPLE_RATE + 2.5)
    sound[SAMPLE_RATE // 2 : SAMPLE_RATE // 2 + speech.size] += speech
    return sound


def room(seconds: float) -> Samples:
    return np.random.default_rng(1).normal(0, 2e-4, round(seconds * SAMPLE_RATE)).astype(np.float32)


async def tells(talker: Talker, pcm: bytes, *, piece: int = 4_800) -> dict[str, Any]:
    """Say something and return what was heard of it."""
    n = len(talker.transcripts())
    await talker.sends(pcm, piece=piece)
    return await talker.until("conversation.item.input_audio_transcription.completed", n=n + 1)


async def test_odd_bytes_shift_no_sample(ears: EmbeddedEngines, sentence: Samples):
    heard: list[list[dict[str, Any]]] = []
    for piece in (4_800, 4_801):
        async with service(listeners=ears) as here, here.talker() as talker:
            assert (await tells(talker, wire(sentence), piece=piece))["transcript"] == SENTENCE
            await talker.until("attune.emotion.final")
            heard.append(same(talker.events, "input_audio_buffer.speech_stopped", "attune.emotion.final"))
            assert not talker.codes()
    assert heard[0] == heard[1]


@pytest.mark.parametrize(("offset", "gain"), [(0.2, 1.0), (0.0, 0.05)], ids=["offset", "faint"])
async def test_an_offset_and_a_low_level_change_no_word(
    ears: EmbeddedEngines, sentence: Samples, offset: float, gain: float
):
    changed = (gain * sentence + offset).astype(np.float32)
    async with service(listeners=ears) as here, here.talker() as talker:
        assert (await tells(talker, wire(changed)))["transcript"] == SENTENCE
        assert not talker.codes()


async def test_sound_at_full_scale_is_heard_and_warned_of(ears: EmbeddedEngines, sentence: Samples):
    loud = np.clip(sentence * np.float32(40), -1.0, 1.0)
    async with service(listeners=ears) as here, here.talker() as talker:
        assert (await tells(talker, wire(loud)))["transcript"]
        warning = await talker.until("attune.warning")
        assert (warning["code"], warning["item_id"]) == ("clipping", None)
        assert (await talker.until("response.done"))["response"]["status"] == "completed"
        assert not talker.codes()


async def test_sixteen_thousand_a_second_are_taken_as_such(ears: EmbeddedEngines, sentence: Samples):
    audio = {"input": {"format": {"type": "audio/pcm", "rate": 16_000}}}
    async with service(listeners=ears) as here, here.talker() as talker:
        await talker.asks("session.update", session={"type": "realtime", "audio": audio})
        assert (await tells(talker, wire(sentence, rate=16_000)))["transcript"] == SENTENCE
        # The types of the package know 24 kHz alone; whoever asked for another rate is told it all the same.
        talker.events.remove(talker.of("session.updated")[0])


def chord(seconds: float) -> Samples:
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    notes = [np.sin(2 * np.pi * hz * t) * np.exp(-3 * (t % 0.5)) for hz in (261.6, 329.6, 392.0, 523.3)]
    return (0.15 * np.sum(notes, axis=0)).astype(np.float32)


def claps(seconds: float) -> Samples:
    random = np.random.default_rng(3)
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.5 * random.uniform(-1, 1, t.size) * np.exp(-40 * (t % 0.7))).astype(np.float32)


def pink(seconds: float) -> Samples:
    spectrum = np.fft.rfft(np.random.default_rng(4).normal(0, 1, round(seconds * SAMPLE_RATE)))
    sound = np.fft.irfft(spectrum / np.sqrt(np.arange(spectrum.size) + 1.0))
    return (0.1 * sound / np.std(sound)).astype(np.float32)


NOTHING = {
    "digital silence": lambda: np.zeros(90 * SAMPLE_RATE, np.float32),
    "a quiet room": lambda: room(60.0),
    "white noise": lambda: np.random.default_rng(2).normal(0, 0.05, 15 * SAMPLE_RATE).astype(np.float32),
    "pink noise": lambda: pink(15.0),
    "mains hum": lambda: (0.1 * np.sin(2 * np.pi * 50 * np.arange(15 * SAMPLE_RATE) / SAMPLE_RATE)).astype(np.float32),
    "music": lambda: chord(15.0),
    "claps": lambda: claps(15.0),
    "a click": lambda: np.concatenate((room(1.0), np.full(16, 0.9, np.float32), room(2.0))),
}


@pytest.mark.parametrize("kind", NOTHING)
async def test_what_is_no_speech_is_no_turn_and_asks_no_model(ears: EmbeddedEngines, kind: str):
    responder = ScriptedResponder([["Yes."]])
    async with service(listeners=ears, responder=responder) as here, here.talker() as talker:
        pcm = wire(NOTHING[kind]())
        for at in range(0, len(pcm), 480_000):
            await talker.sends(pcm[at : at + 480_000])
            await here.caught_up(talker)
        await talker.types("that was all")
        assert not [text for text in talker.transcripts() if text]
        assert {said.transcript.text for said, _ in responder.heard} == {"hello there", "that was all"}
        assert not talker.of("attune.emotion.final")[1:]


async def test_a_worker_killed_while_somebody_speaks_costs_them_nothing(ears: EmbeddedEngines, sentence: Samples):
    pcm = wire(sentence)
    half = len(pcm) // 4 * 2
    async with service(listeners=ears) as here, here.talker() as talker, here.talker() as other:
        await talker.sends(pcm[:half])
        await talker.until("input_audio_buffer.speech_started")
        before = ears.pids
        os.killpg(before[0], signal.SIGKILL)
        for pid in before[1:]:
            os.kill(pid, signal.SIGKILL)
        heard = await tells(talker, pcm[half:])
        assert heard["transcript"] == SENTENCE
        assert (await talker.until("response.done"))["response"]["status"] == "completed"
        assert not talker.of("conversation.item.input_audio_transcription.failed")
        assert (await tells(other, pcm))["transcript"] == SENTENCE
        assert not set(ears.pids) & set(before)


async def test_two_who_speak_at_once_are_each_heard_alone(ears: EmbeddedEngines, sentence: Samples, spoken: Any):
    speech = read_audio(spoken("i went to the market", voice="rms"))
    second = room(speech.size / SAMPLE_RATE + 2.5)
    second[SAMPLE_RATE // 2 : SAMPLE_RATE // 2 + speech.size] += speech
    async with service(listeners=ears) as here, here.talker() as one, here.talker() as two:
        pieces = [(one, wire(sentence)), (two, wire(second))]
        for at in range(0, max(len(pcm) for _, pcm in pieces), 4_800):
            for talker, pcm in pieces:
                await talker.sends(pcm[at : at + 4_800])
        for talker in (one, two):
            await talker.until("response.done")
        assert one.transcripts() == [SENTENCE]
        assert two.transcripts() == ["i went to the market"]
