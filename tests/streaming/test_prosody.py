"""Rolling prosody of utterances built from known sounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.pitch import PitchTrack, PitchTracker
from streaming.prosody import ProsodySettings, ProsodyTracker

if TYPE_CHECKING:
    from collections.abc import Callable

    from streaming.events import Prosody, Samples

RATE = 16_000


@dataclass(frozen=True)
class Quality:
    pitch_mean_hz: float | None = 123.0
    jitter: float | None = 0.02
    shimmer: float | None = 0.1
    hnr_db: float | None = 11.0


def quiet(seconds: float) -> Samples:
    rng = np.random.default_rng(3)
    return (1e-4 * rng.standard_normal(int(seconds * RATE))).astype(np.float32)


def talk(
    *, hz: float = 120.0, to_hz: float | None = None, n: int = 8, syllable_s: float = 0.2, amplitude: float = 0.2
) -> Samples:
    """`n` syllables: a sawtooth that glides from `hz` to `to_hz`, loud in the middle of each and soft between."""
    at = np.arange(int(n * syllable_s * RATE)) / RATE
    f0 = hz * ((to_hz or hz) / hz) ** (at / at[-1])
    phase = np.cumsum(f0) / RATE
    swell = 0.3 + 0.7 * np.sin(np.pi * at / syllable_s) ** 2
    return (amplitude * swell * (2 * (phase % 1) - 1)).astype(np.float32)


def said(tracker: ProsodyTracker, sound: Samples) -> Prosody:
    tracker.start(0.0)
    for start in range(0, len(sound), 320):
        tracker.feed(sound[start : start + 320])
    return tracker.finish()


def once(sound: Samples) -> Prosody:
    return said(ProsodyTracker(), sound)


def around(*parts: Samples) -> Samples:
    return np.concatenate((quiet(0.3), *parts, quiet(0.6)))


def test_a_level_voice_has_its_pitch_no_range_and_no_slope():
    prosody = once(around(talk(hz=140)))
    assert prosody.pitch_mean_hz == pytest.approx(140, rel=0.01)
    assert prosody.pitch_range_st is not None
    assert prosody.pitch_range_st < 0.5
    assert prosody.pitch_slope_st_s == pytest.approx(0, abs=0.3)
    assert prosody.voiced_s == pytest.approx(1.6, abs=0.1)


@pytest.mark.parametrize(("to_hz", "slope"), [(240.0, 12 / 1.6), (60.0 * 2 ** (1 / 2), -6 / 1.6)])
def test_a_glide_has_its_slope_and_range(to_hz: float, slope: float):
    prosody = once(around(talk(hz=120, to_hz=to_hz)))
    assert prosody.pitch_slope_st_s == pytest.approx(slope, rel=0.08)
    assert prosody.pitch_range_st == pytest.approx(0.8 * abs(slope) * 1.6, abs=0.6)


@pytest.mark.parametrize("syllable_s", [0.15, 0.2, 0.3])
def test_rate_is_syllables_per_second_of_speech(syllable_s: float):
    assert once(around(talk(syllable_s=syllable_s, n=10))).rate_syl_s == pytest.approx(1 / syllable_s, rel=0.1)


def test_pauses_within_speech_are_counted_and_do_not_slow_the_rate():
    prosody = once(around(talk(), quiet(0.8), talk()))
    assert prosody.longest_pause_s == pytest.approx(0.8, abs=0.08)
    assert prosody.pause_share == pytest.approx(0.2, abs=0.03)
    assert prosody.rate_syl_s == pytest.approx(5, rel=0.1)
    assert "long pauses" in prosody.words


def test_silence_before_and_after_touches_nothing():
    sound = talk(to_hz=150)
    short = once(np.concatenate((quiet(0.1), sound, quiet(0.2))))
    long = once(np.concatenate((quiet(1.1), sound, quiet(3.0))))
    assert long.pause_share == short.pause_share == 0
    for name in ("pitch_mean_hz", "pitch_range_st", "pitch_slope_st_s", "energy_db", "rate_syl_s", "voiced_s"):
        assert getattr(long, name) == pytest.approx(getattr(short, name), rel=0.03, abs=0.15), name


def test_silence_and_too_little_voice_are_not_measured():
    nothing = once(quiet(2.0))
    assert nothing.voiced_s == 0
    assert nothing.words == ()
    for prosody in (nothing, once(around(talk(n=1, syllable_s=0.1))), once(np.zeros(0, np.float32))):
        assert prosody.pitch_mean_hz is None
        assert prosody.energy_db is None
        assert prosody.rate_syl_s is None
        assert prosody.pause_share is None
        assert prosody.jitter is None


def test_short_voice_has_a_mean_but_no_contour():
    prosody = once(around(talk(n=2, syllable_s=0.17)))
    assert prosody.pitch_mean_hz is not None
    assert prosody.pitch_range_st is None
    assert prosody.pitch_slope_st_s is None


SPEECH = around(talk(to_hz=170), quiet(0.3), talk(hz=110, n=5))
WHOLE = once(SPEECH)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, len(SPEECH)), max_size=15))
def test_values_do_not_depend_on_the_cutting(cuts: list[int]):
    tracker = ProsodyTracker()
    tracker.start(0.0)
    for piece in np.split(SPEECH, sorted(cuts)):
        tracker.feed(piece)
    assert values(tracker.finish()) == values(WHOLE)


def values(prosody: Prosody) -> str:
    return repr(replace(prosody, acoustics=None))


def test_reading_and_finishing_on_the_way_change_nothing():
    tracker = ProsodyTracker()
    tracker.start(0.0)
    for start in range(0, len(SPEECH), 1000):
        tracker.feed(SPEECH[start : start + 1000])
        tracker.read()
        tracker.finish()
    assert values(tracker.finish()) == values(WHOLE)


def test_the_pitch_frames_are_shared_each_once():
    tracker = ProsodyTracker()
    tracker.start(0.0)
    tracks = [tracker.feed(SPEECH[start : start + 320]) for start in range(0, len(SPEECH), 320)]
    shared = PitchTrack.joined([*tracks, tracker.tail()])
    alone = PitchTracker()
    assert np.array_equal(shared.f0_hz, PitchTrack.joined([alone.feed(SPEECH), alone.flush()]).f0_hz)


def test_rolling_values_come_to_what_finish_says():
    tracker = ProsodyTracker()
    tracker.start(0.0)
    assert tracker.read().pitch_mean_hz is None
    tracker.feed(SPEECH)
    rolling = tracker.read()
    assert rolling.pitch_mean_hz == pytest.approx(WHOLE.pitch_mean_hz, rel=0.01)
    assert rolling.rate_syl_s == pytest.approx(WHOLE.rate_syl_s, rel=0.1)


def test_the_first_utterance_is_compared_with_people_but_not_in_level():
    prosody = once(around(talk(hz=120)))
    assert prosody.pitch_rel_st == pytest.approx(0, abs=3)
    assert prosody.rate_rel == pytest.approx(1, abs=0.4)
    assert prosody.energy_rel_db is None


def accustomed(n: int = 6) -> ProsodyTracker:
    tracker = ProsodyTracker()
    for i in range(n):
        said(tracker, around(talk(hz=118 + i, to_hz=114 + i)))
        tracker.commit()
    return tracker


def test_a_louder_higher_faster_utterance_is_described_so():
    prosody = said(accustomed(), around(talk(hz=236, to_hz=228, amplitude=0.8, syllable_s=0.12, n=13)))
    assert prosody.pitch_rel_st == pytest.approx(12, abs=0.7)
    assert prosody.energy_rel_db == pytest.approx(12, abs=1)
    assert prosody.rate_rel == pytest.approx(0.2 / 0.12, rel=0.12)
    assert {"much louder than usual", "very high pitch", "very fast"} <= set(prosody.words)


def test_the_usual_way_needs_no_word_about_level_pitch_or_rate():
    words = said(accustomed(), around(talk(hz=120, to_hz=116))).words
    assert not [word for word in words if "usual" in word or "high" in word or "low" in word or "fast" in word]


def test_only_a_commit_teaches_the_baseline_and_only_once():
    tracker = ProsodyTracker()
    loud, soft = around(talk(amplitude=0.8)), around(talk(amplitude=0.1))
    said(tracker, soft)
    assert said(tracker, loud).energy_rel_db is None
    tracker.commit()
    tracker.commit()
    assert said(tracker, soft).energy_rel_db == pytest.approx(-18, abs=1)
    said(tracker, soft)
    tracker.start(0.0)
    tracker.commit()
    assert said(tracker, soft).energy_rel_db == pytest.approx(-18, abs=1)


def test_praats_measures_are_given_where_they_exist():
    tracker = ProsodyTracker()
    said(tracker, SPEECH)
    prosody = tracker.finish(Quality())
    assert prosody.pitch_mean_hz == 123.0
    assert (prosody.jitter, prosody.shimmer, prosody.hnr_db) == (0.02, 0.1, 11.0)
    assert prosody.pitch_rel_st == WHOLE.pitch_rel_st
    assert tracker.finish(Quality(pitch_mean_hz=None)).pitch_mean_hz == WHOLE.pitch_mean_hz


def test_a_perfectly_regular_voice_breaks_no_baseline():
    tracker = ProsodyTracker()
    for _ in range(2):
        said(tracker, SPEECH)
        prosody = tracker.finish(Quality(jitter=0.0, shimmer=0.0))
        tracker.commit()
        assert prosody.pitch_rel_st is not None
        assert math.isfinite(prosody.pitch_rel_st)


@pytest.mark.parametrize("bad", [lambda: ProsodySettings(min_voiced_s=0.0), lambda: ProsodySettings(min_syllables=0)])
def test_thresholds_of_nothing_are_refused(bad: Callable[[], ProsodySettings]):
    with pytest.raises(ValueError, match="must be at least"):
        bad()
