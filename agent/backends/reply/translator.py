"""A language model as a translator: one utterance at a time, conditioned on a dimension of its emotion (paper 002)."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streaming.errors import ContextOverflow, EngineFailed

from ...llm.values import Decoding
from ...r3.untrusted import cleaned
from ...translation.compose import compose
from ...translation.languages import is_same_language, language_name
from ...translation.written import Unechoed, Written, halves

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from streaming.events import Utterance

    from ...conversation import Conversation
    from ...events import EmotionEstimate
    from ...ports import LanguageModel
    from ...translation.condition import TranslationCondition


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatorSettings:
    """How translations are drawn.

    Attributes:
        longest: characters of an utterance that are translated; of a longer one the middle is left out.
        spare_tokens: an answer may have this many tokens, and one for each byte of the text besides.
        max_tokens: an answer is never longer.
    """

    longest: int = 20_000
    spare_tokens: int = 32
    max_tokens: int = 2048

    def __post_init__(self) -> None:
        """Check the values."""
        if min(self.longest, self.spare_tokens, self.max_tokens) < 1:
            raise ValueError("expected longest, spare_tokens and max_tokens of at least 1")

    def decoding(self, text: str, *, stop: tuple[str, ...]) -> Decoding:
        """Return how the translation of `text` is drawn: greedily, so that the same words are the same translation."""
        room = min(self.max_tokens, self.spare_tokens + len(text.encode("utf-8", "replace")))
        return Decoding(max_tokens=room, stop=stop)


class LanguageModelTranslator:
    """`agent.ports.Translator` over any `agent.ports.LanguageModel`; one for each conversation.

    A text that does not fit into the model's window is translated in parts. `note` is told, once each, of what the user
    should know: that nothing had to be translated, that emotion could not be used. `method` says how the last utterance
    was translated.
    """

    def __init__(
        self,
        model: LanguageModel,
        condition: TranslationCondition,
        *,
        note: Callable[[str], None],
        settings: TranslatorSettings | None = None,
    ) -> None:
        self._model = model
        self._condition = condition
        self._note = note
        self._settings = settings or TranslatorSettings()
        self._told: set[str] = set()
        self.method = ""

    @property
    def target(self) -> str:
        """See `Translator`."""
        return self._condition.target

    async def respond(
        self, utterance: Utterance, estimate: EmotionEstimate | None, conversation: Conversation
    ) -> AsyncGenerator[str, None]:
        """See `Translator`.

        Raises:
            EngineFailed: the model cannot answer, or wrote nothing.
        """
        source, text = utterance.language, cleaned(utterance.transcript.text, limit=self._settings.longest)
        self.method = ""
        if not text:
            return
        if is_same_language(source, self.target):
            self.method = "as it was said"
            self._tell_once(f"what is said in {language_name(source)} is passed on as it is")
            yield text
            return
        value = _value(estimate, self._condition)
        is_later = False
        parts = [text]
        while parts:
            part = parts.pop(0)
            try:
                async with aclosing(self._part(part, source=source, value=value, conversation=conversation)) as pieces:
                    async for piece in pieces:
                        yield f" {piece}" if is_later else piece
                        is_later = False
            except ContextOverflow:
                # Told before a word is written.
                cut = halves(part)
                if cut is None:
                    raise
                parts[:0] = cut
            else:
                is_later = True

    async def _part(
        self, text: str, *, source: str, value: float | None, conversation: Conversation
    ) -> AsyncGenerator[str, None]:
        """Yield the translation of a text that is to fit into the model's window, sentence by sentence."""
        asked = compose(self._condition, text=text, source=source, value=value)
        self.method = asked.method
        if asked.condition != self._condition:
            self._tell_once(f"{self._condition.dimension} is not known: translated without it")
        written = Written(text=text, ends_at=asked.ends_at, label=language_name(self.target))
        instructions = [message.text for message in asked.prompt.messages if message.role == "system"]
        unechoed = Unechoed(" ".join(instructions))
        # The first line end is the end of a base model's answer, as in the paper; models that chat may begin with some.
        decoding = self._settings.decoding(text, stop=(asked.ends_at,) if asked.prompt.is_raw else ())
        is_empty = True
        stream = self._model.stream(asked.prompt, decoding, conversation=f"{conversation.session}/translation")
        async with aclosing(stream) as pieces:
            async for piece in pieces:
                if said := unechoed.feed(written.feed(piece.text)):
                    is_empty = False
                    yield said
                if written.is_over:
                    break
        if said := unechoed.feed(written.flush()) + unechoed.flush():
            is_empty = False
            yield said
        if is_empty:
            raise EngineFailed(f"{self._model.name} wrote nothing; expected a translation")

    def _tell_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._note(text)


def _value(estimate: EmotionEstimate | None, condition: TranslationCondition) -> float | None:
    return None if estimate is None or not condition.has_emotion else getattr(estimate, condition.dimension)
