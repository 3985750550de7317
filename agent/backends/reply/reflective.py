"""The reflective listener as a responder: no model, no network, the same answer live and in replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...reply import ReplySettings, reply_to
from ...reply.script import script
from ...topics import lexicon

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from streaming.events import Utterance

    from ...conversation import Conversation
    from ...events import EmotionEstimate


class ReflectiveResponder:
    """Answers as an active listener does, sentence by sentence."""

    def __init__(self, settings: ReplySettings | None = None) -> None:
        self._settings = settings or ReplySettings()
        # What it says and knows is read now rather than during the first answer.
        script()
        lexicon()

    async def respond(
        self, utterance: Utterance, estimate: EmotionEstimate | None, conversation: Conversation
    ) -> AsyncGenerator[str, None]:
        """Yield the answer sentence by sentence."""
        sentences = reply_to(utterance, estimate, conversation, settings=self._settings)
        for place, sentence in enumerate(sentences):
            yield f" {sentence}" if place else sentence
