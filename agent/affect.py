"""The agent's own state, for its tone: a point of valence, arousal and dominance that the talk moves and that fades.

It is a device for an even manner of speaking, not a feeling, and nothing the agent says claims it to be one. Pure: the
state is worked out anew from the turns, so the same conversation gives the same tone. After the personality-affected
emotion transition of PELD (Wen et al. 2021: change = context x personality), without training: the context is how far
the user's expression lies from the state, the personality weights are theirs (after Mehrabian 1996).

Each step is a weighted mean of where the state is, where the persona rests and what is heard, so it can never leave
the box, whatever is fed. It depends on what the user expresses and never on what the agent said: it cannot drive
itself, and without new input it goes home by a fixed share per turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .labels import ANCHORS, Affect, affect_of
from .persona import Traits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .events import EmotionEstimate

MIDDLE: Final = Affect(arousal=0.5, dominance=0.5, valence=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class AffectSettings:
    """How the state moves; shares per turn.

    Attributes:
        decay: of the way home that is gone each turn.
        gain: of the way to what is heard, at full confidence and full weight of the personality.
        rest: how far from the middle a persona with extreme traits rests, in [0, 0.5].
    """

    decay: float = 0.3
    gain: float = 0.5
    rest: float = 0.15

    def __post_init__(self) -> None:
        """Check that a step stays a weighted mean.

        Raises:
            ValueError: it would not, or the state would never come home.
        """
        if not (0 < self.decay < 1 and self.gain >= 0 and self.decay + self.gain <= 1 and 0 <= self.rest <= 0.5):
            raise ValueError(
                "expected decay in (0, 1), gain of at least 0, both together at most 1, and rest in [0, 0.5], "
                f"got {self.decay}, {self.gain} and {self.rest}"
            )


def home_of(traits: Traits, *, settings: AffectSettings | None = None) -> Affect:
    """Return where a persona rests; the middle for traits in the middle."""
    rest = (settings or AffectSettings()).rest
    pull, usual = _weights(traits), _weights(Traits())
    return Affect(
        arousal=0.5 + rest * _within(2 * (pull.arousal - usual.arousal)),
        dominance=0.5 + rest * _within(2 * (pull.dominance - usual.dominance)),
        valence=0.5 + rest * _within(2 * (pull.valence - usual.valence)),
    )


def affect_after(
    estimates: Iterable[EmotionEstimate | None], traits: Traits, *, settings: AffectSettings | None = None
) -> Affect:
    """Return the state after these estimates of the user's turns, oldest first.

    Where one is None or abstains, the state only fades. Each dimension is in [0, 1], 0.5 in the middle, as everywhere.
    """
    settings = settings or AffectSettings()
    home = home_of(traits, settings=settings)
    pull = _weights(traits)
    state = home
    for estimate in estimates:
        heard, sure = _heard(estimate)
        state = Affect(
            arousal=_step(state.arousal, home.arousal, heard.arousal, settings=settings, weight=sure * pull.arousal),
            dominance=_step(
                state.dominance, home.dominance, heard.dominance, settings=settings, weight=sure * pull.dominance
            ),
            valence=_step(state.valence, home.valence, heard.valence, settings=settings, weight=sure * pull.valence),
        )
    return state


def tone_of(state: Affect) -> tuple[str, str]:
    """Return the two words for the tone that lie nearest to a state. They say how to talk, never what is felt."""

    def distance(place: Affect) -> float:
        return (
            (place.arousal - state.arousal) ** 2
            + (place.valence - state.valence) ** 2
            + 0.25 * (place.dominance - state.dominance) ** 2
        )

    return min(_TONES, key=lambda tone: distance(tone[1]))[0]


_TONES: Final = (
    (("calm", "warm"), Affect(arousal=0.45, dominance=0.5, valence=0.55)),
    (("light", "warm"), Affect(arousal=0.55, dominance=0.55, valence=0.68)),
    (("lively", "bright"), Affect(arousal=0.7, dominance=0.6, valence=0.75)),
    (("gentle", "quiet"), Affect(arousal=0.42, dominance=0.42, valence=0.4)),
    (("gentle", "steady"), Affect(arousal=0.58, dominance=0.42, valence=0.38)),
    (("steady", "plain"), Affect(arousal=0.6, dominance=0.58, valence=0.42)),
    (("plain", "attentive"), Affect(arousal=0.5, dominance=0.5, valence=0.5)),
    (("alert", "clear"), Affect(arousal=0.72, dominance=0.5, valence=0.5)),
)
"""Where each tone lies: ours. None is angry, sad or afraid: what is heard as such is answered steadily or gently."""


def _weights(traits: Traits) -> Affect:
    """Return the pull of each dimension: Mehrabian's regression weights as PELD uses them.

    Arousal's weight may be negative: an even-tempered persona gets calmer where others get excited.
    """
    o, c, e = traits.openness, traits.conscientiousness, traits.extraversion
    a, stable = traits.agreeableness, traits.stability
    return Affect(
        valence=0.21 * e + 0.59 * a + 0.19 * stable,
        arousal=0.15 * o + 0.30 * a - 0.57 * stable,
        dominance=0.25 * o + 0.17 * c + 0.60 * e - 0.32 * a,
    )


def _step(state: float, home: float, heard: float, *, settings: AffectSettings, weight: float) -> float:
    """Return one dimension after a turn; a negative weight moves it to the mirror of what is heard."""
    target = heard if weight >= 0 else 1.0 - heard
    gain = settings.gain * min(1.0, abs(weight))
    return (1.0 - settings.decay - gain) * state + settings.decay * home + gain * target


def _heard(estimate: EmotionEstimate | None) -> tuple[Affect, float]:
    """Return where an estimate lies and how much it counts, in [0, 1]."""
    if estimate is None or estimate.top is None:
        return MIDDLE, 0.0
    pairs = [
        (label, share)
        for label, share in zip(estimate.labels, estimate.distribution, strict=True)
        if label in ANCHORS and share > 0
    ]
    total = sum(share for _, share in pairs)
    # Labels without an anchor say nothing of where they lie.
    guess = affect_of([label for label, _ in pairs], [share / total for _, share in pairs]) if total > 0 else MIDDLE
    place = Affect(
        arousal=_or(estimate.arousal, guess.arousal),
        dominance=_or(estimate.dominance, guess.dominance),
        valence=_or(estimate.valence, guess.valence),
    )
    return place, min(1.0, max(0.0, estimate.confidence))


def _or(measured: float | None, guess: float) -> float:
    # Not a number compares false with everything, so it is replaced as well.
    value = measured if measured is not None and 0 <= measured <= 1 else guess
    return value if 0 <= value <= 1 else 0.5


def _within(value: float) -> float:
    return min(1.0, max(-1.0, value))
