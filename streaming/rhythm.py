"""Running sums over what comes frame by frame: moments of columns, and the run of voice and silence.

Reading costs the same however long the sound was. Knows nothing of what the columns mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable

Floats: TypeAlias = NDArray[np.float64]


class Moments:
    """Mean and spread of columns, each over the rows where it counts."""

    def __init__(self, n_columns: int) -> None:
        self._sums = np.zeros((3, n_columns))

    def add(self, values: Floats, counts: NDArray[np.bool_] | None = None) -> None:
        """Take rows, shape (n, columns); where `counts`, of the same shape, is False a value is left out."""
        n = np.full(values.shape[1], len(values)) if counts is None else counts.sum(axis=0)
        kept = values if counts is None else np.where(counts, values, 0.0)
        self._sums = self._sums + np.stack((n, kept.sum(axis=0), (kept * kept).sum(axis=0)))

    @property
    def n(self) -> Floats:
        """How many rows each column rests on."""
        return self._sums[0]

    def means(self) -> Floats:
        """Return the mean of each column, 0 where nothing was counted."""
        return self._sums[1] / np.maximum(self._sums[0], 1)

    def spreads(self) -> Floats:
        """Return the standard deviation of each column, 0 where nothing was counted."""
        mean_square = self._sums[2] / np.maximum(self._sums[0], 1)
        return np.sqrt(np.maximum(mean_square - self.means() ** 2, 0.0))


@dataclass(slots=True)
class Lengths:
    """How many runs there were and how long, in frames."""

    n: int = 0
    total: int = 0
    squares: int = 0

    def add(self, length: int) -> None:
        """Count a run."""
        self.n += 1
        self.total += length
        self.squares += length * length

    @property
    def mean(self) -> float:
        """Mean length, 0 without runs."""
        return self.total / self.n if self.n else 0.0

    @property
    def spread(self) -> float:
        """Standard deviation of the lengths, 0 without runs."""
        return max(self.squares / self.n - self.mean**2, 0.0) ** 0.5 if self.n else 0.0


@dataclass(slots=True)
class Runs:
    """Stretches of voice, and the gaps between them; what lies before the first and after the last is no gap.

    A gap longer than `longest_gap` frames is a pause to think or breathe and counts nowhere.
    """

    longest_gap: int
    voiced: Lengths = field(default_factory=Lengths)
    gaps: Lengths = field(default_factory=Lengths)
    is_voiced: bool = False
    length: int = 0

    def add(self, frames: Iterable[bool]) -> None:
        """Take the next frames, True where there is voice."""
        for is_voiced in frames:
            if is_voiced != self.is_voiced:
                self._close()
                self.is_voiced, self.length = is_voiced, 0
            self.length += 1

    def copied(self) -> Runs:
        """Return a copy that goes its own way."""
        return replace(self, voiced=replace(self.voiced), gaps=replace(self.gaps))

    def finished(self) -> Runs:
        """Return the runs as if the sound ended here."""
        other = self.copied()
        if other.is_voiced:
            other._close()
        other.is_voiced, other.length = False, 0
        return other

    def _close(self) -> None:
        if self.is_voiced:
            self.voiced.add(self.length)
        elif self.voiced.n and self.length <= self.longest_gap:
            self.gaps.add(self.length)
