"""No voice: answers are text only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from streaming.events import Samples

    from ...ports import SpeakingStyle


class NoSpeech:
    """`agent.ports.Speech` that says nothing."""

    @property
    def name(self) -> str:
        """See `Speech`."""
        return "none"

    async def speak(self, text: str, style: SpeakingStyle) -> AsyncGenerator[Samples, None]:
        """Yield nothing: text only."""
        del text, style
        await anyio.lowlevel.checkpoint()
        for nothing in ():
            yield nothing
