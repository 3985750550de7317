"""What the small voice model sees of an utterance while it is spoken, beside what is usual for the speaker.

Each block is looked at once; reading costs the same after one second as after thirty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .events import Acoustics
from .pitch import HOP, PitchTrack, PitchTracker
from .voice_sums import BEFORE, BLOCK, FEATURE_NAMES, Sums

if TYPE_CHECKING:
    from .events import Samples
    from .voice_sums import Floats


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
        self._sound: Samples = np.zeros(BEFORE, np.float32)
        self._newer: list[Samples] = []  # what follows, not joined yet: most blocks settle no pitch
        self._track = PitchTrack.joined([])
        self._sums = Sums()

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
        self._newer.append(samples)
        if not len(track):
            return
        self._join()
        self._track = PitchTrack.joined([self._track, track])
        while len(self._track) >= BLOCK:
            self._sums.add(self._sound, self._track[:BLOCK])
            self._sound = self._sound[BLOCK * HOP :]
            self._track = self._track[BLOCK:]

    def _join(self) -> None:
        self._sound = np.concatenate((self._sound, *self._newer), dtype=np.float32)
        self._newer = []

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

    def commit(self, acoustics: Acoustics | None) -> None:
        """Fold a finished utterance, as it was read, into the speaker's mean; None (too little voice) is skipped."""
        if acoustics is not None:
            self._n_speaker += 1
            self._speaker = self._speaker + (acoustics.features - self._speaker) / self._n_speaker
        self.start()

    def _features(self, tail: PitchTrack | None, *, settled: bool) -> Floats | None:
        sums = self._sums
        if not settled:
            if tail is None and self._own is not None:
                tail = self._own.tail()
            self._join()
            sums = sums.copied()
            rest = PitchTrack.joined([self._track, tail]) if tail is not None else self._track
            for start in range(0, len(rest) - 1, BLOCK):
                sums.add(self._sound[start * HOP :], rest[start : start + BLOCK])
        return sums.features() if sums.voiced_s >= self._settings.min_voiced_s else None
