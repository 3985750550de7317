"""What an estimate rests on, and what the small model offers the language model (HEF). Pure."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Final, TypeAlias

from ..events import Evidence

if TYPE_CHECKING:
    from ..conversation import Conversation
    from ..events import EmotionEstimate

TOP_K: Final = 3
MAX_TRIGGERS: Final = 5


Hints: TypeAlias = tuple[tuple[tuple[str, float], ...], tuple[str, ...]]
"""(label, probability), most likely first, and the words it went by: as `agent.r3.context.view_of` takes them."""


def hints_of(estimate: EmotionEstimate, *, top_k: int = TOP_K) -> Hints:
    """Return the top labels and trigger words of a small model's estimate (HEF, papers_spec 8.1; its k is unknown).

    No labels where the model abstained: a guess is no hint.
    """
    words = tuple(dict.fromkeys(trigger.word for trigger in estimate.evidence.words))[:MAX_TRIGGERS]
    if estimate.top is None:
        return (), words
    ranked = sorted(zip(estimate.labels, estimate.distribution, strict=True), key=lambda each: -each[1])
    return tuple((label, p) for label, p in ranked[:top_k] if isfinite(p) and p > 0), words


def turns_like(conversation: Conversation, label: str | None, *, window: int) -> tuple[int, ...]:
    """Return the places of those of the last `window` turns that carried `label` too, oldest first.

    The claim is no stronger than that: they were in sight and expressed the same; whether a model used them is not
    known. A turn that is not saved yet is named by its place in the conversation, which is the one it will get.
    """
    if label is None or window <= 0:
        return ()
    first = conversation.n_left + 1
    placed = list(enumerate(conversation.turns, start=first))[-window:]
    return tuple(
        place if turn.seq is None else turn.seq
        for place, turn in placed
        if turn.estimate is not None and turn.estimate.top == label
    )


def joined(own: Evidence, other: Evidence, *, turns: tuple[int, ...]) -> Evidence:
    """Return the words and cues of both, each named once (the first one's weight stands), and `turns`."""
    words = {(each.word, each.label): each for each in (*other.words, *own.words)}
    cues = {(each.cue, each.label): each for each in (*other.cues, *own.cues)}
    first = [*((each.word, each.label) for each in own.words), *words]
    cue_first = [*((each.cue, each.label) for each in own.cues), *cues]
    return Evidence(
        words=tuple(words[key] for key in dict.fromkeys(first)),
        cues=tuple(cues[key] for key in dict.fromkeys(cue_first)),
        turns=turns,
    )
