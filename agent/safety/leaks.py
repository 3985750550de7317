"""Does a sentence hand out what the model was told? Looks for the prompt's own words and for its notation. Pure.

It contains rather than proves: instructions that were put into other words, or into another language, are not found.
"""

from __future__ import annotations

import re
from typing import Final

from ..labels import BIG_FOUR, EIGHT
from ..phrases import stable_hash

RUN: Final = 7
"""So many words in a row from the instructions are no chance."""

WHOLE: Final = 5
"""A whole sentence of the instructions of at least so many words is one too."""

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_SENTENCE = re.compile(r"[.!?:;\n]+")
_QUOTED = re.compile(r'"[^"\n]*"')
_LABELS = "|".join(sorted({*BIG_FOUR, *EIGHT}))
_NOTATION = re.compile(
    rf"\b(?:{_LABELS})(?:\W{{1,2}}0?[.,]\d|:? \d{{1,3}} ?%)|calm-excited|unpleasant-pleasant"
    r"|\b(?:my|the) system (?:prompt|message),? (?:is|says|states|reads|includes|tells me)\b(?! (?:not|private|some))"
    r"|\bmy (?:instructions|rules|guidelines),? (?:are|say|state|read|include|tell me)\b(?! (?:not|private|some|mine))"
    r"|\bhere(?: is|'s| are) (?:my|the) (?:\w+ )?(?:system prompt|instructions|prompt)\b"
    r"|\bi (?:was|am|have been) (?:instructed|prompted) to\b"
)


class Instructions:
    """What a model was told, made ready to be looked for. Words between quotation marks in it may be said."""

    def __init__(self, text: str) -> None:
        plain = _QUOTED.sub(" ", text)
        words = _words(plain)
        self._runs = {tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1)}
        sentences = {tuple(_words(sentence)) for sentence in _SENTENCE.split(plain)}
        self._sentences = {sentence for sentence in sentences if len(sentence) >= WHOLE}

    def are_in(self, sentence: str) -> bool:
        """Tell whether a sentence that is about to be said gives them, or the notation of the prompt, away."""
        plain = sentence.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").casefold()
        if _NOTATION.search(plain):
            return True
        words = _words(plain)
        if any(tuple(words[i : i + RUN]) in self._runs for i in range(len(words) - RUN + 1)):
            return True
        return any(tuple(_words(part)) in self._sentences for part in _SENTENCE.split(plain))


def declined(seed: str) -> str:
    """Return what to say where an answer was nothing but the instructions; the same seed gives the same."""
    return _DECLINED[stable_hash(seed) % len(_DECLINED)]


_DECLINED: Final = (
    "I'd rather not go into how I was set up. What is on your mind?",
    "How I was set up I keep to myself. What would you like to talk about?",
    "That part of me isn't worth reading out. Tell me more about you.",
)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
