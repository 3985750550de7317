"""The embedded stages put together."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from streaming.audio import SAMPLE_RATE, silence
from streaming.backends import embedded
from streaming.backends.embedded import EmbeddedEngines
from streaming.backends.pocketsphinx_engine import PocketSphinxEngine
from streaming.backends.praat import PraatAnalyst
from streaming.backends.scripted import ScriptedTranscriber
from streaming.controls import Commit, TurnDetection
from streaming.errors import EngineFailed
from streaming.events import EngineTrouble, SpeechStarted, Utterance
from streaming.files import read_audio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from streaming.controls import Eagerness
    from streaming.events import ListenerEvent, Samples
    from streaming.listener import Listener

SENTENCE = "my brother bought a new car yesterday"


def test_when_one_engine_is_missing_the_others_are_closed(monkeypatch: pytest.MonkeyPatch):
    started: list[PraatAnalyst] = []

    def analyst() -> PraatAnalyst:
        started.append(PraatAnalyst())
        return started[-1]

    def missing() -> None:
        raise EngineFailed("pocketsphinx is not installed")

    monkeypatch.setattr(embedded, "PraatAnalyst", analyst)
    monkeypatch.setattr(embedded, "PocketSphinxTranscriber", missing)
    with pytest.raises(EngineFailed, match="not installed"):
        embedded.embedded_listener()
    assert [each.pids for each in started] == [[]]
    with pytest.raises(EngineFailed, match="closed"):
        started[0].analyse(silence(160))


def test_when_the_analysts_cannot_start_the_recogniser_is_closed(monkeypatch: pytest.MonkeyPatch):
    started: list[PocketSphinxEngine] = []

    def recogniser() -> PocketSphinxEngine:
        started.append(PocketSphinxEngine())
        return started[-1]

    def missing(n: int) -> None:
        raise EngineFailed(f"{n} workers of parselmouth cannot start")

    monkeypatch.setattr(embedded, "praat_workers", missing)
    monkeypatch.setattr(embedded, "PocketSphinxEngine", recogniser)
    with pytest.raises(EngineFailed, match="cannot start"):
        EmbeddedEngines()
    assert [each.pid for each in started] == [None]


@pytest.fixture(scope="module")
def engines() -> Iterator[EmbeddedEngines]:
    engines = EmbeddedEngines()
    yield engines
    engines.close()
    engines.close()
    with pytest.raises(EngineFailed, match="closed"):
        engines.listener()


@pytest.fixture(scope="module")
def sound(spoken: Callable[..., Path]) -> Samples:
    speech = read_audio(spoken(SENTENCE))
    room = np.random.default_rng(1).normal(0, 2e-4, speech.size + 2 * SAMPLE_RATE).astype(np.float32)
    room[SAMPLE_RATE // 2 : SAMPLE_RATE // 2 + speech.size] += speech
    return room


@pytest.fixture(scope="module")
def undisturbed(engines: EmbeddedEngines, sound: Samples) -> Utterance:
    listener = engines.listener()
    utterance = only(heard(listener, sound))
    listener.close()
    return utterance


def heard(listener: Listener, sound: Samples) -> list[ListenerEvent]:
    events = [event for start in range(0, sound.size, 1_600) for event in listener.feed(sound[start : start + 1_600])]
    return events + listener.flush()


def only(events: Sequence[ListenerEvent]) -> Utterance:
    assert not [event for event in events if isinstance(event, EngineTrouble)]
    (utterance,) = [event for event in events if isinstance(event, Utterance)]
    return utterance


def test_speakers_share_the_engines_and_are_heard_side_by_side(
    engines: EmbeddedEngines, sound: Samples, undisturbed: Utterance
):
    pids = engines.pids
    listeners = [engines.listener() for _ in range(2)]
    told: list[list[ListenerEvent]] = [[] for _ in listeners]
    for start in range(0, sound.size, 1_600):
        for listener, events in zip(listeners, told, strict=True):
            events.extend(listener.feed(sound[start : start + 1_600]))
    for listener, events in zip(listeners, told, strict=True):
        utterance = only(events + listener.flush())
        assert utterance.transcript.nbest == undisturbed.transcript.nbest
        assert utterance.prosody.jitter == undisturbed.prosody.jitter
        listener.close()
    assert engines.pids == pids
    assert undisturbed.transcript.text == SENTENCE


def test_workers_killed_in_mid_utterance_are_replaced_and_nothing_is_lost(
    engines: EmbeddedEngines, sound: Samples, undisturbed: Utterance
):
    before = engines.pids
    listener = engines.listener()
    events = listener.feed(sound[: round(1.5 * SAMPLE_RATE)])
    assert any(isinstance(event, SpeechStarted) for event in events)
    recogniser, *analysts = before
    os.killpg(recogniser, signal.SIGKILL)  # with its copies, as when the machine runs out of memory
    for pid in analysts:
        os.kill(pid, signal.SIGKILL)
    utterance = only(events + heard(listener, sound[round(1.5 * SAMPLE_RATE) :]))
    assert utterance.transcript.nbest == undisturbed.transcript.nbest
    assert utterance.prosody.jitter == undisturbed.prosody.jitter
    assert not set(engines.pids) & set(before)
    listener.close()


def test_a_recogniser_that_died_while_nobody_spoke_is_replaced_for_the_next_speaker(
    engines: EmbeddedEngines, sound: Samples, undisturbed: Utterance
):
    recogniser = engines.pids[0]
    os.killpg(recogniser, signal.SIGKILL)
    listener = engines.listener()
    assert only(heard(listener, sound)).transcript.nbest == undisturbed.transcript.nbest
    assert engines.pids[0] != recogniser
    listener.close()


@pytest.mark.parametrize(
    ("eagerness", "texts"),
    [
        (None, ["i went to the market because", "my mother needed some milk"]),
        ("high", ["i went to the market because my mother needed some milk"]),
    ],
)
def test_a_sentence_left_open_is_waited_for_if_that_is_wanted_however_the_sound_is_cut(
    engines: EmbeddedEngines, spoken: Callable[..., Path], eagerness: Eagerness | None, texts: list[str]
):
    rest = silence(round(1.4 * SAMPLE_RATE))
    parts = [read_audio(spoken(text)) for text in ("i went to the market because", "my mother needed some milk")]
    sound = np.concatenate((parts[0], rest, parts[1], rest))
    sound += np.random.default_rng(0).normal(0, 2e-4, sound.size).astype(np.float32)
    stories: list[list[tuple[str, float, float]]] = []
    for chunk in (320, 5_000):
        listener = engines.listener(detection=TurnDetection(eagerness=eagerness))
        events = [event for i in range(0, sound.size, chunk) for event in listener.feed(sound[i : i + chunk])]
        utterances = [event for event in events + listener.flush() if isinstance(event, Utterance)]
        stories.append([(each.transcript.text, each.end_s, each.decided_s) for each in utterances])
        listener.close()
    assert stories[0] == stories[1]
    assert [text for text, _, _ in stories[0]] == texts


def test_another_transcriber_and_another_way_to_tell_utterances_apart():
    engines = EmbeddedEngines(transcribes=False)
    try:
        n_workers = len(engines.pids)
        listener = engines.listener(
            transcriber=lambda: ScriptedTranscriber(["hello"]), detection=TurnDetection(is_manual=True)
        )
        assert listener.feed(silence(3_200)) == [SpeechStarted(utterance=1, at_s=0.0)]
        assert isinstance(listener.control(Commit())[-1], Utterance)
        listener.close()
        assert len(engines.pids) == n_workers == 1
    finally:
        engines.close()
