"""The shipped voice activity, its parts, and the bars it has to clear."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.audio import Resampler
from streaming.backends import silero
from streaming.backends.scripted_activity import ScriptedActivity
from streaming.backends.silero import SileroActivity, SileroWindows, WindowFrames, log_odds, model_path, probability
from streaming.backends.voice_activity import FusedActivity, Level, Votes
from streaming.backends.webrtc import WebrtcActivity, WebrtcVotes
from streaming.errors import EngineFailed
from streaming.files import read_audio
from streaming.segmenter import Segmenter
from streaming.stretches import stretches

if TYPE_CHECKING:
    from collections.abc import Callable

    from streaming.ports import VoiceActivity

SECOND = 16_000
ENGINES = [FusedActivity, SileroActivity, WebrtcActivity, lambda: ScriptedActivity([(0.3, 0.9)], delay_frames=5)]
NAMES = ["fused", "silero", "webrtc", "scripted"]


@pytest.fixture(scope="module")
def sentence(spoken: Callable[..., Path]) -> np.ndarray:
    """Half a second of silence, a spoken sentence, a second of silence."""
    speech = read_audio(spoken("good morning, i would like to tell you what happened yesterday"))
    return np.concatenate([np.zeros(SECOND // 2, np.float32), speech, np.zeros(SECOND, np.float32)])


def room(n: int, *, db: float = -60.0) -> np.ndarray:
    return (np.random.default_rng(1).normal(size=n) * 10 ** (db / 20)).astype(np.float32)


def kinds_of_noise(n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    t = np.arange(n) / SECOND
    white = rng.normal(size=n)
    spectrum = np.fft.rfft(white)
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(spectrum.size), 1)), n)
    keys = np.zeros(n)
    for begin in rng.integers(0, n - 1000, size=n // 2500):
        keys[begin : begin + 600] += rng.normal(size=600) * np.exp(-np.arange(600) / 120)
    kinds = {
        "white": white,
        "pink": pink,
        "hum": sum((np.sin(2 * np.pi * 50 * k * t) / k for k in (1, 2, 3, 5)), np.zeros(n)),
        "clicks": (rng.random(n) < 2 / SECOND).astype(float),
        "keyboard": keys,
        "throbbing": white * (1 + np.sin(2 * np.pi * 4 * t)),
        "buzz": 2 * (t * 120 % 1) - 1,
        "tone 200": np.sin(2 * np.pi * 200 * t),
        "tone 1000": np.sin(2 * np.pi * 1000 * t),
        "offset": np.ones(n),
    }
    return {name: sound / max(float(np.sqrt(np.mean(sound**2))), 1e-9) for name, sound in kinds.items()}


NOISE = kinds_of_noise(4 * SECOND)


@pytest.mark.parametrize("make", ENGINES, ids=NAMES)
@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(0, 24_000), max_size=8), n=st.integers(0, 24_000))
def test_frames_do_not_depend_on_the_cutting(make: Callable[[], VoiceActivity], cuts: list[int], n: int):
    sound = (room(24_000, db=-20) * np.sin(np.arange(24_000) / 500) ** 2).astype(np.float32)[:n]
    whole = make()
    expected = [*whole.feed(sound), *whole.flush()]
    cut = make()
    edges = [0, *sorted(min(at, n) for at in cuts), n]
    got = [p for a, b in pairwise(edges) for p in cut.feed(sound[a:b])]
    assert got + cut.flush() == expected
    assert len(expected) == -(-n // 160)


@pytest.mark.parametrize("make", ENGINES, ids=NAMES)
def test_after_a_reset_the_same_sound_is_heard_the_same(make: Callable[[], VoiceActivity]):
    sound = room(SECOND, db=-20)
    activity = make()
    first = [*activity.feed(sound), *activity.flush()]
    activity.feed(room(5_000, db=-10))
    activity.reset()
    assert [*activity.feed(sound), *activity.flush()] == first


@pytest.mark.parametrize("make", ENGINES, ids=NAMES)
def test_probabilities_lie_between_zero_and_one(make: Callable[[], VoiceActivity]):
    activity = make()
    frames = [*activity.feed(np.clip(room(SECOND, db=0), -1, 1)), *activity.flush()]
    assert len(frames) == 100
    assert all(0.0 <= p <= 1.0 for p in frames)


def test_the_shipped_frames_come_at_most_a_tenth_of_a_second_late():
    activity = FusedActivity()
    n_given = 0
    for i in range(100):
        n_given += len(activity.feed(np.zeros(160, dtype=np.float32)))
        assert i + 1 - n_given <= 10


@pytest.mark.parametrize("db", [0, -20, -40])
def test_a_sentence_is_heard_whole_however_loud_it_is(sentence: np.ndarray, db: float):
    sound = (sentence * 10 ** (db / 20)).astype(np.float32) + room(sentence.size, db=-75)
    found = stretches([sound], activity=FusedActivity())
    voice_s = (sentence.size - 1.5 * SECOND) / SECOND
    assert found[0][0] == pytest.approx(0.6, abs=0.2)
    assert found[-1][1] == pytest.approx(0.5 + voice_s, abs=0.35)
    assert sum(end - start for start, end in found) > 0.75 * voice_s


def test_a_sentence_is_one_utterance(sentence: np.ndarray):
    segmenter = Segmenter(FusedActivity())
    events = [*segmenter.feed(sentence), *segmenter.flush()]
    kinds = [type(event).__name__ for event in events]
    assert kinds.count("SpeechStarted") == kinds.count("SpeechEnded") == 1


def test_utterances_do_not_depend_on_the_cutting(sentence: np.ndarray):
    def told(chunk: int) -> list[str]:
        segmenter = Segmenter(FusedActivity())
        events = [e for i in range(0, sentence.size, chunk) for e in segmenter.feed(sentence[i : i + chunk])]
        return [repr(event) for event in [*events, *segmenter.flush()]]

    whole = told(sentence.size)
    assert [told(chunk) for chunk in (160, 320, 2_192)] == [whole] * 3


@pytest.mark.parametrize("kind", NOISE)
@pytest.mark.parametrize("db", [-60, -40, -25, -10, -3])
def test_noise_is_never_an_utterance(kind: str, db: float):
    segmenter = Segmenter(FusedActivity())
    sound = np.clip(NOISE[kind] * 10 ** (db / 20), -1, 1).astype(np.float32)
    assert segmenter.feed(sound) == []
    assert segmenter.flush() == []


def test_a_minute_of_resampled_hiss_is_never_a_stretch():
    hiss = np.random.default_rng(5).normal(0, 0.05, 60 * 44_100).astype(np.float32)
    assert stretches([Resampler(source_hz=44_100).feed(hiss)], activity=FusedActivity()) == []


def test_silence_costs_the_network_nothing(monkeypatch: pytest.MonkeyPatch):
    def never(self: SileroWindows, window: np.ndarray) -> float:
        raise AssertionError

    monkeypatch.setattr(SileroWindows, "judge", never)
    activity = FusedActivity()
    frames = [*activity.feed(np.zeros(10 * SECOND, dtype=np.float32)), *activity.flush()]
    assert max(frames) < 0.01


def test_frames_are_read_off_the_line_between_the_windows():
    frames = WindowFrames(align_ms=0)
    assert frames.add(1.0) == [1.0, 1.0]
    assert frames.add(-1.0) == pytest.approx([1 - 2 * (at - 256) / 512 for at in (400, 560, 720)])
    assert frames.n_frames == 5


def test_log_odds_are_kept_within_reason():
    assert [log_odds(p) for p in (0.0, 1e-9, 0.5, 1.0)] == [-9.0, -9.0, 0.0, 9.0]
    assert probability(log_odds(0.3)) == pytest.approx(0.3)


def test_a_long_quiet_clears_the_networks_memory():
    windows = SileroWindows()
    quiet = np.zeros(512, dtype=np.float32)
    judged = [windows.judge(quiet) for _ in range(silero.QUIET_WINDOWS + 2)]
    assert judged[silero.QUIET_WINDOWS + 1] == judged[1]


@pytest.mark.parametrize(
    ("level_db", "gain_db"), [(-60.0, 30.0), (-40.0, 18.0), (-20.0, 0.0), (-6.0, -6.0), (0.0, -12.0)]
)
def test_the_level_is_brought_into_the_usual_range(level_db: float, gain_db: float):
    level = Level()
    assert level.hear(np.full(160, 10 ** (level_db / 20), dtype=np.float32))
    assert 20 * np.log10(level.gain) == pytest.approx(gain_db, abs=0.01)


def test_the_gain_falls_at_once_and_rises_slowly():
    level = Level()
    level.hear(np.full(160, 0.1, dtype=np.float32))
    for _ in range(700):
        assert not level.hear(np.zeros(160, dtype=np.float32))
    assert 20 * np.log10(level.gain) == pytest.approx(5.0, abs=0.05)


@pytest.mark.data
def test_the_first_word_after_a_pause_is_heard():
    path = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "speech" / "jfk.flac"
    if not path.is_file():
        pytest.skip(f"{path} is missing")
    found = stretches([read_audio(path)], activity=FusedActivity())
    assert any(start < 3.35 and end > 3.65 for start, end in found)  # "ask", after a second of silence


def test_votes_are_counted_around_a_frame():
    votes = Votes()
    for voice in [True] * 5 + [False] * 5:
        votes.add(voice=voice)
    assert votes.silent_share(4) == pytest.approx(4 / 9)
    assert votes.silent_share(0) == 0.0
    assert votes.silent_share(9) == 1.0
    for _ in range(100):
        votes.add(voice=True)
    assert votes.silent_share(0) == 1.0  # forgotten
    assert votes.silent_share(105) == 0.0


@pytest.mark.parametrize("mode", [-1, 4])
def test_webrtcvad_has_four_modes(mode: int):
    with pytest.raises(ValueError, match="modes 0 to 3"):
        WebrtcVotes(mode=mode)


def test_without_webrtcvad_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "webrtcvad", None)
    with pytest.raises(EngineFailed, match="pip install webrtcvad-wheels"):
        WebrtcVotes(mode=0)


def test_without_the_model_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    found: list[object] = [None]

    def find_spec(name: str) -> object:
        assert name == "faster_whisper"
        return found[0]

    monkeypatch.setattr(silero, "find_spec", find_spec)
    with pytest.raises(EngineFailed, match="pip install faster-whisper"):
        model_path()
    found[0] = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    with pytest.raises(EngineFailed, match="no Silero v6 model at"):
        model_path()


def test_the_model_is_found_without_loading_faster_whisper():
    code = (
        "import sys, streaming.backends.voice_activity as v; v.FusedActivity(); print('faster_whisper' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
