"""Values that go to a language model and come back. Immutable; all probabilities are natural logs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from streaming.nbest import posteriors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from streaming.events import Samples

Role: TypeAlias = Literal["system", "user", "assistant"]
ScoringMethod: TypeAlias = Literal["exact", "top_logprobs", "sampled"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Message:
    """One message of a chat. `audio` is sound that goes with it, for models that hear (see `Capabilities.hears`)."""

    role: Role
    text: str
    audio: Samples | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prompt:
    """What a model is asked: a chat, and the beginning of its answer, already written for it ("Emotion:").

    With `is_raw` the only message is a text to go on with as it stands: no chat template (base models, templates of
    paper 002).
    """

    messages: tuple[Message, ...]
    answer_start: str = ""
    is_raw: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How an answer is drawn.

    Attributes:
        max_tokens: at most this many new tokens.
        temperature: 0 is greedy.
        top_p: nucleus, in (0, 1].
        seed: makes draws repeatable where the engine can.
        stop: the answer ends before any of these texts.
        schema: JSON Schema the answer is held to, by grammar where the engine can; else the caller checks it.
    """

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a call cost.

    Attributes:
        n_prompt: tokens of the prompt; None when a server does not tell.
        n_cached: how many of them were in the model's cache already; None as above.
        n_generated: new tokens.
        queued_ms, first_ms, total_ms: wall time until work began, until the first token or score, in all.
    """

    n_prompt: int | None
    n_cached: int | None
    n_generated: int = 0
    queued_ms: float = 0.0
    first_ms: float | None = None
    total_ms: float = 0.0

    @property
    def cached_share(self) -> float | None:
        """Share of the prompt that was cached, in [0, 1]; None when unknown."""
        if self.n_prompt is None or self.n_cached is None:
            return None
        return self.n_cached / self.n_prompt if self.n_prompt else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The next piece of an answer. The last one has a `usage`, and possibly no text."""

    text: str
    usage: Usage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScores:
    """How likely a model holds each of a closed list of labels to be what comes next.

    Attributes:
        labels: as asked, shape (n,).
        logps: sum of the log-probabilities of each label's tokens after the prompt; minus infinity where the engine
            could not see the label at all.
        n_tokens: how many tokens each sum runs over.
        method: "exact" (all tokens, one forward pass), "top_logprobs" (a server's list of likeliest tokens) or
            "sampled" (shares of constrained draws).
    """

    labels: tuple[str, ...]
    logps: tuple[float, ...]
    n_tokens: tuple[int, ...]
    method: ScoringMethod
    usage: Usage = field(default_factory=lambda: Usage(n_prompt=None, n_cached=None))

    @property
    def per_token(self) -> tuple[float, ...]:
        """Length-normalised scores: mean log-probability per token."""
        return tuple(logp / max(1, n) for logp, n in zip(self.logps, self.n_tokens, strict=True))

    def shares(self, *, per_token: bool = True) -> tuple[float, ...]:
        """Return the softmax over the labels, of the length-normalised scores or of the plain sums: sums to 1."""
        scores = self.per_token if per_token else self.logps
        if not any(math.isfinite(score) for score in scores):
            return tuple(1 / len(scores) for _ in scores)
        return tuple(posteriors(scores))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """A greedy answer with the raw logits behind it (paper 001, eq. 1-2).

    Attributes:
        text: the answer.
        token_ids: what was generated, J tokens, the end token not counted.
        token_texts: the same as text.
        logits: float32, shape (J, V): the output layer's raw logits from which each token was chosen. 100 steps of a
            32k vocabulary are 13 MB.
    """

    text: str
    token_ids: tuple[int, ...]
    token_texts: tuple[str, ...]
    logits: NDArray[np.float32]
    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an engine can do.

    Attributes:
        context_length: tokens of prompt and answer together; None when a server does not tell.
        scoring: how it scores labels (a server may fall back from "top_logprobs" to "sampled"; the scores say so).
        traces: it gives raw logits (`trace`).
        constrains: it holds answers to a schema while they are drawn.
        hears: it takes `Message.audio`.
    """

    context_length: int | None
    scoring: ScoringMethod = "exact"
    traces: bool = False
    constrains: bool = False
    hears: bool = False
