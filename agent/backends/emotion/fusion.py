"""Words and voice, one estimate: a weighted product of two calibrated experts. Pure.

No recordings with both words and a feeling were there to learn the weights from, so they are not learnt. They follow
from what each side is known to know: a voice tells how excited somebody is, words tell whether that is good or bad.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...distribution import FLOOR, Distribution, log, normalise, product_of_experts, softmax
from ...labels import BIG_FOUR, EIGHT, Affect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .voice import VoiceEstimate

EXCITED = np.array([label in {"angry", "happy"} for label in BIG_FOUR])
"""The labels of high arousal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionSettings:
    """How much is believed of what.

    Attributes:
        text_doubt, voice_doubt: share of an expert's probability that is spread evenly over the labels before fusion:
            raters label even sure words otherwise, and the voice model learnt from actors in another language.
        excitement_weight: weight of the voice's odds between high and low arousal, which hold across speakers and
            languages; the words weigh 1. Under 1, so that a calm voice does not overturn a plain word ("i am so angry
            about that"): what differs then is told by `conflict`. Its probabilities are flattened already (`CAUTION`).
        class_weight: weight of the voice's odds inside each half (angry or happy, neutral or sad), which hold less.
        arousal_voice, dominance_voice, valence_voice: the voice's share in the fused dimensions.
        threshold: least probability of the top label; below it the estimate abstains. With four labels 0.25 is chance.
    """

    text_doubt: float = 0.08
    voice_doubt: float = 0.1
    excitement_weight: float = 0.6
    class_weight: float = 0.3
    arousal_voice: float = 0.75
    dominance_voice: float = 0.5
    valence_voice: float = 0.2
    threshold: float = 0.4

    def __post_init__(self) -> None:
        """Refuse settings outside [0, 1]."""
        for name in self.__slots__:
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {value}")


def doubted(distribution: Distribution, doubt: float) -> Distribution:
    """Return `distribution` (or each row of many) with a share of `doubt` spread evenly over the labels."""
    return (1 - doubt) * distribution + doubt / distribution.shape[-1]


def voice_expert(voice: Distribution, settings: FusionSettings) -> Distribution:
    """Return the voice's Big Four as an expert: its odds between the arousal halves and inside them weighed apart."""
    high = float(voice[EXCITED].sum())
    half = np.array([high if is_high else 1 - high for is_high in EXCITED.tolist()])
    inside = voice / np.maximum(half, FLOOR)
    return softmax(settings.excitement_weight * log(half) + settings.class_weight * log(inside))


def fuse_four(text: Distribution | None, voice: Distribution | None, settings: FusionSettings) -> Distribution:
    """Return the fused Big Four distribution of the (doubted) experts that are there; uniform without any."""
    if text is None:
        return np.full(len(BIG_FOUR), 1 / len(BIG_FOUR)) if voice is None else voice
    return text if voice is None else product_of_experts([text, voice_expert(voice, settings)], weights=(1.0, 1.0))


def middle(one: Affect, other: Affect, *, share: float = 0.5) -> Affect:
    """Return the place between two, `share` of the way to `other`."""
    return Affect(
        arousal=one.arousal + share * (other.arousal - one.arousal),
        dominance=one.dominance + share * (other.dominance - one.dominance),
        valence=one.valence + share * (other.valence - one.valence),
    )


def fuse_affect(text: Affect | None, voice: VoiceEstimate | None, settings: FusionSettings) -> Affect | None:
    """Return arousal mostly from the voice and valence mostly from the words; None without either."""
    if voice is None:
        return text
    heard = Affect(arousal=voice.arousal, dominance=voice.dominance, valence=voice.valence)
    if text is None:
        return heard
    return Affect(
        arousal=middle(text, heard, share=settings.arousal_voice).arousal,
        dominance=middle(text, heard, share=settings.dominance_voice).dominance,
        valence=middle(text, heard, share=settings.valence_voice).valence,
    )


def fuse_eight(
    text: Distribution | None, voice: Mapping[str, float] | None, *, four: Distribution, settings: FusionSettings
) -> Distribution:
    """Return the eight-class distribution in which the Big Four stand in the proportions of `four`.

    `voice` may lack classes; those are neither raised nor lowered by it.
    """
    pooled = np.zeros(len(EIGHT)) if text is None else log(doubted(text, settings.text_doubt))
    if voice:
        known = {label: float(np.log(max(p, settings.voice_doubt / len(EIGHT)))) for label, p in voice.items()}
        usual = sum(known.values()) / len(known)
        weight = 1.0 if text is None else settings.class_weight
        pooled = pooled + weight * np.array([known.get(label, usual) for label in EIGHT])
    eight = softmax(pooled)
    at = [EIGHT.index(label) for label in BIG_FOUR]
    eight[at] = eight[at].sum() * four
    return normalise(eight)
