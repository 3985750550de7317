"""What a language model is told to answer an utterance: persona, window, estimate. Pure but for its prompt files.

All that is stable comes first and every turn is written the same way for ever, so that the model's cache is used again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompts import load

from ..llm.values import Message, Prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.events import Utterance

    from ..events import EmotionEstimate, Turn


def reply_prompt(utterance: Utterance, estimate: EmotionEstimate | None, turns: Sequence[Turn]) -> Prompt:
    """Return the prompt for an answer to `utterance` after `turns`, oldest first."""
    messages = [Message(role="system", text=load("reply").system)]
    for turn in turns:
        messages.append(_said(turn.text, turn.estimate))
        if turn.reply:
            messages.append(Message(role="assistant", text=turn.reply))
    messages.append(_said(utterance.transcript.text, estimate))
    return Prompt(messages=tuple(messages))


def expressed(estimate: EmotionEstimate | None) -> str:
    """Return an estimate in a closed vocabulary with numbers, e.g. "sad 0.62, neutral 0.21; calm-excited 0.31, ..."."""
    if estimate is None:
        return "not read"
    scales = [
        f"{name} {value:.2f}"
        for name, value in (("calm-excited", estimate.arousal), ("unpleasant-pleasant", estimate.valence))
        if value is not None
    ]
    return "; ".join(filter(None, [_labels(estimate), ", ".join(scales)]))


def _labels(estimate: EmotionEstimate) -> str:
    if estimate.top is None:
        return "unclear"
    ranked = sorted(zip(estimate.distribution, estimate.labels, strict=True), reverse=True)[:2]
    return ", ".join(f"{label} {share:.2f}" for share, label in ranked)


def _said(text: str, estimate: EmotionEstimate | None) -> Message:
    # A quotation mark would end the quotation; recognised speech holds none of its own.
    words = " ".join(text.replace('"', "'").split())
    return Message(role="user", text=load("reply").render(expressed=expressed(estimate), text=words).user)
