"""What is said of an utterance beyond its words: emotion, prosody, all that may have been said."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from .values import Count, Milliseconds, Name, Share, Told, Value

Utterance: TypeAlias = Annotated[int, Field(ge=1, le=2**53)]


class OfTurn(Told):
    """What events about a turn have."""

    item_id: Name
    turn_id: Name
    """The session and the number of the utterance: the same on every event of the turn, and in the turn log."""
    utterance: Utterance


class EvidenceWord(Value):
    """A word that moved the estimate towards a label."""

    word: str
    label: str
    weight: float
    """Difference of logits."""


class EvidenceCue(Value):
    """Something in the voice that moved the estimate towards a label ("high pitch")."""

    cue: str
    label: str
    weight: float


class Evidence(Value):
    """What an estimate rests on: words, cues in the voice, sequence numbers of earlier turns."""

    words: list[EvidenceWord]
    cues: list[EvidenceCue]
    turns: list[int]


class HumeProsody(Value):
    """Scores of Hume's labels, each in [0, 1], not a distribution."""

    scores: dict[str, Share]


class HumeModels(Value):
    """As in a `user_message` of Hume's EVI; `prosody` is null for typed text."""

    prosody: HumeProsody | None = None


Distribution: TypeAlias = dict[str, Share]


class EmotionEvent(OfTurn):
    """What is expressed (not what is felt) in an utterance, as a calibrated distribution that may abstain."""

    revision: Count
    """Counts the estimates of the utterance; a higher one replaces those before it."""
    at_ms: Milliseconds
    distribution: Distribution
    """Probability of each label; they sum to 1."""
    top: str
    """The most likely label, or "unclear"."""
    confidence: Share
    """Probability of the most likely label."""
    arousal: Share | None
    valence: Share | None
    dominance: Share | None
    words_only: Distribution | None
    """What the words alone say."""
    voice_only: Distribution | None
    """What the voice alone says."""
    conflict: Share | None
    """How far words and voice are apart (Jensen-Shannon divergence, base 2)."""
    eight: Distribution
    """Eight classes, where the engine tells them apart; else empty."""
    evidence: Evidence
    reason: str | None
    """A language model's, in words."""
    method: str
    model_only: Distribution | None = None
    compound: list[str] | None = None
    """Two labels that are both likely and near each other."""
    hidden: str | None = None
    """A feeling that the words do not show, but the voice or the context does."""
    corrected: bool | None = None
    """The user said so."""
    revised_text: str | None = None
    prompt_id: str | None = None
    cached_share: Share | None = None
    models: HumeModels | None = None
    """Only with the option `hume`."""


class EmotionRolling(EmotionEvent):
    """An estimate while the user still speaks."""

    type: Literal["attune.emotion.rolling"]


class EmotionFinal(EmotionEvent):
    """The estimate of a finished utterance. Where it comes late, the answer was begun without it."""

    type: Literal["attune.emotion.final"]


class EmotionRevised(EmotionEvent):
    """A later, better estimate of an utterance, or the user's own correction (`corrected`)."""

    type: Literal["attune.emotion.revised"]


class ProsodyEvent(OfTurn):
    """How it is said; null where it cannot be measured (too little voice)."""

    type: Literal["attune.prosody"]
    at_ms: Milliseconds
    final: bool
    """False: of the utterance so far."""
    pitch_mean_hz: float | None
    pitch_range_st: float | None
    pitch_slope_st_s: float | None
    pitch_rel_st: float | None
    """Semitones above the speaker's own running mean."""
    energy_db: float | None
    """Mean level while voiced, dB full scale."""
    energy_rel_db: float | None
    rate_syl_s: float | None
    rate_rel: float | None
    """Ratio to the speaker's own usual rate."""
    pause_share: Share | None
    longest_pause_s: float | None
    jitter: float | None
    shimmer: float | None
    hnr_db: float | None
    """Jitter, shimmer and harmonics-to-noise ratio are measured on whole utterances."""
    voiced_s: float
    words: list[str]
    """The same in words, for people and prompts."""
    level: float | None = None
    """How loud the last sound was, in [0, 1], for a meter."""


class TimedWord(Value):
    """A word of a hypothesis with its time in the session's sound."""

    text: str
    start_ms: Milliseconds
    end_ms: Milliseconds
    posterior: Share | None = None


class HypothesisView(Value):
    """One of the things that may have been said."""

    text: str
    posterior: Share
    logp: float | None = None
    source: str | None = None
    """The engine it comes from."""
    words: list[TimedWord] | None = None


class NBest(OfTurn):
    """All that may have been said in an utterance, best first; `transcription.completed` has the first.

    While the user speaks (`final` false) the one guess so far, whose last words may still change.
    """

    type: Literal["attune.nbest"]
    at_ms: Milliseconds
    revision: Count
    final: bool
    hypotheses: list[HypothesisView]
