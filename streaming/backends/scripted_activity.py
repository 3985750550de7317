"""Voice activity by script, for tests, demos and dry runs: no engine, no listening."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..audio import SAMPLE_RATE, VAD_FRAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..events import Samples


class ScriptedActivity:
    """Says speech exactly within the given spans, a fixed number of frames late.

    Args:
        spans: (start_s, end_s) of speech in stream time.
        delay_frames: how many frames later than their sound the answers come, like a network's look-ahead.
    """

    def __init__(self, spans: Sequence[tuple[float, float]], *, delay_frames: int = 0) -> None:
        self._spans = tuple(spans)
        self._delay = delay_frames
        self.reset()

    def feed(self, samples: Samples) -> list[float]:
        """Return 1.0 or 0.0 for each frame that is complete and `delay_frames` old."""
        self._n_samples += samples.size
        return self._up_to(self._n_samples // VAD_FRAME - self._delay)

    def flush(self) -> list[float]:
        """Return the frames still owed, and start afresh."""
        frames = self._up_to(math.ceil(self._n_samples / VAD_FRAME))
        self.reset()
        return frames

    def reset(self) -> None:
        """Start the script again."""
        self._n_samples = 0
        self._n_frames = 0

    def _up_to(self, n_frames: int) -> list[float]:
        first, self._n_frames = self._n_frames, max(self._n_frames, n_frames)
        return [self._says(index) for index in range(first, self._n_frames)]

    def _says(self, index: int) -> float:
        middle_s = (index + 0.5) * VAD_FRAME / SAMPLE_RATE
        return float(any(start <= middle_s < end for start, end in self._spans))
