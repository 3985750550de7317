"""A voice over HTTP: the sound comes as it is made, at 16 kHz, and stops when nobody listens."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Literal

import numpy as np
import openai
import pytest

from agent.backends.tts.openai_speech import OpenAiSpeech, OpenAiSpeechSettings
from agent.errors import SpeechFailed
from agent.ports import SpeakingStyle
from streaming.audio import SAMPLE_RATE
from streaming.remote import Endpoint, RetrySettings
from tests.openai_server import OpenAiServer, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streaming.events import Samples
    from tests.openai_faults import Talk

pytestmark = pytest.mark.anyio


def speech_of(server: OpenAiServer, *, pcm_hz: int = 24_000) -> OpenAiSpeech:
    endpoint = Endpoint(server.url, retry=RetrySettings(n_tries=1))
    return OpenAiSpeech(endpoint, model="toy", voice="alloy", settings=OpenAiSpeechSettings(pcm_hz=pcm_hz))


@pytest.fixture
def speech(openai_server: OpenAiServer) -> Iterator[OpenAiSpeech]:
    speech = speech_of(openai_server)
    yield speech
    speech.close()
    assert openai_server.wait_until(lambda: openai_server.n_open == 0)


async def said(speech: OpenAiSpeech, text: str = "Hello there.", style: SpeakingStyle | None = None) -> Samples:
    return np.concatenate([block async for block in speech.speak(text, style or SpeakingStyle())])


@pytest.mark.parametrize("kind", ["pcm", "wav"])
async def test_sound_comes_at_16_khz_whatever_the_server_sends(
    openai_server: OpenAiServer, speech: OpenAiSpeech, kind: Literal["pcm", "wav"]
):
    openai_server.manners.sound = kind
    sound = await said(speech)
    assert sound.dtype == np.float32
    assert len(sound) == pytest.approx(SAMPLE_RATE / 2, abs=2)
    spectrum = np.abs(np.fft.rfft(sound))
    assert np.argmax(spectrum) * SAMPLE_RATE / len(sound) == pytest.approx(440, abs=3)
    assert np.abs(sound[800:-800]).max() == pytest.approx(0.5, abs=0.01)


async def test_a_request_for_each_sentence_with_its_rate(openai_server: OpenAiServer, speech: OpenAiSpeech):
    await said(speech, "I hear you. I am here.", SpeakingStyle(rate=1.25))
    assert [seen.json for seen in openai_server.seen] == [
        {"model": "toy", "voice": "alloy", "input": text, "response_format": "pcm", "speed": 1.25}
        for text in ("I hear you.", "I am here.")
    ]
    await said(speech, "Hello.", SpeakingStyle(rate=9.0))
    assert openai_server.seen[-1].json["speed"] == 4.0
    await said(speech, "Hello.")
    assert "speed" not in openai_server.seen[-1].json


async def test_the_official_client_sends_the_same(openai_server: OpenAiServer, speech: OpenAiSpeech):
    await said(speech, "Hello.")
    async with openai.AsyncOpenAI(base_url=openai_server.url, api_key="k", max_retries=0) as client:
        answer = await client.audio.speech.create(model="toy", voice="alloy", input="Hello.", response_format="pcm")
        assert len(answer.content) == 24_000
    assert openai_server.seen[0].json == openai_server.seen[1].json


async def test_a_rate_that_the_server_names_is_taken(openai_server: OpenAiServer, speech: OpenAiSpeech):
    async def slow(talk: Talk) -> None:
        await talk.whole(bytes(2 * 8000), kind="audio/L16; rate=8000; channels=1")

    openai_server.next(slow)
    assert len(await said(speech)) == pytest.approx(SAMPLE_RATE, abs=2)
    other = speech_of(openai_server, pcm_hz=48_000)
    assert len(await said(other)) == pytest.approx(SAMPLE_RATE / 4, abs=2)
    other.close()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("html", "sent text/html instead of raw sound"),
        ("error_in_200", "sent application/json instead of raw sound"),
        ("hang_up", "closed the connection"),
        ("truncated_body", "sent application/json|broke off"),
        (Refusal(status=401), "check the key"),
        (Refusal(status=404, body={"detail": "Not Found"}), r"does not offer /audio/speech \(404\)"),
    ],
)
async def test_a_fault_is_one_error_and_the_next_sentence_is_good(
    openai_server: OpenAiServer, speech: OpenAiSpeech, fault: str | Refusal, says: str
):
    openai_server.next(fault)
    with pytest.raises(SpeechFailed, match=says):
        await said(speech)
    assert len(await said(speech))


async def test_sound_in_a_form_nobody_asked_for_is_refused(openai_server: OpenAiServer, speech: OpenAiSpeech):
    openai_server.manners.sound = "mp3"
    with pytest.raises(SpeechFailed, match="sent audio/mpeg instead of raw sound"):
        await said(speech)


async def test_no_sound_at_all_is_an_error(openai_server: OpenAiServer, speech: OpenAiSpeech):
    async def nothing(talk: Talk) -> None:
        await talk.whole(b"", kind="audio/pcm")

    openai_server.next(nothing)
    with pytest.raises(SpeechFailed, match="gave no sound for 12 characters"):
        await said(speech)


async def test_leaving_stops_the_server(openai_server: OpenAiServer, speech: OpenAiSpeech):
    async def long(talk: Talk) -> None:
        await talk.head("audio/pcm")
        await talk.chunk(bytes(48_000))
        await talk.never()

    openai_server.next(long)
    async with aclosing(speech.speak("Hello there.", SpeakingStyle())) as blocks:
        assert len(await anext(blocks)) == 1600
    assert await asyncio.to_thread(openai_server.wait_until, lambda: openai_server.n_left == 1)


async def test_nothing_to_say_asks_for_nothing(openai_server: OpenAiServer, speech: OpenAiSpeech):
    assert [block async for block in speech.speak("  ", SpeakingStyle())] == []
    assert not openai_server.seen


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="pcm_hz is 1"):
        OpenAiSpeechSettings(pcm_hz=1)
