"""What the small voice model sees of an utterance: spectrum, pitch and rhythm of its voiced parts, as running sums.

No feature depends on the level, so a quiet microphone makes no sad voice. Only voiced frames count, so silence around
the words changes nothing. Each block is looked at once; reading costs the same after one second as after thirty.
Knows nothing of emotions.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .events import Acoustics
from .pitch import HOP, PitchTrack, PitchTracker
from .rhythm import Moments, Runs
from .spectrum import N_MFCC, SHAPE_NAMES, WINDOW, shapes, spectra

if TYPE_CHECKING:
    from .events import Samples

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

_BLOCK: Final = 20
"""Pitch frames (10 ms) worked on at once: ten spectral frames of 20 ms."""
_STEP: Final = 2 * HOP
_BEFORE: Final = (WINDOW - _STEP) // 2
_CONTEXT: Final = 6
"""Pitch frames carried over: a peak of the smoothed level is known three frames later and looks three back."""
_N_TIMBRE: Final = 6
_FIRST_MFCC: Final = _FRAME_NAMES.index("mfcc1")
_FLUX: Final = _FRAME_NAMES.index("flux")
_FRAME_S: Final = HOP / 16_000
_LONGEST_GAP: Final = 25
"""Frames without voice up to which a gap belongs to the words (a consonant cluster) and not to a pause."""
_QUIET_DB: Final = 30.0
"""How far under the loudest sound so far voice is no longer counted, as in Praat; so much rise also starts anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcousticsSettings:
    """When there is enough voice to say anything.

    Attributes:
        min_voiced_s: voiced seconds under which nothing is said.
    """

    min_voiced_s: float = 0.3

    def __post_init__(self) -> None:
        """Refuse what cannot be measured."""
        if self.min_voiced_s < 0.1:
            msg = f"min_voiced_s must be at least 0.1, got {self.min_voiced_s}"
            raise ValueError(msg)


class AcousticsTracker:
    """Measures the utterances of one speaker, one after another, while they are spoken.

    The pitch may come from a tracker that runs anyway (give `track` to every `feed`, `tail` to the final `read`) or, if
    no track is ever given, from one of its own.
    """

    def __init__(self, settings: AcousticsSettings | None = None) -> None:
        self._settings = settings or AcousticsSettings()
        self._speaker = np.zeros(len(FEATURE_NAMES))
        self._n_speaker = 0
        self.start()

    def start(self) -> None:
        """Begin an utterance; what was not committed is forgotten."""
        self._own: PitchTracker | None = None
        self._sound: Samples = np.zeros(_BEFORE, np.float32)
        self._track = PitchTrack.joined([])
        self._sums = _Sums()

    def feed(self, samples: Samples, track: PitchTrack | None = None) -> None:
        """Take the next sound of the utterance.

        Args:
            samples: any number.
            track: the next settled pitch frames, the first being the utterance's first 10 ms; None to have them found.
        """
        if track is None:
            if self._own is None:
                self._own = PitchTracker()
            track = self._own.feed(samples)
        self._sound = np.concatenate((self._sound, samples))
        if len(track):
            self._track = PitchTrack.joined([self._track, track])
        while len(self._track) >= _BLOCK:
            self._sums.add(self._sound, _part(self._track, slice(0, _BLOCK)))
            self._sound = self._sound[_BLOCK * HOP :]
            self._track = _part(self._track, slice(_BLOCK, None))

    def read(self, *, tail: PitchTrack | None = None, settled: bool = False) -> Acoustics | None:
        """Return the utterance so far, None while there is too little voice. Changes nothing; more may be fed.

        Args:
            tail: the frames that the shared pitch tracker still owes (its `tail()`).
            settled: leave out the last 0.4 s, whose pitch is still open: cheap, for values that roll on anyway.
        """
        features = self._features(tail, settled=settled)
        if features is None:
            return None
        mean = self._speaker.copy() if self._n_speaker else None
        return Acoustics(features=features, speaker_mean=mean, n_speaker=self._n_speaker)

    def commit(self, *, tail: PitchTrack | None = None) -> None:
        """Fold the finished utterance into the speaker's mean; one with too little voice counts for nothing."""
        features = self._features(tail, settled=False)
        if features is not None:
            self._n_speaker += 1
            self._speaker = self._speaker + (features - self._speaker) / self._n_speaker
        self.start()

    def _features(self, tail: PitchTrack | None, *, settled: bool) -> Floats | None:
        sums = self._sums
        if not settled:
            if tail is None and self._own is not None:
                tail = self._own.tail()
            sums = sums.copied()
            rest = PitchTrack.joined([self._track, tail]) if tail is not None else self._track
            for start in range(0, len(rest) - 1, _BLOCK):
                sums.add(self._sound[start * HOP :], _part(rest, slice(start, start + _BLOCK)))
        return sums.features() if sums.voiced_s >= self._settings.min_voiced_s else None


class _Sums:
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

    def copied(self) -> _Sums:
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
        return float(self._frames.n[0]) * 2 * _FRAME_S

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
        start_s, self._heard_s = self._heard_s, self._heard_s + n * 2 * _FRAME_S
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
        at_s = start_s + rows.astype(np.float64) * (2 * _FRAME_S)
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
        voiced_s = runs.voiced.total * _FRAME_S
        span_s = voiced_s + runs.gaps.total * _FRAME_S
        lengths_s = (runs.voiced.mean, runs.voiced.spread, runs.gaps.mean, runs.gaps.spread)
        # 20 ms are added so that one run alone, or none, stays finite.
        logs = np.log(np.array(lengths_s) * _FRAME_S + 0.02)
        n, peaks = runs.voiced.n, self._n_peaks
        return np.array([voiced_s / span_s, n / span_s, *logs, peaks / span_s, peaks / voiced_s])


def _part(track: PitchTrack, rows: slice) -> PitchTrack:
    """Some of the frames."""
    return PitchTrack(
        at_s=track.at_s[rows],
        f0_hz=track.f0_hz[rows],
        strength=track.strength[rows],
        energy_db=track.energy_db[rows],
    )


def _hnr_db(strength: NDArray[np.float32]) -> Floats:
    """Harmonics over noise from the autocorrelation's height (Boersma 1993, eq. 4)."""
    kept = np.clip(strength.astype(np.float64), 0.01, 0.999)
    return 10 * np.log10(kept / (1 - kept))


assert _FRAME_NAMES[_FIRST_MFCC : _FIRST_MFCC + N_MFCC][-1] == f"mfcc{N_MFCC}"
