"""Emotion by a language model: Revise, Reason, Recognize (paper 000) over any `agent.ports.LanguageModel`.

Finals go to the model; what is still being spoken is left to a small recogniser. What the model does wrong (it is down,
writes nonsense, gives NaN) is an estimate that abstains and says why.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import numpy as np

from streaming.errors import ContextOverflow, EngineFailed

from ...elicitation.values import uniform
from ...fusion.evidence import hints_of
from ...llm.values import Decoding
from ...r3.answer import parse
from ...r3.compose import explained, stable_prefix
from ...r3.context import view_of
from .r3_estimate import Rules, estimate_of
from .r3_reading import Question, Reading, read, told, written
from .r3_settings import R3Settings, SpeakerFacts

if TYPE_CHECKING:
    from collections.abc import Callable

    from streaming.events import Utterance

    from ...conversation import Conversation
    from ...elicitation import Calibration
    from ...events import EmotionEstimate, EmotionSource
    from ...fusion.evidence import Hints
    from ...ports import EmotionRecognizer, LanguageModel
    from ...r3.condition import R3Condition, View

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

MAX_SESSIONS: Final = 1000
"""Of so many sessions it is remembered how long a context fits and what emotion may be read from."""


class R3Recognizer:
    """`agent.ports.EmotionRecognizer`, `Foresighted` and `Explaining`. Cheap to make: the model is its owner's."""

    def __init__(
        self,
        model: LanguageModel,
        *,
        condition: R3Condition,
        calibration: Calibration | None = None,
        small: EmotionRecognizer | None = None,
        facts: SpeakerFacts | Callable[[], SpeakerFacts] | None = None,
        settings: R3Settings | None = None,
    ) -> None:
        """Put a recogniser together.

        Args:
            model: what is asked.
            condition: how.
            calibration: of scored labels.
            small: answers while somebody still speaks, and where words may not be used; gives the hints.
            facts: what is known of the speaker; a recogniser that has some serves that speaker alone, or asks for those
                of whoever speaks now.
            settings: how answers become estimates.
        """
        self._model = model
        self._condition = condition
        self._calibration = calibration
        self._small = small
        self._facts = facts or SpeakerFacts()
        self._settings = settings or R3Settings()
        self._shortened: dict[str, int] = {}
        self._sources: dict[str, EmotionSource] = {}
        self._rules = Rules(
            method=f"r3:{model.name}",
            labels=condition.labels,
            threshold=self._settings.threshold,
            counts_as_neutral=self._settings.fallback == "neutral" and condition.elicitation == "answer",
        )
        self._is_failing = False

    @property
    def condition(self) -> R3Condition:
        """How the model is asked."""
        return self._condition

    @property
    def method(self) -> str:
        """How its estimates name it."""
        return self._rules.method

    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        """Return an estimate; it abstains, with the reason, when the model cannot be asked or says nothing usable."""
        _keep(self._sources, conversation.session, source)
        missing = self._missing(utterance, source)
        if not missing:
            reading = await self._read_or_why_not(utterance, conversation, source)
            return estimate_of(utterance, reading, rules=self._rules, revision=revision)
        if self._small is not None:
            return await self._small.recognize(utterance, conversation, revision=revision, source=source)
        rules = self._rules.called("off") if source == "off" else self._rules
        return estimate_of(utterance, self._nothing(missing), rules=rules, revision=revision)

    async def read(self, utterance: Utterance, conversation: Conversation, *, source: EmotionSource) -> Reading:
        """Return all that the model said of an utterance with words; for evaluation, which wants more than estimates.

        Raises:
            EngineFailed: the model failed, or even the shortest prompt does not fit.
        """
        condition = self._fitting(conversation.session)
        while True:
            question = await self._question(utterance, conversation, condition, source=source)
            try:
                return await read(self._model, question)
            except ContextOverflow as trouble:
                shorter = _shorter(condition)
                if shorter is None:
                    raise
                self._shorten(conversation.session, condition, shorter, trouble)
                condition = shorter

    async def prepare(self, utterance: Utterance | None, conversation: Conversation) -> None:
        """Have the model work through what will be asked, as far as it is known; see `agent.ports.Foresighted`.

        Raises:
            EngineFailed: the model failed.
        """
        source = self._sources.get(conversation.session, "both")
        if source == "off" or (source == "voice" and not self._condition.hears):
            return
        condition = self._fitting(conversation.session)
        if utterance is None or not utterance.transcript.text.strip():
            view = self._view(None, conversation, condition)
            prompt = stable_prefix(condition, view, findings=self._settings.findings)
        else:
            asked = (await self._question(utterance, conversation, condition, source=source)).asked()
            prompt = asked.score_prompt or asked.prompt
        await self._model.prefill(prompt, conversation=_cache_of(conversation))

    async def explain(
        self, utterance: Utterance, conversation: Conversation, *, estimate: EmotionEstimate, revision: int
    ) -> EmotionEstimate | None:
        """Return `estimate` with the model's revised text and reason for its top label, as `revision`.

        None when the condition does not ask for it, the estimate abstains, or nothing usable was written in time.

        Raises:
            EngineFailed: the model failed.
        """
        condition = self._fitting(conversation.session)
        is_wanted = condition.explain and condition.elicitation == "label" and not estimate.is_corrected
        if not is_wanted or estimate.top is None:
            return None
        source = self._sources.get(conversation.session, "both")
        if self._missing(utterance, source):
            return None
        text = ""
        with anyio.move_on_after(self._settings.explain_s):
            text = await self._explanation(utterance, conversation, top=estimate.top, source=source)
        revised_text, reason = told(parse(text, condition.labels))
        if revised_text is None and reason is None:
            return None
        return replace(estimate, revision=revision, revised_text=revised_text, reason=reason)

    async def _explanation(
        self, utterance: Utterance, conversation: Conversation, *, top: str, source: EmotionSource
    ) -> str:
        """Return what the model writes; it needs more room than the label, so that fewer turns may fit."""
        condition = self._fitting(conversation.session)
        while True:
            question = await self._question(utterance, conversation, condition, source=source)
            prompt = explained(question.asked(), top)
            decoding = Decoding(max_tokens=condition.max_tokens, temperature=condition.temperature, seed=question.seed)
            try:
                text, _ = await written(self._model, prompt, decoding, conversation=question.conversation)
            except ContextOverflow:
                shorter = _shorter(condition)
                if shorter is None:
                    raise
                condition = shorter
            else:
                return text

    def forget(self, session: str) -> None:
        """Free what is kept of a session. Idempotent."""
        self._shortened.pop(session, None)
        self._sources.pop(session, None)
        if session:
            self._model.forget(f"{session}/emotion")

    def _missing(self, utterance: Utterance, source: EmotionSource) -> str | None:
        """Return why the model is not asked; None when it is."""
        if source == "off":
            return "emotion is switched off"
        if not utterance.is_final:
            return "still being spoken"
        if source != "text" and self._hears(utterance):
            return None
        if source == "voice":
            return f"{self._model.name} reads words, and only the voice may be used"
        return None if utterance.transcript.text.strip() else "no words were recognised"

    def _hears(self, utterance: Utterance) -> bool:
        can = self._condition.hears and self._model.capabilities.hears
        return can and bool(utterance.samples.size) and bool(np.isfinite(utterance.samples).all())

    async def _read_or_why_not(
        self, utterance: Utterance, conversation: Conversation, source: EmotionSource
    ) -> Reading:
        try:
            reading = await self.read(utterance, conversation, source=source)
        except EngineFailed as trouble:
            if not self._is_failing:
                _LOG.warning("%s cannot say what an utterance expresses: %s", self.method, trouble)
            self._is_failing = True
            return self._nothing(f"{self._model.name} failed: {trouble}")
        self._is_failing = False
        return reading

    async def _question(
        self, utterance: Utterance, conversation: Conversation, condition: R3Condition, *, source: EmotionSource
    ) -> Question:
        hints = None
        if condition.hints and self._small is not None:
            heard = await self._small.recognize(utterance, conversation, revision=1, source=source)
            hints = hints_of(heard)
        view = self._view(utterance, conversation, condition, hints=hints)
        if source == "text":
            view = replace(view, levels=())
        if source == "voice":
            view = replace(view, hypotheses=(), posteriors=(), triggers=())
        return Question(
            condition=condition,
            view=view,
            findings=self._settings.findings,
            samples=utterance.samples if source != "text" and self._hears(utterance) else None,
            conversation=_cache_of(conversation),
            seed=conversation.n_left + len(conversation.turns),  # the same conversation, live and replayed
            calibration=self._calibration,
        )

    def _view(
        self,
        utterance: Utterance | None,
        conversation: Conversation,
        condition: R3Condition,
        *,
        hints: Hints | None = None,
    ) -> View:
        facts = self._facts() if callable(self._facts) else self._facts
        shots = self._settings.shots if facts.shots is None else facts.shots
        return view_of(utterance, conversation, condition, gender=facts.gender, shots=shots, hints=hints)

    def _fitting(self, session: str) -> R3Condition:
        """Return the condition with as many turns as were found to fit."""
        context = self._shortened.get(session, self._condition.context)
        return self._condition if context == self._condition.context else replace(self._condition, context=context)

    def _shorten(self, session: str, condition: R3Condition, shorter: R3Condition, why: ContextOverflow) -> None:
        """Remember how many turns fit; a long utterance costs only itself."""
        if shorter.context == condition.context:
            return
        if session not in self._shortened:
            self._settings.note(f"older turns do not fit into the window of {self._model.name} and are left out: {why}")
        _keep(self._shortened, session, shorter.context)

    def _nothing(self, why: str | None) -> Reading:
        return Reading(distribution=uniform(len(self._condition.labels)), problem=why or "")


def _cache_of(conversation: Conversation) -> str:
    return f"{conversation.session}/emotion" if conversation.session else ""


def _keep(kept: dict[str, T], session: str, value: T) -> None:
    """Keep a value of a session, and of the latest MAX_SESSIONS alone."""
    if session:
        kept.pop(session, None)
        kept[session] = value
    while len(kept) > MAX_SESSIONS:
        kept.pop(next(iter(kept)))


def _shorter(condition: R3Condition) -> R3Condition | None:
    """Return a condition that shows half as much: of the turns first, then of the readings, then no examples."""
    if condition.context:
        return replace(condition, context=condition.context // 2)
    if condition.n_best > 1:
        return replace(condition, n_best=condition.n_best // 2)
    return replace(condition, shots=0) if condition.shots else None
