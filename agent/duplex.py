"""Half duplex: not listening while the agent speaks, for loudspeakers without echo cancellation.

A microphone beside a loudspeaker hears the agent too. Without echo cancellation its voice would be taken for the
user's: the agent would interrupt and answer itself. In half-duplex mode the microphone's sound is replaced by silence
while a reply sounds and for a short tail after it (the room's reverberation and the sound still in the device). The
stream goes on in time, so everything behind it works as ever; the price is that nobody can barge in. With headphones,
or a microphone that cancels echo, full duplex is the better choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from streaming.audio import SAMPLE_RATE

from .errors import ConfigInvalid

if TYPE_CHECKING:
    from streaming.events import Samples

Duplex: TypeAlias = Literal["full", "half"]


class HalfDuplexGate:
    """Replaces the microphone by silence while the agent speaks and for `tail_s` afterwards."""

    def __init__(self, *, tail_s: float = 0.25) -> None:
        if tail_s < 0:
            raise ConfigInvalid(f"the tail of half duplex must be at least 0 s, got {tail_s}")
        self._n_tail = round(tail_s * SAMPLE_RATE)
        self._n_closed = 0

    def filter(self, samples: Samples, *, speaking: bool) -> Samples:
        """Return `samples` as far as they may be heard, silence in place of the rest; always as many.

        Args:
            samples: float32, shape (n,), mono 16 kHz; left as they are.
            speaking: a reply sounds during these samples.
        """
        if speaking:
            self._n_closed = self._n_tail
            return np.zeros_like(samples)
        if not self._n_closed:
            return samples
        n_silent = min(self._n_closed, len(samples))
        self._n_closed -= n_silent
        heard = samples.copy()
        heard[:n_silent] = 0.0
        return heard
