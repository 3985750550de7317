"""Label sets and the ways between them. The one place where emotion names are written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BIG_FOUR: Final = ("angry", "happy", "neutral", "sad")
"""The four classes of paper 000 (IEMOCAP, excited merged into happy)."""

EIGHT: Final = ("angry", "sad", "disgusted", "contemptuous", "fearful", "neutral", "surprised", "happy")
"""The eight primary classes of MSP-Podcast (paper 003), in its order."""

FALLBACK: Final = "neutral"
"""What paper 000 scores when an answer holds no label. Live, such an estimate abstains instead."""

PROXIES: Final = {"contemptuous": "disapproval"}
"""Labels whose training data did not have them, and what stood in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Affect:
    """Where a feeling lies, each in [0, 1], 0.5 in the middle."""

    arousal: float
    dominance: float
    valence: float


ANCHORS: Final[Mapping[str, Affect]] = {
    "angry": Affect(valence=0.245, arousal=0.795, dominance=0.625),
    "sad": Affect(valence=0.185, arousal=0.365, dominance=0.335),
    "disgusted": Affect(valence=0.20, arousal=0.675, dominance=0.555),
    "contemptuous": Affect(valence=0.34, arousal=0.445, dominance=0.525),
    "fearful": Affect(valence=0.18, arousal=0.80, dominance=0.285),
    "neutral": Affect(valence=0.5, arousal=0.5, dominance=0.5),
    "surprised": Affect(valence=0.70, arousal=0.835, dominance=0.435),
    "happy": Affect(valence=0.905, arousal=0.755, dominance=0.73),
}
"""Mean ratings of the words in Russell & Mehrabian (1977, J. Research in Personality 11), moved from [-1, 1] to [0, 1].

Rounded, contempt from their "disdainful"; neutral is put in the middle. One point per word is a coarse map: a dimension
read off these anchors is a hint, not a measurement.
"""


def affect_of(labels: Sequence[str], distribution: Sequence[float]) -> Affect:
    """Return the expected place of a distribution over `labels`, all of them in ANCHORS."""
    places = [(p, ANCHORS[label]) for label, p in zip(labels, distribution, strict=True)]
    return Affect(
        arousal=sum(p * place.arousal for p, place in places),
        dominance=sum(p * place.dominance for p, place in places),
        valence=sum(p * place.valence for p, place in places),
    )
