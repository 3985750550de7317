"""One client on its seat: a reader with limits, a writer that takes what there is to say, until either ends."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

import anyio
from websockets.exceptions import ConnectionClosed

from .closing import Close, name_of, reason_of
from .limits import Allowance, Ended, Warned
from .ports import Received

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .link import Link
    from .metrics import ServerMetrics
    from .seat import EndReason, Seat
    from .settings import ServerSettings

_LOG = logging.getLogger(__name__)

CLOSE_OF: Final[Mapping[EndReason, Close]] = {
    "done": Close.NORMAL,
    "idle": Close.IDLE,
    "too_long": Close.TOO_LONG,
    "lost": Close.ABNORMAL,
    "displaced": Close.NO_SLOT,
    "draining": Close.GOING_AWAY,
    "failed": Close.INTERNAL_ERROR,
}
_NOTHING: Final = Received()
BARRED: Final = frozenset({Close.BAD_AUDIO, Close.POLICY, Close.SCHEMA, Close.TOO_FAST, Close.UNSUPPORTED_DATA})
"""After these a session is over: whoever sent what led to it does not come back to it."""
LEFT: Final = frozenset({Close.NORMAL, Close.NO_CODE})
"""What clients close with that have finished: they will not come back. `close()` of browsers gives no code."""


class Connection:
    """A client's connection to its session, for as long as it lasts."""

    def __init__(
        self,
        link: Link,
        seat: Seat,
        *,
        settings: ServerSettings,
        metrics: ServerMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect nothing yet; `run` does.

        Args:
            link: the client's socket, open.
            seat: its session.
            settings: how much it may send.
            metrics: counts messages, faults and closes.
            clock: monotonic seconds.
        """
        self._link = link
        self._seat = seat
        self._metrics = metrics
        self._clock = clock
        self._received = metrics.messages.labels("in")
        self._allowance = Allowance(settings, now_s=clock())
        self._scope = anyio.CancelScope()
        self._ended: Ended | None = None
        self._asked_s: float | None = None

    async def run(self, *, within_s: float | None = None) -> None:
        """Carry messages both ways until the client, the session or a limit ends it; then close, and leave the seat.

        Args:
            within_s: how long the client's token is good for; None: for ever.
        """
        self._seat.attach(self._on_taken_over)
        try:
            with self._scope:
                await self._carry(within_s)
            if self._ended is not None:
                await self._link.close(self._ended.code, self._ended.detail)
        finally:
            self._leave()

    async def _carry(self, within_s: float | None) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read)
            tasks.start_soon(self._write)
            if within_s is not None:
                await anyio.sleep(within_s)
                self._end(Close.SESSION_EXPIRED)

    async def _read(self) -> None:
        try:
            # What has come already is given without a pause in which a cancellation would show.
            while self._ended is None:
                message = await self._link.recv()
                self._received.inc()
                self._judge(self._take(message))
        except ConnectionClosed:
            self._scope.cancel()

    def _take(self, message: str | bytes) -> Received:
        if message == b"":
            return _NOTHING  # and yet it costs as much as any other
        n_before, now_s = self._seat.outbox.n_unsent, self._clock()
        received = self._seat.receive(message)
        if self._asked_s is None and self._seat.outbox.n_unsent > n_before:
            self._asked_s = now_s
        return received

    def _judge(self, received: Received) -> None:
        if received.fault is not None:
            self._metrics.faults.labels(received.fault).inc()
            _LOG.info("session %s: fault %s", self._seat.session, received.fault)
        if received.sound_s:
            self._metrics.audio_s.inc(received.sound_s)
        if received.ends is not None:
            self._seat.end("done", how=received.ends)
        match self._allowance.take(received, now_s=self._clock()):
            case Warned(code=code, message=message):
                _LOG.info("session %s: warned of %s", self._seat.session, code)
                self._metrics.faults.labels(code).inc()
                self._seat.dialogue.fault(code, message)
            case Ended() as ended:
                self._end(ended.code, detail=ended.detail)
            case None:
                pass

    async def _write(self) -> None:
        outbox, link, sent = self._seat.outbox, self._link, self._metrics.messages.labels("out")
        try:
            while texts := await outbox.next():
                for text in texts:
                    await link.send(text)
                sent.inc(len(texts))
                if self._asked_s is not None:
                    self._metrics.frame_to_event_s.observe(self._clock() - self._asked_s)
                    self._asked_s = None
                if outbox.is_overfull:
                    link.drop()
        except ConnectionClosed:
            self._scope.cancel()
            return
        if outbox.is_closed:
            self._end(CLOSE_OF[self._seat.end_reason or "done"])

    def _on_taken_over(self) -> None:
        self._end(Close.TAKEN_OVER)

    def _end(self, code: Close, *, detail: str = "") -> None:
        """Stop carrying; the first reason stands."""
        if self._ended is None:
            self._ended = Ended(code=code, detail=reason_of(code, detail=detail))
        self._scope.cancel()

    def _leave(self) -> None:
        code = self._link.closed_with
        is_final = code in BARRED if self._ended is not None else code in LEFT
        self._seat.detach(self._on_taken_over, is_final=is_final)
        if self._link.is_deaf:
            self._metrics.slow_readers.inc()
        deaf = " (it did not read)" if self._link.is_deaf else ""
        self._metrics.closes.labels(name_of(code)).inc()
        _LOG.info("session %s: connection closed, %d %s%s", self._seat.session, code, name_of(code), deaf)
