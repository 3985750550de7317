"""Puts an R3 question to a language model and reads what comes back, by each way to a distribution there is."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from ...elicitation import (
    Choice,
    from_chain,
    from_choices,
    from_numeric,
    from_percentages,
    from_scores,
    from_trace,
    key_orders,
)
from ...elicitation.values import uniform
from ...llm.prefix import CacheShare
from ...llm.values import Decoding
from ...r3.answer import parse
from ...r3.compose import compose, with_sound
from ...r3.untrusted import cleaned

if TYPE_CHECKING:
    from streaming.events import Samples

    from ...distribution import Distribution
    from ...elicitation import Calibration, Elicited
    from ...llm.values import LabelScores, Prompt, Usage
    from ...ports import LanguageModel
    from ...r3.answer import Answer
    from ...r3.asr_relation import Findings
    from ...r3.compose import Asked
    from ...r3.condition import R3Condition, View

_DIGITS: Final = 2
"""Tokens that follow "0." (folktexts)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """One utterance under one condition.

    Attributes:
        condition, view: how it is asked and what is known.
        findings: what block 6 knows.
        samples: the sound that goes with it, None where the model does not hear it.
        conversation: whose cache is used.
        seed: of written answers.
        calibration: of scored labels.
    """

    condition: R3Condition
    view: View
    findings: Findings | None = None
    samples: Samples | None = None
    conversation: str = ""
    seed: int = 0
    calibration: Calibration | None = None

    def asked(self, condition: R3Condition | None = None) -> Asked:
        """Return the prompts, the sound at their ends."""
        asked = compose(condition or self.condition, self.view, findings=self.findings)
        if self.samples is None:
            return asked
        return replace(
            asked,
            prompt=with_sound(asked.prompt, self.samples),
            score_prompt=asked.score_prompt and with_sound(asked.score_prompt, self.samples),
            questions=tuple((label, with_sound(prompt, self.samples)) for label, prompt in asked.questions),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """What a model holds an utterance to express.

    Attributes:
        distribution: over the condition's labels, in their order; uniform when there is a problem.
        problem: why nothing could be read; None when something was.
        warning: what is to be known about a distribution that stands.
        revised_text, reason: as the model wrote them.
        text: all that it wrote; empty where nothing was written.
        prompt_ids: of what it was asked, each once.
        cached_share: share of the prompts that was in its cache, in [0, 1]; None where it does not tell.
    """

    distribution: Distribution
    problem: str | None = None
    warning: str | None = None
    revised_text: str | None = None
    reason: str | None = None
    text: str = ""
    prompt_ids: tuple[str, ...] = ()
    cached_share: float | None = None


async def read(model: LanguageModel, question: Question) -> Reading:
    """Ask and return what was read; what the model says may be anything.

    Raises:
        ContextOverflow: the prompt does not fit.
        EngineFailed: the model failed, or cannot do what the condition needs.
    """
    asked = question.asked()
    match question.condition.elicitation:
        case "label":
            reading, usages = await _labels(model, question, asked)
        case "answer":
            reading, usages = await _answer(model, question, asked)
        case "percentages":
            reading, usages = await _percentages(model, question, asked)
        case "token" | "token_words":
            reading, usages = await _tokens(model, question, asked)
        case "choices":
            reading, usages = await _choices(model, question)
        case "numeric" | "chain":
            reading, usages = await _one_by_one(model, question, asked)
    return replace(reading, prompt_ids=asked.ids, cached_share=_cached(usages))


async def written(
    model: LanguageModel, prompt: Prompt, decoding: Decoding, *, conversation: str
) -> tuple[str, Usage | None]:
    """Return a whole answer and what it cost.

    Raises:
        EngineFailed: the model failed, at its beginning or on the way.
    """
    said: list[str] = []
    usage: Usage | None = None
    async with aclosing(model.stream(prompt, decoding, conversation=conversation)) as pieces:
        async for piece in pieces:
            said.append(piece.text)
            usage = piece.usage or usage
    return "".join(said), usage


def told(answer: Answer) -> tuple[str | None, str | None]:
    """Return the revised text and the reason of an answer, fit for screens and prompts."""
    transcript, reason = (cleaned(value) if value else None for value in (answer.transcript, answer.reason))
    return transcript or None, reason or None


async def _labels(model: LanguageModel, question: Question, asked: Asked) -> tuple[Reading, list[Usage]]:
    assert asked.score_prompt is not None  # of this elicitation
    scores = await _scored(model, asked.score_prompt, [f" {word}" for _, word in asked.answers], question)
    named = replace(scores, labels=tuple(label for label, _ in asked.answers))
    return _of(from_scores(named, question.calibration)), [scores.usage]


async def _answer(model: LanguageModel, question: Question, asked: Asked) -> tuple[Reading, list[Usage]]:
    text, usages = await _written(model, asked.prompt, question)
    labels = question.condition.labels
    answer = parse(text, labels)
    revised_text, reason = told(answer)
    sure = np.array([float(label == answer.label) for label in labels])
    return (
        Reading(
            distribution=sure if answer.label else uniform(len(labels)),
            problem=answer.problem,
            revised_text=revised_text,
            reason=reason,
            text=text,
        ),
        usages,
    )


async def _percentages(model: LanguageModel, question: Question, asked: Asked) -> tuple[Reading, list[Usage]]:
    text, usages = await _written(model, asked.prompt, question)
    stated = from_percentages(text, question.condition.labels)
    distribution = uniform(len(question.condition.labels)) if stated.distribution is None else stated.distribution
    return Reading(distribution=distribution, problem=stated.problem, text=text), usages


async def _tokens(model: LanguageModel, question: Question, asked: Asked) -> tuple[Reading, list[Usage]]:
    condition = question.condition
    trace = await model.trace(asked.prompt, Decoding(max_tokens=condition.max_tokens))
    ids = {label: model.tokens_of(word) for label, word in asked.answers}
    words_only = condition.elicitation == "token_words"
    reading = _of(from_trace(trace, ids, words_only=words_only, norm=condition.norm))
    revised_text, reason = told(parse(trace.text, condition.labels))
    # That equation 2 did not apply as it stands is to be found in what is kept of the estimate.
    reason = reason or reading.warning
    return replace(reading, text=trace.text, revised_text=revised_text, reason=reason), [trace.usage]


async def _choices(model: LanguageModel, question: Question) -> tuple[Reading, list[Usage]]:
    """Ask with each label once under each key; both white spaces that tokenizers put before a key are tried."""
    answers: list[Choice] = []
    for order in key_orders(question.condition.labels):
        asked = question.asked(replace(question.condition, labels=order))
        assert asked.score_prompt is not None  # of this elicitation
        keys = [key for _, key in asked.answers]
        scores = [await _scored(model, asked.score_prompt, [f"{gap}{key}" for key in keys], question) for gap in " \n"]
        answers.append(Choice(order=order, scores=tuple(scores)))
    reading = _of(from_choices(answers, question.condition.labels))
    return reading, [scores.usage for answer in answers for scores in answer.scores]


async def _one_by_one(model: LanguageModel, question: Question, asked: Asked) -> tuple[Reading, list[Usage]]:
    """Ask about each label on its own."""
    is_numeric = question.condition.elicitation == "numeric"
    said: dict[str, str] = {}
    usages: list[Usage] = []
    for label, prompt in asked.questions:
        limit = _DIGITS if is_numeric else question.condition.max_tokens
        said[label], spent = await _written(model, prompt, question, max_tokens=limit)
        usages += spent
    elicited = (from_numeric if is_numeric else from_chain)(said, question.condition.labels)
    return replace(_of(elicited), text="\n".join(f"{label}: {text}" for label, text in said.items())), usages


async def _scored(model: LanguageModel, prompt: Prompt, texts: list[str], question: Question) -> LabelScores:
    return await model.score(prompt, texts, conversation=question.conversation)


async def _written(
    model: LanguageModel, prompt: Prompt, question: Question, *, max_tokens: int | None = None
) -> tuple[str, list[Usage]]:
    condition = question.condition
    decoding = Decoding(
        max_tokens=max_tokens or condition.max_tokens, temperature=condition.temperature, seed=question.seed
    )
    text, usage = await written(model, prompt, decoding, conversation=question.conversation)
    return text, [usage] if usage else []


def _of(elicited: Elicited) -> Reading:
    return Reading(distribution=elicited.distribution, problem=elicited.problem, warning=elicited.warning)


def _cached(usages: list[Usage]) -> float | None:
    """Return the cached share of all prompts together; None where one of them is not known."""
    total = CacheShare()
    for usage in usages:
        if usage.n_prompt is None or usage.n_cached is None:
            return None
        total += CacheShare(n_prompt=usage.n_prompt, n_cached=usage.n_cached)
    return total.share if usages else None
