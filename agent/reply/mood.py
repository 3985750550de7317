"""What an estimate means for an answer: family of words, how sure, what changed, where words and voice differ. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..events import EmotionEstimate

Change: TypeAlias = Literal["lighter", "heavier", "calmer", "stirred"]

FAMILIES: Final[Mapping[str, str]] = {
    "angry": "angry", "sad": "sad", "happy": "happy", "neutral": "neutral", "fearful": "fearful",
    "surprised": "surprised", "disgusted": "disgusted", "contemptuous": "disgusted", "frustrated": "angry",
    "excited": "happy",
}  # fmt: skip
"""Label of any label set to a family of phrases; a label that is not here is answered as unclear."""

_VALENCE: Final = {
    "happy": 0.8,
    "neutral": 0.5,
    "surprised": 0.55,
    "sad": 0.25,
    "angry": 0.25,
    "fearful": 0.25,
    "disgusted": 0.25,
}
HARD: Final = frozenset({"angry", "sad", "fearful", "disgusted"})
"""Families that are hard to bear."""

_STIRRED: Final = frozenset({"angry", "fearful", "disgusted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mood:
    """An estimate as the listener takes it.

    Attributes:
        family: key of the phrases; None when the estimate abstains or its label is unknown.
        sure: the confidence is high enough to say so without a hedge.
        aroused: high arousal, for the choice between strong and quiet words.
        from_voice: the voice was part of it, so that "you sound" is true.
        said, heard: families of words and voice where the two differ in earnest; both None otherwise.
    """

    family: str | None
    sure: bool
    aroused: bool
    from_voice: bool
    said: str | None = None
    heard: str | None = None


def mood_of(estimate: EmotionEstimate, *, hedge_below: float, conflict_above: float) -> Mood:
    """Return the mood of an estimate."""
    family = FAMILIES.get(estimate.top) if estimate.top else None
    said, heard = _difference(estimate, conflict_above)
    return Mood(
        family=_finer(estimate, family),
        sure=estimate.confidence >= hedge_below,
        aroused=estimate.arousal is not None and estimate.arousal >= 0.6,
        from_voice=estimate.voice_distribution is not None,
        said=said,
        heard=heard,
    )


def change_of(estimate: EmotionEstimate, before: EmotionEstimate | None, *, at_least: float) -> Change | None:
    """Return how the expression changed since an earlier turn, None when it hardly did or cannot be told."""
    if before is None or before.top is None or estimate.top is None:
        return None
    then, now = FAMILIES.get(before.top), FAMILIES.get(estimate.top)
    brighter = _valence(estimate) - _valence(before)
    if then in HARD and now not in HARD:
        return "lighter" if brighter >= at_least else None
    if then == "happy" and now in HARD:
        worse = "stirred" if now in _STIRRED else "heavier"
        return worse if brighter <= -at_least else None
    if then != now or now not in _STIRRED or estimate.arousal is None or before.arousal is None:
        return None
    faster = estimate.arousal - before.arousal
    if abs(faster) < at_least:
        return None
    return "stirred" if faster > 0 else "calmer"


def _finer(estimate: EmotionEstimate, family: str | None) -> str | None:
    """Return the eight-class family where it is sure and only refines the one of four."""
    if family not in {"sad", "angry", "neutral"} or not estimate.eight:
        return family
    label, share = max(estimate.eight, key=lambda item: item[1])
    return FAMILIES.get(label, family) if share >= 0.5 and label in {"fearful", "surprised", "disgusted"} else family


def _difference(estimate: EmotionEstimate, above: float) -> tuple[str | None, str | None]:
    """Return what the words and the voice say, when each is clear, they differ, and the voice is not just neutral."""
    text, voice = estimate.text_distribution, estimate.voice_distribution
    if estimate.conflict is None or estimate.conflict < above or not text or not voice:
        return None, None
    said = FAMILIES.get(estimate.labels[text.index(max(text))])
    heard = FAMILIES.get(estimate.labels[voice.index(max(voice))])
    if said == heard or said is None or heard in {None, "neutral"} or max(voice) < 0.5:
        return None, None
    return said, heard


def _valence(estimate: EmotionEstimate) -> float:
    if estimate.valence is not None:
        return estimate.valence
    return _VALENCE.get(FAMILIES.get(estimate.top or "", ""), 0.5)
