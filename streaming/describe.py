"""Numbers into few words: how something was said, from a closed vocabulary, for prompts and screens.

A word is used only for what stands out by the speaker's own measure, and only once that measure has something to stand
on. The thresholds are quantiles of the normal distribution. Knows nothing of sound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from .baseline import PRIORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .baseline import Measure, Standing
    from .events import Prosody

Level: TypeAlias = Literal["very low", "low", "medium", "high", "very high"]

_CUTS_Z = (-1.2816, -0.6745, 0.6745, 1.2816)
"""The 10 %, 25 %, 75 % and 90 % quantiles (the five classes of papers_spec 1.4)."""

_LEVELS: tuple[Level, ...] = ("very low", "low", "medium", "high", "very high")


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeSettings:
    """What it takes to be mentioned.

    Attributes:
        notable_z, strong_z: deviations from usual for a word, and for its stronger form (the outer 10 % and 2 %).
        min_evidence: utterances the speaker's usual level and voice quality must rest on, for they depend on the
            microphone and no figure for people in general exists.
        long_pause_s, pause_share: a pause this long, in speech paused for this share, makes "long pauses".
        max_words: how many are given at most.
    """

    notable_z: float = 1.28
    strong_z: float = 2.05
    min_evidence: float = 3.0
    long_pause_s: float = 0.5
    pause_share: float = 0.15
    max_words: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wording:
    """What is said when a measure is low and when it is high, with the stronger forms."""

    low: str
    high: str
    very_low: str
    very_high: str
    is_device_bound: bool = False


_WORDINGS: dict[Measure, _Wording] = {
    "energy": _Wording(
        low="quieter than usual",
        high="louder than usual",
        very_low="much quieter than usual",
        very_high="much louder than usual",
        is_device_bound=True,
    ),
    "pitch": _Wording(low="low pitch", high="high pitch", very_low="very low pitch", very_high="very high pitch"),
    "rate": _Wording(low="slow", high="fast", very_low="very slow", very_high="very fast"),
    "range": _Wording(
        low="narrow pitch range",
        high="wide pitch range",
        very_low="very narrow pitch range",
        very_high="very wide pitch range",
    ),
}

VOCABULARY: frozenset[str] = frozenset(
    {word for w in _WORDINGS.values() for word in (w.low, w.high, w.very_low, w.very_high)}
    | {"rising", "falling", "long pauses", "rough voice"}
)
"""Every word `describe` can say."""


def describe(
    prosody: Prosody, standings: Mapping[Measure, Standing], *, settings: DescribeSettings | None = None
) -> tuple[str, ...]:
    """Name what stands out, most salient first; empty when nothing does.

    Args:
        prosody: the measures themselves; pauses are judged by what they are, slope also by its sign.
        standings: how the measures compare with the speaker's usual ones; what is missing is not mentioned.
        settings: the thresholds.
    """
    s = settings or DescribeSettings()
    found = [_compared(measure, standings, s) for measure in _WORDINGS]
    found += [_contour(prosody, standings, s), _pauses(prosody, s), _roughness(standings, s)]
    ranked = sorted((f for f in found if f is not None), key=lambda f: -f[0])
    return tuple(word for _, word in ranked[: s.max_words])


def _compared(measure: Measure, standings: Mapping[Measure, Standing], s: DescribeSettings) -> tuple[float, str] | None:
    standing, wording = standings.get(measure), _WORDINGS[measure]
    if standing is None or abs(standing.z) < s.notable_z:
        return None
    if wording.is_device_bound and standing.evidence < s.min_evidence:
        return None
    plain, strong = (wording.high, wording.very_high) if standing.z > 0 else (wording.low, wording.very_low)
    return abs(standing.z), strong if abs(standing.z) >= s.strong_z else plain


def _contour(prosody: Prosody, standings: Mapping[Measure, Standing], s: DescribeSettings) -> tuple[float, str] | None:
    """Speech falls by itself a little: "rising" must really rise, "falling" fall more than it usually does."""
    standing, slope = standings.get("slope"), prosody.pitch_slope_st_s
    if standing is None or slope is None or abs(standing.z) < s.notable_z or slope * standing.z <= 0:
        return None
    return abs(standing.z), "rising" if slope > 0 else "falling"


def _pauses(prosody: Prosody, s: DescribeSettings) -> tuple[float, str] | None:
    share, longest = prosody.pause_share, prosody.longest_pause_s
    if share is None or longest is None or share < s.pause_share or longest < s.long_pause_s:
        return None
    return s.notable_z * longest / s.long_pause_s, "long pauses"


def _roughness(standings: Mapping[Measure, Standing], s: DescribeSettings) -> tuple[float, str] | None:
    """Both jitter and shimmer must be up: either alone, or a low HNR, may be noise in the room.

    For that reason no word claims breathiness, which only HNR would speak for.
    """
    jitter, shimmer = standings.get("jitter"), standings.get("shimmer")
    if jitter is None or shimmer is None or min(jitter.evidence, shimmer.evidence) < s.min_evidence:
        return None
    z = min(jitter.z, shimmer.z)
    return (z, "rough voice") if z >= s.notable_z else None


def level(z: float) -> Level:
    """The class, of five, that a value lies in, by its deviation from usual."""
    return _LEVELS[sum(z >= cut for cut in _CUTS_Z)]


def levels(prosody: Prosody) -> dict[str, Level]:
    """The descriptors of the R3 prompt, each in five classes; what was not measurable is left out.

    Pitch, energy and rate are relative to the speaker, pitch range, jitter and shimmer to people in general.
    """
    found: dict[str, float] = {}
    if prosody.pitch_rel_st is not None:
        found["pitch"] = prosody.pitch_rel_st / PRIORS["pitch"].within
    found |= _against_people("pitch range", "range", prosody.pitch_range_st)
    if prosody.energy_rel_db is not None:
        found["energy"] = prosody.energy_rel_db / PRIORS["energy"].within
    if prosody.rate_rel is not None:
        found["speaking rate"] = math.log(prosody.rate_rel) / PRIORS["rate"].within
    found |= _against_people("jitter", "jitter", prosody.jitter)
    found |= _against_people("shimmer", "shimmer", prosody.shimmer)
    return {name: level(z) for name, z in found.items()}


def _against_people(name: str, measure: Measure, value: float | None) -> dict[str, float]:
    """The deviation of a value that is judged by its logarithm, from the prior over all speakers."""
    if value is None or value <= 0:
        return {}
    prior = PRIORS[measure]
    return {name: (math.log(value) - prior.centres[0]) / math.hypot(prior.between, prior.within)}
