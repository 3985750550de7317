"""A recogniser that says what it was told to: for tests, dry runs and demonstrations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...events import EmotionEstimate
from ...labels import BIG_FOUR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.events import Utterance

    from ...conversation import Conversation
    from ...events import EmotionSource

UNCLEAR = EmotionEstimate(
    utterance=0,
    revision=0,
    is_final=True,
    at_s=0.0,
    labels=BIG_FOUR,
    distribution=(0.25, 0.25, 0.25, 0.25),
    top=None,
    confidence=0.25,
)


def scripted_estimate(top: str, *, confidence: float = 0.91) -> EmotionEstimate:
    """Return an estimate of one of BIG_FOUR for a script; the other three share what is left.

    Raises:
        ValueError: `top` is none of BIG_FOUR.
    """
    if top not in BIG_FOUR:
        raise ValueError(f"no such label: {top!r}, expected one of {', '.join(BIG_FOUR)}")
    rest = (1 - confidence) / (len(BIG_FOUR) - 1)
    distribution = tuple(confidence if label == top else rest for label in BIG_FOUR)
    return replace(UNCLEAR, distribution=distribution, top=top, confidence=confidence)


class ScriptedRecognizer:
    """Answers utterance 1, 2, ... with the estimates of its script, the last one for all that follow."""

    def __init__(self, script: Sequence[EmotionEstimate] = ()) -> None:
        self._script = tuple(script) or (UNCLEAR,)

    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        """Return the script's estimate, bearing the utterance's number and times; unclear when emotion is off."""
        del conversation
        at = min(max(utterance.utterance, 1), len(self._script)) - 1
        told = UNCLEAR if source == "off" else self._script[at]
        return replace(
            told,
            utterance=utterance.utterance,
            revision=revision,
            is_final=utterance.is_final,
            at_s=utterance.decided_s,
            method="off" if source == "off" else "scripted",
        )
