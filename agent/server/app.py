"""The server: sockets on one side, dialogues on the other. `async with serve(settings, dialogues) as server`."""

from __future__ import annotations

import importlib
import logging
import secrets
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

import websockets.asyncio.server
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from streaming.errors import StreamingError

from ..errors import AgentError
from .admission import Refused
from .blame import blame
from .closing import Close, name_of, reason_of
from .connection import Connection
from .first_message import first_token
from .gate import Gate
from .handshake import PROTOCOL
from .http import Desk, Standing, page_assets
from .link import linked
from .metrics import ServerMetrics
from .ports import Opening
from .seats import Seats
from .visit import No

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

    from .handshake import Admitted
    from .link import Link
    from .ports import Dialogues
    from .relay import Relay
    from .seat import Seat
    from .settings import ServerSettings
    from .visit import Visit

_LOG = logging.getLogger(__name__)


class Server:
    """A running server. `metrics` and `seats` are there for what stands around it."""

    def __init__(
        self,
        settings: ServerSettings,
        dialogues: Dialogues,
        *,
        seats: Seats,
        metrics: ServerMetrics,
        relay: Relay | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Serve nobody yet; `serve` makes one that does."""
        self.settings = settings
        self.seats = seats
        self.metrics = metrics
        self._dialogues = dialogues
        self._relay = relay
        self._wall_clock = wall_clock
        desk = Desk(
            standing=self._standing,
            metrics=lambda: (metrics.exposition(), metrics.content_type),
            schema=_schema,
            assets=page_assets(records=settings.records) if settings.page else {},
        )
        self._gate = Gate(settings, seats=seats, metrics=metrics, desk=desk, relay=relay, wall_clock=wall_clock)
        self._sockets: websockets.asyncio.server.Server | None = None
        self.port = settings.port

    @property
    def url(self) -> str:
        """Where sessions are opened, `ws://…/v1/realtime`."""
        scheme = "ws" if self.settings.tls is None else "wss"
        return f"{scheme}://{self._authority}/v1/realtime"

    @property
    def page_url(self) -> str:
        """Where the page is."""
        scheme = "http" if self.settings.tls is None else "https"
        return f"{scheme}://{self._authority}/"

    @property
    def _authority(self) -> str:
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.settings.host, self.settings.host)  # noqa: S104 - is shown, not listened on
        return f"{f'[{host}]' if ':' in host else host}:{self.port}"

    async def listen(self, *, reuse_port: bool) -> websockets.asyncio.server.Server:
        """Open the port.

        Raises:
            OSError: it is taken, or may not be had.
        """
        host, port, tls = self.settings.host or None, self.settings.port, self.settings.tls
        self._sockets = await websockets.asyncio.server.serve(
            self._handle, host, port, ssl=tls, reuse_port=reuse_port or None, **self._options
        )
        self.port = self._sockets.sockets[0].getsockname()[1]
        return self._sockets

    def listen_for_workers(self, relay: Relay) -> websockets.asyncio.server.Server:
        """Return what takes clients that came back to another worker, once it is entered."""
        return websockets.asyncio.server.unix_serve(self._handle, relay.path, **self._options)

    @property
    def _options(self) -> dict[str, Any]:
        settings = self.settings
        return {
            "compression": None,
            "process_request": self._on_request,
            "select_subprotocol": _select,
            "server_header": "attune",
            "open_timeout": settings.handshake_s,
            "ping_interval": settings.ping_interval_s,
            "ping_timeout": settings.ping_timeout_s,
            "close_timeout": settings.close_s,
            "max_size": settings.max_message_bytes,
            "max_queue": settings.max_queued_frames,
            # Its own log shows frames and headers, which hold what people say, and secrets.
            "logger": _silent(),
            "create_connection": linked(settings),
        }

    def _standing(self) -> Standing:
        refused = self.seats.refusal
        if refused is not None:
            after_s = refused.retry_after_s or 1.0
            return Standing(waits=refused.code, n_sessions=len(self.seats), retry_after_s=after_s)
        return Standing(waits=self._dialogues.is_degraded, n_sessions=len(self.seats))

    def _on_request(self, connection: ServerConnection, request: Request) -> Response | None:
        return self._gate.answer(cast("Link", connection), request, port=self.port)

    # A session

    async def _handle(self, connection: ServerConnection) -> None:
        link = cast("Link", connection)
        try:
            await self._serve(link)
        except ConnectionClosed:
            return
        except Exception as trouble:  # noqa: BLE001 - the boundary of one connection: others go on
            _LOG.error("a connection failed: %s", blame(trouble))
            await link.close(Close.INTERNAL_ERROR, reason_of(Close.INTERNAL_ERROR))

    async def _serve(self, link: Link) -> None:
        visit = link.visit
        if visit is None or visit.admitted is None or visit.no is not None:
            await self._turn_away(link, _no_of(visit))
            return
        if visit.owner is not None and self._relay is not None:
            await self._pass_on(link, visit.owner, visit=visit, relay=self._relay)
            return
        admitted = visit.admitted
        if admitted.sends_token:
            bearer = await first_token(link, settings=self.settings, now=self._wall_clock)
            if bearer is None:
                self.metrics.refused.labels("invalid_token").inc()
                _LOG.info("refused %s: invalid_token", visit.address)
                await self._turn_away(link, _NO_TOKEN)
                return
            admitted = replace(admitted, bearer=bearer)
        seat = self._seat(visit, admitted)
        if isinstance(seat, No):
            await self._turn_away(link, seat)
            return
        _LOG.info("session %s: connection from %s", seat.session, visit.address)
        until = admitted.bearer and admitted.bearer.until
        within_s = None if until is None else until - self._wall_clock()
        with self.metrics.connections_open.track_inprogress():
            await Connection(link, seat, settings=self.settings, metrics=self.metrics).run(within_s=within_s)

    async def _pass_on(self, link: Link, owner: str, *, visit: Visit, relay: Relay) -> None:
        try:
            await relay.carry(link, owner=owner)
        except Refused as refused:
            await self._turn_away(link, self._gate.refuse(refused, address=visit.address))

    def _seat(self, visit: Visit, admitted: Admitted) -> Seat | No:
        client = visit.client(admitted)
        try:
            if visit.resume is not None:
                return self.seats.resume(visit.resume, client)
            session = secrets.token_hex(8)
            return self.seats.open(Opening(endpoint=admitted.endpoint, session=session, query=admitted.query), client)
        except Refused as refused:
            return self._gate.refuse(refused, address=visit.address)
        except (AgentError, StreamingError) as trouble:
            self.metrics.refused.labels("not_available").inc()
            return No(status=501, close=Close.NOT_AVAILABLE, code="not_available", message=str(trouble))

    async def _turn_away(self, link: Link, no: No) -> None:
        """Say after the upgrade why there is no session."""
        self.metrics.closes.labels(name_of(no.close)).inc()
        await link.send(no.as_event())
        await link.close(no.close, reason_of(no.close, detail=no.message))


_NO_TOKEN: Final = No(
    status=401, close=Close.AUTH_FAILED, code="invalid_token", message="the first message was no auth with a good token"
)


@asynccontextmanager
async def serve(  # noqa: PLR0913 - what stands around a server, most of it optional
    settings: ServerSettings,
    dialogues: Dialogues,
    *,
    metrics: ServerMetrics | None = None,
    worker: int | None = None,
    reuse_port: bool = False,
    relay: Relay | None = None,
    wall_clock: Callable[[], float] = time.time,
) -> AsyncGenerator[Server]:
    """Give a server that serves; leaving it closes all connections (1001) and ends all sessions at once.

    Args:
        settings: where, for whom, how much.
        dialogues: makes the conversations.
        metrics: what is counted, to be shared with what is around the server; one of its own by default.
        worker: number of this process among several on the port.
        reuse_port: other processes listen on the same port.
        relay: to them, for clients that come back to the wrong one.
        wall_clock: POSIX time, for tokens that end.

    Raises:
        OSError: the port is taken, or may not be had.
    """
    counted = metrics or ServerMetrics()
    async with Seats(dialogues, settings, counted, worker=worker) as seats:
        server = Server(settings, dialogues, seats=seats, metrics=counted, relay=relay, wall_clock=wall_clock)
        async with AsyncExitStack() as listening:
            if relay is not None:
                await listening.enter_async_context(server.listen_for_workers(relay))
            await listening.enter_async_context(await server.listen(reuse_port=reuse_port))
            yield server


def _no_of(visit: Visit | None) -> No:
    return _NO_TOKEN if visit is None or visit.no is None else visit.no


def _select(_: ServerConnection, offers: Sequence[Subprotocol]) -> Subprotocol | None:
    """Select `realtime` alone: what else is offered are secrets, which do not come back."""
    return Subprotocol(PROTOCOL) if PROTOCOL in offers else None


def _schema() -> dict[str, Any]:
    return importlib.import_module("agent.wire.schema.export").json_schema()


def _silent() -> logging.Logger:
    logger = logging.getLogger(f"{__name__}.sockets")
    logger.disabled = True
    return logger
