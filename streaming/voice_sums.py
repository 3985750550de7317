"""Running sums over an utterance's voiced parts: spectrum, pitch and rhythm, as the small voice model's features.

No feature depends on the level, so a quiet microphone makes no sad voice. Only voiced frames count, so silence around
the words changes nothing. Knows nothing of emotions, of speakers, or of how sound and pitch arrive.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .measures import FRAME_S
from .pitch import HOP
from .rhythm import Moments, Runs
from .spectrum import N_MFCC, SHAPE_NAMES, WINDOW, shapes, spectra

if TYPE_CHECKING:
    from .events import Samples
    from .pitch import PitchTrack

Floats: TypeAlias = NDArray[np.float64]

_FRAME_NAMES: Final = ("pitch", "hnr", "flux", *SHAPE_NAMES, "level")
_SLOPE_OF: Final = ("pitch", "hnr", "centroid", "alpha_ratio", "level")
_CHANGE_NAMES: Final = (
    "pitch_change_mean",
    "pitch_change_abs",
    "pitch_rising_share",
    "level_change_abs",
    "level_rise",
    "level_fall",
    "jitter_proxy",
    "shimmer_proxy",
)
_RHYTHM_NAMES: Final = (
    "voiced_share",
    "stretches_per_s",
    "stretch_log_mean",
    "stretch_log_spread",
    "gap_log_mean",
    "gap_log_spread",
    "peaks_per_s",
    "peaks_per_voiced_s",
)

FEATURE_NAMES: Final[tuple[str, ...]] = (
    *(f"{name}_mean" for name in _FRAME_NAMES if name != "level"),
    *(f"{name}_spread" for name in _FRAME_NAMES),
    *(f"{name}_slope" for name in _SLOPE_OF),
    *_CHANGE_NAMES,
    "level_change_spread",
    "timbre_change",
    *_RHYTHM_NAMES,
)
"""Order of `Acoustics.features`. Pitch in semitones over 55 Hz, slopes per s, changes per 10 ms, lengths in log s."""

BLOCK: Final = 20
"""Pitch frames (10 ms) worked on at once: ten spectral frames of 20 ms."""
_STEP: Final = 2 * HOP
BEFORE: Final = (WINDOW - _STEP) // 2
"""Samples before a pitch frame that its spectral frame begins with."""
_CONTEXT: Final = 6
"""Pitch frames carried over: a peak of the smoothed level is known three frames later and looks three back."""
_N_TIMBRE: Final = 6
_FIRST_MFCC: Final = _FRAME_NAMES.index("mfcc1")
_FLUX: Final = _FRAME_NAMES.index("flux")
_LONGEST_GAP: Final = 25
"""Frames without voice up to which a gap belongs to the words (a consonant cluster) and not to a pause."""
_QUIET_DB: Final = 30.0
"""How far under the loudest sound so far voice is no longer counted, as in Praat; so much rise also starts anew."""


class Sums:
    """Everything that is remembered of an utterance."""

    def __init__(self) -> None:
        self._loudest_db = -100.0
        self._clear()

    def _clear(self) -> None:
        self._first_db: float | None = None
        self._frames = Moments(len(_FRAME_NAMES))
        self._times = Moments(1 + len(_SLOPE_OF))
        self._changes = Moments(len(_CHANGE_NAMES))
        self._level_change = Moments(1)
        self._timbre_change = Moments(1)
        self._runs = Runs(longest_gap=_LONGEST_GAP)
        self._n_peaks = 0
        self._heard_s = 0.0
        self._past = np.zeros((3, _CONTEXT))
        self._past[1] = -100.0
        self._last: tuple[NDArray[np.float32], Floats] | None = None

    def copied(self) -> Sums:
        """A copy that goes its own way."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Moments):
                setattr(other, name, copy.copy(value))
        other._runs = self._runs.copied()
        return other

    @property
    def voiced_s(self) -> float:
        """Voiced seconds on whole spectral frames."""
        return float(self._frames.n[0]) * 2 * FRAME_S

    def add(self, sound: Samples, track: PitchTrack) -> None:
        """Take a block: its pitch frames, and sound from 96 samples before it (zeros are put where it ends early)."""
        level = track.energy_db.astype(np.float64)
        loudest_db = float(level.max())
        if self._first_db is not None and loudest_db > self._first_db + _QUIET_DB:
            # What was heard before was the room, not this voice.
            self._clear()
        self._loudest_db = max(self._loudest_db, loudest_db)
        voiced = track.voiced & (level > self._loudest_db - _QUIET_DB)
        if self._first_db is None and voiced.any():
            self._first_db = float(level[voiced].max())
        track = replace(track, f0_hz=np.where(voiced, track.f0_hz, np.float32(0)))
        pitch = 12 * np.log2(np.maximum(track.f0_hz.astype(np.float64), 1.0) / 55)
        self._add_frames(sound, track, pitch)
        self._add_changes(pitch, level, voiced)
        self._runs.add(voiced.tolist())

    def _add_frames(self, sound: Samples, track: PitchTrack, pitch: Floats) -> None:
        n = len(track) // 2
        pairs = track.voiced[: 2 * n].reshape(n, 2).all(axis=1)
        rows = np.flatnonzero(pairs)
        start_s, self._heard_s = self._heard_s, self._heard_s + n * 2 * FRAME_S
        if not len(rows):
            self._last = None
            return
        short = (n - 1) * _STEP + WINDOW - len(sound)
        padded = np.concatenate((sound, np.zeros(short, np.float32))) if short > 0 else sound
        windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::_STEP][rows]
        f0_hz = track.f0_hz[: 2 * n].reshape(n, 2).mean(axis=1, dtype=np.float64)[rows]
        power = spectra(windows)
        values = np.empty((len(rows), len(_FRAME_NAMES)))
        values[:, 0] = pitch[: 2 * n].reshape(n, 2).mean(axis=1)[rows]
        values[:, 1] = _hnr_db(track.strength)[: 2 * n].reshape(n, 2).mean(axis=1)[rows]
        values[:, 3:-1] = shapes(power, f0_hz)
        values[:, -1] = track.energy_db[: 2 * n].reshape(n, 2).mean(axis=1, dtype=np.float64)[rows]
        follows = self._add_flux(values, np.sqrt(power), rows)
        counts = np.ones(values.shape, np.bool_)
        counts[:, _FLUX] = follows
        self._frames.add(values, counts)
        at_s = start_s + rows.astype(np.float64) * (2 * FRAME_S)
        columns = [_FRAME_NAMES.index(name) for name in _SLOPE_OF]
        self._times.add(np.column_stack((at_s, at_s[:, None] * values[:, columns])))
        is_open = bool(rows[-1] == n - 1)
        self._last = (np.sqrt(power[-1]), values[-1, _FIRST_MFCC:]) if is_open else None

    def _add_flux(self, values: Floats, roots: NDArray[np.float32], rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Fill in how far each spectrum lies from the one before; return where there is one right before."""
        joins = self._last is not None and rows[0] == 0
        timbre = values[:, _FIRST_MFCC : _FIRST_MFCC + _N_TIMBRE]
        last_root, last_timbre = self._last if self._last is not None and joins else (roots[0], values[0, _FIRST_MFCC:])
        follows = np.concatenate(([joins], np.diff(rows) == 1))
        values[:, _FLUX] = np.linalg.norm(roots - np.concatenate((last_root[None], roots[:-1])), axis=1)
        moved = np.linalg.norm(timbre - np.concatenate((last_timbre[None, :_N_TIMBRE], timbre[:-1])), axis=1)
        self._timbre_change.add(moved[:, None], follows[:, None])
        return follows

    def _add_changes(self, pitch: Floats, level: Floats, voiced: NDArray[np.bool_]) -> None:
        """Count how pitch and level move from one 10 ms to the next, and the peaks of the level."""
        p, e, v = np.concatenate((self._past, np.stack((pitch, level, voiced))), axis=1)
        two = (v[1:] > 0) & (v[:-1] > 0)
        three = two[1:] & two[:-1]
        dp, de = np.diff(p), np.diff(e)
        now = slice(_CONTEXT - 1, None)
        ddp, dde = np.abs(np.diff(dp))[_CONTEXT - 2 :], np.abs(np.diff(de))[_CONTEXT - 2 :]
        dp, de, two, three = dp[now], de[now], two[now], three[_CONTEXT - 2 :]
        values = np.column_stack((dp, np.abs(dp), dp > 0.05, np.abs(de), de, -de, ddp, dde))
        self._changes.add(values, np.column_stack((two, two, two, two, two & (de > 0), two & (de < 0), three, three)))
        self._level_change.add(de[:, None], two[:, None])
        smooth = np.convolve(e, np.full(5, 0.2), "valid")
        middle = smooth[1:-1]
        is_peak = (middle > smooth[:-2]) & (middle >= smooth[2:]) & (v[3:-3] > 0)
        self._n_peaks += int(is_peak.sum())
        self._past = np.stack((p, e, v))[:, -_CONTEXT:]

    def features(self) -> Floats:
        """The values of FEATURE_NAMES."""
        means = self._frames.means()
        return np.concatenate(
            (
                means[:-1],
                self._frames.spreads(),
                self._slopes(means),
                self._changes.means(),
                self._level_change.spreads(),
                self._timbre_change.means(),
                self._rhythm(),
            )
        )

    def _slopes(self, means: Floats) -> Floats:
        columns = [_FRAME_NAMES.index(name) for name in _SLOPE_OF]
        times = self._times.means()
        variance = self._times.spreads()[0] ** 2
        return (times[1:] - times[0] * means[columns]) / max(float(variance), 1e-4)

    def _rhythm(self) -> Floats:
        runs = self._runs.finished()
        voiced_s = runs.voiced.total * FRAME_S
        span_s = voiced_s + runs.gaps.total * FRAME_S
        lengths_s = (runs.voiced.mean, runs.voiced.spread, runs.gaps.mean, runs.gaps.spread)
        # 20 ms are added so that one run alone, or none, stays finite.
        logs = np.log(np.array(lengths_s) * FRAME_S + 0.02)
        n, peaks = runs.voiced.n, self._n_peaks
        return np.array([voiced_s / span_s, n / span_s, *logs, peaks / span_s, peaks / voiced_s])


def _hnr_db(strength: NDArray[np.float32]) -> Floats:
    """Harmonics over noise from the autocorrelation's height (Boersma 1993, eq. 4)."""
    kept = np.clip(strength.astype(np.float64), 0.01, 0.999)
    return 10 * np.log10(kept / (1 - kept))


assert _FRAME_NAMES[_FIRST_MFCC : _FIRST_MFCC + N_MFCC][-1] == f"mfcc{N_MFCC}"
