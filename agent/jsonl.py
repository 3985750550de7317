"""One line of JSON per event: what `attune talk --json` prints and replay compares.

Times are stream seconds, rounded to the millisecond; probabilities and measures to four digits. Only `metrics` lines
hold wall-clock figures: without them, the lines of the same sound are the same bytes.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from streaming.events import (
    AudioDropped,
    EngineTrouble,
    Prosody,
    RollingProsody,
    SpeechDropped,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    Transcript,
    Utterance,
)

from .events import (
    EmotionEstimate,
    Metrics,
    ReplyDelta,
    ReplyDone,
    ReplyRefused,
    ReplyStarted,
    StorageDegraded,
    ToolCalled,
    TurnSaved,
    UtteranceDismissed,
)

if TYPE_CHECKING:
    from streaming.events import Hypothesis

    from .events import SessionEvent

UNCLEAR = "unclear"

# Fields of a record that are left out where there is nothing to say: without a language model there never is.
WHERE_SET = {"cached_share", "ended_by", "played_s", "prefills_dropped", "prefills_failed"}

# Events whose record is just their fields, in order.
PLAIN: dict[type, str] = {
    SpeechStarted: "speech.started",
    SpeechPaused: "speech.paused",
    SpeechResumed: "speech.resumed",
    SpeechEnded: "speech.ended",
    SpeechDropped: "speech.dropped",
    AudioDropped: "audio.dropped",
    EngineTrouble: "engine.trouble",
    ReplyStarted: "reply.started",
    ReplyRefused: "reply.refused",
    ToolCalled: "tool.called",
    UtteranceDismissed: "utterance.dismissed",
    ReplyDelta: "reply.delta",
    ReplyDone: "reply.done",
    TurnSaved: "turn.saved",
    StorageDegraded: "storage.degraded",
    Metrics: "metrics",
}


def to_line(event: SessionEvent) -> str:
    """Return `event` as one line of JSON without a line end; keys in a fixed order, `type` first."""
    return json.dumps(to_record(event), ensure_ascii=False, allow_nan=False)


def to_record(event: SessionEvent) -> dict[str, Any]:
    """Return `event` as plain values for JSON."""
    match event:
        case EmotionEstimate():
            return emotion_record(event)
        case Transcript():
            return transcript_record(event)
        case RollingProsody():
            return prosody_record(event.utterance, event.prosody, at_s=event.at_s, is_final=False)
        case Utterance():
            return prosody_record(event.utterance, event.prosody, at_s=event.decided_s, is_final=True)
        case _:
            values = [(f, getattr(event, f.name)) for f in fields(event)]
            told = {f.name: _plain(value) for f, value in values if f.name not in WHERE_SET or value != f.default}
            return {"type": PLAIN[type(event)]} | told


def transcript_record(transcript: Transcript) -> dict[str, Any]:
    """Return a partial (text, stable part) or a final (text, n-best with scores and word times)."""
    head: dict[str, Any] = {
        "type": "transcript.final" if transcript.is_final else "transcript.partial",
        "utterance": transcript.utterance,
        "revision": transcript.revision,
        "at_s": _s(transcript.at_s),
        "text": transcript.text,
    }
    if transcript.is_final:
        return head | {"nbest": [_hypothesis(h) for h in transcript.nbest]}
    return head | {"stable": " ".join(transcript.text.split()[: transcript.n_stable])}


def _hypothesis(hypothesis: Hypothesis) -> dict[str, Any]:
    record: dict[str, Any] = {
        "text": hypothesis.text,
        "logp": _r(hypothesis.logp, 4),
        "posterior": _r(hypothesis.posterior, 6),
        "source": hypothesis.source,
    }
    if hypothesis.words:
        record["words"] = [
            {"text": w.text, "start_s": _s(w.start_s), "end_s": _s(w.end_s), "posterior": _r(w.posterior, 4)}
            for w in hypothesis.words
        ]
    return record


def prosody_record(utterance: int, prosody: Prosody, *, at_s: float, is_final: bool) -> dict[str, Any]:
    """Return how an utterance is said, so far or finally; values that cannot be measured are null."""
    head = {"type": "prosody", "utterance": utterance, "at_s": _s(at_s), "final": is_final}
    skipped = {"words", "acoustics"}
    measures = {f.name: _r(getattr(prosody, f.name), 4) for f in fields(prosody) if f.name not in skipped}
    return head | measures | {"words": list(prosody.words)}


def emotion_record(estimate: EmotionEstimate) -> dict[str, Any]:
    """Return an estimate; `top` is "unclear" when it abstains."""
    return {
        "type": "emotion.final" if estimate.is_final else "emotion.rolling",
        "utterance": estimate.utterance,
        "revision": estimate.revision,
        "at_s": _s(estimate.at_s),
        **emotion_fields(estimate),
    }


def emotion_fields(estimate: EmotionEstimate) -> dict[str, Any]:
    """Return what an estimate says, without when and of which utterance."""
    return {
        "distribution": _distribution(estimate, estimate.distribution),
        "top": estimate.top or UNCLEAR,
        "confidence": _r(estimate.confidence, 4),
        "arousal": _r(estimate.arousal, 4),
        "valence": _r(estimate.valence, 4),
        "dominance": _r(estimate.dominance, 4),
        "words_only": _distribution(estimate, estimate.text_distribution),
        "voice_only": _distribution(estimate, estimate.voice_distribution),
        "conflict": _r(estimate.conflict, 4),
        "eight": {label: _r(p, 4) for label, p in estimate.eight},
        "evidence": {
            "words": [{"word": w.word, "label": w.label, "weight": _r(w.weight, 3)} for w in estimate.evidence.words],
            "cues": [{"cue": c.cue, "label": c.label, "weight": _r(c.weight, 3)} for c in estimate.evidence.cues],
            "turns": list(estimate.evidence.turns),
        },
        "reason": estimate.reason,
        "method": estimate.method,
        **_from_a_model(estimate),
    }


def _from_a_model(estimate: EmotionEstimate) -> dict[str, Any]:
    """Return what only some engines, or the user, can tell; what is not told is left out."""
    told: dict[str, Any] = {
        "model_only": _distribution(estimate, estimate.llm_distribution),
        "compound": list(estimate.compound) or None,
        "hidden": estimate.hidden,
        "corrected": estimate.is_corrected or None,
        "revised_text": estimate.revised_text,
        "prompt_id": estimate.prompt_id,
        "cached_share": _r(estimate.cached_share, 4),
    }
    return {name: value for name, value in told.items() if value is not None}


def _distribution(estimate: EmotionEstimate, values: tuple[float, ...] | None) -> dict[str, float | None] | None:
    return None if values is None else {label: _r(p, 4) for label, p in zip(estimate.labels, values, strict=True)}


def _plain(value: object) -> object:
    return round(value, 3) if isinstance(value, float) else value


def _s(seconds: float) -> float:
    return round(float(seconds), 3)


def _r(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)
