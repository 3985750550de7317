"""A reader of dimensions that says what it was told to: for tests, dry runs and demonstrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.lowlevel

from streaming.errors import EngineFailed

from ...labels import Affect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.events import Samples

MIDDLE = Affect(arousal=0.5, dominance=0.5, valence=0.5)


class ScriptedDimensions:
    """Answers the first, second, ... sound with the places of its script, the last one for all that follow."""

    def __init__(self, script: Sequence[Affect] = (), *, fails: str | None = None) -> None:
        """Follow the script (without one: the middle), or raise `EngineFailed(fails)` each time."""
        self._script = tuple(script) or (MIDDLE,)
        self._fails = fails
        self.heard: list[Samples] = []
        """What it was asked about, in order."""

    @property
    def name(self) -> str:
        """See `DimensionsReader`."""
        return "scripted"

    async def read(self, samples: Samples) -> Affect:
        """Return the script's next place.

        Raises:
            EngineFailed: it was told to fail.
        """
        await anyio.lowlevel.checkpoint()
        self.heard.append(samples)
        if self._fails is not None:
            raise EngineFailed(self._fails)
        return self._script[min(len(self.heard), len(self._script)) - 1]

    def close(self) -> None:
        """Nothing is held."""
