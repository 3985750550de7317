"""A connection to a realtime server that comes back by itself when it is lost. Knows events only as JSON.

A session outlives its connection at the server for a while. The client comes back with the token the server gave it and
the number of the last event it saw, and gets what it has missed.
"""

from __future__ import annotations

import errno
import json
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import anyio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException

from ..errors import AgentError
from .address import is_local

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from websockets.asyncio.client import ClientConnection
    from websockets.http11 import Response

Event: TypeAlias = dict[str, Any]

NORMAL: Final = 1000
NO_SESSION: Final = 4044
LOST: Final = frozenset({1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015})
"""Close codes after which coming back may help (see `agent.server.closing`)."""

GOODBYE: Final = "the client is done"
MAX_BYTES: Final = 16 << 20
"""Of one message of a server: sound of a whole reply, from servers that do not pace it."""


class ServerLost(AgentError):
    """The server cannot be reached, refuses, or has ended the conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for what, in seconds.

    Attributes:
        open_s: for a connection to open. back_s: to be back, once it was lost. first_s, most_s: between two tries, ever
            longer. close_s: for the server to say goodbye too.
    """

    open_s: float = 10.0
    back_s: float = 60.0
    first_s: float = 0.25
    most_s: float = 5.0
    close_s: float = 2.0


@dataclass(slots=True, kw_only=True)
class _Place:
    """Where in which session we are."""

    token: str | None = None
    last: str = ""

    def note(self, event: Event) -> None:
        if isinstance(number := event.get("event_id"), str):
            self.last = number.rpartition("_")[2]
        if event.get("type") == "attune.session.info" and isinstance(token := event.get("resume_token"), str):
            self.token = token

    @property
    def headers(self) -> dict[str, str]:
        if self.token is None:
            return {}
        last = {"Attune-Last-Event": self.last} if self.last.isdigit() else {}
        return {"Attune-Resume": self.token} | last


@dataclass(slots=True)
class Connection:
    """One conversation with a server. Read `events` in one task, `send` from others.

    Args:
        url: see `agent.client.address.realtime_url`.
        token: who we are, None where nobody asks.
        note: takes lines for the user: lost, back.
        patience: how long to wait.
        sleep: waits so many seconds.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    note: Callable[[str], None] = field(default=lambda _: None)
    patience: Patience = field(default_factory=Patience)
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    _socket: ClientConnection | None = None
    _open: anyio.Event = field(default_factory=anyio.Event)
    _place: _Place = field(default_factory=_Place)

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield what the server says until the conversation is over, by either side.

        Raises:
            ServerLost: it cannot be reached, refuses, or ends the conversation for a reason of its own.
        """
        socket = await self._connect()
        while True:
            self._socket = socket
            self._open.set()
            try:
                async for message in socket:
                    if (event := _event_of(message)) is not None:
                        self._place.note(event)
                        yield event
            except ConnectionClosed:
                pass  # why, the close code tells
            finally:
                self._lose(socket)
                with anyio.move_on_after(self.patience.close_s, shield=True):
                    await socket.close(NORMAL, GOODBYE)
            if socket.close_code == NORMAL:
                return
            socket = await self._back(socket.close_code, socket.close_reason)

    async def send(self, event: Event) -> None:
        """Send an event; while the connection is lost, wait until it is back.

        Not for the task that reads `events`: it is who brings the connection back.
        """
        text = json.dumps(event)
        while True:
            await self._open.wait()
            if (socket := self._socket) is not None:
                with suppress(ConnectionClosed):
                    await socket.send(text)
                    return
                self._lose(socket)  # the reader finds out too, and comes back

    async def close(self) -> None:
        """End the conversation. Idempotent."""
        if (socket := self._socket) is not None:
            await socket.close(NORMAL, GOODBYE)

    def _lose(self, socket: ClientConnection) -> None:
        if self._socket is socket:
            self._socket, self._open = None, anyio.Event()

    async def _back(self, code: int | None, reason: str | None) -> ClientConnection:
        """Return a new connection to the session, or to a new one where that is gone.

        Raises:
            ServerLost: coming back does not help, or did not succeed in time.
        """
        if code == NO_SESSION and self._place.token is not None:
            return await self._anew()
        if code not in LOST:
            raise ServerLost(f"the server ended the conversation: {reason or 'it gave no reason'} ({code})")
        self.note("connection lost: trying to come back")
        wait_s, waited_s = self.patience.first_s, 0.0
        while True:
            try:
                socket = await self._connect()
            except ServerLost as trouble:
                if self._is_gone(trouble.__cause__):
                    return await self._anew()
                if waited_s >= self.patience.back_s or isinstance(trouble.__cause__, InvalidStatus):
                    raise
                await self.sleep(wait_s)
                waited_s += wait_s
                wait_s = min(2 * wait_s, self.patience.most_s)
            else:
                self.note("connected again")
                return socket

    def _is_gone(self, cause: BaseException | None) -> bool:
        """Tell whether a server refuses since it does not know the session any more."""
        is_unknown = isinstance(cause, InvalidStatus) and cause.response.status_code == HTTPStatus.NOT_FOUND
        return is_unknown and self._place.token is not None

    async def _anew(self) -> ClientConnection:
        self.note("the conversation is gone at the server: beginning a new one")
        self._place = _Place()
        return await self._connect()

    async def _connect(self) -> ClientConnection:
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        try:
            return await connect(
                self.url,
                additional_headers=headers | self._place.headers,
                compression=None,
                max_size=MAX_BYTES,
                open_timeout=self.patience.open_s,
                close_timeout=self.patience.close_s,
                proxy=None if is_local(self.url) else True,
            )
        except InvalidStatus as refused:
            raise ServerLost(_refusal(refused.response)) from refused
        except (InvalidHandshake, WebSocketException) as trouble:
            raise ServerLost(f"{_where(self.url)} is no realtime server: {trouble}") from trouble
        except (OSError, TimeoutError) as trouble:
            raise ServerLost(f"{_where(self.url)} cannot be reached: {_why(trouble)}") from trouble


def _event_of(message: str | bytes) -> Event | None:
    """Return an event; what is none is left out, as protocols grow."""
    try:
        event: object = json.loads(message)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]


def _refusal(response: Response) -> str:
    """Return why a server refused, in its own words where it has any."""
    words = (response.body or b"").decode("utf-8", "replace").strip()
    try:
        words = json.loads(words)["error"]["message"]
    except (ValueError, TypeError, KeyError):
        words = words.splitlines()[0] if words else response.reason_phrase
    later = response.headers.get("Retry-After")
    return f"the server refuses: {words} ({response.status_code})" + (f"; try again in {later} s" if later else "")


def _where(url: str) -> str:
    return url.partition("?")[0]


def _why(trouble: OSError) -> str:
    # Of a name with several addresses, all are told of in one text.
    if trouble.errno == errno.ECONNREFUSED or f"[Errno {errno.ECONNREFUSED}]" in str(trouble):
        return "nothing listens there; start a server with `attune serve`, or name another with --url"
    return (trouble.strerror or str(trouble) or "it does not answer").lower()
