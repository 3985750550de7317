"""A conversation with a dialect by script, written down line by line, every server event checked on the way."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from agent.behaviour import Behaviour
from agent.jsonl import to_record
from agent.wire.realtime import RealtimeDialect
from agent.wire.settings import SessionInfo
from streaming.events import Hypothesis, Prosody, SpeechEnded, SpeechStarted, Transcript, Utterance, Word
from tests.agent.wire.stock_types import checked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.events import SessionEvent
    from agent.wire.dialect import ServerEvent, Step

GOLDEN = Path(__file__).parent / "golden"
SESSION = "s1"
SILENCE_100_MS = b64encode(bytes(4800)).decode()


def dialect(**given: Any) -> RealtimeDialect:
    told: dict[str, Any] = {
        "session": SESSION,
        "query": {},
        "defaults": Behaviour(),
        "info": SessionInfo(),
        "fails_loudly": True,
    }
    return RealtimeDialect(**told | given)


class Talk:
    """A conversation under way: each call writes down what goes in and what comes out."""

    def __init__(self, *, begins: bool = True, **given: Any) -> None:
        self.dialect = dialect(**given)
        self.lines: list[str] = []
        self.events: list[ServerEvent] = []
        self._note("open", given.get("query", {}))
        if begins:
            self._told(self.dialect.open())

    def asks(self, kind: str, **values: Any) -> Step:
        message = {"type": kind, **values}
        self._note("client", message)
        step = self.dialect.receive(json.dumps(message))
        for item in step.line:
            self._note("line", in_line(item))
        if step.stops_reply:
            self._note("stops_reply", True)
        self._told(step.events)
        return step

    def hears(self, *events: SessionEvent) -> list[ServerEvent]:
        told: list[ServerEvent] = []
        for event in events:
            self._note("session", to_record(event))
            told += self._told(self.dialect.tell(event))
        return told

    def sounds(self, seconds: float) -> list[ServerEvent]:
        self._note("sound", seconds)
        return self._told(self.dialect.sound(np.zeros(round(16_000 * seconds), np.float32)))

    def moves(self, action: Literal["duck", "resume"]) -> list[ServerEvent]:
        self._note("moved", action)
        return self._told(self.dialect.moved(action))

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    def said(self, kind: str) -> list[ServerEvent]:
        return [event for event in self.events if event["type"] == kind]

    def text(self) -> str:
        return "\n".join([*self.lines, ""])

    def compare(self, name: str) -> None:
        path = GOLDEN / f"{name}.jsonl"
        if os.environ.get("ATTUNE_WRITE_GOLDEN"):
            path.write_bytes(self.text().encode())
        assert path.read_bytes() == self.text().encode()

    def _told(self, events: Iterable[ServerEvent]) -> list[ServerEvent]:
        told = checked(events)
        self.events += told
        for event in told:
            self._note("server", event)
        return told

    def _note(self, what: str, value: object) -> None:
        self.lines.append(json.dumps({what: shortened(value)}, ensure_ascii=False))


def shortened(value: Any) -> Any:
    """Return what goes into a golden file: long sound by its length."""
    if isinstance(value, dict):
        return {name: shortened(each) for name, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [shortened(each) for each in cast("list[Any]", value)]
    return f"<{len(value)} characters>" if isinstance(value, str) and len(value) > 300 else value


def in_line(item: Any) -> object:
    """Return what goes into the stream, without what is as it always is."""
    if not is_dataclass(item):
        return f"{len(item)} samples"
    changed = {f.name: getattr(item, f.name) for f in fields(item) if getattr(item, f.name) != f.default}
    return {"is": type(item).__name__, **{name: plain(value) for name, value in changed.items()}}


def plain(value: Any) -> object:
    if isinstance(value, tuple):
        return [plain(each) for each in cast("tuple[Any, ...]", value)]
    return in_line(value) if is_dataclass(value) else value


def reading(text: str, *, start_s: float = 1.0, posteriors: Sequence[float] = (), share: float = 1.0) -> Hypothesis:
    words = tuple(
        Word(text=word, start_s=start_s + 0.3 * n, end_s=start_s + 0.3 * n + 0.25, posterior=p)
        for n, (word, p) in enumerate(zip(text.split(), posteriors, strict=False))
    )
    return Hypothesis(text=text, logp=-1.0, posterior=share, source="scripted", words=words)


def started(n: int, at_s: float) -> SpeechStarted:
    return SpeechStarted(utterance=n, at_s=at_s)


def partial(n: int, text: str, *, stable: int, at_s: float = 2.0) -> Transcript:
    return Transcript(utterance=n, revision=1, at_s=at_s, is_final=False, nbest=(reading(text),), n_stable=stable)


def final(n: int, text: str, *, at_s: float = 3.0, posteriors: Sequence[float] = ()) -> Transcript:
    nbest = (reading(text, posteriors=posteriors),) if text else ()
    return Transcript(utterance=n, revision=2, at_s=at_s, is_final=True, nbest=nbest, language="en")


def ended(n: int, *, start_s: float, end_s: float, reason: Any = "endpoint") -> SpeechEnded:
    return SpeechEnded(utterance=n, start_s=start_s, end_s=end_s, decided_s=end_s + 0.5, reason=reason)


def understood(said: Transcript, *, start_s: float, end_s: float) -> Utterance:
    return Utterance(
        utterance=said.utterance,
        start_s=start_s,
        end_s=end_s,
        decided_s=end_s + 0.5,
        transcript=said,
        prosody=Prosody(pitch_mean_hz=120.0, voiced_s=0.8, words=("louder than usual",)),
        samples=np.zeros(0, np.float32),
    )


def utterance(n: int, text: str, *, start_s: float, end_s: float, reason: Any = "endpoint") -> list[SessionEvent]:
    """All that is heard of an utterance."""
    said = final(n, text, at_s=end_s + 0.5)
    heard: list[SessionEvent] = [
        started(n, start_s),
        partial(n, text, stable=1, at_s=end_s - 0.1),
        ended(n, start_s=start_s, end_s=end_s, reason=reason),
        said,
    ]
    return [*heard, understood(said, start_s=start_s, end_s=end_s)] if text else heard
