"""A responder that says what it was told to say, for tests, dry runs and demonstrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from streaming.events import Utterance

    from ...conversation import Conversation
    from ...events import EmotionEstimate


class ScriptedResponder:
    """Answers the first utterance with the first script, and so on; the last script is said again for ever.

    A script is the answer in pieces. `heard` keeps what was asked for, in order.
    """

    def __init__(self, scripts: Sequence[Sequence[str]]) -> None:
        if not scripts:
            raise ValueError("there is no script: expected at least one answer, as a list of pieces")
        self._scripts = tuple(tuple(script) for script in scripts)
        self.heard: list[tuple[Utterance, EmotionEstimate | None]] = []

    async def respond(
        self, utterance: Utterance, estimate: EmotionEstimate | None, conversation: Conversation
    ) -> AsyncGenerator[str, None]:
        """Yield the next script, piece by piece."""
        script = self._scripts[min(len(self.heard), len(self._scripts) - 1)]
        self.heard.append((utterance, estimate))
        for piece in script:
            yield piece
