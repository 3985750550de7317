"""The whole transcriber on a tiny real model: alone, beside others, in the line. Its words are noise."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from streaming.backends.voice_activity import FusedActivity
from streaming.backends.whisper import WhisperEngine, WhisperSettings, WhisperTranscriber
from streaming.backends.whisper_features import MelFrames
from streaming.backends.whisper_model import load_whisper
from streaming.backends.whisper_values import DecodeOptions, Question
from streaming.events import SpeechPaused, SpeechResumed, Transcript, Utterance
from streaming.files import read_audio
from streaming.listener import Listener, Stages
from streaming.nbest import normalise
from streaming.prosody import ProsodyTracker
from streaming.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streaming.events import ListenerEvent, Samples

RATE = 16_000
SENTENCES = (
    "the weather is nice and the sun is shining",
    "my brother bought a new car yesterday",
    "i feel sad and tired all the time",
)


@pytest.fixture(scope="module")
def engine(tiny_whisper_path: Path) -> Iterator[WhisperEngine]:
    engine = WhisperEngine.load(tiny_whisper_path, device="cpu", n_threads=1)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def polyglot(tiny_polyglot_path: Path) -> Iterator[WhisperEngine]:
    engine = WhisperEngine.load(tiny_polyglot_path, device="cpu", n_threads=1)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def sounds(spoken: Callable[..., Path]) -> list[Samples]:
    return [read_audio(spoken(text)) for text in SENTENCES]


def said(transcriber: WhisperTranscriber, samples: Samples, *, block: int = 320, at_s: float = 0.0) -> list[Transcript]:
    """Return the partials at every 0.4 s, then the final."""
    transcriber.start(1, at_s)
    found: list[Transcript] = []
    for start in range(0, samples.size, 6_400):
        step = samples[start : start + 6_400]
        for i in range(0, step.size, block):
            transcriber.accept(step[i : i + block])
        found.append(transcriber.partial().result())
    return [*found, transcriber.finish().result()]


def same(one: Transcript, other: Transcript) -> bool:
    """Whether texts are equal and scores nearly so."""
    return [h.text for h in one.nbest] == [h.text for h in other.nbest] and np.allclose(
        [h.logp for h in one.nbest], [h.logp for h in other.nbest], atol=0.02
    )


def test_final_is_a_sorted_list_of_distinct_readings_with_posteriors(engine: WhisperEngine, sounds: list[Samples]):
    for sound in sounds:
        final = said(WhisperTranscriber(engine), sound, at_s=100.0)[-1]
        assert final.is_final
        assert final.language == "en"
        assert 3 <= len(final.nbest) <= 10
        assert [h.logp for h in final.nbest] == sorted((h.logp for h in final.nbest), reverse=True)
        assert len({normalise(h.text) for h in final.nbest}) == len(final.nbest)
        assert sum(h.posterior for h in final.nbest) == pytest.approx(1)
        for reading in final.nbest:
            edges = [edge for word in reading.words for edge in (word.start_s, word.end_s)]
            assert edges == sorted(edges)
            assert 100.0 <= edges[0] <= edges[-1] <= 100.1 + sound.size / RATE
            assert reading.text == " ".join(word.text for word in reading.words)
        assert all(word.posterior is not None for word in final.nbest[0].words)


def test_partials_keep_their_promises(engine: WhisperEngine, sounds: list[Samples]):
    promised: list[str] = []
    for partial in said(WhisperTranscriber(engine), np.concatenate(sounds))[:-1]:
        words = partial.text.split()
        assert words[: len(promised)] == promised
        promised = words[: partial.n_stable]
    assert promised


@pytest.mark.parametrize("block", [17, 160, 5_000])
def test_the_cut_of_the_sound_changes_nothing(engine: WhisperEngine, sounds: list[Samples], block: int):
    assert said(WhisperTranscriber(engine), sounds[0], block=block) == said(WhisperTranscriber(engine), sounds[0])


def test_sessions_side_by_side_hear_what_each_hears_alone(engine: WhisperEngine, sounds: list[Samples]):
    def in_a_session(sound: Samples) -> list[Transcript]:
        return said(WhisperTranscriber(engine), sound)

    alone = [in_a_session(sound) for sound in sounds]
    n_before = engine.stats().batches
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(in_a_session, sounds * 2))
    assert engine.stats().batches - n_before < sum(map(len, together)), "nothing was batched"
    for found, expected in zip(together, alone * 2, strict=True):
        assert len(found) == len(expected)
        assert all(same(one, other) for one, other in zip(found, expected, strict=True))


def test_beams_and_draws_share_one_list(engine: WhisperEngine, sounds: list[Samples]):
    using = WhisperSettings(n_beams=6, n_samples=4)
    final = said(WhisperTranscriber(engine, settings=using), sounds[0])[-1]
    beams = said(WhisperTranscriber(engine, settings=replace(using, n_samples=0)), sounds[0])[-1]
    assert len(beams.nbest) <= len(final.nbest) <= 10
    assert {h.text for h in beams.nbest} <= {h.text for h in final.nbest}


def test_an_utterance_longer_than_the_model_hears_is_decoded_to_its_end(engine: WhisperEngine, sounds: list[Samples]):
    sound = np.concatenate(sounds * 5)
    transcriber = WhisperTranscriber(engine)
    transcriber.start(1, 0.0)
    transcriber.accept(sound)
    final = transcriber.finish().result()
    words = final.nbest[0].words
    assert sound.size / RATE > 35
    assert words[0].start_s < 1.0
    assert words[-1].end_s > 20.0
    assert len(final.nbest) > 1


def test_the_language_is_detected_provisionally_and_then_stays(polyglot: WhisperEngine, sounds: list[Samples]):
    transcriber = WhisperTranscriber(polyglot)
    first = said(transcriber, sounds[0][: RATE * 3 // 2])
    transcriber.start(2, 2.0)
    assert transcriber.language is None
    found = said(transcriber, sounds[1])
    transcriber.start(3, 9.0)
    assert transcriber.language is not None
    assert len(transcriber.language) in {2, 3}
    assert all(transcript.language for transcript in [*first, *found])


def test_nothing_is_learnt_from_an_utterance_that_was_called_off(polyglot: WhisperEngine, sounds: list[Samples]):
    transcriber = WhisperTranscriber(polyglot)
    for is_void in (True, False):
        transcriber.start(1, 0.0)
        transcriber.accept(np.concatenate(sounds))
        final = transcriber.finish()
        assert final.result().nbest
        if is_void:
            final.cancel()
        transcriber.start(2, 10.0)
        assert (transcriber.language is None) == is_void
    transcriber.close()


def test_different_languages_in_one_batch_are_decoded_each_in_its_own(polyglot: WhisperEngine, sounds: list[Samples]):
    def in_language(code: str) -> Transcript:
        return said(WhisperTranscriber(polyglot, language=code), sounds[0])[-1]

    alone = {code: in_language(code) for code in ("en", "de", "ja")}
    with ThreadPoolExecutor(3) as pool:
        together = dict(zip(alone, pool.map(in_language, alone), strict=True))
    assert all(same(together[code], alone[code]) for code in alone)
    assert {code: found.language for code, found in together.items()} == {code: code for code in alone}
    for code, found in together.items():
        assert certainties(found) == pytest.approx(certainties(alone[code]), abs=0.02)
    assert all(" " not in reading.text for reading in together["ja"].nbest)
    assert " " in together["de"].text


def certainties(transcript: Transcript) -> list[float]:
    return [word.posterior or 0.0 for word in transcript.nbest[0].words]


def test_what_was_heard_before_weighs_in_on_the_language(tiny_polyglot_path: Path, sounds: list[Samples]):
    model = load_whisper(tiny_polyglot_path, device="cpu", compute_type="float32", n_threads=1)
    mel = MelFrames(model.filters)
    mel.feed(sounds[0])
    question = Question(features=mel.read(), options=DecodeOptions(n_frames=3000))
    plain = model.decode([question])[0]
    assert plain.language == plain.shares[0][0]
    assert sum(share for _, share in plain.shares) == pytest.approx(1, abs=0.01)
    other = plain.shares[5][0]
    evidence = tuple((code, 0.0 if code == other else -1000.0) for code, _ in plain.shares)
    informed, allowed = model.decode([replace(question, evidence=evidence), replace(question, allowed=(other,))])
    assert informed.language == allowed.language == other
    model.close()


@pytest.fixture(scope="module")
def recording(sounds: list[Samples]) -> Samples:
    """A quiet room; two sentences with a short pause between them, then one more after a long one."""
    rng = np.random.default_rng(3)
    pieces = [np.zeros(RATE // 2), sounds[0], sounds[1], np.zeros(2 * RATE), sounds[2]]
    sound = np.concatenate([*pieces, np.zeros(2 * RATE)])
    return (sound + rng.normal(0, 2e-4, sound.size)).astype(np.float32)


def line_events(engine: WhisperEngine, recording: Samples, *, chunk: int) -> list[ListenerEvent]:
    listener = Listener(
        Stages(segmenter=Segmenter(FusedActivity()), transcriber=WhisperTranscriber(engine), prosody=ProsodyTracker())
    )
    events: list[ListenerEvent] = []
    for start in range(0, recording.size, chunk):
        events += listener.feed(recording[start : start + chunk])
    events += listener.flush()
    listener.close()
    return events


@pytest.fixture(scope="module")
def heard(engine: WhisperEngine, recording: Samples) -> list[ListenerEvent]:
    return line_events(engine, recording, chunk=320)


def transcripts(events: list[ListenerEvent]) -> list[Transcript]:
    return [event for event in events if isinstance(event, Transcript)]


def test_the_line_turns_speech_into_partials_and_utterances(heard: list[ListenerEvent]):
    utterances = [event for event in heard if isinstance(event, Utterance)]
    assert len(utterances) == 2
    assert all(utterance.transcript.is_final and utterance.transcript.nbest for utterance in utterances)
    assert all(utterance.language == "en" and utterance.cross_wer is not None for utterance in utterances)
    assert sum(not transcript.is_final for transcript in transcripts(heard)) >= 4


def test_a_final_begun_in_a_pause_is_revoked_when_speech_goes_on(heard: list[ListenerEvent]):
    assert any(isinstance(event, SpeechResumed) for event in heard), "the recording has no short pause"
    n_pauses = sum(isinstance(event, SpeechPaused) for event in heard)
    assert n_pauses > sum(transcript.is_final for transcript in transcripts(heard)) == 2


@pytest.mark.parametrize("chunk", [160, 4_001, 1_000_000])
def test_the_line_says_the_same_however_the_sound_arrives(
    engine: WhisperEngine, recording: Samples, heard: list[ListenerEvent], chunk: int
):
    assert transcripts(line_events(engine, recording, chunk=chunk)) == transcripts(heard)
