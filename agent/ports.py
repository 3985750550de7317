"""What the agent needs from engines. Adapters live in `agent.backends` and are named only by its factory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from streaming.events import Samples, Utterance

    from .conversation import Conversation
    from .events import EmotionEstimate, EmotionSource


class EmotionRecognizer(Protocol):
    """Reads what an utterance expresses."""

    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        """Return an estimate; it abstains (`top` None) rather than raise when the utterance carries nothing.

        `utterance` may be a snapshot of one still being spoken (`is_final` False).
        """
        ...


class Responder(Protocol):
    """Answers an utterance."""

    def respond(
        self, utterance: Utterance, estimate: EmotionEstimate | None, conversation: Conversation
    ) -> AsyncGenerator[str, None]:
        """Yield the answer piece by piece; joined, the pieces are the whole answer, spaces included.

        Closing the generator stops the engine.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakingStyle:
    """How to say something: `rate` as a ratio (1 = the voice's usual pace), `pitch_st` in semitones from usual."""

    rate: float = 1.0
    pitch_st: float = 0.0


class Speech(Protocol):
    """A voice (text to speech)."""

    @property
    def name(self) -> str:
        """Short name of the engine."""
        ...

    def speak(self, text: str, style: SpeakingStyle) -> AsyncGenerator[Samples, None]:
        """Yield the sound of `text` in order: float32 mono, 16 kHz, in [-1, 1]; closing the generator stops the engine.

        Raises:
            SpeechFailed: the engine is missing, died or gave no sound.
        """
        ...
