from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.acoustics import FEATURE_NAMES, AcousticsSettings, AcousticsTracker
from streaming.pitch import PitchTracker

if TYPE_CHECKING:
    from streaming.events import Acoustics, Samples

RATE = 16_000
FRAME = 320


def vowel(*, seconds: float = 1.5, hz: float = 140.0, tilt_db: float = -9.0, swing_st: float = 0.5) -> Samples:
    """Harmonics of a gliding voice, falling by `tilt_db` per octave, in four syllables."""
    t = np.arange(int(seconds * RATE)) / RATE
    f0 = hz * 2 ** (swing_st / 12 * np.sin(2 * np.pi * 2 * t))
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    sound = np.zeros_like(t)
    for k in range(1, 30):
        if k * hz * 1.2 < RATE / 2:
            sound += 10 ** (tilt_db * np.log2(k) / 20) * np.sin(k * phase)
    syllables = np.clip(np.abs(np.sin(2 * np.pi * 2 * t)) * 1.5, 0.02, 1)
    return (0.3 * sound * syllables / np.abs(sound).max()).astype(np.float32)


def tracked(samples: Samples, *, step: int = FRAME) -> AcousticsTracker:
    tracker = AcousticsTracker()
    for start in range(0, len(samples), step):
        tracker.feed(samples[start : start + step])
    return tracker


def measured(samples: Samples) -> dict[str, float]:
    acoustics = tracked(samples).read()
    assert acoustics is not None
    return dict(zip(FEATURE_NAMES, acoustics.features.tolist(), strict=True))


@cache
def usual() -> Samples:
    return vowel()


def read(tracker: AcousticsTracker) -> Acoustics:
    acoustics = tracker.read()
    assert acoustics is not None
    return acoustics


def test_names_are_distinct_and_none_is_a_level():
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    assert "level_mean" not in FEATURE_NAMES


def test_every_feature_is_a_finite_number():
    assert all(np.isfinite(value) for value in measured(usual()).values())


def test_pitch_mean_is_in_semitones_over_55_hz():
    assert measured(vowel(hz=220.0))["pitch_mean"] == pytest.approx(24.0, abs=0.2)


def test_an_octave_up_is_twelve_semitones_more():
    low, high = measured(vowel(hz=110.0)), measured(vowel(hz=220.0))
    assert high["pitch_mean"] - low["pitch_mean"] == pytest.approx(12.0, abs=0.2)


def test_a_flatter_spectrum_is_brighter_by_every_measure():
    dark, bright = measured(vowel(tilt_db=-14)), measured(vowel(tilt_db=-5))
    assert bright["centroid_mean"] > dark["centroid_mean"] + 0.5
    assert bright["alpha_ratio_mean"] > dark["alpha_ratio_mean"] + 5
    assert bright["hammarberg_mean"] < dark["hammarberg_mean"] - 5
    assert bright["h1_h2_mean"] < dark["h1_h2_mean"] - 5
    assert bright["slope_500_1500_mean"] > dark["slope_500_1500_mean"] + 3


def test_a_livelier_melody_spreads_and_moves_more():
    flat, lively = measured(vowel(swing_st=0.3)), measured(vowel(swing_st=4))
    assert lively["pitch_spread"] > flat["pitch_spread"] * 3
    assert lively["pitch_change_abs"] > flat["pitch_change_abs"] * 3


def test_noise_lowers_the_harmonics_to_noise_ratio():
    noise = np.random.default_rng(1).normal(0, 0.03, len(usual())).astype(np.float32)
    assert measured(usual() + noise)["hnr_mean"] < measured(usual())["hnr_mean"] - 3


def test_a_rising_voice_has_a_rising_slope():
    t = np.arange(2 * RATE) / RATE
    rising = 0.3 * np.sin(2 * np.pi * (120 * t + 20 * t * t))
    expected = 12 * np.log2(190 / 130) / 1.5
    assert measured(rising.astype(np.float32))["pitch_slope"] == pytest.approx(expected, rel=0.1)


def test_syllables_are_counted_as_stretches_of_voice():
    beat = np.tile(np.concatenate((usual()[1000:4200], np.zeros(1600, np.float32))), 6)
    found = measured(beat)
    assert found["stretches_per_s"] == pytest.approx(1 / 0.3, rel=0.2)
    assert np.exp(found["stretch_log_mean"]) - 0.02 == pytest.approx(0.2, abs=0.04)
    assert np.exp(found["gap_log_mean"]) - 0.02 == pytest.approx(0.1, abs=0.04)


