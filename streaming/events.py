"""Values that travel on the line from sound to utterance.

Every event is immutable and every time is a sample count turned into seconds of stream time: the same samples give the
same events, live or replayed. This module knows nothing of models, devices or wall clocks.

What a barge-in or a stop does to an event is said at the end of its docstring: *kept* (delivered all the same) or
*dropped*. Nothing here is ever changed after the fact; a newer value replaces an older one by its revision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.float32]
"""Sound: float32, shape (n,), mono, 16 kHz, in [-1, 1]."""

EndReason: TypeAlias = Literal["endpoint", "limit", "commit", "flush"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """The voice began at `at_s`. Kept."""

    utterance: int
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpeechAudio:
    """The next 20 ms of an utterance, pre-roll and inner pauses included, without gaps. Dropped."""

    utterance: int
    at_s: float
    samples: Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechPaused:
    """The voice has been silent since `at_s`, for about 200 ms; work on the final may start, revocably. Kept.

    `generation` counts the pauses of the utterance from 1: a result that was started for an older one is void.
    """

    utterance: int
    generation: int
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechResumed:
    """The voice came back at `at_s`; what was started at the last pause is void. Kept."""

    utterance: int
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEnded:
    """The utterance is over: voice from `start_s` to `end_s`, decided at `decided_s` (the endpoint wait lies between).

    `reason` is "endpoint" (silence), "limit" (speech longer than the cap, cut), "commit" (`streaming.controls.Commit`)
    or "flush" (the stream ended). Kept.
    """

    utterance: int
    start_s: float
    end_s: float
    decided_s: float
    reason: EndReason


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechDropped:
    """The utterance under way is void (`streaming.controls.Clear`): nothing more is said of it. Kept."""

    utterance: int
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One recognised word in stream time; `posterior` in [0, 1], None when the engine cannot tell."""

    text: str
    start_s: float
    end_s: float
    posterior: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """One reading of an utterance.

    `logp` is the engine's natural-log score, comparable only within one list; `posterior` is the share of the list's
    probability, in [0, 1], summing to 1 over the list; `source` names the engine.
    """

    text: str
    logp: float
    posterior: float
    source: str
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What was said, as far as it is known.

    `nbest` is sorted by falling `logp`, distinct after normalisation, empty when nothing was recognised. A partial
    (`is_final` False) holds one hypothesis: its first `n_stable` words never change again within the utterance, what
    follows is a guess. The final is authoritative. `language` is the code of what was recognised ("en"), None when the
    engine does not tell. Dropped.
    """

    utterance: int
    revision: int
    at_s: float
    is_final: bool
    nbest: tuple[Hypothesis, ...]
    n_stable: int = 0
    language: str | None = None

    @property
    def text(self) -> str:
        """The best reading, or the empty string."""
        return self.nbest[0].text if self.nbest else ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Acoustics:
    """What the small voice model sees of an utterance.

    Attributes:
        features: float64, shape (n,), in the order of `streaming.acoustics.FEATURE_NAMES`; no level feature.
        speaker_mean: float64, shape (n,): mean of the speaker's earlier utterances, None before the first.
        n_speaker: how many earlier utterances of the speaker that mean rests on.
    """

    features: NDArray[np.float64]
    speaker_mean: NDArray[np.float64] | None
    n_speaker: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prosody:
    """How it was said. None means: not measurable here (too little voice, too short).

    Attributes:
        pitch_mean_hz, pitch_range_st, pitch_slope_st_s: mean fundamental, its 10th-90th percentile range in semitones,
            its slope in semitones per second of voice.
        pitch_rel_st: mean pitch above (+) or below (-) the speaker's own running baseline, semitones.
        energy_db, energy_rel_db: mean level while voiced, dB full scale, and relative to the speaker's baseline.
        rate_syl_s, rate_rel: syllables per second of phonation, and as a ratio to the speaker's baseline (1 = usual).
        pause_share, longest_pause_s: share of the span without voice, in [0, 1]; its longest inner silence.
        jitter, shimmer: local, as shares (0.01 = 1 %); hnr_db: harmonics-to-noise ratio. Measured on whole utterances.
        voiced_s: seconds of voiced sound the values rest on.
        words: the same for a prompt, e.g. ("louder than usual", "fast", "narrow pitch range").
        acoustics: input of the small voice model, None when there was no voice.
    """

    pitch_mean_hz: float | None = None
    pitch_range_st: float | None = None
    pitch_slope_st_s: float | None = None
    pitch_rel_st: float | None = None
    energy_db: float | None = None
    energy_rel_db: float | None = None
    rate_syl_s: float | None = None
    rate_rel: float | None = None
    pause_share: float | None = None
    longest_pause_s: float | None = None
    jitter: float | None = None
    shimmer: float | None = None
    hnr_db: float | None = None
    voiced_s: float = 0.0
    words: tuple[str, ...] = ()
    acoustics: Acoustics | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RollingProsody:
    """Prosody of the utterance so far, every 260 ms of speech. Dropped."""

    utterance: int
    at_s: float
    prosody: Prosody


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Utterance:
    """One stretch of speech, understood: the only value that crosses from `streaming` to `agent`.

    While the speaker still talks, a snapshot with `is_final` False holds the partial transcript, the rolling prosody
    and no samples. `cross_wer` is the mean word error rate between the hypotheses, in [0, 1] (0 = all alike). Kept.
    """

    utterance: int
    start_s: float
    end_s: float
    decided_s: float
    transcript: Transcript
    prosody: Prosody
    samples: Samples
    language: str = "en"
    cross_wer: float | None = None
    is_final: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioDropped:
    """A live source had to drop `seconds` of sound (oldest first), `total_s` since it was opened. Kept."""

    at_s: float
    seconds: float
    total_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTrouble:
    """`engine` failed on this utterance even when tried again; the line goes on without its answer. Kept."""

    utterance: int
    at_s: float
    engine: str
    message: str


SegmentEvent: TypeAlias = SpeechStarted | SpeechAudio | SpeechPaused | SpeechResumed | SpeechEnded | SpeechDropped
"""What the segmenter says."""

ListenerEvent: TypeAlias = (
    SpeechStarted
    | SpeechPaused
    | SpeechResumed
    | SpeechEnded
    | SpeechDropped
    | Transcript
    | RollingProsody
    | Utterance
    | AudioDropped
    | EngineTrouble
)
"""What the listener says."""
