"""A language model whose calls are overheard: whoever wants to know is told what exactly was asked, and its cost."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from ...llm.values import Capabilities, Decoding, LabelScores, Piece, Prompt, Trace, Usage
    from ...ports import LanguageModel

Call: TypeAlias = Literal["stream", "score", "trace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overheard:
    """One call that is over: what was asked, in which cached conversation; no usage where it failed or was left."""

    call: Call
    prompt: Prompt
    conversation: str = ""
    usage: Usage | None = None


class OverheardModel:
    """`agent.ports.LanguageModel`: another one, and each call that asks it something is told of once it is over.

    Work ahead of need (`prefill`) and counting are not told.
    """

    def __init__(self, model: LanguageModel, tell: Callable[[Overheard], None]) -> None:
        self._model = model
        self._tell = tell

    @property
    def name(self) -> str:
        """Short name of the model that answers."""
        return self._model.name

    @property
    def capabilities(self) -> Capabilities:
        """What that model can do."""
        return self._model.capabilities

    async def stream(
        self, prompt: Prompt, decoding: Decoding, *, conversation: str = ""
    ) -> AsyncGenerator[Piece, None]:
        """Yield the answer; it is told of when it ends, however it ends."""
        usage: Usage | None = None
        try:
            async with aclosing(self._model.stream(prompt, decoding, conversation=conversation)) as pieces:
                async for piece in pieces:
                    usage = piece.usage or usage
                    yield piece
        finally:
            self._tell(Overheard(call="stream", prompt=prompt, conversation=conversation, usage=usage))

    async def score(self, prompt: Prompt, labels: Sequence[str], *, conversation: str = "") -> LabelScores:
        """Return the scores of the labels."""
        usage: Usage | None = None
        try:
            scores = await self._model.score(prompt, labels, conversation=conversation)
            usage = scores.usage
        finally:
            self._tell(Overheard(call="score", prompt=prompt, conversation=conversation, usage=usage))
        return scores

    async def trace(self, prompt: Prompt, decoding: Decoding) -> Trace:
        """Return an answer with its logits."""
        usage: Usage | None = None
        try:
            trace = await self._model.trace(prompt, decoding)
            usage = trace.usage
        finally:
            self._tell(Overheard(call="trace", prompt=prompt, usage=usage))
        return trace

    async def prefill(self, prompt: Prompt, *, conversation: str) -> int:
        """Work through a prompt ahead of need."""
        return await self._model.prefill(prompt, conversation=conversation)

    async def count_tokens(self, prompt: Prompt) -> int:
        """Return the length of the prompt in tokens."""
        return await self._model.count_tokens(prompt)

    def tokens_of(self, text: str) -> tuple[int, ...]:
        """Return the ids of `text` alone."""
        return self._model.tokens_of(text)

    def forget(self, conversation: str) -> None:
        """Free what is cached of a conversation. Idempotent."""
        self._model.forget(conversation)

    def close(self) -> None:
        """Free the model. Idempotent."""
        self._model.close()