def test_a_pause_to_think_does_not_change_the_rhythm():
    half = usual()[: len(usual()) // 2]
    together = measured(np.concatenate((half, np.zeros(RATE // 2, np.float32), half)))
    longer = measured(np.concatenate((half, np.zeros(RATE, np.float32), half)))
    assert together["voiced_share"] == pytest.approx(longer["voiced_share"], abs=1e-9)
    assert together["gap_log_mean"] == pytest.approx(longer["gap_log_mean"], abs=1e-9)


@pytest.mark.parametrize("gain", [0.5, 0.1, 0.03, 3.0])
def test_no_feature_depends_on_the_level(gain: float):
    plain, changed = measured(usual()), measured(usual() * np.float32(gain))
    for name, value in plain.items():
        assert changed[name] == pytest.approx(value, rel=0.02, abs=0.05), name


def test_silence_around_the_words_changes_little():
    rng = np.random.default_rng(2)
    hiss = rng.normal(0, 1e-4, RATE).astype(np.float32)
    plain, padded = measured(usual()), measured(np.concatenate((hiss[: RATE // 2], usual(), hiss)))
    for name in ("pitch_mean", "alpha_ratio_mean", "hnr_mean", "level_spread", "peaks_per_voiced_s", "voiced_share"):
        assert padded[name] == pytest.approx(plain[name], rel=0.1, abs=0.3), name


def test_a_soft_hum_before_the_words_is_not_part_of_the_voice():
    hum = (0.002 * np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE)).astype(np.float32)
    both = measured(np.concatenate((hum, vowel(hz=220.0))))
    assert both["pitch_mean"] == pytest.approx(24.0, abs=0.3)


@pytest.mark.parametrize("samples", [np.zeros(2 * RATE, np.float32), np.zeros(0, np.float32), vowel(seconds=0.2)])
def test_too_little_voice_gives_nothing(samples: Samples):
    assert tracked(samples).read() is None


def test_noise_alone_gives_nothing():
    noise = np.random.default_rng(3).normal(0, 0.1, 2 * RATE).astype(np.float32)
    assert tracked(noise).read() is None


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 9000), min_size=1, max_size=30))
def test_features_do_not_depend_on_how_the_sound_is_cut(cuts: list[int]):
    tracker, rest = AcousticsTracker(), usual()
    for cut in cuts:
        tracker.feed(rest[:cut])
        rest = rest[cut:]
    tracker.feed(rest)
    assert np.array_equal(read(tracker).features, read(tracked(usual())).features)


@settings(max_examples=10, deadline=None)
@given(reads=st.sets(st.integers(1, 70), max_size=6))
def test_reading_in_between_changes_nothing(reads: set[int]):
    tracker = AcousticsTracker()
    for i in range(0, len(usual()), FRAME):
        tracker.feed(usual()[i : i + FRAME])
        if i // FRAME in reads:
            tracker.read()
            tracker.read(settled=True)
    assert np.array_equal(read(tracker).features, read(tracked(usual())).features)


def test_a_shared_pitch_tracker_gives_the_same_features():
    pitch, tracker = PitchTracker(), AcousticsTracker()
    for i in range(0, len(usual()), FRAME):
        block = usual()[i : i + FRAME]
        tracker.feed(block, pitch.feed(block))
    shared = tracker.read(tail=pitch.tail())
    assert shared is not None
    assert np.array_equal(shared.features, read(tracked(usual())).features)


def test_a_settled_reading_is_near_the_full_one():
    tracker = tracked(usual())
    settled = tracker.read(settled=True)
    assert settled is not None
    at = FEATURE_NAMES.index("pitch_mean")
    assert settled.features[at] == pytest.approx(read(tracker).features[at], abs=0.3)


def test_the_speaker_is_unknown_before_the_first_committed_utterance():
    first = read(tracked(usual()))
    assert first.speaker_mean is None
    assert first.n_speaker == 0


def test_the_speaker_mean_is_the_mean_of_the_committed_utterances():
    tracker = AcousticsTracker()
    seen: list[np.ndarray] = []
    for hz in (110.0, 220.0, 180.0):
        tracker.start()
        tracker.feed(vowel(hz=hz))
        seen.append(read(tracker).features)
        tracker.commit(tracker.read())
    tracker.feed(usual())
    now = read(tracker)
    assert now.n_speaker == 3
    assert now.speaker_mean is not None
    np.testing.assert_allclose(now.speaker_mean, np.mean(seen, axis=0))


def test_a_silent_utterance_leaves_the_speaker_alone():
    tracker = tracked(usual())
    tracker.commit(tracker.read())
    tracker.feed(np.zeros(RATE, np.float32))
    tracker.commit(tracker.read())
    tracker.feed(usual())
    assert read(tracker).n_speaker == 1


def test_an_utterance_that_was_not_committed_is_forgotten():
    tracker = tracked(vowel(hz=220.0))
    tracker.start()
    tracker.feed(usual())
    assert np.array_equal(read(tracker).features, read(tracked(usual())).features)
    assert read(tracker).n_speaker == 0


def test_the_speaker_mean_handed_out_does_not_change_later():
    tracker = tracked(usual())
    tracker.commit(tracker.read())
    tracker.feed(usual())
    mean = read(tracker).speaker_mean
    assert mean is not None
    before = mean.copy()
    tracker.feed(vowel(hz=250.0))
    tracker.commit(tracker.read())
    assert np.array_equal(mean, before)


def test_a_senseless_minimum_is_refused():
    with pytest.raises(ValueError, match="min_voiced_s must be at least"):
        AcousticsSettings(min_voiced_s=0.0)


def test_a_higher_minimum_asks_for_more_voice():
    tracker = AcousticsTracker(AcousticsSettings(min_voiced_s=3.0))
    tracker.feed(usual())
    assert tracker.read() is None
