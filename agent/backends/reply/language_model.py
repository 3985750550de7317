"""A language model as a responder: it is told what was said and what it expressed, and answers as it writes."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streaming.errors import ContextOverflow, EngineFailed

from ...llm.values import Decoding
from ...reply.prompt import reply_prompt

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from streaming.events import Utterance

    from ...conversation import Conversation
    from ...events import EmotionEstimate
    from ...llm.values import Prompt
    from ...ports import LanguageModel


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModelReplySettings:
    """How answers are drawn and how much of the conversation the model sees.

    Attributes:
        window: turns in view; the oldest leave in blocks, so that the model's cache survives.
        max_tokens: an answer is cut here; three spoken sentences have some 60.
        temperature, top_p: 0.7 and 0.9 vary the wording without losing the thread.
    """

    window: int = 25
    max_tokens: int = 160
    temperature: float = 0.7
    top_p: float = 0.9

    def __post_init__(self) -> None:
        """Check the values."""
        if self.window < 0 or self.max_tokens < 1:
            raise ValueError(f"expected a window >= 0 and at least 1 token, got {self.window} and {self.max_tokens}")


class LanguageModelResponder:
    """`agent.ports.Responder` over any `agent.ports.LanguageModel`; shared by all conversations of a process."""

    def __init__(self, model: LanguageModel, settings: LanguageModelReplySettings | None = None) -> None:
        self._model = model
        self._settings = settings or LanguageModelReplySettings()

    async def respond(
        self, utterance: Utterance, estimate: EmotionEstimate | None, conversation: Conversation
    ) -> AsyncGenerator[str, None]:
        """Yield the answer as the model writes it.

        Raises:
            EngineFailed: the model cannot answer, or wrote nothing.
        """
        turns = conversation.recent(self._settings.window)
        while True:
            try:
                async with aclosing(self._written(reply_prompt(utterance, estimate, turns), conversation)) as pieces:
                    async for piece in pieces:
                        yield piece
            except ContextOverflow:
                # Told before a word is written. Half of the past leaves at once: one by one would cost a call each.
                if not turns:
                    raise
                turns = turns[(len(turns) + 1) // 2 :]
            else:
                return

    async def _written(self, prompt: Prompt, conversation: Conversation) -> AsyncGenerator[str, None]:
        decoding = Decoding(
            max_tokens=self._settings.max_tokens,
            temperature=self._settings.temperature,
            top_p=self._settings.top_p,
            # The same conversation gets the same answers, live and replayed.
            seed=conversation.n_left + len(conversation.turns),
        )
        is_empty = True
        async with aclosing(self._model.stream(prompt, decoding, conversation=conversation.session)) as pieces:
            async for piece in pieces:
                # A model's first token is often a space or a line end.
                text = piece.text.lstrip() if is_empty else piece.text
                if text:
                    is_empty = False
                    yield text
        if is_empty:
            raise EngineFailed(f"{self._model.name} wrote nothing; expected an answer")
