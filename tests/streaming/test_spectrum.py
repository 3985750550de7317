from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from streaming.spectrum import SHAPE_NAMES, WINDOW, shapes, spectra

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 16_000


def tone(*parts: tuple[float, float]) -> NDArray[np.float32]:
    """One frame of sines, each (Hz, dB)."""
    t = np.arange(WINDOW) / RATE
    sines = np.array([10 ** (db / 20) * np.sin(2 * np.pi * hz * t) for hz, db in parts])
    return sines.sum(axis=0, keepdims=True).astype(np.float32)


def shape(frames: NDArray[np.float32], *, f0_hz: float = 200.0) -> dict[str, float]:
    values = shapes(spectra(frames), np.full(len(frames), f0_hz))[0]
    return dict(zip(SHAPE_NAMES, values.tolist(), strict=True))


@pytest.mark.parametrize("gain", [1e-3, 1.0, 30.0])
def test_spectra_know_no_loudness(gain: float):
    frame = np.random.default_rng(0).normal(0, 0.1, (1, WINDOW)).astype(np.float32)
    np.testing.assert_allclose(spectra(frame * np.float32(gain)), spectra(frame), rtol=1e-4)


def test_spectra_sum_to_one_and_hold_no_hum():
    frame = tone((20, 20), (1000, 0))
    power = spectra(frame)
    assert power.sum() == pytest.approx(1.0, abs=1e-3)
    assert power[0, :2].max() < 1e-6


def test_silence_has_a_flat_finite_spectrum():
    power = spectra(np.zeros((2, WINDOW), np.float32))
    assert np.ptp(power) == 0
    assert np.isfinite(shapes(power, np.full(2, 100.0))).all()


@pytest.mark.parametrize("hz", [500.0, 1000.0, 4000.0])
def test_centroid_of_a_tone_is_its_frequency_in_octaves(hz: float):
    assert shape(tone((hz, 0)))["centroid"] == pytest.approx(np.log2(hz), abs=0.02)


def test_alpha_ratio_compares_above_with_below_1_khz():
    assert shape(tone((500, 0), (2000, -12)))["alpha_ratio"] == pytest.approx(-12, abs=0.3)


def test_hammarberg_compares_the_peaks_below_and_above_2_khz():
    assert shape(tone((500, 0), (3000, -20)))["hammarberg"] == pytest.approx(20, abs=0.3)


def test_first_harmonic_is_compared_with_the_second_and_with_the_third_formant():
    found = shape(tone((250, 0), (500, -7), (3000, -25)), f0_hz=250)
    assert found["h1_h2"] == pytest.approx(7, abs=0.5)
    assert found["h1_a3"] == pytest.approx(25, abs=0.5)


def test_low_band_is_the_share_under_300_hz():
    assert shape(tone((187.5, 0), (1000, 0)))["low_band"] == pytest.approx(-3.0, abs=0.2)


def test_slope_is_that_of_a_straight_line_in_db():
    hz = np.fft.rfftfreq(WINDOW, 1 / RATE)
    power = (10 ** (-0.008 * hz / 10)).astype(np.float32)[None]
    found = dict(zip(SHAPE_NAMES, shapes(power, np.array([200.0]))[0].tolist(), strict=True))
    assert found["slope_0_500"] == pytest.approx(-8.0, abs=0.01)
    assert found["slope_500_1500"] == pytest.approx(-8.0, abs=0.01)


def test_rows_do_not_depend_on_each_other():
    frames = np.random.default_rng(1).normal(0, 0.1, (5, WINDOW)).astype(np.float32)
    together = shapes(spectra(frames), np.linspace(100, 300, 5))
    alone = shapes(spectra(frames[2:3]), np.linspace(100, 300, 5)[2:3])
    np.testing.assert_allclose(together[2], alone[0], rtol=1e-4, atol=1e-4)
