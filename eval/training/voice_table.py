"""The features of a corpus, as the live line would measure them, with copies heard in other rooms. Reproducible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.backends.emotion.voice import SEVEN
from streaming.acoustics import AcousticsTracker
from streaming.audio import FRAME

from ..errors import CorpusUnreadable
from .degrade import generator, heard_in, some_room

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.events import Samples

    from .emodb import Clip

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VoiceTable:
    """Features of a corpus, clips first, then each set of degraded copies; clips that held too little voice are out.

    Attributes:
        features: float64, shape (rows, n features). label: index into SEVEN.
        copy: 0 for clips, from 1 for copies. speaker, sentence, file: by row.
    """

    features: Floats
    label: Ints
    copy: Ints
    speaker: NDArray[np.str_]
    sentence: NDArray[np.str_]
    file: NDArray[np.str_]

    def rows(self, keep: NDArray[np.bool_]) -> VoiceTable:
        """Return the rows where `keep` is True."""
        return VoiceTable(
            features=self.features[keep],
            label=self.label[keep],
            copy=self.copy[keep],
            speaker=self.speaker[keep],
            sentence=self.sentence[keep],
            file=self.file[keep],
        )

    def speaker_means(self, label: int | None = None) -> Floats:
        """Return, for each row, the mean of its speaker's rows of the same copy. Shape of `features`.

        With a label only rows of that label count, where the speaker has any.
        """
        means = np.empty_like(self.features)
        for speaker in np.unique(self.speaker):
            for copy in np.unique(self.copy):
                rows = (self.speaker == speaker) & (self.copy == copy)
                chosen = rows if label is None else rows & (self.label == label)
                if rows.any():
                    means[rows] = self.features[chosen if chosen.any() else rows].mean(axis=0)
        return means


def features_of(samples: Samples) -> Floats | None:
    """Return the features the live line would see, None where there is too little voice."""
    tracker = AcousticsTracker()
    for start in range(0, len(samples), FRAME):
        tracker.feed(samples[start : start + FRAME])
    acoustics = tracker.read()
    return None if acoustics is None else acoustics.features


def voice_table(clips: Sequence[Clip], *, copies: int) -> VoiceTable:
    """Return the features of all clips and their degraded copies.

    Raises:
        CorpusUnreadable: a label is not among SEVEN, or no clip holds enough voice.
    """
    found: list[tuple[Clip, int, Floats]] = []
    for copy in range(copies + 1):
        for clip in clips:
            features = features_of(_copied(clip, copy))
            if features is not None:
                found.append((clip, copy, features))
    if not found:
        raise CorpusUnreadable("none of the clips holds enough voice to train on")
    return VoiceTable(
        features=np.stack([features for _, _, features in found]),
        label=np.array([SEVEN.index(clip.label) for clip, _, _ in found], np.intp),
        copy=np.array([copy for _, copy, _ in found], np.intp),
        speaker=np.array([clip.speaker for clip, _, _ in found]),
        sentence=np.array([clip.sentence for clip, _, _ in found]),
        file=np.array([clip.file for clip, _, _ in found]),
    )


def _copied(clip: Clip, copy: int) -> Samples:
    """The clip itself as copy 0; odd copies lie in a room of their own each, even ones in one room per speaker."""
    if not copy:
        return clip.samples
    room = some_room(generator(clip.file if copy % 2 else clip.speaker, str(copy)))
    return heard_in(room, clip.samples, generator(clip.file, str(copy), "sound"))
