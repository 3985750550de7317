"""Which estimate of an utterance stands when there are several, and where it is kept. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .events import EmotionEstimate
from .labels import BIG_FOUR

if TYPE_CHECKING:
    from .conversation import Conversation
    from .events import Turn


def stands(new: EmotionEstimate, *, over: EmotionEstimate | None) -> bool:
    """Tell whether `new` takes the place of `over`: what the user said stands above what engines read, whenever."""
    if over is None:
        return True
    if over.is_corrected != new.is_corrected:
        return new.is_corrected
    return new.revision > over.revision


def turn_with(conversation: Conversation, utterance: int) -> Turn | None:
    """Return the turn of an utterance (the last where numbers began anew), None where it is not held."""
    return next((turn for turn in reversed(conversation.turns) if turn.utterance == utterance), None)


def revised(conversation: Conversation, estimate: EmotionEstimate) -> Conversation:
    """Return the conversation with `estimate` in the turn of its utterance; unchanged where it does not stand there."""
    found = turn_with(conversation, estimate.utterance)
    if found is None or not stands(estimate, over=found.estimate):
        return conversation
    turns = tuple(replace(turn, estimate=estimate) if turn is found else turn for turn in conversation.turns)
    return replace(conversation, turns=turns)


def unread(turn: Turn) -> EmotionEstimate:
    """Return what is known of a turn that no engine has read: nothing."""
    share = 1 / len(BIG_FOUR)
    return EmotionEstimate(
        utterance=turn.utterance,
        revision=0,
        is_final=True,
        at_s=turn.end_s,
        labels=BIG_FOUR,
        distribution=(share,) * len(BIG_FOUR),
        top=None,
        confidence=share,
        method="unread",
    )
