"""What somebody's own words about their feeling say, as a distribution: paper 003's typed descriptions."""

from __future__ import annotations

import json
import logging
import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from prompts import load
from streaming.errors import StreamingError

from ...correction import corrected
from ...distribution import Distribution, normalise
from ...labels import BIG_FOUR, EIGHT
from ...llm.values import Decoding, Message, Prompt
from ...r3.untrusted import cleaned
from .embedded import plain
from .text import load_text_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...correction import EmotionCorrection
    from ...events import EmotionEstimate
    from ...ports import LanguageModel
    from .text import TextModel

_LOG = logging.getLogger(__name__)

_NAMES: Final = ("angry", "sad", "disgust", "contempt", "fear", "neutral", "surprise", "happy")
"""What the prompt calls EIGHT, in its order."""

MAX_CHARS: Final = 300
_MOST: Final = 1e6
"""Shares may come in percent; beyond this a number is only kept from overflowing."""
_OBJECT: Final = re.compile(r"\{[^{}]*\}")
_DECODING: Final = Decoding(max_tokens=200)


class DescriptionReader:
    """Puts a correction in somebody's own words into numbers: by the language model, else by the small word model."""

    def __init__(self, *, model: LanguageModel | None = None, text: TextModel | None = None) -> None:
        """Use the shipped word model unless another is given.

        Raises:
            ConfigInvalid: the shipped weights cannot be read.
        """
        self._model = model
        self._text = text or load_text_model()

    async def correct(self, estimate: EmotionEstimate, correction: EmotionCorrection) -> EmotionEstimate:
        """Return the estimate as the user would have it.

        A label that was named needs no reading of words. Where the language model adjusts the distribution itself, that
        is taken as it is, denied labels still going out; where it fails the small model's description counts 25 %.
        """
        if correction.label is not None or not correction.text:
            return corrected(estimate, correction)
        adjusted = await self._asked(estimate, correction.text)
        if adjusted is not None:
            return corrected(replace(estimate, distribution=plain(adjusted)), correction)
        # A spoken denial says all it has to say in what it denies: "not angry" holds the word "angry".
        said = None if correction.denied else self._said(correction.text, estimate.labels)
        return corrected(estimate, correction, description=said)

    def _said(self, text: str, labels: Sequence[str]) -> tuple[float, ...] | None:
        """Return what the small model reads in the words, over `labels`; None when it knows none of them."""
        read = self._text.estimate(text)
        if not read.n_known:
            return None
        for names, shares in ((BIG_FOUR, read.big_four), (EIGHT, read.eight)):
            held: dict[str, float] = dict(zip(names, shares.tolist(), strict=True))
            if set(labels) <= held.keys():
                return plain(normalise([held[label] for label in labels]))
        return None

    async def _asked(self, estimate: EmotionEstimate, text: str) -> Distribution | None:
        """Return the distribution that the language model adjusts, over the estimate's labels; None without one."""
        if self._model is None or not set(estimate.labels) <= set(EIGHT):
            return None
        prompt = _prompt(estimate, text)
        try:
            pieces = [piece.text async for piece in self._model.stream(prompt, _DECODING)]
        except StreamingError as trouble:
            _LOG.warning("%s cannot read a description: %s", self._model.name, trouble)
            return None
        return adjusted_from("".join(pieces), estimate.labels)


def adjusted_from(answer: str, labels: Sequence[str]) -> Distribution | None:
    """Return the first distribution in an answer, over `labels`: clipped at 0, divided by its sum (papers_spec 6.2).

    None where the answer holds none: no JSON, no numbers, nothing but zeros.
    """
    for found in _OBJECT.finditer(answer):
        held = _read(found.group())
        if held is None:
            continue
        shares = _shares(cast("Mapping[str, Any]", held))
        chosen = [shares[label] for label in labels]
        if sum(chosen) > 0:
            return normalise(chosen)
    return None


def adjusted_each(answer: str, *, n: int) -> dict[int, tuple[Distribution, str]]:
    """Return what an answer to `n` items gives, by the item's number from 1: a distribution over EIGHT, and its reason.

    An object without a number counts only where there are as many objects as items: then they are in order. Who
    counts from 0 means one more. The first of two for one item stands.
    """
    objects = [cast("Mapping[str, Any]", held) for found in _OBJECT.finditer(answer) if (held := _read(found.group()))]
    numbers: list[object] = [held.get("index") for held in objects]
    if len(objects) == n and not any(isinstance(number, int) for number in numbers):
        numbers = list(range(1, n + 1))
    if 0 in numbers and n not in numbers:
        numbers = [number + 1 if isinstance(number, int) else number for number in numbers]
    adjusted: dict[int, tuple[Distribution, str]] = {}
    for number, held in zip(numbers, objects, strict=True):
        chosen = list(_shares(held).values())
        if isinstance(number, int) and 1 <= number <= n and sum(chosen) > 0:
            reason = held.get("reason")
            adjusted.setdefault(number, (normalise(chosen), reason if isinstance(reason, str) else ""))
    return adjusted


def _read(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _shares(held: Mapping[str, Any]) -> dict[str, float]:
    numbers = {name: held.get(name, held.get(label)) for name, label in zip(_NAMES, EIGHT, strict=True)}
    sound = {
        name: min(_MOST, max(0.0, float(value)))
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        else 0.0
        for name, value in numbers.items()
    }
    return dict(zip(EIGHT, sound.values(), strict=True))


def _prompt(estimate: EmotionEstimate, text: str) -> Prompt:
    held = dict(estimate.eight) | dict(zip(estimate.labels, estimate.distribution, strict=True))
    return prompt_of([(text, held)])


def prompt_of(items: Sequence[tuple[str, Mapping[str, float]]], *, separator: str = "|") -> Prompt:
    """Return paper 003's prompt: each item what was typed, and the reference distribution over EIGHT, by label."""
    told = f" {separator} ".join(_item(text, held, separator=separator) for text, held in items)
    rendered = load("typed_description").render(batch_size=str(len(items)), separator=separator, items=told)
    return Prompt(
        messages=(Message(role="system", text=rendered.system), Message(role="user", text=rendered.user)),
    )


def _item(text: str, held: Mapping[str, float], *, separator: str) -> str:
    reference = normalise([held.get(label, 0.0) if math.isfinite(held.get(label, 0.0)) else 0.0 for label in EIGHT])
    # "#" ends the description in an item, the separator would end the item.
    words = cleaned(text, limit=MAX_CHARS)
    for mark in ("#", "|", separator):
        words = words.replace(mark, " ")
    return f"{words}#{','.join(f'{p:.2f}' for p in reference.tolist())}"
