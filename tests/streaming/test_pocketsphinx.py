from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import wave
from typing import TYPE_CHECKING

import jiwer
import numpy as np
import pytest

from streaming.backends.framing import Channel
from streaming.backends.pocketsphinx import PocketSphinxTranscriber
from streaming.backends.pocketsphinx_engine import PocketSphinxEngine
from streaming.backends.pocketsphinx_settings import Mean, PocketSphinxSettings
from streaming.errors import EngineFailed
from streaming.nbest import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streaming.events import Samples, Transcript

SENTENCES = (
    "the weather is nice and the sun is shining",
    "my brother bought a new car yesterday",
    "i feel sad and tired all the time",
)
BLOCK = 320
RATE = 16_000

needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite, which voices the sentences, is missing")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Samples]:
    folder = tmp_path_factory.mktemp("flite")
    return {text: voiced(text, folder / f"{i}.wav") for i, text in enumerate(SENTENCES)}


def voiced(text: str, path: Path) -> Samples:
    subprocess.run(["flite", "-voice", "slt", "-t", text, "-o", str(path)], check=True)
    with wave.open(str(path)) as sound:
        assert sound.getframerate() == RATE
        pcm = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.float32) / 32768
    room = np.random.default_rng(1).normal(0, 2e-4, pcm.size + RATE).astype(np.float32)
    room[RATE // 2 : RATE // 2 + pcm.size] += pcm
    return room[: room.size // BLOCK * BLOCK]


@pytest.fixture(scope="module")
def engine() -> Iterator[PocketSphinxEngine]:
    engine = PocketSphinxEngine()
    yield engine
    engine.close()


@pytest.fixture
def transcriber(engine: PocketSphinxEngine) -> Iterator[PocketSphinxTranscriber]:
    transcriber = PocketSphinxTranscriber(engine=engine)
    yield transcriber
    transcriber.close()


def hear(transcriber: PocketSphinxTranscriber, samples: Samples) -> None:
    for start in range(0, samples.size, BLOCK):
        transcriber.accept(samples[start : start + BLOCK])


def said(
    transcriber: PocketSphinxTranscriber, samples: Samples, *, utterance: int = 1, at_s: float = 0.0
) -> Transcript:
    transcriber.start(utterance, at_s)
    hear(transcriber, samples)
    return transcriber.finish().result()


@needs_flite
def test_plain_sentences_are_read_with_few_errors(transcriber: PocketSphinxTranscriber, spoken: dict[str, Samples]):
    heard = [said(transcriber, spoken[text], utterance=i).text for i, text in enumerate(SENTENCES)]
    assert jiwer.wer(list(SENTENCES), heard) <= 0.10


@needs_flite
def test_final_is_a_sorted_list_of_distinct_readings_with_posteriors(
    transcriber: PocketSphinxTranscriber, spoken: dict[str, Samples]
):
    final = said(transcriber, spoken[SENTENCES[0]])
    assert final.is_final
    assert len(final.nbest) == 10
    assert [h.logp for h in final.nbest] == sorted((h.logp for h in final.nbest), reverse=True)
    assert len({normalise(h.text) for h in final.nbest}) == 10
    assert sum(h.posterior for h in final.nbest) == pytest.approx(1)
    assert {h.source for h in final.nbest} == {"pocketsphinx"}


@needs_flite
def test_word_times_are_stream_time_and_in_order(transcriber: PocketSphinxTranscriber, spoken: dict[str, Samples]):
    sound = spoken[SENTENCES[0]]
    for reading in said(transcriber, sound, at_s=100.0).nbest:
        edges = [edge for word in reading.words for edge in (word.start_s, word.end_s)]
        assert edges == sorted(edges)
        assert 100.3 < edges[0] < edges[-1] <= 100.0 + sound.size / RATE
        assert all(word.posterior is not None and 0 <= word.posterior <= 1 for word in reading.words)
        assert reading.text == " ".join(word.text for word in reading.words)


@needs_flite
def test_stable_words_of_partials_never_change(transcriber: PocketSphinxTranscriber, spoken: dict[str, Samples]):
    transcriber.start(1, 0.0)
    sound, stable, n_stable = spoken[SENTENCES[0]], list[str](), 0
    for start in range(0, sound.size, 10 * BLOCK):
        hear(transcriber, sound[start : start + 10 * BLOCK])
        partial = transcriber.partial().result()
        words = partial.text.split()
        assert not partial.is_final
        assert words[: len(stable)] == stable
        stable, n_stable = words[: partial.n_stable], partial.n_stable
    assert n_stable >= 5


@needs_flite
def test_revoked_pause_leaves_no_trace(transcriber: PocketSphinxTranscriber, spoken: dict[str, Samples]):
    sound = spoken[SENTENCES[1]]
    undisturbed = said(transcriber, sound)
    again = PocketSphinxTranscriber(engine=engine_of(transcriber))
    again.start(1, 0.0)
    for cut in (sound.size // 2 // BLOCK * BLOCK,):
        hear(again, sound[:cut])
        revoked = again.finish()
        hear(again, sound[cut : cut + 10 * BLOCK])
        revoked.cancel()
        hear(again, sound[cut + 10 * BLOCK :])
    assert again.finish().result().nbest == undisturbed.nbest
    again.close()


def engine_of(transcriber: PocketSphinxTranscriber) -> PocketSphinxEngine:
    return transcriber._engine


@needs_flite
def test_sound_after_the_question_does_not_change_the_answer(
    transcriber: PocketSphinxTranscriber, spoken: dict[str, Samples]
):
    sound = spoken[SENTENCES[1]]
    expected = said(transcriber, sound)
    again = PocketSphinxTranscriber(engine=engine_of(transcriber))
    again.start(1, 0.0)
    hear(again, sound)
    pending = again.finish()
    hear(again, np.zeros(20 * BLOCK, np.float32))
    assert pending.result() == expected
    again.close()


@needs_flite
def test_cut_of_the_sound_does_not_matter(transcriber: PocketSphinxTranscriber, spoken: dict[str, Samples]):
    sound = spoken[SENTENCES[1]]
    expected = said(transcriber, sound)
    again = PocketSphinxTranscriber(engine=engine_of(transcriber))
    again.start(1, 0.0)
    for start in range(0, sound.size, 1234):
        again.accept(sound[start : start + 1234])
    assert again.finish().result() == expected
    again.close()


@needs_flite
def test_same_sound_gives_the_same_session(engine: PocketSphinxEngine, spoken: dict[str, Samples]):
    def session() -> list[Transcript]:
        transcriber = PocketSphinxTranscriber(engine=engine)
        found = [said(transcriber, spoken[text], utterance=i) for i, text in enumerate(SENTENCES[:2])]
        transcriber.close()
        return found

    assert session() == session()


@needs_flite
def test_worker_killed_in_mid_utterance_costs_nothing(spoken: dict[str, Samples]):
    sound = spoken[SENTENCES[2]]
    engine = PocketSphinxEngine()
    transcriber = PocketSphinxTranscriber(engine=engine)
    expected = said(transcriber, sound)
    transcriber.close()
    transcriber = PocketSphinxTranscriber(engine=engine)
    transcriber.start(1, 0.0)
    hear(transcriber, sound[: 50 * BLOCK])
    transcriber.partial().result()
    open_question = transcriber.partial()
    assert engine.pid is not None
    os.killpg(engine.pid, signal.SIGKILL)
    hear(transcriber, sound[50 * BLOCK :])
    assert open_question.result().at_s == 1.0
    assert transcriber.finish().result().nbest == expected.nbest
    transcriber.close()
    engine.close()


class DeadEngine(PocketSphinxEngine):
    """Hands out connections nobody serves."""

    def open(self) -> Channel:
        ours, theirs = socket.socketpair()
        theirs.close()
        return Channel(ours)


def test_engine_that_dies_twice_fails():
    engine = DeadEngine()
    transcriber = PocketSphinxTranscriber(engine=engine)
    transcriber.start(1, 0.0)
    hear(transcriber, np.zeros(10 * BLOCK, np.float32))
    with pytest.raises(EngineFailed, match="died 2 times on utterance 1"):
        transcriber.finish().result()
    transcriber.close()
    engine.close()


def noise_of(kind: str) -> Samples:
    """Return 2 s of a sound that is not speech."""
    t = np.arange(2 * RATE) / RATE
    hiss = np.random.default_rng(3).normal(0, 1, t.size)
    found = {
        "digital silence": 0 * t,
        "white": 0.01 * hiss,
        "loud white": 0.1 * hiss,
        "hum": 0.06 * np.sin(2 * np.pi * 50 * t) + 2e-4 * hiss,
        "tone": 0.1 * np.sin(2 * np.pi * 1000 * t) + 2e-4 * hiss,
        "clicks": 0.5 * (np.arange(t.size) % 4000 == 0) + 3e-4 * hiss,
    }
    return found[kind].astype(np.float32)


@pytest.mark.parametrize("noise", ["digital silence", "white", "loud white", "hum", "tone", "clicks"])
@needs_flite
def test_noise_gives_no_words(transcriber: PocketSphinxTranscriber, spoken: dict[str, Samples], noise: str):
    sound = noise_of(noise)
    assert said(transcriber, sound, utterance=1).nbest == ()
    assert said(transcriber, spoken[SENTENCES[0]], utterance=2).nbest
    assert said(transcriber, sound, utterance=3).nbest == ()


def test_nothing_heard_gives_nothing(transcriber: PocketSphinxTranscriber):
    transcriber.start(1, 0.0)
    assert transcriber.partial().result().nbest == ()
    assert transcriber.finish().result().nbest == ()


def test_cancelled_answer_cannot_be_collected(transcriber: PocketSphinxTranscriber):
    transcriber.start(1, 0.0)
    pending = transcriber.finish()
    pending.cancel()
    pending.cancel()
    with pytest.raises(EngineFailed, match="cancelled"):
        pending.result()


def test_close_leaves_no_process_behind():
    transcriber = PocketSphinxTranscriber()
    engine = engine_of(transcriber)
    group = engine.pid
    assert group is not None
    transcriber.start(1, 0.0)
    hear(transcriber, np.zeros(10 * BLOCK, np.float32))
    transcriber.partial().result()
    transcriber.close()
    transcriber.close()
    assert engine.pid is None
    assert ends_soon(group)


def ends_soon(group: int) -> bool:
    """Killed copies are reaped by the system, not by us: it may take a moment until the last one is gone."""
    for _ in range(500):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_means_blend_by_length():
    blend = Mean(values=(1.0, 4.0), n_frames=100).blended(Mean(values=(3.0, 0.0), n_frames=300))
    assert blend == Mean(values=(2.5, 1.0), n_frames=400)


@pytest.mark.parametrize("wrong", [{"n_best": 0}, {"n_best": 50}, {"per_node": 1}, {"temperature": 0.0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match="expected"):
        PocketSphinxSettings(**wrong)  # pyright: ignore[reportArgumentType]
