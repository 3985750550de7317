from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from eval.bench.vad import area_under_roc, called_speech, measure, pauses, read_clips, table
from eval.errors import CorpusUnreadable
from streaming.stretches import StretchSettings

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "vad"


def flags(text: str) -> np.ndarray:
    return np.array([c == "#" for c in text])


def clip(directory: Path, name: str, *, labels: str, seconds: float = 1.0) -> None:
    with wave.open(str(directory / f"{name}.wav"), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        noise = np.random.default_rng(1).integers(-300, 300, round(16_000 * seconds))
        out.writeframes(noise.astype("<i2").tobytes())
    (directory / f"{name}.csv").write_text("start_s,end_s,speech\n" + labels)


def test_pauses_are_long_silences_between_speech():
    speech = flags("." * 50 + "#" * 10 + "." * 29 + "#" * 10 + "." * 30 + "#" * 10 + "." * 90)
    assert pauses(speech) == [(99, 129)]
    assert pauses(flags("." * 100)) == []
    assert pauses(flags("#" * 100)) == []


@pytest.mark.parametrize(
    ("probabilities", "speech", "expected"),
    [
        ([0.1, 0.2, 0.8, 0.9], "..##", 1.0),
        ([0.9, 0.8, 0.2, 0.1], "..##", 0.0),
        ([0.5, 0.5, 0.5, 0.5], "..##", 0.5),
        ([0.1, 0.6, 0.4, 0.9], "..##", 0.75),
        ([0.1, 0.2], "##", None),
        ([0.1, 0.2], "..", None),
    ],
)
def test_area_under_the_curve_is_the_share_of_pairs_in_order(
    probabilities: list[float], speech: str, expected: float | None
):
    assert area_under_roc(np.array(probabilities), flags(speech)) == expected


def test_frames_are_called_by_threshold_or_by_stretches():
    probabilities = np.array([0.9] * 3 + [0.1] * 20 + [0.9] * 15 + [0.1] * 5 + [0.9] * 5)
    assert called_speech(probabilities, settings=None).sum() == 23
    called = called_speech(probabilities, settings=StretchSettings())
    assert np.flatnonzero(called).tolist() == list(range(23, 48))


def test_labels_are_read_at_the_middle_of_each_frame(tmp_path: Path):
    clip(tmp_path, "a", labels="0.000,0.304,0\n0.304,0.706,1\n0.706,1.000,0\n")
    (read,) = read_clips(tmp_path)
    assert read.speech.size == 100
    assert np.flatnonzero(read.speech).tolist() == list(range(30, 71))


def test_noise_alone_is_measured_without_a_crash(tmp_path: Path):
    clip(tmp_path, "a", labels="0.0,1.0,0\n")
    clip(tmp_path, "b", labels="0.0,1.0,0\n")
    result = measure(tmp_path, n_bootstrap=50)
    ours = result.scores[-1]
    assert ours.false_alarms.value == 0.0
    assert ours.recall.value is None
    assert ours.auc is None
    assert "n/a" in table(result)


def test_the_same_run_gives_the_same_figures(tmp_path: Path):
    clip(tmp_path, "a", labels="0.0,0.5,0\n0.5,1.0,1\n")
    clip(tmp_path, "b", labels="0.0,0.7,0\n0.7,1.0,1\n")
    first, second = (measure(tmp_path, n_bootstrap=50) for _ in range(2))
    assert [s.f1 for s in first.scores] == [s.f1 for s in second.scores]
    assert first.signature == second.signature


@pytest.mark.parametrize(
    ("labels", "problem"),
    [("0.0,one,1\n", "is not start_s,end_s,speech"), ("0.0\n", "is not start_s,end_s,speech")],
)
def test_malformed_labels_are_named(tmp_path: Path, labels: str, problem: str):
    clip(tmp_path, "a", labels=labels)
    with pytest.raises(CorpusUnreadable, match=problem):
        read_clips(tmp_path)


def test_missing_labels_and_missing_sound_are_named(tmp_path: Path):
    with pytest.raises(CorpusUnreadable, match="holds no label files"):
        measure(tmp_path)
    (tmp_path / "a.csv").write_text("start_s,end_s,speech\n")
    with pytest.raises(CorpusUnreadable, match="no sound file of the same name"):
        measure(tmp_path)


@pytest.mark.data
def test_the_shipped_defaults_clear_the_bars():
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is missing")
    result = measure(DATA, n_bootstrap=200)
    webrtc, silero, ours = result.scores
    assert ours.f1.value is not None
    assert ours.f1.value >= 0.934
    assert ours.false_alarms.value is not None
    assert ours.false_alarms.value <= 0.103
    assert ours.pauses_heard.value is not None
    assert ours.pauses_heard.value >= 0.9
    for alone in (webrtc, silero):
        assert alone.f1.value is not None
        assert alone.false_alarms.value is not None
        assert ours.f1.value > alone.f1.value
        assert ours.false_alarms.value < alone.false_alarms.value
