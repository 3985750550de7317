"""A language model as a responder: it is told what was said and what it expressed, and answers as it writes.

What it writes passes `agent.reply.written` sentence by sentence before anybody gets it.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streaming.errors import ContextOverflow, EngineFailed

from ...affect import AffectSettings, affect_after, tone_of
from ...llm.values import Decoding
from ...memory import MemorySettings, recall
from ...persona import read_persona
from ...reply.hedging import FEELINGS, is_unsure
from ...reply.notes import notes_of
from ...reply.program import program_of
from ...reply.prompt import instructions, reply_prompt
from ...reply.tools import options_of
from ...reply.written import Writing, Written
from ...safety import vet
from ...safety.leaks import Instructions, declined
from ...topics import words_of
from .tool_calls import Caller, call_name

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from streaming.events import Utterance

    from ...behaviour import ToolCall
    from ...conversation import Conversation
    from ...events import EmotionEstimate, Turn
    from ...labels import Affect
    from ...llm.values import Prompt
    from ...persona import Persona
    from ...ports import LanguageModel


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModelReplySettings:
    """How answers are drawn, how much of the conversation the model sees, and how sure it may sound.

    Attributes:
        window: turns in view; the oldest leave in blocks, so that the model's cache survives.
        max_tokens: an answer is cut here; three spoken sentences have some 60.
        temperature, top_p: 0.7 and 0.9 vary the wording without losing the thread.
        hedge_below: confidence under which a feeling is spoken of with first-person doubt.
        n_recalled: turns out of view that may come to mind, at most; 0 switches memory off.
        memory, affect: how they are recalled, and how the tone moves.
    """

    window: int = 25
    max_tokens: int = 160
    temperature: float = 0.7
    top_p: float = 0.9
    hedge_below: float = 0.6
    n_recalled: int = 2
    memory: MemorySettings = field(default_factory=MemorySettings)
    affect: AffectSettings = field(default_factory=AffectSettings)

    def __post_init__(self) -> None:
        """Check the values."""
        if self.window < 0 or self.max_tokens < 1:
            raise ValueError(f"expected a window >= 0 and at least 1 token, got {self.window} and {self.max_tokens}")
        if not 0 <= self.hedge_below <= 1 or self.n_recalled < 0:
            raise ValueError(
                f"expected hedge_below in [0, 1] and n_recalled >= 0, got {self.hedge_below} and {self.n_recalled}"
            )


class LanguageModelResponder:
    """`agent.ports.Responder` over any `agent.ports.LanguageModel`; shared by all conversations of a process.

    It remembers nothing itself: tone and memory are worked out from the conversation it is given.
    """

    def __init__(
        self,
        model: LanguageModel,
        settings: LanguageModelReplySettings | None = None,
        *,
        persona: Persona | None = None,
    ) -> None:
        self._model = model
        self._settings = settings or LanguageModelReplySettings()
        self._persona = persona or read_persona()
        self._instructions = Instructions(instructions(self._persona))

    def tone(self, estimate: EmotionEstimate | None, conversation: Conversation) -> Affect:
        """Return where the persona's tone lies after all that was said (`agent.ports.Toned`)."""
        heard = [*(turn.estimate for turn in conversation.turns), estimate]
        return affect_after(heard, self._persona.traits, settings=self._settings.affect)

    async def prepare(self, utterance: Utterance | None, conversation: Conversation) -> None:
        """Have the model work through what does not depend on the utterance (`agent.ports.Foresighted`).

        Raises:
            EngineFailed: the model cannot.
        """
        del utterance  # what it expresses stands before its words, and is not known before its end
        turns = conversation.recent(self._settings.window)
        program = program_of(conversation, n_shown=len(turns))
        prompt = reply_prompt("", None, turns, persona=self._persona, program=program)
        await self._model.prefill(prompt, conversation=conversation.session)

    async def respond(
        self, utterance: Utterance, estimate: EmotionEstimate | None, conversation: Conversation
    ) -> AsyncGenerator[str, None]:
        """Yield the answer sentence by sentence, as the model writes it.

        Raises:
            EngineFailed: the model cannot answer, or wrote nothing that may be said.
        """
        turns = conversation.recent(self._settings.window)
        while True:
            try:
                prompt = self._prompt(utterance, estimate, conversation, turns)
                writing = self._writing(utterance, estimate, conversation)
                async with aclosing(self._written(prompt, writing, conversation)) as sentences:
                    async for sentence in sentences:
                        yield sentence
            except ContextOverflow:
                # Told before a word is written.
                if not turns:
                    raise
                turns = _fewer(turns)
            else:
                return

    async def choose(
        self, utterance: Utterance, estimate: EmotionEstimate | None, conversation: Conversation
    ) -> tuple[ToolCall, ...]:
        """Return the function the model asks for, if any (`agent.ports.ToolCalling`): one at a time.

        Raises:
            EngineFailed: the model cannot tell, or wrote no arguments.
        """
        options = options_of(conversation.behaviour)
        if not options.tools:
            return ()
        caller = Caller(self._model, conversation=conversation.session, max_tokens=conversation.behaviour.max_tokens)
        name = call_name(utterance, conversation)
        turns = conversation.recent(self._settings.window)
        while True:
            program = program_of(conversation, n_shown=len(turns))
            text = utterance.transcript.text or None
            prompt = reply_prompt(text, estimate, turns, persona=self._persona, program=program)
            try:
                return await caller.choose(prompt, options, name=name)
            except ContextOverflow:
                if not turns:
                    raise
                turns = _fewer(turns)

    def _prompt(
        self,
        utterance: Utterance,
        estimate: EmotionEstimate | None,
        conversation: Conversation,
        turns: Sequence[Turn],
    ) -> Prompt:
        settings = self._settings
        out_of_view = conversation.turns[: len(conversation.turns) - len(turns)]
        text = utterance.transcript.text
        program = program_of(conversation, n_shown=len(turns))
        recalled = recall(
            text,
            estimate,
            (*conversation.before, *out_of_view),
            most=settings.n_recalled,
            settings=settings.memory,
        )
        notes = notes_of(
            estimate,
            tone=tone_of(self.tone(estimate, conversation)),
            is_unsure=is_unsure(estimate, below=settings.hedge_below),
            recalled=recalled,
            session=conversation.session,
        )
        return reply_prompt(text or None, estimate, turns, persona=self._persona, notes=notes, program=program)

    def _writing(self, utterance: Utterance, estimate: EmotionEstimate | None, conversation: Conversation) -> Writing:
        return Writing(
            instructions=self._instructions,
            name=self._persona.name,
            is_unsure=is_unsure(estimate, below=self._settings.hedge_below),
            own_words=FEELINGS.intersection(words_of(utterance.transcript.text)),
            seed=f"{conversation.session} {utterance.utterance}",
        )

    async def _written(self, prompt: Prompt, writing: Writing, conversation: Conversation) -> AsyncGenerator[str, None]:
        written = Written(writing)
        decoding = self._decoding(conversation)
        is_empty = True
        n_generated = 0
        async with aclosing(self._model.stream(prompt, decoding, conversation=conversation.session)) as pieces:
            async for piece in pieces:
                for sentence in written.feed(piece.text):
                    is_empty = False
                    yield sentence
                if piece.usage is not None:
                    n_generated = piece.usage.n_generated
                if written.is_over:
                    break
        rest = written.flush(is_cut=n_generated >= decoding.max_tokens)
        for sentence in rest or self._instead(written, is_empty=is_empty, writing=writing):
            yield sentence

    def _instead(self, written: Written, *, is_empty: bool, writing: Writing) -> tuple[str, ...]:
        """Return what to say in place of what was withheld.

        Raises:
            EngineFailed: nothing was withheld and nothing was said.
        """
        if written.has_leaked:
            return (declined(writing.seed),)
        if not is_empty:
            return ()
        if written.withheld:
            return (vet(written.withheld),)
        raise EngineFailed(f"{self._model.name} wrote nothing that may be said; expected an answer")

    def _decoding(self, conversation: Conversation) -> Decoding:
        settings = self._settings
        wanted = conversation.behaviour.max_tokens
        return Decoding(
            max_tokens=settings.max_tokens if wanted is None else max(1, min(wanted, settings.max_tokens)),
            temperature=settings.temperature,
            top_p=settings.top_p,
            # The same conversation gets the same answers, live and replayed.
            seed=conversation.n_left + len(conversation.turns),
        )


def _fewer(turns: Sequence[Turn]) -> Sequence[Turn]:
    """Return the later half of the turns: what leaves one by one would cost a call each."""
    return turns[(len(turns) + 1) // 2 :]
