"""Notes for one answer, put at the very end of the prompt: tone, doubt, telling words, what comes to mind.

They are of this turn only and stand behind everything that stays, so that they cost the model's cache nothing. Pure but
for the prompt's files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prompts import load

from ..r3.untrusted import cleaned, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..events import EmotionEstimate
    from ..memory import Recalled

MAX_RECALLED: Final = 160
"""Characters of an earlier turn that are shown."""

MAX_LABEL: Final = 40
"""Characters of a label or of a single word."""

_N_CARRIERS = 3
_BRACKETS = str.maketrans("[]", "()")


def notes_of(
    estimate: EmotionEstimate | None,
    *,
    tone: Sequence[str] = (),
    is_unsure: bool = False,
    recalled: Sequence[Recalled] = (),
    session: str = "",
) -> str:
    """Return the notes, each on a line of its own in square brackets with a line feed before it; or nothing.

    Args:
        estimate: of the utterance that is answered.
        tone: how to talk (`agent.affect.tone_of`).
        is_unsure: a feeling may only be spoken of with doubt.
        recalled: what comes to mind, nearest first.
        session: the one that is going on; turns of others were said on another day.
    """
    prompt = load("reply")
    parts = [prompt.item("tone", tone=", ".join(tone))] if tone else []
    if estimate is not None and estimate.top is not None and is_unsure:
        parts.append(prompt.item("unsure"))
    if carriers := _carriers(estimate):
        parts.append(prompt.item("carried", words=", ".join(carriers)))
    about = prompt.item("note", notes="; ".join(parts)) if parts else ""
    return about + "".join(_remembered(found, session) for found in recalled)


def spoken_text(text: str, *, limit: int = 4000) -> str:
    """Return recognised text that can neither end its quotation nor pass for a note."""
    return quoted(cleaned(text, limit=limit)).translate(_BRACKETS)


def _carriers(estimate: EmotionEstimate | None) -> tuple[str, ...]:
    """Return the words of the utterance that speak most for the label (after HEF's cause words)."""
    if estimate is None or estimate.top is None:
        return ()
    words = sorted((word for word in estimate.evidence.words if word.label == estimate.top), key=lambda w: -w.weight)
    texts = (spoken_text(word.word, limit=MAX_LABEL) for word in words)
    return tuple(dict.fromkeys(filter(None, texts)))[:_N_CARRIERS]


def _remembered(found: Recalled, session: str) -> str:
    estimate = found.turn.estimate
    mood = "" if estimate is None or estimate.top is None else f", {spoken_text(estimate.top, limit=MAX_LABEL)}"
    when = "earlier" if found.turn.session == session else "another_day"
    return load("reply").item(when, mood=mood, remembered=spoken_text(found.turn.text, limit=MAX_RECALLED))
