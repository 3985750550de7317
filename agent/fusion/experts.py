"""A weighted product of three experts: the small model, the language model, measured dimensions. Pure.

    log p(y) = w_small log p_small(y) + w_llm log p_llm(y) + w_dims log p_dims(y) + constant

`p_dims` is a bell around each label's place (`agent.labels.ANCHORS`): exp(-d^2 / (2 SPREAD^2)), d the distance between
that place and the measured arousal, dominance and valence. An expert that is missing, or says nothing, drops out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Final

import numpy as np

from ..distribution import Distribution, decide, normalise, product_of_experts, softmax
from ..labels import ANCHORS, EIGHT, Affect, affect_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..events import EmotionEstimate

SPREAD: Final = 0.25
"""Width of a label's place in the space of dimensions: about the half distance between neighbours of the Big Four."""

MAX_WEIGHT: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionWeights:
    """How much each expert counts.

    Attributes:
        small, llm, dimensions: exponents, in [0, 4]. Experts that read the same words are no independent witnesses:
            their weights add up to little more than 1, or the result would be surer than any of them.
        llm_doubt: share of the language model's probability spread evenly first, so that a written answer, which puts
            everything on one label, can be outvoted.
        chances: the estimate abstains below so many times the probability of guessing, and never above 0.6.
        is_fitted: False where the weights were chosen, not learnt.
        provenance: what they rest on, in words.
    """

    small: float = 0.5
    llm: float = 0.7
    dimensions: float = 0.2
    llm_doubt: float = 0.05
    chances: float = 1.6
    is_fitted: bool = False
    provenance: str = "chosen, not fitted"

    def __post_init__(self) -> None:
        """Refuse what is no weight.

        Raises:
            ValueError: a value is out of range.
        """
        for name in ("small", "llm", "dimensions", "chances"):
            value = getattr(self, name)
            if not 0 <= value <= MAX_WEIGHT:
                raise ValueError(f"{name} must lie in [0, {MAX_WEIGHT:g}], got {value}")
        if not 0 <= self.llm_doubt < 1:
            raise ValueError(f"llm_doubt must lie in [0, 1), got {self.llm_doubt}")
        if self.small == 0 == self.llm:
            raise ValueError("small and llm are both 0: nothing would be believed")

    def threshold(self, n_labels: int) -> float:
        """Return the least probability of a top label among so many."""
        return min(0.6, self.chances / n_labels)


def says_something(estimate: EmotionEstimate) -> bool:
    """Tell whether an estimate is a distribution that prefers anything: even odds, zeros and NaN say nothing."""
    shares = estimate.distribution
    is_sound = len(shares) == len(estimate.labels) > 0 and all(isfinite(p) and p >= 0 for p in shares)
    return is_sound and max(shares) - min(shares) > 1e-9


def over(labels: Sequence[str], estimate: EmotionEstimate) -> Distribution | None:
    """Return what an estimate says about `labels`: from its own label set, else from its eight; None if it cannot."""
    for known in (dict(zip(estimate.labels, estimate.distribution, strict=True)), dict(estimate.eight)):
        if known and set(labels) <= known.keys():
            return normalise([known[label] for label in labels])
    return None


def dimensions_expert(labels: Sequence[str], affect: Affect) -> Distribution | None:
    """Return how near each label lies to measured dimensions; None where a label has no place, or a number is none."""
    heard = np.array([affect.arousal, affect.dominance, affect.valence])
    if not np.isfinite(heard).all() or not ANCHORS.keys() >= set(labels):
        return None
    places = np.array([[ANCHORS[each].arousal, ANCHORS[each].dominance, ANCHORS[each].valence] for each in labels])
    return softmax(-((places - heard) ** 2).sum(axis=1) / (2 * SPREAD**2))


