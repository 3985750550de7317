"""Pitch candidates of a sound: the part of the pitch tracker that has no memory.

Boersma's (1993) normalised autocorrelation; see `streaming.pitch` for the whole and for the settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .audio import SAMPLE_RATE

if TYPE_CHECKING:
    from .events import Samples
    from .pitch import PitchSettings

HOP = 160
"""Samples from one frame to the next: 10 ms."""

WINDOW = 640
"""Samples of the analysis window: 40 ms, three periods of the lowest pitch."""

BEFORE = (WINDOW - HOP) // 2
"""Samples of a frame's window before its own 10 ms."""

_N_FFT = 1024
_SILENCE_DB = -100.0

Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CandidateFrames:
    """Candidates of frames whose path is open; column 0 of each row is "unvoiced" (f0 0, strength of the best peak).

    `back` holds, for each candidate, which candidate of the frame before led to it.
    """

    f0: Floats
    strength: Floats
    energy_db: Floats
    back: NDArray[np.intp]

    def __getitem__(self, rows: slice) -> CandidateFrames:
        return CandidateFrames(
            f0=self.f0[rows], strength=self.strength[rows], energy_db=self.energy_db[rows], back=self.back[rows]
        )

    def __add__(self, other: CandidateFrames) -> CandidateFrames:
        return CandidateFrames(
            f0=np.concatenate((self.f0, other.f0)),
            strength=np.concatenate((self.strength, other.strength)),
            energy_db=np.concatenate((self.energy_db, other.energy_db)),
            back=np.concatenate((self.back, other.back)),
        )

    @staticmethod
    def none(width: int) -> CandidateFrames:
        """No frames, of `width` candidates each."""
        nothing = np.zeros((0, width), np.float32)
        return CandidateFrames(
            f0=nothing, strength=nothing, energy_db=np.zeros(0, np.float32), back=np.zeros((0, width), np.intp)
        )

    def path(self, last: int) -> list[int]:
        """The candidate of each frame on the way that ends in candidate `last` of the last frame."""
        way = [last]
        for row in self.back[:0:-1].tolist():
            way.append(row[way[-1]])
        return way[::-1]


class CandidateSearch:
    """The part without memory: sound to candidates, candidates to costs."""

    def __init__(self, settings: PitchSettings) -> None:
        self._settings = settings
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(WINDOW) + 0.5) / WINDOW)
        spectrum = np.fft.rfft(hann, _N_FFT)
        own = np.fft.irfft(np.abs(spectrum) ** 2, _N_FFT)
        self._window = hann.astype(np.float32)
        self._window_energy = float(own[0])
        # One lag more on each side than the range has, so that a peak at its edge has neighbours.
        self._first_lag = int(np.floor(SAMPLE_RATE / settings.ceiling_hz)) - 1
        self._last_lag = int(np.ceil(SAMPLE_RATE / settings.floor_hz)) + 1
        self._lags = np.arange(self._first_lag + 1, self._last_lag, dtype=np.float32)
        self._octave_costs = settings.octave_cost * np.log2(self._lags)
        self._own_inverse = (own[0] / own[self._first_lag : self._last_lag + 1]).astype(np.float32)

    def find(self, sound: Samples, peak: float) -> tuple[CandidateFrames, Floats, float]:
        """Candidates of each frame in `sound`, what each earns by itself, and the loudest sound up to now."""
        rows = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP]
        # As in Praat, the mean is taken over one longest period on either side of the middle.
        mean = rows[:, WINDOW // 2 - 213 : WINDOW // 2 + 213].mean(axis=1, keepdims=True)
        rows = rows - mean
        loud = np.abs(rows[:, BEFORE : BEFORE + HOP]).max(axis=1)
        peaks = np.maximum(np.maximum.accumulate(loud), np.float32(peak))
        power = np.fft.rfft(rows * self._window, _N_FFT)
        auto = np.fft.irfft(power.real**2 + power.imag**2, _N_FFT)
        energy = auto[:, 0]
        norm = auto[:, self._first_lag : self._last_lag + 1] * self._own_inverse
        norm /= np.maximum(energy, np.float32(1e-12))[:, None]
        f0, strength = self._peaks(norm)
        local = self._earnings(f0, strength, loud / peaks)
        level = 10 * np.log10(np.maximum(energy / self._window_energy, np.float32(10 ** (_SILENCE_DB / 10))))
        back = np.zeros(f0.shape, np.intp)
        return CandidateFrames(f0=f0, strength=strength, energy_db=level, back=back), local, float(peaks[-1])

    def _peaks(self, norm: Floats) -> tuple[Floats, Floats]:
        """The best local maxima of each row, refined by a parabola; missing ones have f0 0 and strength 0."""
        n = self._settings.n_candidates
        mid, left, right = norm[:, 1:-1], norm[:, :-2], norm[:, 2:]
        is_peak = (mid > left) & (mid >= right) & (mid > 0.5 * self._settings.voicing)
        worth = np.where(is_peak, mid - self._octave_costs, np.float32(-9))
        best = np.argpartition(worth, -n, axis=1)[:, -n:]
        found = np.take_along_axis(is_peak, best, axis=1)
        m, a, b = (np.take_along_axis(x, best, axis=1) for x in (mid, left, right))
        bend = np.where(found, 2 * m - a - b, np.float32(1))
        shift = 0.5 * (b - a) / bend
        height = m + 0.25 * (b - a) * shift
        f0 = np.zeros((len(norm), n + 1), np.float32)
        strength = np.zeros((len(norm), n + 1), np.float32)
        f0[:, 1:] = np.where(found, SAMPLE_RATE / (self._lags[best] + shift), np.float32(0))
        # The short-term autocorrelation can exceed 1; Praat folds it back.
        strength[:, 1:] = np.where(found, np.minimum(height, 1 / np.maximum(height, np.float32(1e-3))), np.float32(0))
        f0[:, 1:][(f0[:, 1:] > self._settings.ceiling_hz) | (f0[:, 1:] < self._settings.floor_hz)] = 0
        strength[:, 0] = np.clip(mid.max(axis=1), 0, 1)
        return f0, strength

    def _earnings(self, f0: Floats, strength: Floats, loudness: Floats) -> Floats:
        """What each candidate earns: Boersma's equations 23 and 24."""
        s = self._settings
        octaves = np.log2(s.ceiling_hz / np.maximum(f0, np.float32(1)))
        local = np.where(f0 > 0, strength - np.float32(s.octave_cost) * octaves, np.float32(-1e6))
        local[:, 0] = s.voicing + np.maximum(0, 2 - loudness / (s.silence / (1 + s.voicing)))
        return local

    def costs(self, before: Floats, after: Floats) -> Floats:
        """What each step costs, shape (frames, from, to); log2 of the pitch comes in, 0 where unvoiced (eq. 27)."""
        s = self._settings
        jump = np.float32(s.jump_cost) * np.abs(before[:, :, None] - after[:, None, :])
        voiced = (before > 0)[:, :, None], (after > 0)[:, None, :]
        both, neither = voiced[0] & voiced[1], ~(voiced[0] | voiced[1])
        return np.where(both, jump, np.where(neither, np.float32(0), np.float32(s.switch_cost)))
