"""A view of an estimate for programs written for Hume's EVI: `models.prosody.scores` under Hume's names. Pure.

Hume scores 48 labels; these are the ones that mean the same as labels of ours. What we cannot tell is left out, never
told as 0. Scores are ours: probabilities of what is expressed, from words and voice together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..behaviour import TYPED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..events import EmotionEstimate

NAMES: Final[Mapping[str, str]] = {
    "angry": "Anger",
    "sad": "Sadness",
    "happy": "Joy",
    "fearful": "Fear",
    "disgusted": "Disgust",
    "contemptuous": "Contempt",
    "neutral": "Calmness",
}
"""Hume's names of our labels; "surprised" is two of Hume's, told apart by valence."""


def models(estimate: EmotionEstimate) -> dict[str, Any]:
    """Return the value of `models`; its `prosody` is null for what was typed, as Hume's is."""
    return {"prosody": None if estimate.utterance >= TYPED else {"scores": scores(estimate)}}


def scores(estimate: EmotionEstimate) -> dict[str, float]:
    """Return Hume's labels with a score in [0, 1] each; the estimate's labels stand over its eight classes."""
    ours = dict(estimate.eight) | dict(zip(estimate.labels, estimate.distribution, strict=True))
    told = {NAMES[label]: p for label, p in ours.items() if label in NAMES}
    if "surprised" in ours:
        valence = 0.5 if estimate.valence is None else estimate.valence
        told["Surprise (positive)"] = ours["surprised"] * valence
        told["Surprise (negative)"] = ours["surprised"] * (1.0 - valence)
    return {name: round(float(p), 4) for name, p in sorted(told.items())}
