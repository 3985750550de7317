"""Transcription over HTTP: what is sent, what comes back, and that what is not wanted is aborted."""

from __future__ import annotations

import io
import threading
import wave
from typing import TYPE_CHECKING

import numpy as np
import openai
import pytest
from openai.types.audio import TranscriptionVerbose

from streaming.audio import SAMPLE_RATE, silence
from streaming.backends.openai_stt import OpenAiSttSettings, OpenAiTranscriber
from streaming.backends.openai_stt_answers import heard, language_code
from streaming.backends.scripted_activity import ScriptedActivity
from streaming.errors import EngineFailed, ServerFailed, Superseded
from streaming.events import EngineTrouble, Transcript, Utterance
from streaming.hallucination import GuardSettings
from streaming.listener import Listener, Stages
from streaming.prosody import ProsodyTracker
from streaming.remote import Endpoint, RetrySettings
from streaming.remote.client import Client
from streaming.segmenter import Segmenter
from tests.openai_server import OpenAiServer, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streaming.events import Samples
    from tests.openai_faults import Talk

SECOND: Samples = np.full(SAMPLE_RATE, 0.25, np.float32)


def transcriber_of(
    server: OpenAiServer, settings: OpenAiSttSettings | None = None, *, language: str | None = None
) -> OpenAiTranscriber:
    endpoint = Endpoint(server.url, retry=RetrySettings(n_tries=1))
    return OpenAiTranscriber(endpoint, model="toy", language=language, settings=settings)


@pytest.fixture
def transcriber(openai_server: OpenAiServer) -> Iterator[OpenAiTranscriber]:
    transcriber = transcriber_of(openai_server)
    yield transcriber
    transcriber.close()
    assert openai_server.wait_until(lambda: openai_server.n_open == 0)


def final(transcriber: OpenAiTranscriber, sound: Samples = SECOND) -> Transcript:
    transcriber.start(1, 10.0)
    transcriber.accept(sound)
    return transcriber.finish().result()


def test_a_final_has_words_score_and_language(openai_server: OpenAiServer, transcriber: OpenAiTranscriber):
    transcript = final(transcriber)
    assert transcript.is_final
    assert transcript.text == "i am so happy today"
    assert transcript.language == "en"
    assert transcript.at_s == 11.0
    (best,) = transcript.nbest
    assert best.posterior == 1.0
    assert best.logp == pytest.approx(5 * -0.25)
    assert best.source == "openai:toy"
    assert best.words[0].start_s == pytest.approx(10.0)
    assert best.words[-1].end_s == pytest.approx(11.0)
    assert openai_server.seen[0].path == "/v1/audio/transcriptions"


