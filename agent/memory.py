"""Which earlier turn comes to mind: alike in what was said and alike in mood. Pure; knows no storage and no prompt.

Meaning is told by the words (BM25, Robertson & Zaragoza 2009), mood by the angle between distributions. The two are
combined by one of the strategies of Emotional RAG (Huang et al. 2024). A turn that shares no telling word with what was
said is never recalled, however alike its mood: a memory out of place is worse than none.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from .topics import lexicon

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .events import EmotionEstimate, Turn

Strategy: TypeAlias = Literal["words", "sum", "product", "words_then_mood", "mood_then_words"]
"""How nearness in words and in mood make one order: words alone; the sum of the distances (C-A), their product (C-M);
the nearest by one, ordered by the other (S-C, S-S)."""

STRATEGIES: Final[tuple[Strategy, ...]] = ("words", "sum", "product", "words_then_mood", "mood_then_words")

_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*|\d+")
_LONGEST: Final = 2000
"""Characters of a text that are looked at."""
_ENDINGS = ("ingly", "edly", "ings", "ing", "ed", "ly", "es", "s")
_UNKNOWN_MOOD = 0.5
_USUAL = 50
"""Turns of other talk that rarity counts in: what both of two turns say is not common for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySettings:
    """How turns are recalled.

    Attributes:
        strategy: see `Strategy`.
        shortlist: how many the first step of a two-step strategy lets through.
        k1, b: of BM25: how fast repeated words stop to count, how much long turns are held back.
        at_least: BM25 score, as a share of that of a turn that says the same words, below which nothing is recalled.
    """

    strategy: Strategy = "sum"
    shortlist: int = 10
    k1: float = 1.2
    b: float = 0.5
    at_least: float = 0.15

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: one makes no sense.
        """
        if self.strategy not in STRATEGIES:
            raise ValueError(f"there is no strategy {self.strategy!r}, expected one of {', '.join(STRATEGIES)}")
        if self.shortlist < 1 or self.k1 < 0 or not 0 <= self.b <= 1 or not 0 < self.at_least <= 1:
            raise ValueError("expected a shortlist of at least 1, k1 of at least 0, b in [0, 1], at_least in (0, 1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """An earlier turn and how near it is; both in [0, 1], 1 is nearest."""

    turn: Turn
    words: float
    mood: float


def recall(
    text: str,
    estimate: EmotionEstimate | None,
    turns: Sequence[Turn],
    *,
    most: int = 2,
    settings: MemorySettings | None = None,
) -> tuple[Recalled, ...]:
    """Return at most `most` of `turns` that `text`, said in the mood of `estimate`, brings to mind, the nearest first.

    Of equals the later one comes first; turns with danger in them are never recalled, and the same words only once.
    """
    settings = settings or MemorySettings()
    asked = terms(text)
    fit = [turn for turn in turns if not turn.is_crisis and turn.text.strip()]
    scores = _bm25(asked, [terms(turn.text) for turn in fit], settings)
    near = [
        Recalled(turn=turn, words=score, mood=_mood(estimate, turn.estimate))
        for turn, score in zip(reversed(fit), reversed(scores), strict=True)
        if score >= settings.at_least
    ]
    return _distinct(_ordered(near, settings))[:most]


def terms(text: str) -> tuple[str, ...]:
    """Return the words that tell what a text is about, without their endings."""
    skipped = _skipped()
    words = _WORD.findall(text[-_LONGEST:].replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").casefold())
    return tuple(_stem(word) for word in words if word not in skipped and len(word) > 1)


def _bm25(asked: Sequence[str], documents: Sequence[Sequence[str]], settings: MemorySettings) -> list[float]:
    """Return for each document its score over that of a document that is the query itself, in [0, 1]."""
    n = len(documents)
    total = sum(map(len, documents))
    if not asked or total == 0:
        return [0.0] * n
    held = Counter(term for document in documents for term in set(document))
    rarity = {term: math.log(1 + (n + _USUAL - held[term] + 0.5) / (held[term] + 0.5)) for term in set(asked)}
    usual = total / n

    def score(document: Sequence[str]) -> float:
        counts = Counter(document)
        length = settings.k1 * (1 - settings.b + settings.b * len(document) / usual)
        return sum(rare * counts[term] * (settings.k1 + 1) / (counts[term] + length) for term, rare in rarity.items())

    best = score(asked)
    return [min(1.0, score(document) / best) for document in documents]


def _mood(one: EmotionEstimate | None, other: EmotionEstimate | None) -> float:
    """Return the cosine of two distributions by label, in [0, 1]; 0.5 where one is not known."""
    if one is None or other is None or one.top is None or other.top is None:
        return _UNKNOWN_MOOD
    left, right = _shares(one), _shares(other)
    if not left.keys() & right.keys():
        return _UNKNOWN_MOOD
    product = sum(share * right.get(label, 0.0) for label, share in left.items())
    lengths = math.hypot(*left.values()) * math.hypot(*right.values())
    return min(1.0, product / lengths) if lengths > 0 else _UNKNOWN_MOOD


def _shares(estimate: EmotionEstimate) -> Mapping[str, float]:
    return dict(zip(estimate.labels, estimate.distribution, strict=True))


def _ordered(near: list[Recalled], settings: MemorySettings) -> list[Recalled]:
    """Return them nearest first; `near` comes with the latest first, and sorting keeps that order among equals."""
    match settings.strategy:
        case "words":
            return sorted(near, key=_by_words)
        case "sum":
            return sorted(near, key=lambda found: (1 - found.words) + (1 - found.mood))
        case "product":
            return sorted(near, key=lambda found: (1 - found.words) * (1 - found.mood))
        case "words_then_mood":
            return sorted(sorted(near, key=_by_words)[: settings.shortlist], key=_by_mood)
        case "mood_then_words":
            return sorted(sorted(near, key=_by_mood)[: settings.shortlist], key=_by_words)


def _by_words(found: Recalled) -> float:
    return -found.words


def _by_mood(found: Recalled) -> float:
    return -found.mood


def _distinct(found: Sequence[Recalled]) -> tuple[Recalled, ...]:
    kept: dict[tuple[str, ...], Recalled] = {}
    for one in found:
        kept.setdefault(terms(one.turn.text), one)
    return tuple(kept.values())


def _stem(word: str) -> str:
    """Return a word without its English ending where enough of it is left: crude, but alike for like words."""
    word = word.removesuffix("'s")
    if word.endswith(("ies", "ied")):
        word = word[:-3] + "y"
    ending = next((end for end in _ENDINGS if word.endswith(end) and len(word) - len(end) >= 3), "")
    if ending and not word.endswith("ss"):
        word = word.removesuffix(ending)
        # Stopped, stop.
        word = word[:-1] if len(word) > 3 and word[-1] == word[-2] != "s" and ending not in {"s", "es"} else word
    return word[:-1] if len(word) > 3 and word[-1] in "eiy" else word


@cache
def _skipped() -> frozenset[str]:
    words = lexicon()
    return frozenset(_COMMON.split()) | words.fillers | words.glue


_COMMON: Final = """
    another any anything around away back because being can could couldn't didn't doing done down ever every
    everything feel feeling feels felt get gets getting give go goes going gonna good got haven't having he's hers
    i'd i'll i'm i've it's keep know let little made make makes me mean mine myself new nothing other people said
    same say says see she's somebody someone something such sure take tell that's there's they're think thought told
    want wanted we're went what's yes you're
"""
"""Words that say little of what a text is about, besides those of the lexicon: by them alone anything would come up."""
