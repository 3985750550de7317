"""What is expressed, as the client is told that asked for it: `attune.*` events about a turn. Pure.

One estimate of an utterance is final: the first one after it has ended. Those before are rolling; those after, and
what the user says of it, revise it.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from streaming.events import RollingProsody, Transcript, Utterance

from ..events import EmotionEstimate, Metrics, StorageDegraded, TurnSaved
from ..jsonl import emotion_fields, prosody_record
from .hume import models

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streaming.events import Hypothesis, Prosody

    from ..events import SessionEvent
    from .dialect import ServerEvent
    from .ids import Ids
    from .schema.attune import AttuneOptions, EventGroup

REMEMBERED: Final = 1000
"""So many utterances are known to have had their final estimate."""

SILENT_DB: Final = -60.0
"""Level, in dB full scale, at which a meter shows nothing."""


def wants(options: AttuneOptions, group: EventGroup) -> bool:
    """Return whether a client asked for these events."""
    return options.events == "all" or (options.events is not None and group in options.events)


def ms(seconds: float) -> int:
    """Return stream seconds as the wire has them: whole milliseconds, never before the first sample."""
    return max(0, round(1000 * seconds))


class Expression:
    """Tells of turns: emotion, prosody, hypotheses, what is on disk, times. One per session."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._final: dict[int, None] = {}

    def tell(self, event: SessionEvent, *, options: AttuneOptions, item_id: str, turn_id: str) -> list[ServerEvent]:
        """Return what the client is told of an event of the turn, nothing where it did not ask for it.

        Args:
            event: any; what is not about a turn's expression gives nothing.
            options: what the client asked for.
            item_id: the user's item that the utterance is.
            turn_id: the turn's name.
        """
        kind = self._kind(event)
        # Most clients ask for nothing, and prosody comes four times a second: nothing is built in vain.
        if kind is None or not wants(options, _GROUPS[kind]):
            return []
        told = _fields(event, is_hume=bool(options.hume) and _GROUPS[kind] == "emotion")
        of_turn = {"item_id": item_id, "turn_id": turn_id, "utterance": told.pop("utterance")}
        return [{"type": f"attune.{kind}", "event_id": self._ids.event(), **of_turn, **told}]

    def _kind(self, event: SessionEvent) -> str | None:
        """Return the type of the event that tells of this one, without its prefix; None when nothing is told."""
        match event:
            case EmotionEstimate():
                return self._kind_of_estimate(event)
            case Transcript():
                return "nbest" if event.nbest else None  # a partial is its one guess so far
            case _:
                return _KINDS.get(type(event))

    def _kind_of_estimate(self, estimate: EmotionEstimate) -> str:
        if not estimate.is_final:
            return "emotion.rolling"
        is_first = estimate.utterance not in self._final
        self._final[estimate.utterance] = None
        if len(self._final) > REMEMBERED:
            del self._final[next(iter(self._final))]
        # What the user says of their feeling corrects a reading, even one that was never told.
        return "emotion.final" if is_first and not estimate.is_corrected else "emotion.revised"


_KINDS: Final[Mapping[type, str]] = {
    RollingProsody: "prosody",
    Utterance: "prosody",
    TurnSaved: "turn.saved",
    StorageDegraded: "turn.degraded",
    Metrics: "metrics",
}
_GROUPS: Final[Mapping[str, EventGroup]] = {
    "emotion.rolling": "emotion.rolling",
    "emotion.final": "emotion",
    "emotion.revised": "emotion",
    "prosody": "prosody",
    "nbest": "nbest",
    "turn.saved": "turns",
    "turn.degraded": "turns",
    "metrics": "metrics",
}


def _fields(event: SessionEvent, *, is_hume: bool) -> dict[str, Any]:
    """Return what an event about a turn says, `utterance` among it."""
    match event:
        case EmotionEstimate():
            return emotion(event, is_hume=is_hume)
        case RollingProsody():
            return prosody(event.utterance, event.prosody, at_s=event.at_s, is_final=False)
        case Utterance():
            return prosody(event.utterance, event.prosody, at_s=event.decided_s, is_final=event.is_final)
        case Transcript():
            return nbest(event)
        case _:
            values = {field.name: getattr(event, field.name) for field in fields(event)}
            return {name: round(value, 3) if isinstance(value, float) else value for name, value in values.items()}


def emotion(estimate: EmotionEstimate, *, is_hume: bool = False) -> dict[str, Any]:
    """Return what an estimate says; `is_hume` adds Hume's view of it."""
    head = {"utterance": estimate.utterance, "revision": estimate.revision, "at_ms": ms(estimate.at_s)}
    return head | emotion_fields(estimate) | ({"models": models(estimate)} if is_hume else {})


def prosody(utterance: int, measured: Prosody, *, at_s: float, is_final: bool) -> dict[str, Any]:
    """Return how an utterance is said; `level` is for a meter, 0 at -60 dB and 1 at full scale."""
    record = prosody_record(utterance, measured, at_s=at_s, is_final=is_final)
    del record["type"], record["at_s"]
    level = None if measured.energy_db is None else 1.0 - measured.energy_db / SILENT_DB
    record["level"] = None if level is None else round(min(1.0, max(0.0, level)), 3)
    return {"utterance": utterance, "at_ms": ms(at_s)} | record


def nbest(transcript: Transcript) -> dict[str, Any]:
    """Return all that may have been said, or the one guess so far."""
    head = {"utterance": transcript.utterance, "at_ms": ms(transcript.at_s), "revision": transcript.revision}
    return head | {
        "final": transcript.is_final,
        "hypotheses": [_hypothesis(hypothesis) for hypothesis in transcript.nbest],
    }


def _hypothesis(hypothesis: Hypothesis) -> dict[str, Any]:
    told: dict[str, Any] = {
        "text": hypothesis.text,
        "posterior": round(float(hypothesis.posterior), 6),
        "logp": round(float(hypothesis.logp), 4),
        "source": hypothesis.source,
    }
    if hypothesis.words:
        told["words"] = [
            {
                "text": word.text,
                "start_ms": ms(word.start_s),
                "end_ms": ms(word.end_s),
                "posterior": None if word.posterior is None else round(float(word.posterior), 4),
            }
            for word in hypothesis.words
        ]
    return told