def fused(
    small: Distribution | None, llm: Distribution | None, affect: Distribution | None, *, weights: FusionWeights
) -> Distribution | None:
    """Return the product of the experts that are there; None without a reading of labels.

    A reading that stands alone stands as it is, beside dimensions with its full weight. Dimensions alone are no expert
    on labels.
    """
    if small is None and llm is None:
        return None
    believed = None if llm is None else (1 - weights.llm_doubt) * llm + weights.llm_doubt / len(llm)
    parts = [(p, w) for p, w in ((small, weights.small), (believed, weights.llm)) if p is not None]
    if len(parts) == 1:
        if affect is None:
            return small if llm is None else llm
        parts = [(parts[0][0], 1.0)]
    if affect is not None:
        parts.append((affect, weights.dimensions))
    return product_of_experts([p for p, _ in parts], weights=[w for _, w in parts])


def combined(
    small: EmotionEstimate, llm: EmotionEstimate | None, *, measured: Affect | None = None, weights: FusionWeights
) -> EmotionEstimate:
    """Return one estimate, over the language model's labels where it says something, else over the small model's.

    Who the estimate is of (utterance, revision, times), and what voice and words said apart, is the small one's.
    """
    heard = llm if llm is not None and says_something(llm) else None
    labels = small.labels if heard is None else heard.labels
    own = over(labels, small) if says_something(small) else None
    written = None if heard is None else normalise(heard.distribution)
    affect = None if measured is None else dimensions_expert(labels, measured)
    result = fused(own, written, affect, weights=weights)
    if result is None or (heard is None and affect is None):
        return placed(small, measured)
    top = decide(result, threshold=weights.threshold(len(labels)))
    is_same = labels == small.labels
    estimate = replace(
        small,
        labels=labels,
        distribution=tuple(result.tolist()),
        top=None if top is None else labels[top],
        confidence=float(result.max()),
        text_distribution=small.text_distribution if is_same else None,
        voice_distribution=small.voice_distribution if is_same else None,
        eight=eight_with(labels, result, small=small),
        llm_distribution=None if written is None else tuple(written.tolist()),
    )
    told = placed(_leaning(estimate, heard, weights=weights), measured)
    return told if heard is None else _with_words(told, heard)


def placed(estimate: EmotionEstimate, affect: Affect | None) -> EmotionEstimate:
    """Return the estimate with measured dimensions in place of its own."""
    if affect is None:
        return estimate
    return replace(estimate, arousal=affect.arousal, dominance=affect.dominance, valence=affect.valence)


def eight_with(labels: Sequence[str], result: Distribution, *, small: EmotionEstimate) -> tuple[tuple[str, float], ...]:
    """Return the small model's eight classes, those among `labels` in the proportions of `result`."""
    if set(labels) == set(EIGHT):
        held = dict(zip(labels, result.tolist(), strict=True))
        return tuple((label, held[label]) for label in EIGHT)
    if not small.eight or not set(labels) <= set(EIGHT):
        return small.eight
    shares = np.array([p for _, p in small.eight])
    at = [EIGHT.index(label) for label in labels]
    shares[at] = shares[at].sum() * result
    return tuple(zip(EIGHT, normalise(shares).tolist(), strict=True))


def _leaning(estimate: EmotionEstimate, llm: EmotionEstimate | None, *, weights: FusionWeights) -> EmotionEstimate:
    """Move dominance and valence, which words tell best, towards the labels; arousal stays what the voice says."""
    if llm is None or not ANCHORS.keys() >= set(estimate.labels):
        return estimate
    meant = affect_of(estimate.labels, estimate.distribution)
    if estimate.arousal is None or estimate.dominance is None or estimate.valence is None:
        return placed(estimate, meant)
    share = weights.llm / (weights.small + weights.llm)
    return replace(
        estimate,
        dominance=estimate.dominance + share * (meant.dominance - estimate.dominance),
        valence=estimate.valence + share * (meant.valence - estimate.valence),
    )


def _with_words(estimate: EmotionEstimate, llm: EmotionEstimate) -> EmotionEstimate:
    """Add what only a language model gives: its text, its reason, what it was asked and what that cost."""
    return replace(
        estimate,
        revised_text=llm.revised_text,
        reason=llm.reason,
        prompt_id=llm.prompt_id,
        cached_share=llm.cached_share,
    )
