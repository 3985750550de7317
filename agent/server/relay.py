"""A client comes back and the kernel hands it to the wrong worker: its messages are passed on to the one that knows it.

Each worker listens on a socket file in the folder of theirs (`Place.folder`), with everything it does on the port: who
may come in, limits, closing. The relay in between understands nothing: messages go both ways, closing too.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
from websockets.asyncio.client import unix_connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from .resume import LAST_EVENT_HEADER, RESUME_HEADER, worker_of
from .seats import not_found

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.asyncio.connection import Connection
    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request

    from .workers import Place

OPEN_S: Final = 5.0
PASSED_ON: Final = ("Authorization", "Origin", RESUME_HEADER, LAST_EVENT_HEADER)
"""Of the request, besides path and subprotocols: what the other worker judges it by."""

UNSAID: Final = frozenset({CloseCode.NO_STATUS_RCVD, CloseCode.ABNORMAL_CLOSURE, CloseCode.TLS_HANDSHAKE})
"""Codes that stand for no code, and are never sent (RFC 6455, 7.4.1)."""


class Relay:
    """Knows where the other workers are."""

    def __init__(self, place: Place) -> None:
        """Relay for the worker at a place."""
        self._place = place

    @property
    def path(self) -> str:
        """Where this worker listens for the others."""
        return self._path(self._place.number)

    def owner(self, token: str) -> str | None:
        """Return where the worker listens that gave a token; None: it is this one, or there is no such worker."""
        number = worker_of(token)
        if number is None or number == self._place.number or number >= self._place.n_workers:
            return None
        path = self._path(number)
        return path if Path(path).exists() else None

    async def carry(self, client: ServerConnection, *, owner: str) -> None:
        """Pass messages on between a client and the worker that has its session, until either closes.

        Raises:
            Refused: the other worker has no such session either, or has just died; nothing was sent to the client.
        """
        request = client.request
        assert request is not None
        try:
            other = await _connected(owner, request)
        except (OSError, TimeoutError, ValueError, InvalidHandshake, InvalidURI):
            raise not_found() from None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_pump, client, other)
            tasks.start_soon(_pump, other, client)

    def _path(self, number: int) -> str:
        return str(Path(self._place.folder) / f"worker-{number}.sock")


async def _connected(owner: str, request: Request) -> ClientConnection:
    """Ask the other worker what the client has asked this one; in the clear, for it never leaves the machine."""
    offers = request.headers.get_all("Sec-WebSocket-Protocol")
    names = [name.strip() for value in offers for name in value.split(",") if name.strip()]
    host = request.headers.get("Host", "localhost")
    return await unix_connect(
        owner,
        f"ws://{host}{request.path}",
        additional_headers=[(name, value) for name in PASSED_ON for value in request.headers.get_all(name)],
        subprotocols=[Subprotocol(name) for name in names] or None,
        compression=None,
        user_agent_header=None,
        max_size=None,  # the client's messages were measured on the way in
        ping_interval=None,
        open_timeout=OPEN_S,
        close_timeout=1,
    )


async def _pump(source: Connection, target: Connection) -> None:
    """Pass messages on until the source closes, then close the target as it did; lost is passed on as lost."""
    try:
        while True:
            await target.send(await source.recv())
    except ConnectionClosed:
        code, reason = source.close_code, source.close_reason or ""
        if code is None:
            # It was the target that closed; the other pump passes that on.
            return
        if code in UNSAID and code != CloseCode.NO_STATUS_RCVD:
            target.transport.abort()
            return
        with suppress(ConnectionClosed):
            await target.close(CloseCode.NORMAL_CLOSURE if code in UNSAID else code, reason)
