"""Cutting sound into blocks of even length. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from streaming.events import Samples

BLOCK = 1_600
"""Samples in a block: 100 ms at 16 kHz."""


class BlockCutter:
    """Gives blocks of `BLOCK` samples; what is left comes with `flush`."""

    def __init__(self) -> None:
        self._rest: Samples = np.zeros(0, np.float32)

    def feed(self, samples: Samples) -> list[Samples]:
        """Take sound of any length; return the blocks that are now full."""
        sound = np.concatenate((self._rest, samples)).astype(np.float32, copy=False)
        n_full = len(sound) // BLOCK * BLOCK
        self._rest = sound[n_full:]
        return [sound[at : at + BLOCK] for at in range(0, n_full, BLOCK)]

    def flush(self) -> list[Samples]:
        """Return the last, short block, if there is one."""
        rest, self._rest = self._rest, np.zeros(0, np.float32)
        return [rest] if len(rest) else []
