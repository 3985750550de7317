"""What is usual for a speaker: a running baseline per measure, shrunk towards what is usual for people.

For each measure the speaker's utterances are taken to scatter normally around the speaker's own mean, and the means of
speakers around that of people (Gelman et al., "Bayesian Data Analysis", the hierarchical normal model). With few
utterances the second half of this speaks, with many the first. The standing of a new utterance is its predictive
z-score, so that doubt about the baseline makes every utterance less remarkable. Knows nothing of sound or words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

Measure: TypeAlias = Literal["pitch", "range", "slope", "energy", "rate", "jitter", "shimmer", "hnr"]
"""Units: pitch semitones above 1 Hz; range natural log of semitones; slope semitones per second; energy dB; rate
natural log of syllables per second; jitter and shimmer natural log of the share; hnr dB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What is known of a measure before the speaker was heard.

    Attributes:
        centres: mean over speakers, one per kind of speaker; empty when there is no such thing.
        between: standard deviation of speakers' means around their centre.
        within: standard deviation of one speaker's utterances.
        trust: how many utterances the prior `within` is worth against the speaker's own scatter.
    """

    centres: tuple[float, ...]
    between: float
    within: float
    trust: float = 8.0


def _tone(hz: float) -> float:
    return 12 * math.log2(hz)


# Pitch: adults' means, men about 115 and women about 205 Hz (Baken and Orlikoff 2000, "Clinical Measurement of Speech
# and Voice", ch. 6), 2.5 semitones around either. Rate: 5.1 syllables per second of American conversation (Jacewicz et
# al. 2010, JASA 128), of which the nuclei found by level are nine in ten. Level has no centre: it is the microphone's
# gain. The rest, and all that is `within`, are round figures between neutral and acted speech as this package
# measures it on the Berlin emotional database (eight speakers): range 7-8 semitones, slope -2 to -4 per second, jitter
# 2-3 %, shimmer 10 %, HNR 11-12 dB; within a neutral (acted) speaker pitch 0.9 (4.7), range 0.23 (0.43), slope 2.6
# (5.0), level 1.9 (3.5), rate 0.12 (0.21), jitter 0.12 (0.28), shimmer 0.09 (0.20), HNR 1.0 (2.6).
PRIORS: dict[Measure, Prior] = {
    "pitch": Prior(centres=(_tone(115), _tone(205)), between=2.5, within=2.0),
    "range": Prior(centres=(math.log(7.0),), between=0.25, within=0.35),
    "slope": Prior(centres=(-2.0,), between=1.0, within=3.5),
    "energy": Prior(centres=(), between=math.inf, within=2.5),
    "rate": Prior(centres=(math.log(4.6),), between=0.12, within=0.2),
    "jitter": Prior(centres=(math.log(0.022),), between=0.35, within=0.25),
    "shimmer": Prior(centres=(math.log(0.10),), between=0.3, within=0.2),
    "hnr": Prior(centres=(12.0,), between=3.0, within=2.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineSettings:
    """How the baseline learns.

    Attributes:
        memory: utterances after which older ones fade (the newest has at least the weight 1 / memory).
        clip: an utterance further off than this many predictive deviations is taken in as if it lay there.
    """

    memory: float = 40.0
    clip: float = 2.5

    def __post_init__(self) -> None:
        """Refuse settings that cannot learn."""
        if self.memory < 1 or self.clip <= 0:
            msg = f"memory must be at least 1 and clip above 0, got {self.memory} and {self.clip}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an utterance's value stands against the speaker's usual one.

    Attributes:
        difference: value minus usual, in the measure's unit.
        z: the same in predictive standard deviations.
        evidence: utterances of the speaker that "usual" rests on (short ones count for less), faded ones left out.
    """

    difference: float
    z: float
    evidence: float


@dataclass(slots=True)
class _Record:
    """The speaker's own values of one measure: their weight, mean and weighted squares around it."""

    weight: float = 0.0
    mean: float = 0.0
    squares: float = 0.0


class SpeakerBaseline:
    """One speaker's usual values; learns from whole utterances only when told to."""

    def __init__(self, settings: BaselineSettings | None = None) -> None:
        self._settings = settings or BaselineSettings()
        self._records: dict[Measure, _Record] = {name: _Record() for name in get_args(Measure)}

    def standing(self, measure: Measure, value: float) -> Standing | None:
        """How `value` compares; None when neither the speaker nor people in general give anything to compare with."""
        usual = self._usual(measure, value)
        if usual is None:
            return None
        centre, spread = usual
        return Standing(difference=value - centre, z=(value - centre) / spread, evidence=self._records[measure].weight)

    def standings(self, values: dict[Measure, float]) -> dict[Measure, Standing]:
        """The standing of each value that can be compared."""
        found: dict[Measure, Standing] = {}
        for measure, value in values.items():
            standing = self.standing(measure, value)
            if standing is not None:
                found[measure] = standing
        return found

    def add(self, values: dict[Measure, float], *, weight: float = 1.0) -> None:
        """Take in an utterance.

        Args:
            values: what was measurable.
            weight: in (0, 1]; less than 1 for one that rests on little voice.
        """
        for measure, value in values.items():
            self._learn(measure, value, weight)

    def _learn(self, measure: Measure, value: float, weight: float) -> None:
        usual = self._usual(measure, value)
        if usual is not None:
            centre, spread = usual
            reach = self._settings.clip * spread
            value = min(max(value, centre - reach), centre + reach)
        record = self._records[measure]
        fade = min(1.0, max(0.0, self._settings.memory - weight) / record.weight) if record.weight else 1.0
        kept = record.weight * fade
        step = value - record.mean
        record.weight = kept + weight
        record.mean += step * weight / record.weight
        record.squares = record.squares * fade + weight * step * (value - record.mean)

    def _usual(self, measure: Measure, value: float) -> tuple[float, float] | None:
        """The expected value and the predictive deviation around it."""
        prior, record = PRIORS[measure], self._records[measure]
        if not prior.centres and not record.weight:
            return None
        variance = (prior.trust * prior.within**2 + record.squares) / (prior.trust + record.weight)
        worth = variance / prior.between**2  # how many utterances the people's centre is worth
        total = worth + record.weight
        centre = record.mean * record.weight
        if prior.centres:
            centre += worth * _expected_centre(prior, (centre + value) / (record.weight + 1))
        return centre / total, math.sqrt(variance + variance / total)


def _expected_centre(prior: Prior, about: float) -> float:
    """The centre of the kind of speaker whose values lie about there, weighed by how likely each kind is."""
    scale = 2 * (prior.between**2 + prior.within**2)
    gaps = [(about - c) ** 2 / scale for c in prior.centres]
    shares = [math.exp(min(gaps) - gap) for gap in gaps]
    return sum(c * s for c, s in zip(prior.centres, shares, strict=True)) / sum(shares)
