"""Messages over a stream socket: a kind of one byte, a length, a payload. Knows nothing of what they mean."""

from __future__ import annotations

import json
import select
import socket
import struct
from contextlib import suppress
from typing import Any

_HEADER = struct.Struct("!cI")
_READ_SIZE = 1 << 16


def pack(kind: bytes, payload: bytes) -> bytes:
    """Return one message as bytes; `kind` is one byte."""
    return _HEADER.pack(kind, len(payload)) + payload


def pack_json(kind: bytes, value: object) -> bytes:
    """Return one message whose payload is `value` as JSON; floats keep their exact value."""
    return pack(kind, json.dumps(value).encode())


class Unpacker:
    """Cuts a byte stream into messages."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Return the messages that are complete now, as (kind, payload)."""
        self._bytes += data
        out: list[tuple[bytes, bytes]] = []
        while len(self._bytes) >= _HEADER.size:
            kind, length = _HEADER.unpack_from(self._bytes)
            end = _HEADER.size + length
            if len(self._bytes) < end:
                break
            out.append((kind, bytes(self._bytes[_HEADER.size : end])))
            del self._bytes[:end]
        return out


def load_json(payload: bytes) -> Any:  # noqa: ANN401 (JSON is anything; callers check what they take out)
    """Return the value of a JSON payload."""
    return json.loads(payload)


class Channel:
    """One end of a connection that never makes its owner wait for the other side to read.

    What the socket does not take at once is kept and sent on with the next call. `close` may come from another thread.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._socket.settimeout(0)
        self._unpacker = Unpacker()
        self._unsent = bytearray()

    def send(self, message: bytes) -> None:
        """Queue a message and pass on as much as the socket takes.

        Raises:
            OSError: the other side is gone.
        """
        self._unsent += message
        self._push()

    def receive(self, timeout_s: float) -> list[tuple[bytes, bytes]] | None:
        """Return messages that arrived, waiting up to `timeout_s` for the first bytes; None when nothing came.

        Raises:
            OSError: the other side is gone, or the connection was closed.
        """
        poll = select.poll()
        try:
            poll.register(self._socket, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        except ValueError as error:  # a closed socket has no descriptor
            raise ConnectionResetError("the connection was closed") from error
        happened = sum(mask for _, mask in poll.poll(timeout_s * 1000))
        if happened & select.POLLOUT:
            self._push()
        if not happened & ~select.POLLOUT:
            return [] if happened else None
        data = self._socket.recv(_READ_SIZE)
        if not data:
            raise ConnectionResetError("the other side closed the connection")
        return self._unpacker.feed(data)

    def close(self) -> None:
        """Close the connection; a thread that waits in `receive` is woken. Idempotent."""
        with suppress(OSError):  # closed before, or by the other side
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _push(self) -> None:
        try:
            while self._unsent:
                n_sent = self._socket.send(self._unsent)
                del self._unsent[:n_sent]
        except BlockingIOError:
            return
