"""What the agent needs from engines. Adapters live in `agent.backends` and are named only by its factory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from streaming.events import Samples, Utterance

    from .behaviour import ToolCall
    from .conversation import Conversation
    from .correction import EmotionCorrection
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


@runtime_checkable
class Foresighted(Protocol):
    """A recogniser or responder that can work ahead while the user still speaks.

    The session calls `prepare` in a task of its own, one call at a time, cancels it when it is void (the voice came
    back, the utterance is over) and never waits for it live. What it leaves behind is a warm cache, nothing else.
    """

    async def prepare(self, utterance: Utterance | None, conversation: Conversation) -> None:
        """Work through what will be asked, as far as it is known.

        `utterance` is None while the user begins to speak: only what does not depend on it is known. At a pause it is a
        snapshot (`is_final` False) with the last partial, which differs from what will be asked only in its end.

        Raises:
            AgentError, EngineFailed: counted by the session, nothing more.
        """
        ...


@runtime_checkable
class Explaining(Protocol):
    """A recogniser that can say more about an estimate once the answer is under way."""

    async def explain(
        self, utterance: Utterance, conversation: Conversation, *, estimate: EmotionEstimate, revision: int
    ) -> EmotionEstimate | None:
        """Return `estimate` with its reason and revised text, as `revision`; None when there is nothing to add.

        Called when all words of the answer are there, cancelled when the next utterance wants the model.

        Raises:
            AgentError, EngineFailed: the estimate stands as it is.
        """
        ...


class Corrector(Protocol):
    """Understands what users say, in their own words, about a feeling that was read."""

    async def correct(self, estimate: EmotionEstimate, correction: EmotionCorrection) -> EmotionEstimate:
        """Return the estimate as the user would have it, marked as corrected, with the next revision.

        Raises:
            AgentError, EngineFailed: the words cannot be read.
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


@runtime_checkable
class Toned(Responder, Protocol):
    """A responder with a tone of its own, which the voice takes up a little."""

    def tone(self, estimate: EmotionEstimate | None, conversation: Conversation) -> Affect:
        """Return where the tone of an answer to an utterance of this estimate lies."""
        ...


@runtime_checkable
class ToolCalling(Responder, Protocol):
    """A responder that can ask for a tool instead of answering (`Conversation.behaviour.tools`)."""

    async def choose(
        self, utterance: Utterance, estimate: EmotionEstimate | None, conversation: Conversation
    ) -> tuple[ToolCall, ...]:
        """Return the tools it asks for; none: it will answer. Called before `respond` where tools are offered.

        Raises:
            AgentError, EngineFailed: it cannot tell; it is then asked to answer.
        """
        ...


@runtime_checkable
class Translator(Responder, Protocol):
    """A responder that says the user's own words in another language.

    They are passed on whatever they say: neither checked as an answer of the agent's would be, nor replaced by one. An
    utterance without words has an empty answer; one in the target language is passed on as it is.
    """

    @property
    def target(self) -> str:
        """Language it translates into, as a BCP 47 tag."""
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
