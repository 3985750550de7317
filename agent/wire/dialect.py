"""What a protocol on the wire has to do: client messages to steps, session events to server events. No I/O.

A dialect is a pure state machine, one per session: it survives a lost connection, knows no socket, task or clock, and
never fails. What a client sends wrongly becomes an `error` event; the session goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from streaming.controls import Control
    from streaming.events import Samples

    from ..behaviour import SessionCommand
    from ..events import SessionEvent

ServerEvent: TypeAlias = dict[str, Any]
"""One message to the client, as plain values for JSON: `type` and `event_id` first."""

Stop: TypeAlias = Literal["flush", "now"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HistoryRequest:
    """A client asks for what is kept: the list of sessions, one of them, or to delete one (None: all)."""

    action: Literal["list", "export", "delete"]
    session: str | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """What one message of a client leads to.

    Attributes:
        line: what goes into the stream, in order: sound (float32, mono, 16 kHz), controls, commands (as `Mark`s).
        events: what to answer at once.
        stops_reply: the reply that sounds stops now; this does not wait its turn in the stream.
        history: what is kept is asked for.
        ends: the client ends the session, after what it has sent ("flush").
        fault: code of what was wrong with the message, None when nothing was; the connection counts them.
        n_sound: samples of sound in `line`, for limits.
    """

    line: tuple[Samples | Control | SessionCommand, ...] = ()
    events: tuple[ServerEvent, ...] = ()
    stops_reply: bool = False
    history: HistoryRequest | None = None
    ends: Stop | None = None
    fault: str | None = None
    n_sound: int = 0


class Dialect(Protocol):
    """One session's protocol. Calls come one at a time."""

    def open(self) -> list[ServerEvent]:
        """Return what the client is told first."""
        ...

    def receive(self, message: str | bytes) -> Step:
        """Take a message of the client; bytes are a binary frame. Never raises."""
        ...

    def tell(self, event: SessionEvent) -> list[ServerEvent]:
        """Return what the client is told of a session event, possibly nothing."""
        ...

    def sound(self, samples: Samples) -> list[ServerEvent]:
        """Return the next sound of the reply under way, in the session's output format."""
        ...

    def moved(self, action: Literal["duck", "resume"]) -> list[ServerEvent]:
        """The reply that sounds gets quieter or louder again: tell those who asked for it."""
        ...

    def history(self, request: HistoryRequest, answer: dict[str, Any] | str) -> list[ServerEvent]:
        """Return the answer to a `HistoryRequest`: values, or why there are none."""
        ...

    def fault(self, code: str, message: str, *, event_id: str | None = None) -> list[ServerEvent]:
        """Return an `error` event of the server's own (limits, storage)."""
        ...

    def ending(self, *, in_s: float, reason: str) -> list[ServerEvent]:
        """The session ends in so many seconds, and why."""
        ...

    def resumed(self, *, n_replayed: int) -> list[ServerEvent]:
        """The client is back and was told what it had missed."""
        ...

    def close(self) -> list[ServerEvent]:
        """The stream has ended and everything was told: return the last events."""
        ...