def test_the_sound_is_sent_as_it_is(openai_server: OpenAiServer, transcriber: OpenAiTranscriber):
    final(transcriber)
    seen = openai_server.seen[0]
    with wave.open(io.BytesIO(seen.file)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (1, 2, SAMPLE_RATE)
        assert np.frombuffer(wav.readframes(SAMPLE_RATE), "<i2").tolist() == [8192] * SAMPLE_RATE
    assert seen.form == {
        "model": ["toy"],
        "temperature": ["0"],
        "response_format": ["verbose_json"],
        "timestamp_granularities[]": ["word", "segment"],
    }


def test_the_official_client_sends_and_reads_the_same(openai_server: OpenAiServer, transcriber: OpenAiTranscriber):
    final(transcriber)
    with openai.OpenAI(base_url=openai_server.url, api_key="k", max_retries=0) as client:
        answer = client.audio.transcriptions.create(
            model="toy",
            file=("utterance.wav", openai_server.seen[0].file),
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
            temperature=0,
        )
    assert isinstance(answer, TranscriptionVerbose)
    assert answer.text == "i am so happy today"
    ours, theirs = openai_server.seen
    assert theirs.file == ours.file
    assert theirs.form == ours.form


def test_a_fixed_language_is_sent_and_stands_where_the_server_names_none(openai_server: OpenAiServer):
    openai_server.manners.heard_language = ""
    transcriber = transcriber_of(openai_server, language="de")
    assert final(transcriber).language == "de"
    assert openai_server.seen[0].form["language"] == ["de"]
    transcriber.close()


def test_a_server_without_verbose_answers_is_asked_plainly(openai_server: OpenAiServer, transcriber: OpenAiTranscriber):
    message = "response_format 'verbose_json' is not compatible with this model"
    openai_server.next(
        Refusal(status=400, body={"error": {"message": "unknown", "param": "timestamp_granularities"}}),
        Refusal(status=400, body={"error": {"message": message}}),
    )
    transcript = final(transcriber)
    assert transcript.text == "i am so happy today"
    assert transcript.nbest[0].logp == 0.0
    assert transcript.language is None
    spans = [(word.start_s, word.end_s) for word in transcript.nbest[0].words]
    assert spans == [(pytest.approx(10 + 0.2 * i), pytest.approx(10.2 + 0.2 * i)) for i in range(5)]
    final(transcriber)
    assert len(openai_server.seen) == 4, "it is remembered"
    assert openai_server.seen[-1].form["response_format"] == ["json"]


def test_silence_that_the_server_filled_with_words_is_not_believed(
    openai_server: OpenAiServer, transcriber: OpenAiTranscriber
):
    openai_server.manners.no_speech, openai_server.manners.avg_logprob = 0.9, -1.4
    assert final(transcriber).nbest == ()
    openai_server.manners.heard = "Thanks for watching!"
    openai_server.manners.no_speech, openai_server.manners.avg_logprob = 0.4, -0.9
    assert final(transcriber).nbest == ()


def test_no_words_and_no_sound_give_an_empty_transcript(openai_server: OpenAiServer, transcriber: OpenAiTranscriber):
    openai_server.manners.heard = ""
    assert final(transcriber).nbest == ()
    transcriber.start(2, 0.0)
    assert transcriber.finish().result().nbest == ()
    assert len(openai_server.seen) == 1


def test_a_very_short_sound_is_filled_up_with_silence(openai_server: OpenAiServer, transcriber: OpenAiTranscriber):
    final(transcriber, SECOND[:100])
    assert len(openai_server.seen[0].file) == 44 + 2 * 4000


def test_several_temperatures_give_several_readings(openai_server: OpenAiServer):
    transcriber = transcriber_of(openai_server, OpenAiSttSettings(temperatures=(0.0, 0.4, 0.8)))

    async def other(talk: Talk) -> None:
        await talk.whole({"text": "i am so hoppy"})

    openai_server.next("well", other, "html")
    transcript = final(transcriber)
    assert {hypothesis.text for hypothesis in transcript.nbest} == {"i am so happy today", "i am so hoppy"}
    assert sum(hypothesis.posterior for hypothesis in transcript.nbest) == pytest.approx(1.0)
    assert sorted(seen.form["temperature"][0] for seen in openai_server.seen) == ["0", "0.4", "0.8"]
    transcriber.close()


@pytest.mark.parametrize("fault", ["html", "hang_up", "truncated_body", "invalid_utf8_body", "empty", "json_list"])
def test_a_fault_is_one_error_and_the_next_final_is_good(
    openai_server: OpenAiServer, transcriber: OpenAiTranscriber, fault: str
):
    openai_server.next(fault)
    with pytest.raises(ServerFailed):
        final(transcriber)
    assert final(transcriber).text


def test_a_final_nobody_wants_is_aborted(openai_server: OpenAiServer, transcriber: OpenAiTranscriber):
    openai_server.next("mute")
    transcriber.start(1, 0.0)
    transcriber.accept(SECOND)
    pending = transcriber.finish()
    assert openai_server.wait_until(lambda: len(openai_server.seen) == 1)
    pending.cancel()
    pending.cancel()
    assert openai_server.wait_until(lambda: openai_server.n_left == 1)
    transcriber.accept(SECOND)
    assert transcriber.finish().result().text


def test_closing_ends_what_is_under_way(openai_server: OpenAiServer):
    before = set(threading.enumerate())
    transcriber = transcriber_of(openai_server)
    openai_server.next("mute")
    transcriber.accept(SECOND)
    pending = transcriber.finish()
    assert openai_server.wait_until(lambda: len(openai_server.seen) == 1)
    transcriber.close()
    transcriber.close()
    with pytest.raises(EngineFailed, match="was closed"):
        pending.result()
    assert set(threading.enumerate()) == before


def test_a_shared_client_outlives_a_session(openai_server: OpenAiServer):
    client = Client(Endpoint(openai_server.url))
    one, other = (OpenAiTranscriber(client.endpoint, model="toy", client=client) for _ in range(2))
    assert final(one).text
    one.close()
    assert final(other).text
    client.close()


def test_partials_are_off_unless_asked_for(openai_server: OpenAiServer, transcriber: OpenAiTranscriber):
    transcriber.start(1, 0.0)
    transcriber.accept(SECOND)
    assert transcriber.partial().result().nbest == ()
    assert transcriber.partial_lag_s == 0.0
    assert not openai_server.seen


def test_partials_promise_words_that_do_not_change(openai_server: OpenAiServer):
    transcriber = transcriber_of(openai_server, OpenAiSttSettings(partial_every_s=1.0))
    transcriber.start(1, 0.0)
    stable: list[int] = []
    for n in range(3):
        openai_server.manners.heard = " ".join("abcdefghi"[: 3 * (n + 1)])
        transcriber.accept(SECOND)
        pending = transcriber.partial()
        assert openai_server.wait_until(lambda n=n: len(openai_server.seen) == n + 1)
        future = getattr(pending, "future")  # noqa: B009 - the test waits as the listener would let time pass
        future.result(timeout=10)
        partial = pending.result()
        assert not partial.is_final
        assert partial.text == openai_server.manners.heard
        stable.append(partial.n_stable)
        assert transcriber.partial().result().nbest == (), "nothing new was heard"
    assert stable == [0, 3, 6]
    transcriber.close()


def test_a_partial_that_comes_too_late_is_dropped(openai_server: OpenAiServer):
    transcriber = transcriber_of(openai_server, OpenAiSttSettings(partial_every_s=0.5))
    openai_server.next("mute")
    transcriber.accept(SECOND)
    pending = transcriber.partial()
    assert openai_server.wait_until(lambda: len(openai_server.seen) == 1)
    with pytest.raises(Superseded):
        pending.result()
    assert transcriber.finish().result().text
    transcriber.close()


def test_the_line_hears_through_a_server(openai_server: OpenAiServer):
    transcriber = transcriber_of(openai_server)
    spans = ((0.5, 1.5), (4.0, 5.0))
    listener = Listener(
        Stages(segmenter=Segmenter(ScriptedActivity(spans)), transcriber=transcriber, prosody=ProsodyTracker())
    )
    openai_server.next("html")
    events = [*listener.feed(silence(7 * SAMPLE_RATE)), *listener.flush()]
    assert [event.engine for event in events if isinstance(event, EngineTrouble)] == ["openai:toy"]
    assert [event.transcript.text for event in events if isinstance(event, Utterance)] == ["i am so happy today"]
    listener.close()


@pytest.mark.parametrize(
    ("told", "code"),
    [("english", "en"), ("German", "de"), ("en", "en"), ("en-US", "en"), ("pt_BR", "pt"), ("", None), (None, None),
     ("klingonese", None), ("12", None)],
)  # fmt: skip
def test_languages_are_codes(told: str | None, code: str | None):
    assert language_code(told) == code


def test_odd_answers_are_read_as_far_as_they_go():
    guard = GuardSettings()
    answer = {
        "text": "a b. c",
        "words": [{"word": "a", "start": 0.0, "end": 0.5}, {"word": "b"}, "c"],
        "segments": [{"text": " A b.", "start": 0.0, "end": 1.0, "avg_logprob": float("nan")}, None, {"text": None}],
    }
    found = heard(answer, at_s=1.0, heard_s=2.0, guard=guard)
    assert found.reading is not None
    assert found.reading.text == "A b."
    assert found.reading.logp == 0.0
    assert heard({}, at_s=0.0, heard_s=1.0, guard=guard).reading is None


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="temperatures"):
        OpenAiSttSettings(temperatures=())
    with pytest.raises(ValueError, match="0 or more"):
        OpenAiSttSettings(partial_every_s=-1.0)
