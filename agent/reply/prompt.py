"""What a language model is told to answer an utterance: persona, window, estimate, notes. Pure but for its files.

All that is stable comes first and every turn is written the same way for ever, so that the model's cache is used again.
What holds for this answer only (`agent.reply.notes`) comes last.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prompts import load

from ..behaviour import TYPED
from ..llm.template import sanitised
from ..llm.values import Message, Prompt
from ..persona import read_persona
from .mood import mood_of
from .notes import MAX_LABEL, spoken_text
from .program import Program, going_on, line_of, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prompts.loader import Rendered

    from ..behaviour import Aside
    from ..events import EmotionEstimate, Turn
    from ..persona import Persona

CONFLICT_ABOVE = 0.3
"""Divergence of words and voice from which the model is told that they differ; as in `ReplySettings`."""


def reply_prompt(
    text: str | None,
    estimate: EmotionEstimate | None,
    turns: Sequence[Turn],
    *,
    persona: Persona | None = None,
    notes: str = "",
    program: Program | None = None,
) -> Prompt:
    """Return the prompt for an answer to `text` after `turns`, oldest first.

    Args:
        text: what is answered; None: nothing was said, the answer goes on from what is known.
        estimate: of `text`.
        turns: those in view.
        persona: the shipped one answers without.
        notes: those of `agent.reply.notes.notes_of`.
        program: what a program wants and says.
    """
    program = program or Program()
    chat = _Chat(instructions(persona) + told(program.behaviour))
    for index, turn in enumerate(turns):
        chat.know(program.before(index))
        was_said = turn.text or turn.utterance < TYPED  # else an answer was asked for and nothing said
        chat.say(_said(turn.text, turn.estimate) if was_said else chat.prompted())
        chat.answer(turn.reply)
    chat.know(program.last(len(turns)))
    chat.say(_said(text, estimate, notes) if text is not None else chat.prompted() + notes)
    return Prompt(messages=tuple(chat.messages))


class _Chat:
    """Messages as they come together; what a program lets the model know waits for the next of the user's."""

    def __init__(self, system: str) -> None:
        self.messages = [Message(role="system", text=system)]
        self._lines: list[str] = []

    def know(self, asides: Sequence[Aside]) -> None:
        for aside in asides:
            if aside.kind == "agent":
                self._flush()
                self.answer(sanitised(aside.text))
            else:
                self._lines.append(line_of(aside))

    def prompted(self) -> str:
        """Return what stands in place of the user's words where there are none: what is new, or that nothing is."""
        lines, self._lines = self._lines, []
        return "\n".join(lines) if lines else going_on()

    def say(self, text: str) -> None:
        self._lines.append(text)
        self._flush()

    def answer(self, text: str) -> None:
        if text:
            self.messages.append(Message(role="assistant", text=text))

    def _flush(self) -> None:
        if self._lines:
            lines, self._lines = self._lines, []
            self.messages.append(Message(role="user", text="\n".join(lines)))


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


def _said(text: str, estimate: EmotionEstimate | None, notes: str = "") -> str:
    return _rendered(expressed=expressed(estimate), text=spoken_text(text), notes=notes).user


def _rendered(persona: Persona | None = None, *, expressed: str = "", text: str = "", notes: str = "") -> Rendered:
    name, manner = (persona.name, ", ".join(persona.manner)) if persona else ("", "")
    return load("reply").render(name=name, manner=manner, expressed=expressed, text=text, notes=notes)
