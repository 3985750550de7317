"""Values that travel from an utterance to an answer. Immutable; times are stream seconds unless a name says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from streaming.events import ListenerEvent

EmotionSource: TypeAlias = Literal["off", "text", "voice", "both"]
"""What emotion may be read from: nothing, the words, the voice, or both."""

ReplyEnd: TypeAlias = Literal["", "speech", "program", "session", "engine"]
"""What cut an answer short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerWord:
    """A word that moved the estimate towards `label` by `weight` (difference of logits, > 0)."""

    word: str
    label: str
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceCue:
    """Something in the voice that moved the estimate towards `label` by `weight`, in words ("high pitch")."""

    cue: str
    label: str
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an estimate rests on: words said, cues in the voice, sequence numbers of earlier turns."""

    words: tuple[TriggerWord, ...] = ()
    cues: tuple[VoiceCue, ...] = ()
    turns: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EmotionEstimate:
    """What is expressed, not what is felt.

    Attributes:
        labels, distribution: a named label set and its calibrated probabilities, each in [0, 1], summing to 1.
        top: the most likely label, None when the estimate abstains ("unclear").
        confidence: probability of the most likely label, in [0, 1].
        arousal, dominance, valence: in [0, 1], None when unknown.
        text_distribution, voice_distribution: the two sources before fusion, over the same labels; None when unused.
        conflict: Jensen-Shannon divergence between the two in [0, 1] (base 2), None when either is missing.
        eight: the eight-class distribution by label, empty when the engine has none.
        revised_text, reason: from a language model, None without one.
        is_final: False while the user still speaks; `revision` counts estimates of the utterance from 1.
        llm_distribution: the language model's, over the same labels, before fusion; None without one.
        compound: two labels that are both likely and near each other ("sad", "surprised"), most likely first; or empty.
        hidden: a feeling that words do not show but voice or context do, in a word ("sad"); None mostly.
        is_corrected: the user said so: it stands above what engines read.
        cached_share: share of the language model's prompt that was in its cache, in [0, 1]; None without one.
    """

    utterance: int
    revision: int
    is_final: bool
    at_s: float
    labels: tuple[str, ...]
    distribution: tuple[float, ...]
    top: str | None
    confidence: float
    arousal: float | None = None
    dominance: float | None = None
    valence: float | None = None
    text_distribution: tuple[float, ...] | None = None
    voice_distribution: tuple[float, ...] | None = None
    conflict: float | None = None
    eight: tuple[tuple[str, float], ...] = ()
    evidence: Evidence = Evidence()
    revised_text: str | None = None
    reason: str | None = None
    method: str = ""
    prompt_id: str | None = None
    llm_distribution: tuple[float, ...] | None = None
    compound: tuple[str, ...] = ()
    hidden: str | None = None
    is_corrected: bool = False
    cached_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyStarted:
    """An answer to an utterance is begun; `request` names the `Respond` that asked for it, None when nobody did. Kept.

    A `ReplyDone` follows, whatever happens. `speaks`: it will be voiced, if there is a voice.
    """

    utterance: int
    at_s: float
    request: str | None = None
    speaks: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRefused:
    """A `Respond` cannot be followed, and why (an answer is under way). Kept."""

    request: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalled:
    """Instead of answering, the model asks for a tool: `arguments` is JSON text. The program calls it. Kept."""

    utterance: int
    call: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UtteranceDismissed:
    """An utterance over a reply was no turn (a back-channel, an echo, a noise): nobody answers it. Kept."""

    utterance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyDelta:
    """The next piece of the answer to an utterance. Dropped when the reply is cancelled."""

    utterance: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyDone:
    """The answer as the user got it: `text` is what was heard (or shown), cut short when `interrupted`. Kept.

    `ended_by` says who cut it short: the "speech" of the user, the "program" (`Session.stop_reply`), the end of the
    "session"; "engine": it failed and there are no words; "" otherwise. `played_s` is how much sound was heard.
    """

    utterance: int
    at_s: float
    text: str
    interrupted: bool
    is_crisis: bool = False
    ended_by: ReplyEnd = ""
    played_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One user utterance with its estimate and the agent's answer as actually heard.

    Attributes:
        seq: place in the session, from 1 without gaps; None until it is saved.
        nbest: the hypotheses as (text, posterior), best first.
    """

    session: str
    seq: int | None
    utterance: int
    start_s: float
    end_s: float
    text: str
    nbest: tuple[tuple[str, float], ...]
    estimate: EmotionEstimate | None
    prosody_words: tuple[str, ...]
    reply: str
    interrupted: bool
    is_crisis: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSaved:
    """The turn is on disk: it survives a kill or a power cut from here on. Kept."""

    session: str
    seq: int
    utterance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageDegraded:
    """The turn is not on disk; `message` says why, and whether it is held and tried again. Kept."""

    utterance: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Wall-clock times of one turn, milliseconds; None where the step did not happen. Kept.

    Attributes:
        endpoint_wait_ms: silence the endpoint waited for, after the voice ended (stream time).
        emotion_ms: from the utterance to its final estimate.
        reply_ms: from the utterance to the first words of the answer.
        sound_ms: from the utterance to the first sound of the answer, ready to play.
        emotion_was_late: 1 when the answer had to start without the estimate, else 0.
        cached_share: share of the emotion prompt that the model had worked through when the utterance was there, in
            [0, 1]; None without a language model.
        prefills_dropped, prefills_failed: work ahead of this utterance that was void, and that an engine failed at.
    """

    utterance: int
    endpoint_wait_ms: float | None = None
    emotion_ms: float | None = None
    reply_ms: float | None = None
    sound_ms: float | None = None
    emotion_was_late: int = 0
    cached_share: float | None = None
    prefills_dropped: int = 0
    prefills_failed: int = 0


AgentEvent: TypeAlias = (
    EmotionEstimate
    | ReplyStarted
    | ReplyRefused
    | ToolCalled
    | UtteranceDismissed
    | ReplyDelta
    | ReplyDone
    | TurnSaved
    | StorageDegraded
    | Metrics
)
"""What the agent says."""

SessionEvent: TypeAlias = ListenerEvent | AgentEvent
"""What a session says: the listener's events and, among them, the agent's."""
