"""Running measures: histogram quantiles, melody sums, syllables, pauses, each against a plain computation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.measures import Histogram, Measures, Melody, Pauses, Syllables, semitones
from streaming.pitch import PitchTrack


def frames(f0: list[float], level: list[float]) -> PitchTrack:
    n = len(f0)
    return PitchTrack(
        at_s=np.arange(n, dtype=np.float64) / 100,
        f0_hz=np.array(f0, np.float32),
        strength=np.ones(n, np.float32),
        energy_db=np.array(level, np.float32),
    )


def test_an_octave_has_twelve_semitones():
    assert semitones(200, above_hz=100) == pytest.approx(12)


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(0, 100, width=32), min_size=1, max_size=60), q=st.sampled_from([0.1, 0.5, 0.9]))
def test_quantile_lies_within_a_bin_of_the_sorted_values(values: list[float], q: float):
    histogram = Histogram(low=0, high=100, step=0.5)
    histogram.add(np.array(values, np.float32))
    exact = float(np.quantile(np.array(values), q, method="inverted_cdf"))
    got = histogram.quantile(q)
    assert got is not None
    assert abs(got - exact) <= 0.5 + 1e-6


def test_an_empty_histogram_has_no_quantile():
    assert Histogram(low=0, high=1, step=0.1).quantile(0.5) is None


def test_values_outside_the_histogram_count_at_its_ends():
    histogram = Histogram(low=0, high=10, step=1)
    histogram.add(np.array([-5, 20], np.float32))
    assert histogram.quantile(0.25) == pytest.approx(0.5)
    assert histogram.quantile(0.75) == pytest.approx(9.5)


def test_melody_of_a_steady_climb_is_its_slope_mean_and_range():
    tones = semitones(100) + 6 * np.arange(100) * 0.01
    melody = Melody()
    for part in np.split(2 ** (tones / 12), [7, 50]):
        melody.add(part.astype(np.float32))
    assert melody.slope_st_s == pytest.approx(6, abs=0.01)
    assert melody.mean_st == pytest.approx(float(tones.mean()), abs=0.01)
    assert melody.mean_hz == pytest.approx(float((2 ** (tones / 12)).mean()), rel=1e-5)
    assert melody.range_st == pytest.approx(0.8 * 6, abs=0.3)


def bumps(n: int, *, depth: float = 6.0, period: int = 20) -> np.ndarray:
    """A level with `n` equal humps, silence on either side."""
    wave = -20 + depth / 2 * (1 - np.cos(2 * np.pi * np.arange(n * period) / period))
    return np.concatenate((np.full(20, -80.0), wave, np.full(20, -80.0))).astype(np.float32)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_each_voiced_hump_of_the_level_is_a_syllable(n: int):
    syllables = Syllables()
    level = bumps(n)
    for part in np.split(level, [1, 2, 30, 31]):
        syllables.add(part, part > -50)
    assert syllables.n == n


def test_dips_of_less_than_two_db_divide_no_syllable():
    syllables = Syllables()
    level = bumps(5, depth=1.5)
    syllables.add(level, level > -50)
    assert syllables.n == 1


def test_unvoiced_humps_are_no_syllables():
    syllables = Syllables()
    syllables.add(bumps(4), np.zeros(120, np.bool_))
    assert syllables.n == 0


def pauses_of(text: str) -> Pauses:
    """`v` voiced, `s` heard but unvoiced, `.` silent; 10 ms each, given in two parts."""
    pauses = Pauses()
    voiced, audible = np.array([c == "v" for c in text]), np.array([c != "." for c in text])
    cut = len(text) // 3
    pauses.add(voiced[:cut], audible[:cut])
    pauses.add(voiced[cut:], audible[cut:])
    return pauses


def test_inner_silence_is_a_pause_and_outer_silence_is_not():
    pauses = pauses_of("." * 50 + "v" * 40 + "." * 30 + "v" * 30 + "." * 70)
    assert pauses.span_s == pytest.approx(1.0)
    assert pauses.share == pytest.approx(0.3)
    assert pauses.longest_s == pytest.approx(0.3)
    assert pauses.phonation_s == pytest.approx(0.7)


def test_a_stop_consonant_is_no_pause():
    assert pauses_of("v" * 20 + "." * 12 + "v" * 20).share == 0


def test_a_hiss_ends_a_pause():
    assert pauses_of("v" * 20 + "." * 15 + "s" * 3 + "." * 15 + "v" * 20).share == 0


def test_nothing_voiced_has_no_span():
    pauses = pauses_of("s.s." * 20)
    assert pauses.span_s == 0
    assert pauses.share == 0


def test_voice_far_under_the_loud_frames_does_not_count():
    measures = Measures()
    measures.add(frames([120.0] * 100 + [240.0] * 50, [-20.0] * 100 + [-60.0] * 50))
    assert measures.voiced_s == pytest.approx(1.0)
    assert measures.melody.mean_hz == pytest.approx(120, rel=1e-4)
    assert measures.energy_db == pytest.approx(-20)


def test_no_frames_change_nothing():
    measures = Measures()
    measures.add(frames([], []))
    assert measures.voiced_s == 0
