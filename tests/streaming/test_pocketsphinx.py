from __future__ import annotations

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import jiwer
import numpy as np
import pytest

from streaming.backends.framing import Channel
from streaming.backends.pocketsphinx import PocketSphinxTranscriber
from streaming.backends.pocketsphinx_engine import PocketSphinxEngine
from streaming.backends.pocketsphinx_settings import Mean, PocketSphinxSettings
from streaming.errors import EngineFailed
from streaming.files import read_audio
from streaming.nbest import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streaming.backends.pocketsphinx_talk import PendingTranscript
    from streaming.events import Samples, Transcript

SENTENCES = (
    "the weather is nice and the sun is shining",
    "my brother bought a new car yesterday",
    "i feel sad and tired all the time",
)
BLOCK = 320
RATE = 16_000


@pytest.fixture(scope="module")
def sounds(spoken: Callable[..., Path]) -> dict[str, Samples]:
    return {text: in_a_room(read_audio(spoken(text))) for text in SENTENCES}


def in_a_room(speech: Samples) -> Samples:
    """Put half a second of a quiet room before and after; whole blocks."""
    room = np.random.default_rng(1).normal(0, 2e-4, speech.size + RATE).astype(np.float32)
    room[RATE // 2 : RATE // 2 + speech.size] += speech
    return room[: room.size // BLOCK * BLOCK]


@pytest.fixture(scope="module")
def engine() -> Iterator[PocketSphinxEngine]:
    engine = PocketSphinxEngine()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def undisturbed(engine: PocketSphinxEngine, sounds: dict[str, Samples]) -> Transcript:
    """What the second sentence comes to when nothing gets in the way."""
    transcriber = PocketSphinxTranscriber(engine=engine)
    found = said(transcriber, sounds[SENTENCES[1]])
    transcriber.close()
    return found


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


def test_plain_sentences_are_read_with_few_errors(transcriber: PocketSphinxTranscriber, sounds: dict[str, Samples]):
    heard = [said(transcriber, sounds[text], utterance=i).text for i, text in enumerate(SENTENCES)]
    assert jiwer.wer(list(SENTENCES), heard) <= 0.10


def test_final_is_a_sorted_list_of_distinct_readings_with_posteriors(
    transcriber: PocketSphinxTranscriber, sounds: dict[str, Samples]
):
    final = said(transcriber, sounds[SENTENCES[0]])
    assert final.is_final
    assert len(final.nbest) == 10
    assert [h.logp for h in final.nbest] == sorted((h.logp for h in final.nbest), reverse=True)
    assert len({normalise(h.text) for h in final.nbest}) == 10
    assert sum(h.posterior for h in final.nbest) == pytest.approx(1)
    assert {h.source for h in final.nbest} == {"pocketsphinx"}


def test_word_times_are_stream_time_and_in_order(transcriber: PocketSphinxTranscriber, sounds: dict[str, Samples]):
    sound = sounds[SENTENCES[0]]
    for reading in said(transcriber, sound, at_s=100.0).nbest:
        edges = [edge for word in reading.words for edge in (word.start_s, word.end_s)]
        assert edges == sorted(edges)
        assert 100.3 < edges[0] < edges[-1] <= 100.0 + sound.size / RATE
        assert all(word.posterior is not None and 0 <= word.posterior <= 1 for word in reading.words)
        assert reading.text == " ".join(word.text for word in reading.words)


def test_stable_words_of_partials_never_change(transcriber: PocketSphinxTranscriber, sounds: dict[str, Samples]):
    transcriber.start(1, 0.0)
    sound, stable, n_stable = sounds[SENTENCES[0]], list[str](), 0
    for start in range(0, sound.size, 10 * BLOCK):
        hear(transcriber, sound[start : start + 10 * BLOCK])
        partial = transcriber.partial().result()
        words = partial.text.split()
        assert not partial.is_final
        assert words[: len(stable)] == stable
        stable, n_stable = words[: partial.n_stable], partial.n_stable
    assert n_stable >= 5


def test_revoked_pause_leaves_no_trace(
    transcriber: PocketSphinxTranscriber, sounds: dict[str, Samples], undisturbed: Transcript
):
    first, pause, rest = np.split(sounds[SENTENCES[1]], [50 * BLOCK, 60 * BLOCK])
    transcriber.start(1, 0.0)
    hear(transcriber, first)
    revoked = transcriber.finish()
    hear(transcriber, pause)
    revoked.cancel()
    hear(transcriber, rest)
    assert transcriber.finish().result().nbest == undisturbed.nbest


def test_sound_after_the_question_does_not_change_the_answer(
    transcriber: PocketSphinxTranscriber, sounds: dict[str, Samples], undisturbed: Transcript
):
    transcriber.start(1, 0.0)
    hear(transcriber, sounds[SENTENCES[1]])
    pending = transcriber.finish()
    hear(transcriber, np.zeros(20 * BLOCK, np.float32))
    assert pending.result() == undisturbed


def test_cut_of_the_sound_does_not_matter(
    transcriber: PocketSphinxTranscriber, sounds: dict[str, Samples], undisturbed: Transcript
):
    sound = sounds[SENTENCES[1]]
    transcriber.start(1, 0.0)
    for start in range(0, sound.size, 1234):
        transcriber.accept(sound[start : start + 1234])
    assert transcriber.finish().result() == undisturbed


def test_same_sound_gives_the_same_session_whoever_else_is_heard(
    engine: PocketSphinxEngine, sounds: dict[str, Samples]
):
    sessions = [PocketSphinxTranscriber(engine=engine) for _ in range(2)]
    for i, text in enumerate(SENTENCES[:2]):
        pending: list[PendingTranscript] = []
        for session in sessions:
            session.start(i, 0.0)
            hear(session, sounds[text])
            pending.append(session.finish())
        one, other = (each.result() for each in pending)
        assert one == other
        assert one.nbest
    for session in sessions:
        session.close()


def test_an_answer_can_be_looked_for_without_waiting(
    transcriber: PocketSphinxTranscriber, sounds: dict[str, Samples], undisturbed: Transcript
):
    transcriber.start(1, 0.0)
    hear(transcriber, sounds[SENTENCES[1]])
    partial, final = transcriber.partial(), transcriber.finish()
    looks = [final.done()]
    answer = final.result()
    assert answer.nbest == undisturbed.nbest
    assert (looks, final.done()) == ([False], True)
    assert partial.done(), "it came before, on the same way"
    assert partial.result().text


def test_an_answer_whose_worker_has_died_is_not_there_until_it_was_asked_for_again(sounds: dict[str, Samples]):
    engine = PocketSphinxEngine()
    transcriber = PocketSphinxTranscriber(engine=engine)
    transcriber.start(1, 0.0)
    hear(transcriber, sounds[SENTENCES[1]])
    partial = transcriber.partial()
    assert engine.pid is not None
    os.killpg(engine.pid, signal.SIGKILL)
    assert partial.done() in {False, True}  # it may have come just before
    final = transcriber.finish()
    assert final.result().text
    assert final.done()
    transcriber.close()
    engine.close()


def test_worker_killed_in_mid_utterance_costs_nothing(sounds: dict[str, Samples], undisturbed: Transcript):
    sound = sounds[SENTENCES[1]]
    engine = PocketSphinxEngine()
    transcriber = PocketSphinxTranscriber(engine=engine)
    transcriber.start(1, 0.0)
    hear(transcriber, sound[: 50 * BLOCK])
    transcriber.partial().result()
    open_question = transcriber.partial()
    assert engine.pid is not None
    os.killpg(engine.pid, signal.SIGKILL)
    hear(transcriber, sound[50 * BLOCK :])
    assert open_question.result().at_s == 1.0
    assert transcriber.finish().result().nbest == undisturbed.nbest
    transcriber.close()
    engine.close()


class DeadEngine(PocketSphinxEngine):
    """Hands out connections nobody serves."""

    n_opened = 0

    def warm(self) -> None:
        pass

    def open(self) -> tuple[Channel, int | None]:
        self.n_opened += 1
        ours, theirs = socket.socketpair()
        theirs.close()
        return Channel(ours), None


def test_engine_that_dies_twice_fails_and_is_not_asked_the_same_again():
    engine = DeadEngine()
    transcriber = PocketSphinxTranscriber(engine=engine)
    transcriber.start(1, 0.0)
    hear(transcriber, np.zeros(10 * BLOCK, np.float32))
    pending = transcriber.finish()
    for _ in range(2):
        with pytest.raises(EngineFailed, match="died 2 times on utterance 1"):
            pending.result()
    n_opened = engine.n_opened
    transcriber.start(2, 0.0)
    assert engine.n_opened == n_opened + 1
    transcriber.close()


def test_closing_frees_a_thread_that_waits_and_starts_nothing_anew():
    transcriber = PocketSphinxTranscriber()
    transcriber.start(1, 0.0)
    hear(transcriber, noise_of("loud white"))
    pending = transcriber.finish()
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(pending.result)
        transcriber.close()
        with pytest.raises(EngineFailed, match="closed"):
            waiting.result(30)
    transcriber.start(2, 0.0)
    with pytest.raises(EngineFailed, match="closed"):
        transcriber.finish().result()
    assert transcriber._engine.pid is None


def test_a_process_lost_by_several_is_replaced_by_the_first_only():
    engine = PocketSphinxEngine()
    channel, lost = engine.open()
    engine.retire(lost)
    again, pid = engine.open()
    engine.retire(lost)
    assert engine.pid == pid != lost
    for each in (channel, again):
        each.close()
    engine.close()
    with pytest.raises(EngineFailed, match="closed"):
        engine.open()


def test_the_users_files_are_not_mistaken_for_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "tempfile.py").write_text("raise SystemExit('a file of the user')")
    monkeypatch.chdir(tmp_path)
    transcriber = PocketSphinxTranscriber()
    transcriber.start(1, 0.0)
    assert transcriber.finish().result().nbest == ()
    transcriber.close()


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
def test_noise_gives_no_words(transcriber: PocketSphinxTranscriber, sounds: dict[str, Samples], noise: str):
    sound = noise_of(noise)
    assert said(transcriber, sound, utterance=1).nbest == ()
    assert said(transcriber, sounds[SENTENCES[0]], utterance=2).nbest
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
    engine = transcriber._engine
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
