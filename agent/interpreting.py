"""Translating into a language that may change between two utterances: whoever listens picks another one."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio.to_thread

from .backends.reply.translator import LanguageModelTranslator
from .backends.tts.tongues import speech_in
from .translation.condition import TranslationCondition

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from streaming.events import Samples, Utterance

    from .conversation import Conversation
    from .events import EmotionEstimate
    from .ports import LanguageModel, SpeakingStyle, Speech


class Interpreter:
    """A `Translator` that asks for its target before each utterance."""

    def __init__(self, model: LanguageModel, *, target: Callable[[], str]) -> None:
        self._model = model
        self._target = target
        self._translators: dict[str, LanguageModelTranslator] = {}

    @property
    def target(self) -> str:
        """See `agent.ports.Translator`."""
        return self._target()

    async def respond(
        self, utterance: Utterance, estimate: EmotionEstimate | None, conversation: Conversation
    ) -> AsyncGenerator[str, None]:
        """See `agent.ports.Responder`."""
        target = self._target()
        if target not in self._translators:
            condition = TranslationCondition(target=target)
            # What it would note (nothing had to be translated) shows on the wire as an unchanged text.
            self._translators[target] = LanguageModelTranslator(self._model, condition, note=lambda _: None)
        async with aclosing(self._translators[target].respond(utterance, estimate, conversation)) as pieces:
            async for piece in pieces:
                yield piece


class InterpretersVoice:
    """The usual voice where it speaks the language of the moment, else another one, else none."""

    def __init__(self, usual: Speech, *, target: Callable[[], str], may_change: bool) -> None:
        self._usual = usual
        self._target = target
        self._may_change = may_change
        self._voices: dict[str, Speech] = {}

    @property
    def name(self) -> str:
        """Short name of the engine."""
        return self._usual.name

    async def speak(self, text: str, style: SpeakingStyle) -> AsyncGenerator[Samples, None]:
        """See `agent.ports.Speech`."""
        target = self._target()
        if target not in self._voices:
            self._voices[target] = await anyio.to_thread.run_sync(self._voice_for, target)
        async with aclosing(self._voices[target].speak(text, style)) as sound:
            async for samples in sound:
                yield samples

    def _voice_for(self, target: str) -> Speech:
        return speech_in(target, usual=self._usual, may_change=self._may_change)
