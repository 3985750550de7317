from __future__ import annotations

import numpy as np
import pytest

from streaming.backends.scripted_activity import ScriptedActivity
from streaming.stretches import StretchSettings, VoiceTrack, stretches

SECOND = 16_000


def heard(spans: list[tuple[float, float]], *, seconds: float = 3.0, chunk: int = 1_000) -> list[tuple[float, float]]:
    sound = np.zeros(round(seconds * SECOND), dtype=np.float32)
    chunks = [sound[i : i + chunk] for i in range(0, sound.size, chunk)]
    return stretches(chunks, activity=ScriptedActivity(spans, delay_frames=6))


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        pytest.param([], [], id="silence"),
        pytest.param([(0.5, 1.0)], [(0.5, 1.0)], id="one word"),
        pytest.param([(0.5, 0.59)], [], id="a click is no speech"),
        pytest.param([(0.5, 0.6)], [(0.5, 0.6)], id="just enough voice"),
        pytest.param([(0.5, 0.56), (0.6, 0.66)], [(0.5, 0.66)], id="two halves make a whole"),
        pytest.param([(0.5, 0.56), (0.7, 0.76)], [], id="two clicks apart are none"),
        pytest.param([(0.5, 1.0), (1.11, 1.5)], [(0.5, 1.5)], id="a short gap is bridged"),
        pytest.param([(0.5, 1.0), (1.12, 1.5)], [(0.5, 1.0), (1.12, 1.5)], id="a gap of 120 ms is not"),
        pytest.param([(0.5, 1.0), (1.5, 1.55)], [(0.5, 1.0)], id="a click after speech"),
        pytest.param([(0.0, 3.0)], [(0.0, 3.0)], id="speech throughout"),
        pytest.param([(2.5, 9.0)], [(2.5, 3.0)], id="speech to the end"),
        pytest.param([(2.95, 9.0)], [], id="too little before the end"),
    ],
)
def test_stretches_are_where_the_voice_is(spans: list[tuple[float, float]], expected: list[tuple[float, float]]):
    assert heard(spans) == expected


def test_a_stretch_never_ends_after_the_sound():
    assert heard([(0.5, 9.0)], seconds=1.001) == [(0.5, 1.001)]


@pytest.mark.parametrize("chunk", [1, 7, 160, 16_001, 48_000])
def test_stretches_do_not_depend_on_the_cutting(chunk: int):
    assert heard([(0.2, 0.7), (0.9, 1.0)], seconds=1.2, chunk=chunk) == [(0.2, 0.7), (0.9, 1.0)]


def test_no_sound_at_all_has_no_stretches():
    assert stretches([], activity=ScriptedActivity([(0.0, 1.0)])) == []


def test_a_voice_once_begun_may_fade_to_the_lower_threshold():
    track = VoiceTrack(StretchSettings(p_enter=0.7, p_leave=0.4))
    said = [track.step(p) for p in [0.5] * 5 + [0.8] * 10 + [0.5] * 20 + [0.3] * 12]
    assert said.index("began") == 14
    assert said.index("ended") == 46
    assert (track.begin, track.end) == (5, 35)


def test_voice_that_does_not_count_yet_is_undecided():
    track = VoiceTrack(StretchSettings())
    track.step(1.0)
    assert track.undecided
    for _ in range(11):
        track.step(0.0)
    assert track.undecided
    track.step(0.0)
    assert not track.undecided
    assert track.stop() is None


@pytest.mark.parametrize(
    "wrong", [{"p_enter": 0.3}, {"p_leave": 0.0}, {"p_enter": 1.0}, {"gap_ms": 5}, {"min_voice_ms": 0}]
)
def test_settings_that_could_not_work_are_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match=r"expected|must be"):
        StretchSettings(**wrong)  # pyright: ignore[reportArgumentType]
