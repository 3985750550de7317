"""Running measures of one utterance: what its frames say about melody, loudness, syllables and pauses.

Frames come once and are not kept: sums and histograms of fixed size hold all that is needed, so that a reading costs
the same after one second as after thirty. Knows nothing of speakers, baselines or words.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .audio import SAMPLE_RATE
from .candidates import HOP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .candidates import Floats
    from .pitch import PitchTrack

FRAME_S = HOP / SAMPLE_RATE

_AUDIBLE_DB = 25.0
"""How far under the loud voiced frames a frame still belongs to the speech (de Jong and Wempe's silence threshold)."""

_DIP_DB = 2.0
"""How deep the dip between two syllables is at least (de Jong and Wempe)."""

_SMOOTH = 3
"""Frames the level is averaged over before its peaks are counted: with the window about as much as in the paper."""


def semitones(hz: float, *, above_hz: float = 1.0) -> float:
    """The interval from `above_hz` up to `hz`, in semitones."""
    return 12 * math.log2(hz / above_hz)


class Histogram:
    """Counts in bins of equal width, for quantiles of a stream; values outside go to the outer bins."""

    def __init__(self, *, low: float, high: float, step: float) -> None:
        self._low = low
        self._step = step
        self._counts = np.zeros(round((high - low) / step), np.int64)

    def add(self, values: Floats) -> None:
        """Count the values."""
        n = len(self._counts)
        bins = np.clip((values - self._low) / self._step, 0, n - 1).astype(np.intp)
        self._counts += np.bincount(bins, minlength=n)

    def quantile(self, q: float) -> float | None:
        """The value under which the share `q` lies, taken as evenly spread within a bin; None while empty."""
        sums = self._counts.cumsum()
        wanted = q * int(sums[-1])
        i = int(np.searchsorted(sums, wanted, side="left")) if sums[-1] else 0
        if not self._counts[i]:
            return None
        inside = (wanted - (int(sums[i]) - int(self._counts[i]))) / int(self._counts[i])
        return self._low + self._step * (i + inside)


class Melody:
    """Mean, range and slope of the pitch over the voiced frames."""

    def __init__(self, *, floor_hz: float = 75.0, ceiling_hz: float = 500.0) -> None:
        self.n = 0
        self._hz = 0.0
        self._sums = np.zeros(4)
        self._spread = Histogram(low=semitones(floor_hz), high=semitones(ceiling_hz), step=0.25)

    def add(self, f0_hz: Floats) -> None:
        """Take the pitch of further voiced frames."""
        if not len(f0_hz):
            return
        tone = 12 * np.log2(f0_hz.astype(np.float64))
        at = (self.n + np.arange(len(tone))) * FRAME_S
        self.n += len(tone)
        self._hz += float(f0_hz.sum(dtype=np.float64))
        self._sums += (at.sum(), tone.sum(), at @ at, at @ tone)
        self._spread.add(tone.astype(np.float32))

    @property
    def mean_hz(self) -> float:
        """Mean pitch; there must be a frame."""
        return self._hz / self.n

    @property
    def mean_st(self) -> float:
        """Mean pitch in semitones above 1 Hz; there must be a frame."""
        return float(self._sums[1]) / self.n

    @property
    def range_st(self) -> float:
        """From the 10th to the 90th percentile, in semitones; there must be a frame."""
        low, high = self._spread.quantile(0.1), self._spread.quantile(0.9)
        assert low is not None
        assert high is not None
        return high - low

    @property
    def slope_st_s(self) -> float:
        """Least-squares slope over voiced time, semitones per second; there must be two frames."""
        t, p, tt, tp = (float(s) for s in self._sums)
        return (self.n * tp - t * p) / (self.n * tt - t * t)


class Syllables:
    """Counts syllable nuclei: voiced peaks of the level with a dip before them.

    After de Jong and Wempe (2009), "Praat script to detect syllable nuclei and measure speech rate automatically",
    Behavior Research Methods 41; the dip is looked for as the sound comes, so nothing is gone over twice.
    """

    def __init__(self) -> None:
        self._level = np.zeros(0, np.float32)
        self._voiced = np.zeros(0, np.bool_)
        self._is_rising = False
        self._low_db = -math.inf
        self._high_db = -math.inf
        self._high_is_voiced = False
        self._n_closed = 0

    @property
    def n(self) -> int:
        """Syllables so far, the one under way included."""
        return self._n_closed + (self._is_rising and self._high_is_voiced)

    def add(self, energy_db: Floats, voiced: NDArray[np.bool_]) -> None:
        """Take further frames: their level, and whether they may be a nucleus."""
        self._level = np.concatenate((self._level, energy_db))
        self._voiced = np.concatenate((self._voiced, voiced))
        if len(self._level) < _SMOOTH:
            return
        half = _SMOOTH // 2
        smooth = np.convolve(self._level, np.full(_SMOOTH, 1 / _SMOOTH), "valid")
        for level, is_voiced in zip(smooth.tolist(), self._voiced[half:-half].tolist(), strict=True):
            self._step(level, is_voiced=is_voiced)
        self._level = self._level[1 - _SMOOTH :]
        self._voiced = self._voiced[1 - _SMOOTH :]

    def _step(self, level: float, *, is_voiced: bool) -> None:
        if self._is_rising:
            if level > self._high_db:
                self._high_db, self._high_is_voiced = level, is_voiced
            elif level <= self._high_db - _DIP_DB:
                self._n_closed += self._high_is_voiced
                self._is_rising, self._low_db = False, level
        elif level >= self._low_db + _DIP_DB:
            self._is_rising, self._high_db, self._high_is_voiced = True, level, is_voiced
        else:
            self._low_db = min(self._low_db, level)


class Pauses:
    """Silences between the first and the last voiced frame; what leads in and trails off does not count."""

    def __init__(self, *, shortest_s: float = 0.2) -> None:
        self._shortest = round(shortest_s / FRAME_S)
        self._has_begun = False
        self._n_span = self._n_paused = self._longest = 0
        self._n_since = self._n_paused_since = self._longest_since = self._run = 0

    def add(self, voiced: NDArray[np.bool_], audible: NDArray[np.bool_]) -> None:
        """Take further frames: where there is voice, and where anything is heard at all."""
        for is_voiced, is_audible in zip(voiced.tolist(), audible.tolist(), strict=True):
            if is_voiced:
                self._close_run()
                self._take_in()
            elif self._has_begun:
                self._n_since += 1
                if is_audible:
                    self._close_run()
                else:
                    self._run += 1

    def _close_run(self) -> None:
        if self._run >= self._shortest:
            self._n_paused_since += self._run
            self._longest_since = max(self._longest_since, self._run)
        self._run = 0

    def _take_in(self) -> None:
        self._has_begun = True
        self._n_span += self._n_since + 1
        self._n_paused += self._n_paused_since
        self._longest = max(self._longest, self._longest_since)
        self._n_since = self._n_paused_since = self._longest_since = 0

    @property
    def span_s(self) -> float:
        """From the first to the last voiced frame."""
        return self._n_span * FRAME_S

    @property
    def phonation_s(self) -> float:
        """The span without its pauses."""
        return (self._n_span - self._n_paused) * FRAME_S

    @property
    def share(self) -> float:
        """Share of the span spent in pauses."""
        return self._n_paused / self._n_span if self._n_span else 0.0

    @property
    def longest_s(self) -> float:
        """The longest pause, 0 when there is none."""
        return self._longest * FRAME_S


class Measures:
    """All of the above for one utterance."""

    def __init__(self) -> None:
        self.melody = Melody()
        self.syllables = Syllables()
        self.pauses = Pauses()
        self._levels = Histogram(low=-100.0, high=0.0, step=1.0)
        self._energy_db = 0.0

    def add(self, track: PitchTrack) -> None:
        """Take further frames; one that lies far under the loud ones counts as silence, voiced or not."""
        if not len(track):
            return
        self._levels.add(track.energy_db[track.voiced])
        loud = self._levels.quantile(0.9)
        audible = track.energy_db > (math.inf if loud is None else loud - _AUDIBLE_DB)
        voiced = track.voiced & audible
        self._energy_db += float(track.energy_db[voiced].sum(dtype=np.float64))
        self.melody.add(track.f0_hz[voiced])
        self.syllables.add(track.energy_db, voiced)
        self.pauses.add(voiced, audible)

    @property
    def voiced_s(self) -> float:
        """Seconds of voice."""
        return self.melody.n * FRAME_S

    @property
    def energy_db(self) -> float:
        """Mean level of the voiced frames, dB full scale; there must be one."""
        return self._energy_db / self.melody.n

    @property
    def rate_syl_s(self) -> float:
        """Syllables per second of phonation; there must be voice."""
        return self.syllables.n / self.pauses.phonation_s
