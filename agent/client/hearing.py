"""What a server says, as a session's events: so a conversation far away is shown like one here. Pure.

The numbers of utterances are this client's own: a server names items.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from streaming.events import (
    EngineTrouble,
    Hypothesis,
    Prosody,
    RollingProsody,
    SpeechEnded,
    SpeechStarted,
    Transcript,
)

from ..events import (
    EmotionEstimate,
    Evidence,
    Metrics,
    ReplyDelta,
    ReplyDone,
    ReplyStarted,
    StorageDegraded,
    TriggerWord,
    TurnSaved,
    VoiceCue,
)
from ..jsonl import UNCLEAR

if TYPE_CHECKING:
    from ..events import SessionEvent

Event: TypeAlias = Mapping[str, Any]

_TRANSCRIPTION = "conversation.item.input_audio_transcription."


@dataclass(slots=True)
class Hearing:
    """Turns one server event after another into what a session would have told."""

    _numbers: dict[str, int] = field(default_factory=dict[str, int])
    _words: dict[int, str] = field(default_factory=dict[int, str])
    _answers: dict[str, int] = field(default_factory=dict[str, int])
    _said: dict[int, str] = field(default_factory=dict[int, str])
    _asked: int = 0
    _at_s: float = 0.0

    def feed(self, event: Event) -> list[SessionEvent]:
        """Return what `event` tells, possibly nothing; one that lacks something it should have tells nothing."""
        try:
            return self._read(event, str(event["type"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            return []

    def _read(self, event: Event, kind: str) -> list[SessionEvent]:
        group = kind.partition(".")[0]
        if kind.startswith(_TRANSCRIPTION):
            return self._transcribed(event, kind.removeprefix(_TRANSCRIPTION))
        match group:
            case "input_audio_buffer":
                return self._spoke(event, kind)
            case "response":
                return self._answered(event, kind)
            case "attune":
                return self._added(event, kind)
            case "error":
                error = event["error"]
                message = f"{error['message']} ({error.get('code') or error['type']})"
                return [EngineTrouble(utterance=self._asked, at_s=self._at_s, engine="server", message=message)]
            case _:
                return []

    def _spoke(self, event: Event, kind: str) -> list[SessionEvent]:
        match kind.partition(".")[2]:
            case "speech_started":
                self._at_s = event["audio_start_ms"] / 1000
                return [SpeechStarted(utterance=self._number(event["item_id"]), at_s=self._at_s)]
            case "speech_stopped":
                self._at_s = at_s = event["audio_end_ms"] / 1000
                number = self._asked = self._number(event["item_id"])
                return [SpeechEnded(utterance=number, start_s=at_s, end_s=at_s, decided_s=at_s, reason="endpoint")]
            case _:
                return []

    def _transcribed(self, event: Event, step: str) -> list[SessionEvent]:
        number = self._number(event["item_id"])
        match step:
            case "delta":
                words = self._words[number] = self._words.get(number, "") + (event.get("delta") or "")
                return [self._transcript(number, words, is_final=False)]
            case "completed":
                self._words.pop(number, None)
                return [self._transcript(number, event["transcript"], is_final=True)]
            case "failed":
                message = str(event["error"].get("message"))
                return [EngineTrouble(utterance=number, at_s=self._at_s, engine="transcription", message=message)]
            case _:
                return []

    def _transcript(self, number: int, text: str, *, is_final: bool) -> Transcript:
        reading = Hypothesis(text=text, logp=0.0, posterior=1.0, source="server")
        return Transcript(
            utterance=number,
            revision=1,
            at_s=self._at_s,
            is_final=is_final,
            nbest=(reading,) if text else (),
            n_stable=len(text.split()),
        )

    def _answered(self, event: Event, kind: str) -> list[SessionEvent]:
        match kind:
            case "response.created":
                name = event["response"]["id"]
                number = self._answers[name] = self._asked
                return [ReplyStarted(utterance=number, at_s=self._at_s)]
            case "response.output_audio_transcript.delta" | "response.output_text.delta":
                number = self._answers.get(event["response_id"], self._asked)
                self._said[number] = self._said.get(number, "") + event["delta"]
                return [ReplyDelta(utterance=number, text=event["delta"])]
            case "response.done":
                return self._done(event["response"])
            case _:
                return []

    def _done(self, response: Event) -> list[SessionEvent]:
        number = self._answers.pop(response["id"], self._asked)
        parts = [part for item in response.get("output") or () for part in item.get("content") or ()]
        texts = [text for part in parts if (text := part.get("transcript") or part.get("text"))]
        said = self._said.pop(number, "")
        is_cut = response["status"] in {"cancelled", "incomplete"}
        done = ReplyDone(utterance=number, at_s=self._at_s, text=" ".join(texts) or said, interrupted=is_cut)
        if response["status"] != "failed":
            return [done]
        details = cast("dict[str, Any]", response.get("status_details") or {})
        error = cast("dict[str, Any]", details.get("error") or {})
        message = f"the answer failed: {error.get('message') or error.get('code') or 'no reason was given'}"
        return [done, EngineTrouble(utterance=number, at_s=self._at_s, engine="server", message=message)]

    def _added(self, event: Event, kind: str) -> list[SessionEvent]:
        number, name = self._number(event["item_id"]), kind.removeprefix("attune.")
        if name.startswith("emotion."):
            return [estimate_of(event, utterance=number)]
        match name:
            case "prosody":
                words = tuple(event["words"])
                return [RollingProsody(utterance=number, at_s=self._at_s, prosody=Prosody(words=words))]
            case "turn.saved":
                return [TurnSaved(session=event["session"], seq=event["seq"], utterance=number)]
            case "turn.degraded":
                return [StorageDegraded(utterance=number, message=event["message"])]
            case "metrics":
                return [_metrics(event, utterance=number)]
            case _:
                return []

    def _number(self, item: str | None) -> int:
        if item is None:
            raise ValueError("no item is named")
        return self._numbers.setdefault(item, len(self._numbers) + 1)


def estimate_of(event: Event, *, utterance: int) -> EmotionEstimate:
    """Return the estimate that an `attune.emotion.*` event tells of.

    Raises:
        KeyError, TypeError, ValueError: it tells of none.
    """
    shares = cast("dict[str, float | None]", event["distribution"])
    evidence = cast("dict[str, Any]", event.get("evidence") or {})
    return EmotionEstimate(
        utterance=utterance,
        revision=event["revision"],
        is_final=event["type"] != "attune.emotion.rolling",
        at_s=event["at_ms"] / 1000,
        labels=tuple(shares),
        distribution=tuple(share or 0.0 for share in shares.values()),
        top=None if event["top"] == UNCLEAR else event["top"],
        confidence=event["confidence"] or 0.0,
        arousal=event.get("arousal"),
        dominance=event.get("dominance"),
        valence=event.get("valence"),
        text_distribution=_values(event.get("words_only"), shares),
        voice_distribution=_values(event.get("voice_only"), shares),
        conflict=event.get("conflict"),
        eight=tuple(cast("dict[str, float]", event.get("eight") or {}).items()),
        evidence=Evidence(
            words=tuple(TriggerWord(**word) for word in evidence.get("words", ())),
            cues=tuple(VoiceCue(**cue) for cue in evidence.get("cues", ())),
            turns=tuple(evidence.get("turns", ())),
        ),
        revised_text=event.get("revised_text"),
        reason=event.get("reason"),
        method=event.get("method") or "",
        compound=tuple(event.get("compound") or ()),
        hidden=event.get("hidden"),
        is_corrected=bool(event.get("corrected")),
    )


def _metrics(event: Event, *, utterance: int) -> Metrics:
    return Metrics(
        utterance=utterance,
        endpoint_wait_ms=event.get("endpoint_wait_ms"),
        emotion_ms=event.get("emotion_ms"),
        reply_ms=event.get("reply_ms"),
        sound_ms=event.get("sound_ms"),
    )


def _values(shares: Mapping[str, float | None] | None, labels: Mapping[str, object]) -> tuple[float, ...] | None:
    return None if shares is None else tuple(shares.get(label) or 0.0 for label in labels)
