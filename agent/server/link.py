"""One socket: what the WebSocket library leaves open. Deadlines for readers that stop, floods of pings, endless pieces.

The library's own keepalive waits in the same place as a blocked send, and so never notices a client that does not read.
Here the clock starts when the socket's buffer is full, whoever wrote last, and the client has to have read something
(`MIN_READ_BYTES`) each time it has run out.
"""

from __future__ import annotations

import contextlib
import re
import socket
from typing import TYPE_CHECKING, Any, Final, cast

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN

from .closing import Close, reason_of
from .http import refusal
from .limits import Bucket

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from websockets.asyncio.server import Server
    from websockets.protocol import Event
    from websockets.server import ServerProtocol

    from .settings import ServerSettings
    from .visit import Visit

MIN_READ_BYTES: Final = 32 << 10
SLICE_BYTES: Final = 16 << 10
"""What is parsed in one go: 16 KiB of the smallest frames take some 20 ms, and are then judged."""
_OTHER_METHOD = re.compile(rb"(?!GET |HEAD )[A-Z]{3,7} /")


class Link(ServerConnection):
    """A client's socket with a deadline for its reading and bounds on its control frames and pieces.

    Attributes:
        visit: what its request was judged to be; None before that.
        is_deaf: it was dropped because the client did not read.
    """

    def __init__(self, protocol: ServerProtocol, server: Server, *, settings: ServerSettings, **options: Any) -> None:  # noqa: ANN401 - the library's own
        super().__init__(protocol, server, **options)
        self.is_deaf = False
        self.visit: Visit | None = None
        self._settings = settings
        self._control = Bucket(rate=settings.ping_rate, burst=settings.ping_burst, now_s=self.loop.time())
        self._reads_by: asyncio.TimerHandle | None = None
        self._closes_by: asyncio.TimerHandle | None = None
        self._left_bytes = 0
        self._n_pieces = 0
        self._piece_since_s = 0.0
        self._is_greeted = False

    @property
    def peer(self) -> str:
        """The client's address, "" where it has none (a unix socket)."""
        address = cast("tuple[object, ...] | str | None", self.remote_address)
        return str(address[0]) if isinstance(address, tuple) and address else ""

    @property
    def closed_with(self) -> int:
        """The code of whoever closed first; `ABNORMAL` where nobody did."""
        sent, received = self.protocol.close_sent, self.protocol.close_rcvd
        first = received if self.protocol.close_rcvd_then_sent or sent is None else sent
        return Close.ABNORMAL if first is None else first.code

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the system's buffer small, so that a client that does not read is noticed soon."""
        super().connection_made(transport)
        plug = transport.get_extra_info("socket")
        if plug is not None:
            with contextlib.suppress(OSError):
                plug.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._settings.send_buffer_bytes)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all clocks."""
        for timer in (self._reads_by, self._closes_by):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    # A client that does not read

    def pause_writing(self) -> None:
        """The buffer is full: the client has to read from here on."""
        super().pause_writing()
        self._left_bytes = self.transport.get_write_buffer_size()
        self._reads_by = self.loop.call_later(self._settings.send_s, self._look)

    def resume_writing(self) -> None:
        """It has."""
        if self._reads_by is not None:
            self._reads_by.cancel()
            self._reads_by = None
        super().resume_writing()

    def _look(self) -> None:
        left_bytes = self.transport.get_write_buffer_size()
        if self._left_bytes - left_bytes >= MIN_READ_BYTES:
            self._left_bytes = left_bytes
            self._reads_by = self.loop.call_later(self._settings.send_s, self._look)
            return
        self.drop()

    def drop(self) -> None:
        """Let go of a client that does not read, or not fast enough."""
        self.is_deaf = True
        self.transport.abort()

    # A client that sends what costs more than it says

    def data_received(self, data: bytes) -> None:
        """Take what came in slices, so that a flood is noticed within the first."""
        if not self._is_greeted:
            self._is_greeted = True
            if _OTHER_METHOD.match(data):
                self._refuse_method()
                return
        for start in range(0, len(data), SLICE_BYTES):
            if self.transport.is_closing():
                return
            super().data_received(data[start : start + SLICE_BYTES] if len(data) > SLICE_BYTES else data)
        if self.close_deadline is not None and self._closes_by is None:
            # The client broke the protocol and was told so; it may not keep the socket.
            self._closes_by = self.loop.call_later(self._settings.close_s, self.transport.abort)

    def process_event(self, event: Event) -> None:
        """Count a frame, then take it."""
        if isinstance(event, Frame):
            if event.opcode in {Opcode.PING, Opcode.PONG}:
                if self._control.take(1, now_s=self.loop.time()) > self._settings.ping_burst:
                    self._fail("too many pings")
            elif event.opcode is Opcode.CONT or not event.fin:
                self._count_piece(event)
        super().process_event(event)

    def _count_piece(self, frame: Frame) -> None:
        now_s = self.loop.time()
        if frame.opcode is not Opcode.CONT:
            self._n_pieces, self._piece_since_s = 0, now_s
        self._n_pieces += 1
        if self._n_pieces > self._settings.max_fragments:
            self._fail(f"a message came in more than {self._settings.max_fragments} pieces")
        elif now_s - self._piece_since_s > self._settings.message_s:
            self._fail(f"a message took longer than {self._settings.message_s:g} s")

    def _fail(self, detail: str) -> None:
        if self.protocol.state is OPEN:
            self.protocol.fail(Close.POLICY, reason_of(Close.POLICY, detail=detail))
            self.send_data()
            self.close_deadline = self.loop.time() + self._settings.close_s

    def _refuse_method(self) -> None:
        response = refusal(405, "method_not_allowed", "only GET and HEAD are answered", headers={"Allow": "GET, HEAD"})
        self.transport.write(response.serialize())
        self.transport.close()


def linked(settings: ServerSettings) -> Callable[..., ServerConnection]:
    """Return what makes links, for the library."""
    return lambda *args, **options: Link(*args, settings=settings, **options)
