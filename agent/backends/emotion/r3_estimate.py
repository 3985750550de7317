"""From what a language model said to an estimate. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ...distribution import decide
from ...elicitation import ambiguity
from ...events import EmotionEstimate
from ...labels import ANCHORS, EIGHT, FALLBACK, affect_of

if TYPE_CHECKING:
    from streaming.events import Utterance

    from .r3_reading import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a reading counts.

    Attributes:
        method: as estimates name it.
        labels: of the readings.
        threshold: least probability of the top label.
        counts_as_neutral: an answer without a label is taken for neutral, as paper 000 scores it; never live.
    """

    method: str
    labels: tuple[str, ...]
    threshold: float
    counts_as_neutral: bool = False

    def called(self, method: str) -> Rules:
        """Return the same rules under another name."""
        return replace(self, method=method)


def estimate_of(utterance: Utterance, reading: Reading, *, rules: Rules, revision: int) -> EmotionEstimate:
    """Return the estimate of an utterance; with a problem it abstains, and the problem is its reason."""
    if reading.problem is not None and reading.prompt_ids and rules.counts_as_neutral and FALLBACK in rules.labels:
        sure = np.array([float(label == FALLBACK) for label in rules.labels])
        counted = replace(reading, distribution=sure, problem=None, reason=reading.problem)
        estimate = estimate_of(utterance, counted, rules=rules, revision=revision)
        return replace(estimate, method=f"{rules.method} (counted as {FALLBACK})")
    is_read = reading.problem is None
    shares = tuple(reading.distribution.tolist())
    top = decide(reading.distribution, threshold=rules.threshold) if is_read else None
    affect = affect_of(rules.labels, shares) if is_read and ANCHORS.keys() >= set(rules.labels) else None
    return EmotionEstimate(
        utterance=utterance.utterance,
        revision=revision,
        is_final=utterance.is_final,
        at_s=utterance.decided_s,
        labels=rules.labels,
        distribution=shares,
        top=None if top is None else rules.labels[top],
        confidence=max(shares),
        arousal=affect and affect.arousal,
        dominance=affect and affect.dominance,
        valence=affect and affect.valence,
        eight=_eight(rules.labels, shares) if is_read else (),
        revised_text=reading.revised_text,
        reason=reading.reason if is_read else reading.problem or None,
        method=rules.method,
        prompt_id="+".join(reading.prompt_ids) or None,
        llm_distribution=shares if is_read else None,
        compound=(ambiguity(reading.distribution, rules.labels).compound or ()) if is_read else (),
        cached_share=reading.cached_share,
    )


def _eight(labels: tuple[str, ...], shares: tuple[float, ...]) -> tuple[tuple[str, float], ...]:
    """Return the eight-class distribution in the order of EIGHT, where it is one."""
    if set(labels) != set(EIGHT):
        return ()
    return tuple((label, shares[labels.index(label)]) for label in EIGHT)
