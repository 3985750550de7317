"""What is known of an utterance when a model is asked about it, from the live values. Pure.

Everything that was said, by whomever, is cleaned here (`agent.r3.untrusted`), so that the rest need not ask again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from streaming.describe import levels

from .condition import Heard, View
from .untrusted import cleaned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.events import Hypothesis, Utterance

    from ..conversation import Conversation
    from ..events import Turn
    from .condition import R3Condition, Shot

USER = "A"
AGENT = "B"

MAX_CONTEXT_CHARS = 600
"""Characters of one earlier line that are shown: twenty-five turns of these still fit a small model's window."""

MAX_NAME_CHARS = 40


def view_of(
    utterance: Utterance | None,
    conversation: Conversation,
    condition: R3Condition,
    *,
    gender: str | None = None,
    shots: Sequence[Shot] = (),
    hints: tuple[Sequence[tuple[str, float]], Sequence[str]] | None = None,
) -> View:
    """Return what the condition shows of `utterance`; of the conversation alone when there is none yet (None).

    Args:
        utterance: a final or a snapshot of one that is still spoken.
        conversation: the turns before it.
        condition: how many turns and hypotheses are shown, and in which layout.
        gender: from corpus metadata or the user's own word.
        shots: worked examples (`agent.r3.shots`).
        hints: the small model's (label, probability), best first, and the words it went by.
    """
    best, words = hints or ((), ())
    heard = _heard(utterance.transcript.nbest[: condition.n_best] if utterance else ())
    cross_wer = utterance.cross_wer if utterance else None
    return View(
        hypotheses=tuple(text for text, _ in heard),
        posteriors=tuple(share for _, share in heard),
        levels=tuple(levels(utterance.prosody).items()) if utterance else (),
        cross_wer=cross_wer if cross_wer is not None and math.isfinite(cross_wer) else None,
        gender=cleaned(gender, limit=MAX_NAME_CHARS) or None if gender else None,
        speaker=USER,
        context=context_of(conversation, condition),
        shots=tuple(shots[: condition.shots]),
        hints=tuple((label, share) for label, share in best if math.isfinite(share)),
        triggers=tuple(filter(None, (cleaned(word, limit=MAX_NAME_CHARS) for word in words))),
    )


def context_of(conversation: Conversation, condition: R3Condition) -> tuple[Heard, ...]:
    """Return the lines of the turns that the condition shows, oldest first: what was said and what was answered.

    In the paper's layout exactly the last `condition.context` turns; else the oldest leave in blocks, so that the
    model's cache goes on holding.
    """
    turns = conversation.recent(condition.context, block=1 if condition.layout == "paper" else None)
    return tuple(line for turn in turns for line in _lines(turn))


def _lines(turn: Turn) -> tuple[Heard, ...]:
    corrected = turn.estimate if turn.estimate and turn.estimate.is_corrected else None
    text = cleaned(turn.text, limit=MAX_CONTEXT_CHARS)
    said = Heard(speaker=USER, text=text, called=corrected.top if corrected else None)
    answered = Heard(speaker=AGENT, text=cleaned(turn.reply, limit=MAX_CONTEXT_CHARS))
    return tuple(line for line in (said, answered) if line.text)


def _heard(nbest: Sequence[Hypothesis]) -> list[tuple[str, float]]:
    return [(text, hypothesis.posterior) for hypothesis in nbest if (text := cleaned(hypothesis.text))]
