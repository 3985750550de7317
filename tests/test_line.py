"""What the line promises as a whole: word error rates from a cold start, and long stretches of nothing."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from streaming.audio import SAMPLE_RATE, silence
from streaming.backends.scripted import ScriptedTranscriber
from streaming.backends.voice_activity import FusedActivity
from streaming.files import read_audio
from streaming.listener import Listener, Stages
from streaming.nbest import edits, normalise
from streaming.prosody import ProsodyTracker
from streaming.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from subprocess import CompletedProcess

    from streaming.events import Samples

    Attune = Callable[..., CompletedProcess[str]]
    Write = Callable[[Path, Samples], Path]
    Heard = list[dict[str, Any]]

SPEECH = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "speech"
SENTENCES = (
    "i got the job today and i am so happy",
    "we went to the market and bought some bread",
    "why does nobody ever tell me anything",
    "that was the best day of my whole life",
    "the meeting is at three in the afternoon",
    "thank you for listening to me",
)


def heard_in(attune: Attune, path: Path) -> Heard:
    """The finals of a file, heard by an agent that has heard nothing before."""
    ran = attune("transcribe", path, "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    return [json.loads(line) for line in ran.stdout.splitlines()]


def n_errors(reference: str, texts: Sequence[str]) -> int:
    return edits(normalise(reference).split(), normalise(" ".join(texts)).split())


def best_errors(reference: str, heard: Heard) -> int:
    """Errors of the best reading of each utterance, chosen one by one until nothing gets better."""
    chosen = [final["text"] for final in heard]
    least = n_errors(reference, chosen)
    is_better = True
    while is_better:
        is_better = False
        for place, final in enumerate(heard):
            for hypothesis in final["nbest"]:
                tried = [*chosen[:place], hypothesis["text"], *chosen[place + 1 :]]
                if (n := n_errors(reference, tried)) < least:
                    chosen, least, is_better = tried, n, True
    return least


@pytest.fixture(scope="session")
def voiced(
    attune: Attune, spoken: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory, write_wav: Write
) -> tuple[str, Heard]:
    """Sentences by two voices in one file, and what was heard."""
    parts = [read_audio(spoken(text, voice=("slt", "rms")[i % 2])) for i, text in enumerate(SENTENCES)]
    sound = np.concatenate([piece for part in parts for piece in (part, silence(SAMPLE_RATE))])
    path = write_wav(tmp_path_factory.mktemp("voiced") / "sentences.wav", sound)
    return " ".join(SENTENCES), heard_in(attune, path)


@pytest.fixture(scope="session")
def recorded(attune: Attune) -> dict[str, tuple[str, Heard]]:
    """Recordings of people by name, with the words and what was heard."""
    if not SPEECH.is_dir():
        pytest.skip(f"no recordings at {SPEECH}")
    paths = sorted(SPEECH.glob("*.flac"))
    return {path.stem: (path.with_suffix(".txt").read_text("utf-8"), heard_in(attune, path)) for path in paths}


def test_voiced_sentences_are_understood_within_10_percent(voiced: tuple[str, Heard]):
    reference, heard = voiced
    assert len(heard) == len(SENTENCES)
    assert n_errors(reference, [final["text"] for final in heard]) / len(normalise(reference).split()) <= 0.10


@pytest.mark.data
def test_the_first_utterance_of_a_cold_start_is_understood_within_30_percent(
    recorded: dict[str, tuple[str, Heard]],
):
    reference, heard = recorded["jfk"]
    assert n_errors(reference, [final["text"] for final in heard]) / len(normalise(reference).split()) <= 0.30


@pytest.mark.data
def test_the_best_of_ten_is_better_than_the_best(voiced: tuple[str, Heard], recorded: dict[str, tuple[str, Heard]]):
    pool = [voiced, *recorded.values()]
    first = sum(n_errors(reference, [final["text"] for final in heard]) for reference, heard in pool)
    oracle = sum(best_errors(reference, heard) for reference, heard in pool)
    assert oracle < first


def nothing(minutes: int) -> Iterator[Samples]:
    """Minutes without a voice: silence, hiss at several levels, hum, rumble, clicks, a siren; the same each time."""
    rng = np.random.default_rng(7)
    n = SAMPLE_RATE * 60
    t = np.arange(n) / SAMPLE_RATE
    clicks = silence(n)
    clicks[:: SAMPLE_RATE // 3] = 0.8
    rumble = np.cumsum(rng.normal(0, 1, n))
    kinds = [
        silence(n),
        rng.normal(0, 0.003, n),
        rng.normal(0, 0.1, n),
        0.3 * np.sin(2 * np.pi * 50 * t),
        0.3 * rumble / np.abs(rumble).max(),
        clicks + rng.normal(0, 0.001, n),
    ]
    sounds = [np.asarray(kind, np.float32) for kind in kinds]
    for minute in range(minutes):
        yield sounds[minute % len(sounds)]


def test_eighteen_minutes_of_nothing_say_nothing_and_keep_nothing():
    stages = Stages(
        segmenter=Segmenter(FusedActivity()),
        transcriber=ScriptedTranscriber(["words that nobody said"]),
        prosody=ProsodyTracker(),
    )
    listener = Listener(stages)
    n_blocks: list[int] = []
    for minute in nothing(18):  # each kind three times
        for second in np.split(minute, 60):
            assert listener.feed(second) == []
        gc.collect()
        n_blocks.append(sys.getallocatedblocks())
    assert listener.flush() == []
    # One thing kept for each block of 20 ms would be 3000 a minute.
    assert n_blocks[-1] - n_blocks[5] < 3000
