"""How it is being said: rolling prosody of the utterance under way, against the speaker's own usual.

Everything rolls: reading costs the same however long the utterance is. The speaker's baseline changes only when an
utterance is committed, so readings within one utterance are all against the same usual. Sound in, values out; knows
no clock and no Praat, whose whole-utterance measures are handed in at the end.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .baseline import BaselineSettings, SpeakerBaseline
from .describe import DescribeSettings, describe
from .events import Prosody
from .measures import Measures
from .pitch import PitchSettings, PitchTrack, PitchTracker

if TYPE_CHECKING:
    from .baseline import Measure
    from .events import Samples
    from .ports import VoiceQuality


@dataclass(frozen=True, slots=True, kw_only=True)
class ProsodySettings:
    """What it takes for a value to be given rather than None.

    Attributes:
        min_voiced_s: voice needed for mean pitch and level.
        min_contour_s: voice needed for pitch range and slope.
        min_phonation_s, min_syllables: needed for the speaking rate.
        min_span_s: from first to last voice, needed for pauses.
        full_voiced_s: utterances with less voice weigh proportionally less in the speaker's baseline.
        pitch, baseline, words: the stages' own settings.
    """

    min_voiced_s: float = 0.2
    min_contour_s: float = 0.5
    min_phonation_s: float = 0.6
    min_syllables: int = 2
    min_span_s: float = 0.5
    full_voiced_s: float = 1.0
    pitch: PitchSettings = field(default_factory=PitchSettings)
    baseline: BaselineSettings = field(default_factory=BaselineSettings)
    words: DescribeSettings = field(default_factory=DescribeSettings)

    def __post_init__(self) -> None:
        """Refuse thresholds that would divide by nothing."""
        if min(self.min_voiced_s, self.min_contour_s, self.min_phonation_s, self.full_voiced_s) < 0.05:
            msg = "min_voiced_s, min_contour_s, min_phonation_s and full_voiced_s must be at least 0.05 s"
            raise ValueError(msg)
        if self.min_syllables < 1:
            msg = f"min_syllables must be at least 1, got {self.min_syllables}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settled:
    """An utterance measured up to a pause; `tail` is the pitch that was still open there."""

    measures: Measures
    tail: PitchTrack


class ProsodyTracker:
    """Follows one speaker through one utterance after another: `start`, `feed`..., `finish`, `commit`.

    `read` may be called at any time, `finish` more than once (at every pause, say): it changes nothing but what
    `commit` would learn. Silence before the first and after the last voice does not touch any value.
    """

    def __init__(self, settings: ProsodySettings | None = None) -> None:
        self._settings = settings or ProsodySettings()
        self._baseline = SpeakerBaseline(self._settings.baseline)
        self._pitch = PitchTracker(self._settings.pitch)
        self.start(0.0)

    def start(self, at_s: float) -> None:
        """Begin an utterance whose first sample lies at `at_s` of the stream; forget the one before."""
        self.at_s = at_s
        self._pitch.reset()
        self._measures = Measures()
        self._finished: tuple[dict[Measure, float], float] | None = None

    def feed(self, samples: Samples) -> PitchTrack:
        """Take the next sound of the utterance; returns the pitch frames now settled, for stages that share them."""
        blocks = self._pitch.feed_blocks(samples)
        for block in blocks:
            self._measures.add(block)
        return PitchTrack.joined(blocks)

    def tail(self) -> PitchTrack:
        """The pitch frames still open, as if the utterance ended here; changes nothing."""
        return self._pitch.tail()

    def read(self) -> Prosody:
        """Prosody so far; the newest 20 to 355 ms are not in it yet, as their pitch is not settled."""
        prosody = self._absolute(self._measures)
        return self._compared(prosody, _values(prosody, self._measures))

    def settle(self) -> Settled:
        """Do most of the work of `finish` ahead, as if the utterance ended here; changes nothing."""
        measures, tail = copy.deepcopy(self._measures), self.tail()
        measures.add(tail)
        return Settled(measures=measures, tail=tail)

    def finish(self, quality: VoiceQuality | None = None, *, settled: Settled | None = None) -> Prosody:
        """Prosody of the utterance, as if it ended here, or where it was settled.

        Args:
            quality: Praat's measures; its pitch mean is given in place of ours, but both are never mixed in
                comparisons: relative pitch is ours against ours.
            settled: what `settle` gave at the pause that turned out to be the end.
        """
        measures = (settled or self.settle()).measures
        prosody = self._absolute(measures)
        if quality is not None:
            prosody = replace(prosody, jitter=quality.jitter, shimmer=quality.shimmer, hnr_db=quality.hnr_db)
        values = _values(prosody, measures)
        self._finished = values, min(1.0, measures.voiced_s / self._settings.full_voiced_s)
        prosody = self._compared(prosody, values)
        if quality is not None and quality.pitch_mean_hz is not None and prosody.pitch_mean_hz is not None:
            prosody = replace(prosody, pitch_mean_hz=quality.pitch_mean_hz)
        return prosody

    def commit(self) -> None:
        """Let the speaker's baseline learn from the utterance last finished. Idempotent."""
        if self._finished is not None:
            values, weight = self._finished
            self._baseline.add(values, weight=weight)
            self._finished = None

    def _absolute(self, m: Measures) -> Prosody:
        """The values that need no baseline, as far as there is voice for them."""
        s = self._settings
        has_voice = m.voiced_s >= s.min_voiced_s
        has_contour = m.voiced_s >= s.min_contour_s
        has_rate = m.pauses.phonation_s >= s.min_phonation_s and m.syllables.n >= s.min_syllables
        has_span = has_voice and m.pauses.span_s >= s.min_span_s
        return Prosody(
            pitch_mean_hz=m.melody.mean_hz if has_voice else None,
            pitch_range_st=m.melody.range_st if has_contour else None,
            pitch_slope_st_s=m.melody.slope_st_s if has_contour else None,
            energy_db=m.energy_db if has_voice else None,
            rate_syl_s=m.rate_syl_s if has_voice and has_rate else None,
            pause_share=m.pauses.share if has_span else None,
            longest_pause_s=m.pauses.longest_s if has_span else None,
            voiced_s=m.voiced_s,
        )

    def _compared(self, prosody: Prosody, values: dict[Measure, float]) -> Prosody:
        """Add what is relative to the speaker, and the words."""
        standings = self._baseline.standings(values)
        pitch, energy, rate = standings.get("pitch"), standings.get("energy"), standings.get("rate")
        return replace(
            prosody,
            pitch_rel_st=None if pitch is None else pitch.difference,
            energy_rel_db=None if energy is None else energy.difference,
            rate_rel=None if rate is None else math.exp(rate.difference),
            words=describe(prosody, standings, settings=self._settings.words),
        )


def _values(prosody: Prosody, measures: Measures) -> dict[Measure, float]:
    """What the baseline keeps of an utterance, in the baseline's units; what is None is left out."""
    values: dict[Measure, float | None] = {
        "pitch": None if prosody.pitch_mean_hz is None else measures.melody.mean_st,
        "slope": prosody.pitch_slope_st_s,
        "energy": prosody.energy_db,
        "hnr": prosody.hnr_db,
        "range": _log(prosody.pitch_range_st),
        "rate": _log(prosody.rate_syl_s),
        "jitter": _log(prosody.jitter),
        "shimmer": _log(prosody.shimmer),
    }
    return {name: value for name, value in values.items() if value is not None}


def _log(value: float | None) -> float | None:
    """The natural logarithm, of at least 0.0001 so that a perfectly regular sound stays finite."""
    return None if value is None else math.log(max(value, 1e-4))
