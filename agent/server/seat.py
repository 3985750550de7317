"""One session's place on the server: its dialogue, its outbox, and whichever connection has it at present.

Holds no timer: `check` is told the time, and says and does what is due.
"""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

import anyio

from streaming.errors import StreamingError

from ..errors import AgentError
from .outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..wire.dialect import ServerEvent, Stop
    from .admission import Client
    from .ports import Dialogue, Received

_LOG = logging.getLogger(__name__)

EndReason: TypeAlias = Literal["done", "idle", "too_long", "lost", "displaced", "draining", "failed"]
"""Why a seat ended: the client asked, or left; no message for long; too long a session; nobody came back; nobody came
back and its place was needed; the server stops; it cannot go on."""

ENGINE_FAILED: Final = "engine_failed"
TICK_S: Final = 0.5
"""How often `check` is called."""

NOW_S: Final = 3.0
"""A dialogue that was told to end now is cancelled after so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeatLimits:
    """Bounds in time of one session, seconds.

    Attributes:
        idle_s: without any message of the client.
        max_session_s: from its beginning.
        warn_s: how long before either the client is told.
        resume_s: that it outlives its connection.
        flush_s: that a session may take to answer what was said and hear it out, once it has to end.
    """

    idle_s: float
    max_session_s: float
    warn_s: float
    resume_s: float
    flush_s: float


class Seat:
    """A session that outlives its connection. Use: `attach`, then `outbox.next()` and `receive`, at last `detach`."""

    def __init__(
        self,
        dialogue: Dialogue,
        *,
        session: str,
        resume_token: str,
        client: Client,
        limits: SeatLimits,
        clock: Callable[[], float],
    ) -> None:
        """Take a place; `hold` begins the dialogue."""
        self.dialogue = dialogue
        self.session = session
        self.resume_token = resume_token
        self.client = client
        self.outbox = Outbox(clock=clock)
        self.end_reason: EndReason | None = None
        self._limits = limits
        self._clock = clock
        self._scope = anyio.CancelScope()
        self._holder: Callable[[], None] | None = None
        self._was_attached = False
        self._began_s = self._heard_s = self._lost_s = clock()
        self._ends: Stop | None = None
        self._told_s = 0.0
        self._warned_of: set[EndReason] = set()
        self._was_told = False

    @property
    def is_attached(self) -> bool:
        """A connection has it."""
        return self._holder is not None

    @property
    def is_lost(self) -> bool:
        """A connection had it, and nobody has come back so far."""
        return self._holder is None and self._was_attached and not self.is_over

    @property
    def lost_s(self) -> float:
        """When the last connection was lost (or, before the first, when the session began)."""
        return self._lost_s

    @property
    def is_over(self) -> bool:
        """It has to end, or has ended."""
        return self.end_reason is not None

    def attach(self, on_taken_over: Callable[[], None]) -> None:
        """A connection has the session from now on; the one that had it is told, and is to close.

        Args:
            on_taken_over: called, once, when another connection takes the session; names the connection in `detach`.
        """
        before, self._holder = self._holder, on_taken_over
        self._was_attached = True
        self._heard_s = self._clock()
        if before is not None:
            before()

    def detach(self, on_taken_over: Callable[[], None], *, is_final: bool = False) -> None:
        """A connection has gone. Nothing happens where another has taken over. Idempotent.

        Args:
            on_taken_over: what it was attached with.
            is_final: the client has closed it in good order (1000), and will not come back; else the session waits.
        """
        if self._holder != on_taken_over:
            return
        self._holder = None
        self._lost_s = self._clock()
        if is_final or self._limits.resume_s <= 0:
            self.end("done" if is_final else "lost", how="now")

    def receive(self, message: str | bytes) -> Received:
        """Take a message of the client; what it was is returned, for limits. Never raises."""
        self._heard_s = self._clock()
        self._warned_of.discard("idle")
        return self.dialogue.receive(message)

    def end(self, reason: EndReason, *, how: Stop) -> None:
        """End the dialogue: after what was said ("flush") or at once ("now"). The first reason stands."""
        if self._ends in {"now", how}:
            return
        if self.end_reason is None:
            self.end_reason = reason
        self._ends, self._told_s = how, self._clock()
        self.dialogue.end(how)

    def cancel(self) -> None:
        """Stop the dialogue's task, however far it has come."""
        self._scope.cancel()

    def check(self, now_s: float) -> None:
        """Do what is due at `now_s`: warn of limits, end beyond them, insist where an end does not come."""
        if self._ends is not None:
            self._insist(now_s - self._told_s)
            return
        limits = self._limits
        if not self.is_attached and (now_s - self._lost_s >= limits.resume_s or self.outbox.is_overfull):
            self.end("lost", how="now")
            return
        self._bound("too_long", limits.max_session_s - (now_s - self._began_s))
        self._bound("idle", limits.idle_s - (now_s - self._heard_s))

    async def hold(self) -> None:
        """Hold the conversation until it ends. Whatever happens to it ends here; the outbox is closed after."""
        try:
            with self._scope:
                await self.dialogue.run(self._post)
        except Exception as trouble:  # noqa: BLE001 - the session boundary: one session's fault must not end the others
            self._fail(trouble)
        finally:
            if self.end_reason is None:
                self.end_reason = "done"
            self.outbox.close()

    def _post(self, events: Sequence[ServerEvent]) -> None:
        for event in events:
            if event.get("type") == "error" and event.get("error", {}).get("code") == ENGINE_FAILED:
                self._was_told = True
        self.outbox.post(events)

    def _fail(self, trouble: Exception) -> None:
        cause = _root_cause(trouble)
        is_ours = isinstance(cause, AgentError | StreamingError)
        # Messages may hold what was said, and so may tracebacks: where it happened is enough to find it.
        _LOG.error("session %s failed: %s at %s", self.session, type(cause).__name__, _place(cause))
        if self.end_reason is None:
            self.end_reason = "failed"
        if not is_ours:
            self.dialogue.fault("server_error", "the session failed and has ended: connect again for a new one")
        elif not self._was_told:
            self.dialogue.fault(ENGINE_FAILED, str(cause))

    def _bound(self, reason: Literal["idle", "too_long"], left_s: float) -> None:
        """Warn in time, and end when no time is left."""
        if self._ends is not None:
            return
        if left_s <= 0:
            self.end(reason, how="flush")
        elif left_s <= self._warn_s(reason) and reason not in self._warned_of:
            self._warned_of.add(reason)
            self.dialogue.ending(in_s=left_s, reason=reason)

    def _warn_s(self, reason: Literal["idle", "too_long"]) -> float:
        """Return how long before a limit the client is told; half of it where it is shorter than that."""
        whole_s = self._limits.idle_s if reason == "idle" else self._limits.max_session_s
        warn_s = self._limits.warn_s
        # One tick early, so that what was promised is the least.
        return warn_s + TICK_S if whole_s > warn_s else whole_s / 2

    def _insist(self, since_s: float) -> None:
        """It was told to end so long ago and has not."""
        if self._ends == "flush" and since_s >= self._limits.flush_s:
            self.end("done", how="now")
        elif self._ends == "now" and since_s >= NOW_S:
            self.cancel()


def _root_cause(trouble: Exception) -> Exception:
    """Return what really went wrong inside a group of errors: the first of ours, else the first."""
    if not isinstance(trouble, ExceptionGroup):
        return trouble
    group = cast("ExceptionGroup[Exception]", trouble)
    causes = [_root_cause(inner) for inner in group.exceptions]
    return next((cause for cause in causes if isinstance(cause, AgentError | StreamingError)), causes[0])


def _place(trouble: Exception) -> str:
    """Return file and line where an error was raised."""
    frames = traceback.extract_tb(trouble.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "no place"
