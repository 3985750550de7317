"""What a session has to say to its client, kept until it is sent, and a while longer for a client that comes back.

Knows no socket: a connection takes what is unsent; after a lost one, the next takes again what was not seen.
"""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel
from pydantic_core import PydanticSerializationError, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..wire.dialect import ServerEvent

KEPT: Final = 2_000
KEPT_BYTES: Final = 8 * 2**20
KEPT_S: Final = 120.0
"""Twice what it takes to notice a lost connection and come back: older messages were seen, or nobody will ask."""


@dataclass(slots=True)
class _Message:
    """One event as it goes over the wire; `number` is what its id ends in, `at_s` when it was posted or sent."""

    number: int
    text: str
    n_bytes: int
    at_s: float


class Outbox:
    """The messages of one session, in order: those unsent, and behind them those sent and kept."""

    def __init__(
        self,
        *,
        kept: int = KEPT,
        kept_bytes: int = KEPT_BYTES,
        kept_s: float = KEPT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin empty.

        Args:
            kept: messages kept after they were sent.
            kept_bytes: the same in bytes of UTF-8.
            kept_s: how long a sent message is kept.
            clock: monotonic seconds.
        """
        self._kept, self._kept_bytes, self._kept_s = kept, kept_bytes, kept_s
        self._clock = clock
        self._sent: deque[_Message] = deque()
        self._unsent: deque[_Message] = deque()
        self._sent_bytes = self._unsent_bytes = 0
        self._n_taken = 0
        self._last = self._reached = self._forgotten = 0
        self._reader = 0
        self._news: anyio.Event | None = None
        self._is_closed = False

    @property
    def last(self) -> int:
        """Number of the last event posted, 0 before the first."""
        return self._last

    @property
    def n_unsent(self) -> int:
        """How many messages wait to be taken."""
        return len(self._unsent)

    @property
    def is_closed(self) -> bool:
        """Nothing more will be posted."""
        return self._is_closed

    @property
    def is_overfull(self) -> bool:
        """More waits than may: whoever reads is too slow, or nobody does."""
        # Twice what is kept: a client that comes back to all that was kept is not taken for a slow one.
        return len(self._unsent) > 2 * self._kept or self._unsent_bytes > 2 * self._kept_bytes

    def post(self, events: Sequence[ServerEvent]) -> None:
        """Add events behind all others; each is made text once, here. After `close` they are dropped."""
        if self._is_closed or not events:
            return
        now_s = self._clock()
        for event in events:
            raw = _json(event)
            self._last = _number(event, after=self._last)
            self._unsent.append(_Message(self._last, raw.decode(), len(raw), now_s))
            self._unsent_bytes += len(raw)
        self._wake()

    async def next(self) -> list[str]:
        """Wait until something is unsent and take all of it, in order.

        What was taken counts as sent when `next` is called again. Returns an empty list when there is nothing more to
        come: the outbox was closed, or another reader has come (`rewind`).
        """
        self._n_taken = 0
        reader = self._reader
        await anyio.lowlevel.checkpoint_if_cancelled()
        while not self._unsent:
            if self._is_closed or reader != self._reader:
                return []
            if self._news is None:
                self._news = anyio.Event()
            await self._news.wait()
        return [] if reader != self._reader else self._take()

    def rewind(self, after: int | None) -> int:
        """Make what the client has not seen unsent again, for another reader; the one before gets nothing any more.

        Args:
            after: number of the last event the client has seen; None: it cannot say, so that only what was being sent
                is sent again.

        Returns:
            How many messages are unsent now.

        Raises:
            KeyError: some of what it has not seen is gone, or there never was such an event. Nothing has changed.
        """
        if not self.can_rewind(after):
            raise KeyError(after)
        n_again = self._n_taken if after is None else sum(message.number > after for message in self._sent)
        for _ in range(n_again):
            message = self._sent.pop()
            self._sent_bytes -= message.n_bytes
            self._unsent.appendleft(message)
            self._unsent_bytes += message.n_bytes
        # Taken back after a connection before this one, and yet it had arrived.
        while after is not None and self._unsent and self._unsent[0].number <= after:
            seen = self._unsent.popleft()
            self._unsent_bytes -= seen.n_bytes
            self._forgotten = seen.number
        self._n_taken = 0
        self._reader += 1
        self._wake()
        return len(self._unsent)

    def can_rewind(self, after: int | None) -> bool:
        """Tell whether everything after an event is still there (see `rewind`)."""
        return after is None or self._forgotten <= after <= self._reached

    def close(self) -> None:
        """Nothing more comes: `next` gives what is left, then nothing; nothing is kept. Idempotent."""
        self._is_closed = True
        self._keep_nothing()
        self._wake()

    def _take(self) -> list[str]:
        now_s = self._clock()
        texts = [message.text for message in self._unsent]
        for message in self._unsent:
            message.at_s = now_s
        self._sent += self._unsent
        self._sent_bytes += self._unsent_bytes
        self._n_taken = len(texts)
        self._reached = self._sent[-1].number
        self._unsent.clear()
        self._unsent_bytes = 0
        if self._is_closed:
            self._keep_nothing()
        self._forget(now_s)
        return texts

    def _keep_nothing(self) -> None:
        """Let go of all that was sent: nobody comes back to a session that is over."""
        if self._sent:
            self._forgotten = self._sent[-1].number
        self._sent.clear()
        self._sent_bytes = self._n_taken = 0

    def _forget(self, now_s: float) -> None:
        """Let go of the oldest messages that were sent, those in hand excepted."""
        while len(self._sent) > self._n_taken and (
            len(self._sent) > self._kept
            or self._sent_bytes > self._kept_bytes
            or now_s - self._sent[0].at_s > self._kept_s
        ):
            gone = self._sent.popleft()
            self._sent_bytes -= gone.n_bytes
            self._forgotten = gone.number

    def _wake(self) -> None:
        if self._news is not None:
            self._news.set()
            self._news = None


def _json(event: ServerEvent) -> bytes:
    """Return an event as JSON in UTF-8: no NaN or infinity (null), no lone surrogates (a question mark)."""
    try:
        return to_json(event, inf_nan_mode="null")
    except PydanticSerializationError:
        text = json.dumps(event, ensure_ascii=False).encode("utf-8", "replace")
        return to_json(json.loads(text, parse_constant=lambda _: None))


def _number(event: ServerEvent, *, after: int) -> int:
    """Return what an event's id ends in; one that does not go on from the last is counted on."""
    tail = str(event.get("event_id", "")).rpartition("_")[2]
    number = int(tail) if tail.isdecimal() and len(tail) < 19 else 0
    return max(number, after + 1)
