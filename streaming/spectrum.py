"""Shape of the spectrum, frame by frame: how bright, how tense, which vowel colour. No loudness.

The measures are those of the eGeMAPS set (Eyben et al. 2016, "The Geneva Minimalistic Acoustic Parameter Set", IEEE
Transactions on Affective Computing 7) and mel-frequency cepstra, on frames of 32 ms. Knows nothing of time or voicing.
"""

from __future__ import annotations

from functools import cache
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .audio import SAMPLE_RATE

Floats: TypeAlias = NDArray[np.float64]

WINDOW: Final = 512
"""Samples of a frame: 32 ms."""

N_MFCC: Final = 12

SHAPE_NAMES: Final = (
    "centroid",
    "slope_0_500",
    "slope_500_1500",
    "alpha_ratio",
    "hammarberg",
    "h1_h2",
    "h1_a3",
    "low_band",
    *(f"mfcc{k}" for k in range(1, N_MFCC + 1)),
)
"""What `shapes` measures, in its order."""

_HZ: Final = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)
_LOWEST_BIN: Final = 2
_FLOOR: Final = 1e-6
_N_MEL: Final = 26


def spectra(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the power spectra of `frames`, shape (n, 512), as shape (n, 257).

    Each is scaled to sum 1, so that loudness is gone; what lies 60 dB under the frame's mean bin is raised to that
    (a filter's dead band says nothing of the voice), and the two lowest bins (hum, DC) are emptied likewise.
    """
    spectrum = np.fft.rfft(frames * _window())
    power = spectrum.real**2 + spectrum.imag**2
    power[:, :_LOWEST_BIN] = 0.0
    total = np.maximum(power.sum(axis=1, keepdims=True), np.float32(1e-20))
    power /= total
    power += np.float32(_FLOOR / power.shape[1])
    return power


def shapes(power: NDArray[np.float32], f0_hz: Floats) -> Floats:
    """Return the measures of SHAPE_NAMES, shape (n, 20), of `spectra` with a fundamental.

    Centroid in octaves over 1 Hz; slopes in dB/kHz; the ratios in dB: 1-5 kHz over 50-1000 Hz (alpha), the peak under
    over the peak above 2 kHz (Hammarberg), first over second harmonic, first harmonic over the peak of 2.3-3.5 kHz, the
    share under 300 Hz.
    """
    db = 10 * np.log10(power)
    total = power[:, _LOWEST_BIN:].sum(axis=1)
    first = _harmonic(db, f0_hz)
    out = np.empty((len(power), len(SHAPE_NAMES)))
    out[:, 0] = np.log2((power[:, _LOWEST_BIN:] @ _HZ[_LOWEST_BIN:].astype(np.float32)) / total)
    out[:, 1:3] = db @ _slopes()
    out[:, 3] = 10 * np.log10(power[:, _bins(1000, 5000)].sum(axis=1) / power[:, _bins(50, 1000)].sum(axis=1))
    out[:, 4] = db[:, _bins(50, 2000)].max(axis=1) - db[:, _bins(2000, 5000)].max(axis=1)
    out[:, 5] = first - _harmonic(db, 2 * f0_hz)
    out[:, 6] = first - db[:, _bins(2300, 3500)].max(axis=1)
    out[:, 7] = 10 * np.log10(power[:, _bins(50, 300)].sum(axis=1) / total)
    out[:, 8:] = np.log(power @ _mel_bank()) @ _cosines()
    return out


def _harmonic(db: NDArray[np.float32], hz: Floats) -> NDArray[np.float32]:
    """The level of the strongest of three bins around a frequency."""
    rows = np.arange(len(db))
    middle = np.clip(np.rint(hz * WINDOW / SAMPLE_RATE).astype(np.intp), 1, db.shape[1] - 2)
    return np.maximum(np.maximum(db[rows, middle - 1], db[rows, middle]), db[rows, middle + 1])


def _bins(low_hz: float, high_hz: float) -> slice:
    """The bins from `low_hz` up to and without `high_hz`."""
    return slice(int(np.ceil(low_hz * WINDOW / SAMPLE_RATE)), int(np.ceil(high_hz * WINDOW / SAMPLE_RATE)))


@cache
def _window() -> NDArray[np.float32]:
    return (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(WINDOW) + 0.5) / WINDOW)).astype(np.float32)


@cache
def _slopes() -> NDArray[np.float32]:
    """Columns that give the least-squares slopes of a dB spectrum, dB/kHz, by one product."""
    columns = np.zeros((len(_HZ), 2), np.float32)
    for column, band in enumerate((_bins(50, 500), _bins(500, 1500))):
        khz = _HZ[band] / 1000
        centred = khz - khz.mean()
        columns[band, column] = centred / (centred @ centred)
    return columns


@cache
def _mel_bank() -> NDArray[np.float32]:
    """Triangles even on the mel scale from 20 Hz to 8 kHz, shape (257, 26)."""
    mel = 2595 * np.log10(1 + _HZ / 700)
    edges: Floats = np.linspace(2595 * np.log10(1 + 20 / 700), float(mel[-1]), _N_MEL + 2, dtype=np.float64)
    rising = (mel[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mel[:, None]) / (edges[2:] - edges[1:-1])
    return np.maximum(np.minimum(rising, falling), 0).astype(np.float32)


@cache
def _cosines() -> NDArray[np.float32]:
    """The cosine transform without its level term, shape (26, 12)."""
    k, band = np.arange(1, N_MFCC + 1), np.arange(_N_MEL)[:, None]
    return (np.cos(np.pi * k * (band + 0.5) / _N_MEL) * np.sqrt(2 / _N_MEL)).astype(np.float32)
