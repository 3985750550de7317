"""What a language model is told to answer an utterance: persona, window, estimate, notes. Pure but for its files.

All that is stable comes first and every turn is written the same way for ever, so that the model's cache is used again.
What holds for this answer only (`agent.reply.notes`) comes last.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prompts import load

from ..llm.values import Message, Prompt
from ..persona import read_persona
from .mood import mood_of
from .notes import MAX_LABEL, spoken_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prompts.loader import Rendered

    from ..events import EmotionEstimate, Turn
    from ..persona import Persona

CONFLICT_ABOVE = 0.3
"""Divergence of words and voice from which the model is told that they differ; as in `ReplySettings`."""


def reply_prompt(
    text: str,
    estimate: EmotionEstimate | None,
    turns: Sequence[Turn],
    *,
    persona: Persona | None = None,
    notes: str = "",
) -> Prompt:
    """Return the prompt for an answer to `text` after `turns`, oldest first.

    Without a persona the shipped one answers; `notes` are those of `agent.reply.notes.notes_of`.
    """
    messages = [Message(role="system", text=instructions(persona))]
    for turn in turns:
        messages.append(_said(turn.text, turn.estimate))
        if turn.reply:
            messages.append(Message(role="assistant", text=turn.reply))
    messages.append(_said(text, estimate, notes))
    return Prompt(messages=tuple(messages))


def instructions(persona: Persona | None = None) -> str:
    """Return the stable part: who answers, and how."""
    return _rendered(persona or read_persona()).system


def expressed(estimate: EmotionEstimate | None) -> str:
    """Return an estimate in a closed vocabulary with numbers, e.g. "sad 0.62, neutral 0.21; calm-excited 0.31, ..."."""
    if estimate is None:
        return "not read"
    scales = [
        f"{name} {value:.2f}"
        for name, value in (("calm-excited", estimate.arousal), ("unpleasant-pleasant", estimate.valence))
        if value is not None and math.isfinite(value)
    ]
    parts = (_labels(estimate), ", ".join(scales), _difference(estimate), _beneath(estimate), _corrected(estimate))
    return "; ".join(filter(None, parts))


def _labels(estimate: EmotionEstimate) -> str:
    if estimate.top is None:
        return "unclear"
    ranked = sorted(zip(estimate.distribution, estimate.labels, strict=True), reverse=True)[:2]
    return ", ".join(f"{spoken_text(label, limit=MAX_LABEL)} {share:.2f}" for share, label in ranked)


def _difference(estimate: EmotionEstimate) -> str:
    mood = mood_of(estimate, hedge_below=0.0, conflict_above=CONFLICT_ABOVE)
    return f"words {mood.said}, voice {mood.heard}" if mood.said and mood.heard else ""


def _beneath(estimate: EmotionEstimate) -> str:
    """Return two feelings at once, or one that does not show in the words, where the labels know them."""
    known = {*estimate.labels, *(label for label, _ in estimate.eight)}
    both = f"{' and '.join(estimate.compound)} at once" if set(estimate.compound) <= known and estimate.compound else ""
    hidden = f"beneath it perhaps {estimate.hidden}" if estimate.hidden in known else ""
    return ", ".join(filter(None, [both, hidden]))


def _corrected(estimate: EmotionEstimate) -> str:
    return "corrected by the person" if estimate.is_corrected else ""


def _said(text: str, estimate: EmotionEstimate | None, notes: str = "") -> Message:
    rendered = _rendered(expressed=expressed(estimate), text=spoken_text(text), notes=notes)
    return Message(role="user", text=rendered.user)


def _rendered(persona: Persona | None = None, *, expressed: str = "", text: str = "", notes: str = "") -> Rendered:
    name, manner = (persona.name, ", ".join(persona.manner)) if persona else ("", "")
    return load("reply").render(name=name, manner=manner, expressed=expressed, text=text, notes=notes)
