"""Several ways to ask, one answer: majority voting (paper 000, Table II) and averages over prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ...elicitation import ensemble, vote
from ...elicitation.values import uniform
from .r3_estimate import Rules, estimate_of
from .r3_reading import Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.events import Utterance

    from ...conversation import Conversation
    from ...events import EmotionEstimate, EmotionSource
    from .r3 import R3Recognizer

How: TypeAlias = Literal["vote", "linear", "log"]
"""Majority of the labels, weighted mean of the distributions, or their normalised geometric mean."""


class EnsembleRecognizer:
    """`agent.ports.EmotionRecognizer` over several of one label set, asked one after another.

    A member that fails or abstains has no vote, and is left out of averages when it read nothing; without any that is
    left the estimate abstains. While somebody still speaks the first member answers alone.
    """

    def __init__(self, recognizers: Sequence[R3Recognizer], how: How = "vote", *, threshold: float = 0.4) -> None:
        """Put members together; their labels may stand in different orders, the first one's counts.

        Raises:
            ValueError: no members, or of different labels.
        """
        if len({frozenset(each.condition.labels) for each in recognizers}) != 1:
            raise ValueError("expected one or more recognisers that tell the same labels")
        self._members = tuple(recognizers)
        self._how: How = how
        self._labels = recognizers[0].condition.labels
        names = ", ".join(dict.fromkeys(each.method for each in recognizers))
        self._rules = Rules(
            method=f"{how} of {len(recognizers)} ({names})",
            labels=self._labels,
            # A plurality wins a vote, however small it is.
            threshold=0.0 if how == "vote" else threshold,
        )

    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        """Return the estimate of all members together."""
        if not utterance.is_final or source == "off":
            return await self._members[0].recognize(utterance, conversation, revision=revision, source=source)
        estimates = [
            await member.recognize(utterance, conversation, revision=revision, source=source)
            for member in self._members
        ]
        return estimate_of(utterance, self._together(estimates), rules=self._rules, revision=revision)

    def _together(self, estimates: Sequence[EmotionEstimate]) -> Reading:
        read = [each for each in estimates if each.llm_distribution is not None]
        if not read:
            return Reading(distribution=uniform(len(self._labels)), problem=estimates[0].reason or "no member answered")
        if self._how == "vote":
            elicited = vote([each.top for each in estimates], labels=self._labels)
        else:
            elicited = ensemble([self._ordered(each) for each in read], pool=self._how)
        ids = dict.fromkeys(name for each in estimates if each.prompt_id for name in each.prompt_id.split("+"))
        cached = [each.cached_share for each in read if each.cached_share is not None]
        return Reading(
            distribution=elicited.distribution,
            problem=elicited.problem,
            reason=elicited.warning,
            prompt_ids=tuple(ids),
            cached_share=sum(cached) / len(cached) if len(cached) == len(read) else None,
        )

    def _ordered(self, estimate: EmotionEstimate) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        share_of = dict(zip(estimate.labels, estimate.distribution, strict=True))
        return np.array([share_of[label] for label in self._labels])
