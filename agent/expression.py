"""How to say an answer, given how the user sounds. Pure.

A design choice, not a finding: the agent does not mirror strong feelings but answers anger, fear and sadness with a
calmer, slower, slightly lower voice, and joy with a slightly livelier one. The steps are small on purpose (pace within
12 %, pitch within one semitone): a voice that jumps about with every estimate is worse than an even one, and estimates
err. Unclear or unsure estimates change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from .errors import ConfigInvalid
from .ports import SpeakingStyle

if TYPE_CHECKING:
    from .events import EmotionEstimate
    from .labels import Affect

ReplyKind: TypeAlias = Literal["answer", "question", "crisis"]

_CALM = {"angry": (-0.8, -0.6), "fearful": (-1.0, -0.6), "sad": (-0.9, -0.8), "disgusted": (-0.4, -0.3)}
_LIVELY = {"happy": (0.7, 0.8), "surprised": (0.3, 0.4)}
_LEANINGS = _CALM | _LIVELY
_CRISIS = (-1.0, -0.5)
_CENTRE = 0.5
_TINT = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressionSettings:
    """How far a voice may move: `max_rate` as a share of the usual pace, `max_pitch_st` in semitones.

    Below `min_confidence` nothing moves; from there to full confidence the step grows from half to whole.
    """

    max_rate: float = 0.12
    max_pitch_st: float = 1.0
    min_confidence: float = 0.5

    def __post_init__(self) -> None:
        if not (0 <= self.max_rate <= 0.3 and 0 <= self.max_pitch_st <= 3 and 0 <= self.min_confidence < 1):
            raise ConfigInvalid(
                "expression needs max_rate in [0, 0.3], max_pitch_st in [0, 3] and min_confidence in [0, 1), "
                f"got {self.max_rate}, {self.max_pitch_st} and {self.min_confidence}"
            )


def style_for(
    estimate: EmotionEstimate | None, *, kind: ReplyKind = "answer", settings: ExpressionSettings | None = None
) -> SpeakingStyle:
    """Return how to say a reply of this kind to somebody who sounds like `estimate` (None: not known)."""
    settings = settings or ExpressionSettings()
    rate, pitch = _CRISIS if kind == "crisis" else _leaning(estimate, settings)
    if kind == "question":
        rate = min(rate, 0.0)  # a question wants time to think, however lively the user is
    return SpeakingStyle(rate=1.0 + settings.max_rate * rate, pitch_st=settings.max_pitch_st * pitch)


def tinted(style: SpeakingStyle, tone: Affect, *, settings: ExpressionSettings | None = None) -> SpeakingStyle:
    """Return a style moved a little by the agent's own tone: a stirred one is faster, a bright one higher.

    At most a quarter of what a voice may move at all; together never more than that all.
    """
    settings = settings or ExpressionSettings()
    rate = style.rate - 1.0 + settings.max_rate * _TINT * _lean(tone.arousal)
    pitch = style.pitch_st + settings.max_pitch_st * _TINT * _lean(tone.valence)
    return SpeakingStyle(
        rate=1.0 + max(-settings.max_rate, min(settings.max_rate, rate)),
        pitch_st=max(-settings.max_pitch_st, min(settings.max_pitch_st, pitch)),
    )


def _lean(value: float) -> float:
    """Return how far a dimension lies from its middle, in [-1, 1]."""
    return max(-1.0, min(1.0, (value - _CENTRE) / _CENTRE))


def _leaning(estimate: EmotionEstimate | None, settings: ExpressionSettings) -> tuple[float, float]:
    """Return pace and pitch, each in [-1, 1]."""
    if estimate is None or estimate.top is None or estimate.confidence < settings.min_confidence:
        return 0.0, 0.0
    rate, pitch = _LEANINGS.get(estimate.top, (0.0, 0.0))
    sure = (estimate.confidence - settings.min_confidence) / (1.0 - settings.min_confidence)
    weight = (0.5 + 0.5 * sure) * _strength(estimate)
    return rate * weight, pitch * weight


def _strength(estimate: EmotionEstimate) -> float:
    """Return 0.75 to 1: more the further arousal and valence lie from their middle."""
    far = [abs(value - _CENTRE) / _CENTRE for value in (estimate.arousal, estimate.valence) if value is not None]
    return 0.75 + 0.25 * min(1.0, max(far, default=1.0))
