"""What the agent needs from engines. Adapters live in `agent.backends` and are named only by its factory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from streaming.events import Samples, Utterance

    from .conversation import Conversation
    from .events import EmotionEstimate, EmotionSource
    from .labels import Affect
    from .llm.values import Capabilities, Decoding, LabelScores, Piece, Prompt, Trace


class EmotionRecognizer(Protocol):
    """Reads what an utterance expresses."""

    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        """Return an estimate; it abstains (`top` None) rather than raise when the utterance carries nothing.

        `utterance` may be a snapshot of one still being spoken (`is_final` False).
        """
        ...


class DimensionsReader(Protocol):
    """Reads arousal, dominance and valence off the voice."""

    @property
    def name(self) -> str:
        """Short name of the engine."""
        ...

    async def read(self, samples: Samples) -> Affect:
        """Return where the voice lies, each in [0, 1]. `samples` is one utterance: float32, mono, 16 kHz.

        Raises:
            EngineFailed: the model cannot answer.
        """
        ...

    def close(self) -> None:
        """Free the model. Idempotent."""
        ...


class LanguageModel(Protocol):
    """A language model, shared by all conversations of a process.

    `conversation` names whose cached state a call may reuse and leaves behind: the engine keeps the tokens of the last
    prompt (and answer) of each conversation, so that a prompt that begins alike costs only its new end. An empty name
    reuses nothing and leaves nothing. Calls may overlap: engines take turns between tokens.

    All calls raise:
        ContextOverflow: the prompt, with the room asked for, is longer than the model's window.
        OutOfMemory, ServerFailed, ModelUnusable, EngineFailed: see `streaming.errors`.
    """

    @property
    def name(self) -> str:
        """Short name of engine and model, as in `EmotionEstimate.method` and signatures."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    def stream(self, prompt: Prompt, decoding: Decoding, *, conversation: str = "") -> AsyncGenerator[Piece, None]:
        """Yield the answer piece by piece; the last piece carries the usage.

        Closing the generator, or cancelling the task, stops the compute: less than one more token is made.
        """
        ...

    async def score(self, prompt: Prompt, labels: Sequence[str], *, conversation: str = "") -> LabelScores:
        """Return how likely each of `labels` is to come next (`agent.llm.labels` says which tokens are a label's).

        Raises:
            ValueError: no labels, an empty one, or two alike.
        """
        ...

    async def trace(self, prompt: Prompt, decoding: Decoding) -> Trace:
        """Return a greedy answer with its raw logits.

        Raises:
            EngineFailed: the engine cannot (`Capabilities.traces`).
        """
        ...

    async def prefill(self, prompt: Prompt, *, conversation: str) -> int:
        """Work through a prompt ahead of need; return how many tokens of it are now cached.

        An engine without a cache of its own returns 0 and does nothing.
        """
        ...

    async def count_tokens(self, prompt: Prompt) -> int:
        """Return the length of the prompt in tokens, as the model will see it; an estimate from a mute server."""
        ...

    def tokens_of(self, text: str) -> tuple[int, ...]:
        """Return the ids of `text` alone, without special tokens.

        Raises:
            EngineFailed: the engine does not know its tokenizer (a server).
        """
        ...

    def forget(self, conversation: str) -> None:
        """Free what is cached of a conversation. Idempotent."""
        ...

    def close(self) -> None:
        """Free the model; answers under way fail. Idempotent."""
        ...


class Responder(Protocol):
    """Answers an utterance."""

    def respond(
        self, utterance: Utterance, estimate: EmotionEstimate | None, conversation: Conversation
    ) -> AsyncGenerator[str, None]:
        """Yield the answer piece by piece; joined, the pieces are the whole answer, spaces included.

        Closing the generator stops the engine.

        Raises:
            AgentError, EngineFailed: the engine cannot answer; the sentences that were whole by then stand.
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
