"""One conversation by script in the GA events of the Realtime API: hears loudness, knows what is said beforehand.

Pure: its clock is the sound that has come in, and a reply sounds as fast as that. Enough of the protocol for clients to
be built against; what it says, and in which order, is that of the schema.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeAlias

import numpy as np

Event: TypeAlias = dict[str, Any]

RATE = 24_000
BLOCK = RATE // 50
LOUD = 0.01
END_BLOCKS = 25
"""Half a second of silence ends an utterance."""
REPLY_S = 2.0
LEAD_S = 0.3

SAID = ("i got the job", "wait a moment")
REPLIES = ("That sounds wonderful, tell me all about it.", "Take your time.")


@dataclass(slots=True, kw_only=True)
class Reply:
    """A response under way: its ids and how much of it was given and has sounded, in samples."""

    response: str
    item: str
    text: str
    n_given: int = 0
    n_sounded: int = 0


@dataclass(slots=True)
class ScriptedDialogue:
    """See the module. `attune` is what the client opted in to."""

    session: str
    attune: set[str] = field(default_factory=set[str])
    resume_token: str = "scripted-resume-token-0001"
    truncated: list[Event] = field(default_factory=list[Event])
    n_samples: int = 0
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _rest: bytes = b""
    _n_quiet: int = 0
    _n_loud: int = 0
    _n_utterances: int = 0
    _item: str | None = None
    _last: str | None = None
    _reply: Reply | None = None

    def open(self) -> list[Event]:
        events = [self._event("session.created", session=self._session())]
        if "session" in self.attune:
            info = self._event(
                "attune.session.info",
                session=self.session,
                resume_token=self.resume_token,
                notice="It reads what words and voice express.",
                emotion="both",
                profile="scripted",
            )
            return [*events, info]
        return events

    def resumed(self, n_replayed: int) -> list[Event]:
        return [self._event("attune.session.resumed", n_replayed=n_replayed)] if "session" in self.attune else []

    def receive(self, message: str) -> list[Event]:
        event = json.loads(message)
        match event["type"]:
            case "input_audio_buffer.append":
                return self._hear(base64.b64decode(event["audio"]))
            case "session.update":
                asked = event["session"].get("attune", {}).get("events", [])
                self.attune |= {"emotion", "turns", "session"} if asked == "all" else set(asked)
                return [self._event("session.updated", session=self._session())]
            case "conversation.item.truncate":
                self.truncated.append(event)
                told = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
                return [self._event("conversation.item.truncated", **told)]
            case unknown:
                error = {
                    "type": "invalid_request_error",
                    "code": "unknown_event",
                    "message": f"there is no event {unknown}",
                    "param": None,
                    "event_id": event.get("event_id"),
                }
                return [self._event("error", error=error)]

    def _hear(self, data: bytes) -> list[Event]:
        data = self._rest + data
        n_whole = len(data) // (2 * BLOCK) * 2 * BLOCK
        self._rest = data[n_whole:]
        events: list[Event] = []
        levels = np.sqrt(np.mean((np.frombuffer(data[:n_whole], "<i2").reshape(-1, BLOCK) / 32768.0) ** 2, axis=1))
        for level in levels.tolist():
            self.n_samples += BLOCK
            events += self._sounded()
            events += self._listened(is_loud=level > LOUD)
        return events

    def _listened(self, *, is_loud: bool) -> list[Event]:
        self._n_loud = self._n_loud + 1 if is_loud else 0
        self._n_quiet = 0 if is_loud else self._n_quiet + 1
        if self._item is None and self._n_loud >= 5:
            return self._started()
        if self._item is not None and self._n_quiet >= END_BLOCKS:
            return self._ended()
        return []

    def _started(self) -> list[Event]:
        stopped = self._done("cancelled", reason="turn_detected") if self._reply else []
        self._n_utterances += 1
        self._item = f"item_{self._n_utterances:03}"
        started = self._event("input_audio_buffer.speech_started", audio_start_ms=self._ms(), item_id=self._item)
        return [*stopped, started]

    def _ended(self) -> list[Event]:
        item, self._item = self._item or "", None
        before, self._last = self._last, item
        text = SAID[(self._n_utterances - 1) % len(SAID)]
        content = [{"type": "input_audio", "transcript": None}]
        message = self._message(item, "user", content, status="completed")
        place = {"item": message, "previous_item_id": before}
        usage = {"type": "duration", "seconds": 1.0}
        words = "conversation.item.input_audio_transcription"
        where = {"item_id": item, "content_index": 0}
        return [
            self._event("input_audio_buffer.speech_stopped", audio_end_ms=self._ms(), item_id=item),
            self._event("input_audio_buffer.committed", item_id=item, previous_item_id=before),
            self._event("conversation.item.added", **place),
            self._event("conversation.item.done", **place),
            self._event(f"{words}.delta", delta=text[:3], **where),
            self._event(f"{words}.delta", delta=text[3:], **where),
            self._event(f"{words}.completed", transcript=text, usage=usage, **where),
            *self._expressed(item),
            *self._answered(),
        ]

    def _expressed(self, item: str) -> list[Event]:
        if "emotion" not in self.attune:
            return []
        number = self._n_utterances
        shares = {"angry": 0.05, "happy": 0.8, "neutral": 0.1, "sad": 0.05}
        return [
            self._event(
                "attune.emotion.final",
                item_id=item,
                turn_id=f"{self.session}-{number}",
                utterance=number,
                revision=1,
                at_ms=self._ms(),
                distribution=shares,
                top="happy",
                confidence=0.8,
                arousal=0.7,
                valence=0.8,
                dominance=0.6,
                words_only=shares,
                voice_only=None,
                conflict=None,
                eight={},
                evidence={"words": [{"word": "job", "label": "happy", "weight": 1.5}], "cues": [], "turns": []},
                reason=None,
                method="scripted",
            )
        ]

    def _answered(self) -> list[Event]:
        number = self._n_utterances
        reply = Reply(
            response=f"resp_{number:03}", item=f"item_a{number:02}", text=REPLIES[(number - 1) % len(REPLIES)]
        )
        before, self._last, self._reply = self._last, reply.item, reply
        item = self._message(reply.item, "assistant", [], status="in_progress")
        response = {"response_id": reply.response, "output_index": 0}
        part = {"type": "audio", "transcript": ""}
        return [
            self._event("response.created", response=self._response(reply, status="in_progress")),
            self._event("response.output_item.added", item=item, **response),
            self._event("conversation.item.added", item=item, previous_item_id=before),
            self._event("response.content_part.added", part=part, **self._where(reply)),
            self._event("response.output_audio_transcript.delta", delta=reply.text, **self._where(reply)),
            *self._sounded(n_heard=0),
        ]

    def _sounded(self, *, n_heard: int = BLOCK) -> list[Event]:
        reply = self._reply
        if reply is None:
            return []
        reply.n_sounded += n_heard
        due = min(round(REPLY_S * RATE), reply.n_sounded + round(LEAD_S * RATE)) - reply.n_given
        events: list[Event] = []
        if due >= RATE // 25:
            times = np.arange(reply.n_given, reply.n_given + due) / RATE
            tone = (0.2 * np.sin(2 * np.pi * 220 * times) * 32767).astype("<i2").tobytes()
            reply.n_given += due
            delta = base64.b64encode(tone).decode()
            events.append(self._event("response.output_audio.delta", delta=delta, **self._where(reply)))
        if reply.n_sounded >= round(REPLY_S * RATE):
            events += self._done("completed")
        return events

    def _done(self, status: str, *, reason: str | None = None) -> list[Event]:
        reply, self._reply = self._reply, None
        assert reply is not None
        part = {"type": "audio", "transcript": reply.text}
        content = [{"type": "output_audio", "transcript": reply.text}]
        item = self._message(reply.item, "assistant", content, status="completed" if reason is None else "incomplete")
        response = self._response(reply, status=status, reason=reason, output=[item])
        where = self._where(reply)
        return [
            self._event("response.output_audio.done", **where),
            self._event("response.output_audio_transcript.done", transcript=reply.text, **where),
            self._event("response.content_part.done", part=part, **where),
            self._event("response.output_item.done", response_id=reply.response, output_index=0, item=item),
            self._event("conversation.item.done", item=item, previous_item_id=None),
            self._event("response.done", response=response),
        ]

    def _event(self, kind: str, **values: Any) -> Event:
        return {"type": kind, "event_id": f"event_{self.session}_{next(self._numbers):06}"} | values

    def _session(self) -> Event:
        pcm = {"type": "audio/pcm", "rate": RATE}
        detection = {"type": "server_vad", "create_response": True, "interrupt_response": True}
        audio = {
            "input": {"format": pcm, "turn_detection": detection, "transcription": {"model": "attune"}},
            "output": {"format": pcm, "voice": "flite"},
        }
        return {
            "type": "realtime",
            "object": "realtime.session",
            "id": self.session,
            "model": "attune",
            "output_modalities": ["audio"],
            "instructions": "",
            "audio": audio,
            "tools": [],
            "tool_choice": "auto",
        }

    def _response(
        self, reply: Reply, *, status: str, reason: str | None = None, output: list[Event] | None = None
    ) -> Event:
        return {
            "id": reply.response,
            "object": "realtime.response",
            "status": status,
            "status_details": None if reason is None else {"type": status, "reason": reason},
            "output": output or [],
            "conversation_id": f"conv_{self.session}",
            "output_modalities": ["audio"],
            "usage": None,
            "metadata": None,
        }

    def _message(self, item: str, role: str, content: list[Event], *, status: str) -> Event:
        return {
            "id": item,
            "object": "realtime.item",
            "type": "message",
            "role": role,
            "status": status,
            "content": content,
        }

    def _where(self, reply: Reply) -> Event:
        return {"response_id": reply.response, "item_id": reply.item, "output_index": 0, "content_index": 0}

    def _ms(self) -> int:
        return self.n_samples * 1000 // RATE
