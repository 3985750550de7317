"""The sound of an item: the part of its recording that is meant, at 16 kHz. An edge: it reads files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streaming.audio import FRAME, SAMPLE_RATE, silence
from streaming.errors import AudioUnreadable
from streaming.files import AudioFile

if TYPE_CHECKING:
    from pathlib import Path

    from streaming.events import Samples

    from ..corpora.item import Item


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sound:
    """What is heard of an item; `problem` is what is wrong with the recording although it can be heard."""

    samples: Samples
    problem: str | None = None

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) / SAMPLE_RATE

    @property
    def sha256(self) -> str:
        """Hash of the samples as they are heard, float32 in little-endian order."""
        return hashlib.sha256(self.samples.astype("<f4").tobytes()).hexdigest()

    @property
    def whole_blocks(self) -> Samples:
        """The samples, with silence up to the next 20 ms: an utterance ends at one."""
        return np.concatenate([self.samples, silence(-len(self.samples) % FRAME)])


class Recordings:
    """Reads recordings; the last one is kept, since items next to each other are often parts of one."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._held = Sound(samples=silence(0))

    def read(self, item: Item) -> Sound:
        """Return the sound of an item that has some.

        Raises:
            AudioUnreadable: its recording cannot be heard, or ends before the item begins.
        """
        assert item.audio is not None
        if item.audio != self._path:
            self._path = None
            self._held = _whole(item.audio)
            self._path = item.audio
        first = round(item.start_s * SAMPLE_RATE)
        last = None if item.end_s is None else round(item.end_s * SAMPLE_RATE)
        samples = self._held.samples[first:last]
        if not samples.size:
            message = f"{item.audio.name} is {self._held.seconds:.2f} s long, and the item begins at {item.start_s} s"
            raise AudioUnreadable(message)
        problem = self._held.problem
        if last is not None and last > len(self._held.samples):
            problem = (
                problem or f"{item.audio.name} is {self._held.seconds:.2f} s long, the item ends at {item.end_s} s"
            )
        return Sound(samples=samples, problem=problem)


def _whole(path: Path) -> Sound:
    with AudioFile(path) as file:
        samples = np.concatenate([silence(0), *file])
        return Sound(samples=samples, problem=file.warning)
