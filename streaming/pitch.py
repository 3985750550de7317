"""Pitch of a voice, frame by frame, while the sound arrives.

The method is Boersma's (1993, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise
ratio of a sampled sound", IFA Proceedings 17): the autocorrelation of the windowed sound, divided by that of the
window, gives candidates; a path search picks one per frame. Praat's defaults are kept. What differs is that nothing is
known of the future: loudness is judged against the loudest sound so far, and the path is settled after a bounded delay.

Work is done in blocks whose borders are sample counts, so the frames never depend on how the sound was cut.
Knows nothing of utterances, speakers or words.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .audio import SAMPLE_RATE
from .candidates import BEFORE, HOP, WINDOW, CandidateFrames, CandidateSearch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .candidates import Floats
    from .events import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class PitchSettings:
    """Praat's "To Pitch (ac)" values, and how the stream is cut.

    Attributes:
        floor_hz, ceiling_hz: the search range; the floor may not lie under 75 Hz, which the window is made for.
        silence: frames softer than this share of the loudest sound so far lean towards unvoiced.
        voicing: strength of the unvoiced candidate.
        octave_cost: how much higher candidates are preferred, per octave.
        jump_cost, switch_cost: for a change of pitch per octave, and for a change between voiced and unvoiced.
        peak_floor: loudest sound assumed before anything was heard, in [0, 1], so that noise alone is never loud.
        n_candidates: voiced candidates kept per frame.
        block_frames: frames worked on at once.
        delay_frames: how long the path waits before a frame is settled.
    """

    floor_hz: float = 75.0
    ceiling_hz: float = 500.0
    silence: float = 0.03
    voicing: float = 0.45
    octave_cost: float = 0.01
    jump_cost: float = 0.35
    switch_cost: float = 0.14
    peak_floor: float = 0.01
    n_candidates: int = 4
    block_frames: int = 25
    delay_frames: int = 10

    def __post_init__(self) -> None:
        """Refuse what the window cannot measure."""
        if not 75.0 <= self.floor_hz < self.ceiling_hz <= 1000.0:
            msg = f"pitch range must satisfy 75 <= floor < ceiling <= 1000 Hz, got {self.floor_hz} to {self.ceiling_hz}"
            raise ValueError(msg)
        if min(self.n_candidates, self.block_frames) < 1 or self.delay_frames < 0:
            msg = "n_candidates and block_frames must be at least 1 and delay_frames at least 0"
            raise ValueError(msg)

    @property
    def look_ahead(self) -> int:
        """Samples after a frame's own 10 ms that may arrive before it is given out, at most."""
        return WINDOW - HOP - BEFORE + HOP * (self.block_frames - 1 + self.delay_frames)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PitchTrack:
    """Frames of 10 ms that follow one another; every array is float32, shape (n,).

    Attributes:
        at_s: middle of the frame, seconds after the first sample (float64).
        f0_hz: fundamental, 0 where unvoiced.
        strength: height of the autocorrelation peak, 0..1 (of the best one where unvoiced).
        energy_db: level in the window, dB full scale (a square wave of 1 has 0 dB), never under -100.
    """

    at_s: NDArray[np.float64]
    f0_hz: Floats
    strength: Floats
    energy_db: Floats

    def __len__(self) -> int:
        return len(self.at_s)

    def __getitem__(self, rows: slice) -> PitchTrack:
        return PitchTrack(
            at_s=self.at_s[rows], f0_hz=self.f0_hz[rows], strength=self.strength[rows], energy_db=self.energy_db[rows]
        )

    @property
    def voiced(self) -> NDArray[np.bool_]:
        """Where there is a pitch."""
        return self.f0_hz > 0

    @staticmethod
    def joined(tracks: Sequence[PitchTrack]) -> PitchTrack:
        """Tracks one after another as one; an empty sequence gives an empty track."""
        if len(tracks) <= 1:
            return tracks[0] if tracks else _NOTHING
        return PitchTrack(
            at_s=np.concatenate([track.at_s for track in tracks]),
            f0_hz=np.concatenate([track.f0_hz for track in tracks]),
            strength=np.concatenate([track.strength for track in tracks]),
            energy_db=np.concatenate([track.energy_db for track in tracks]),
        )


