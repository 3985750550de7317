"""A feeling that words hide. Pure.

The rule is reconstructed after papers_spec 8.3: a hidden negative is "words are neutral, but voice or context is
negative" (after the works on writers' and readers' differing readings). It is a reason to ask gently, never to tell
somebody what they feel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..events import EmotionEstimate, Turn

NEGATIVE: Final = frozenset({"angry", "sad", "fearful", "disgusted", "contemptuous"})
_STIRRED: Final = frozenset({"angry", "happy"})
"""A voice tells these two apart badly: happy words in an excited voice are no hidden anger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignSettings:
    """When something is told. All in [0, 1].

    Attributes:
        words_below: words are free of negative feeling when so little of their probability lies on it.
        voice_above: the voice's least probability of one negative label.
        mixed_up_above: the same where words and voice differ only in a pair that voices mix up (angry, happy).
        context_above: the language model's least probability of one negative label, where earlier turns bear it out.
        turns: how many of the last turns are looked at; half of them must be negative.
    """

    words_below: float = 0.3
    voice_above: float = 0.5
    mixed_up_above: float = 0.7
    context_above: float = 0.6
    turns: int = 4


DEFAULT: Final = SignSettings()


def hidden_in(estimate: EmotionEstimate, turns: Sequence[Turn] = (), *, settings: SignSettings = DEFAULT) -> str | None:
    """Return the negative label that the voice, or the language model with the context, shows and the words do not.

    `turns` are the earlier ones, oldest first. None where the words are negative themselves, or were not read.
    """
    words = _by_label(estimate, estimate.text_distribution)
    if not words or sum(p for label, p in words.items() if label in NEGATIVE) > settings.words_below:
        return None
    said = max(words, key=words.__getitem__)
    return _in_voice(estimate, said, settings) or _in_context(estimate, turns, settings)


def _in_voice(estimate: EmotionEstimate, said: str, settings: SignSettings) -> str | None:
    found = _strongest(_by_label(estimate, estimate.voice_distribution))
    if found is None:
        return None
    label, share = found
    least = settings.mixed_up_above if {label, said} <= _STIRRED else settings.voice_above
    return label if share >= least else None


def _in_context(estimate: EmotionEstimate, turns: Sequence[Turn], settings: SignSettings) -> str | None:
    found = _strongest(_by_label(estimate, estimate.llm_distribution))
    if found is None or found[1] < settings.context_above:
        return None
    tops = (
        [turn.estimate.top for turn in turns[-settings.turns :] if turn.estimate is not None] if settings.turns else []
    )
    n_negative = sum(top in NEGATIVE for top in tops)
    return found[0] if n_negative and 2 * n_negative >= len(tops) else None


def _strongest(shares: dict[str, float]) -> tuple[str, float] | None:
    """Return the likeliest label with its share if it is a negative one."""
    label = max(shares, key=shares.__getitem__, default=None)
    return (label, shares[label]) if label is not None and label in NEGATIVE else None


def _by_label(estimate: EmotionEstimate, shares: tuple[float, ...] | None) -> dict[str, float]:
    return {} if shares is None else dict(zip(estimate.labels, shares, strict=True))