_NOTHING = PitchTrack(
    at_s=np.zeros(0),
    f0_hz=np.zeros(0, np.float32),
    strength=np.zeros(0, np.float32),
    energy_db=np.zeros(0, np.float32),
)


class PitchTracker:
    """Follows the pitch of one voice; give it sound in pieces of any size.

    A frame comes out once its window is full, its block is complete and its path is settled: at most
    `settings.look_ahead` samples (5680, 355 ms) after its own end, each exactly once, in order.
    """

    def __init__(self, settings: PitchSettings | None = None) -> None:
        self.settings = settings or PitchSettings()
        self._candidates = CandidateSearch(self.settings)
        self.reset()

    def reset(self) -> None:
        """Forget the stream: the next samples are the first."""
        width = self.settings.n_candidates + 1
        self._pieces: tuple[Samples, ...] = (np.zeros(BEFORE, np.float32),)
        self._n_held = BEFORE
        self._peak = self.settings.peak_floor
        self._open = CandidateFrames.none(width)
        self._score: Floats | None = None
        self._last_log2 = np.zeros(width, np.float32)
        self._n_out = 0

    def feed(self, samples: Samples) -> PitchTrack:
        """Take the next sound and return the frames that are now final."""
        return PitchTrack.joined(self.feed_blocks(samples))

    def feed_blocks(self, samples: Samples) -> list[PitchTrack]:
        """The same, block by block: where one block ends and the next begins does not depend on the cutting either."""
        self._pieces = (*self._pieces, np.array(samples, np.float32))
        self._n_held += len(samples)
        size = HOP * (self.settings.block_frames - 1) + WINDOW
        if self._n_held < size:
            return []
        done: list[PitchTrack] = []
        sound = np.concatenate(self._pieces)
        while len(sound) >= size:
            self._search(sound[:size])
            sound = sound[HOP * self.settings.block_frames :]
            done.append(self._settle(len(self._open.f0) - self.settings.delay_frames))
        self._pieces, self._n_held = (sound,), len(sound)
        return done

    def tail(self) -> PitchTrack:
        """Return the frames still owed, as if the sound ended here, and change nothing: more may be fed."""
        other = copy.copy(self)
        return other.flush()

    def flush(self) -> PitchTrack:
        """Return the frames still owed and start anew; a last incomplete frame counts as one."""
        n_frames = -(-(self._n_held - BEFORE) // HOP)
        if n_frames > 0:
            padding = np.zeros(HOP * (n_frames - 1) + WINDOW - self._n_held, np.float32)
            self._search(np.concatenate((*self._pieces, padding)))
        rest = self._settle(len(self._open.f0))
        self.reset()
        return rest

    def _search(self, sound: Samples) -> None:
        """Extend the best paths through the frames of `sound`."""
        frames, local, self._peak = self._candidates.find(sound, self._peak)
        log2 = np.log2(np.maximum(frames.f0, 1.0))
        before = np.concatenate((self._last_log2[None], log2[:-1]))
        change = self._candidates.costs(before, log2)
        score = self._score
        best = np.maximum.reduce  # what `max` calls, without its way there: this is the innermost loop
        for i in range(len(log2)):
            if score is None:
                score = local[i]
                continue
            ways = score[:, None] - change[i]
            ways.argmax(axis=0, out=frames.back[i])
            score = best(ways, axis=0) + local[i]
        assert score is not None
        self._score = score - score.max()
        self._last_log2 = log2[-1]
        self._open = self._open + frames

    def _settle(self, n: int) -> PitchTrack:
        """Give out the first `n` open frames along the path that is best now."""
        if n <= 0 or self._score is None:
            return _NOTHING
        way = np.array(self._open.path(int(self._score.argmax()))[:n])
        done, self._open = self._open[:n], self._open[n:]
        rows = np.arange(n)
        first, self._n_out = self._n_out, self._n_out + n
        return PitchTrack(
            at_s=(np.arange(first, first + n) * HOP + HOP / 2) / SAMPLE_RATE,
            f0_hz=done.f0[rows, way],
            strength=done.strength[rows, way],
            energy_db=done.energy_db,
        )
