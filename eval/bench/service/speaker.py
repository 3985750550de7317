"""One client under load: sends frames that were made before, notes when which event came. As cheap as can be.

Speaks just enough WebSocket (RFC 6455) for that: our own server is at the other end, and what is measured is not this.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import time
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from streaming.audio import Resampler, to_pcm16

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.events import Samples

WIRE_HZ = 24_000
APPEND_S = 0.1
WORDS: Final = ("i got the job today and i am so happy", "my best friend is moving away next month")
"""What every speaker says, over and over."""
_TEXT, _PING = 0x1, 0x9
_TYPE = b'"type":"'


def appends_of(sound: Samples) -> list[bytes]:
    """Return `sound` (16 kHz) as masked frames of 100 ms appends, 24 kHz PCM."""
    resampler = Resampler(source_hz=16_000, target_hz=WIRE_HZ)
    pcm = to_pcm16(np.concatenate([resampler.feed(sound), resampler.flush()]))
    step = round(APPEND_S * WIRE_HZ) * 2
    return [
        text_frame(json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(block).decode()}))
        for block in (pcm[at : at + step] for at in range(0, len(pcm), step))
    ]


def text_frame(text: str) -> bytes:
    """Return a client's text frame, masked as the protocol demands."""
    payload = text.encode()
    return _frame(_TEXT, payload)


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | opcode, 0x80 | size])
    elif size < 1 << 16:
        head = bytes([0x80 | opcode, 0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([0x80 | opcode, 0x80 | 127]) + size.to_bytes(8, "big")
    mask = os.urandom(4)
    repeated = np.frombuffer((mask * (size // 4 + 1))[:size], np.uint8)
    masked = (np.frombuffer(payload, np.uint8) ^ repeated).tobytes()
    return head + mask + masked


class Speaker(asyncio.Protocol):
    """One connection. `events` holds (kind, `time.perf_counter` at its arrival) of the events in `watched`.

    `lost` is set when the connection ends, however it does.
    """

    def __init__(self, path: str, watched: Sequence[str]) -> None:
        self.events: list[tuple[str, float]] = []
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost: str | None = None
        self._path = path
        self._watched = {kind.encode(): kind for kind in watched}
        self._data = bytearray()
        self._is_open = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def send(self, frame: bytes) -> None:
        """Write a frame that was made before."""
        if self._transport is not None:
            self._transport.write(frame)

    def deafen(self) -> None:
        """Read nothing from here on, and have the system keep little of what comes."""
        if self._transport is not None:
            plug = self._transport.get_extra_info("socket")
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
            self._transport.pause_reading()

    @property
    def is_gone(self) -> bool:
        """Whether the server has dropped it: a client that does not read is told so when it writes."""
        return self.lost is not None

    def close(self) -> None:
        """Break the connection off."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Note the events in what came."""
        now = time.perf_counter()
        self._data += data
        if not self._is_open and not self._has_opened():
            return
        while (frame := self._next_frame()) is not None:
            opcode, payload = frame
            if opcode == _TEXT:
                self._note(payload, now)
            elif opcode == _PING:
                self.send(_frame(0xA, bytes(payload)))

    def connection_lost(self, exc: Exception | None) -> None:
        """Say why it ended."""
        self.lost = str(exc) if exc else "closed"
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(self.lost))

    def _has_opened(self) -> bool:
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return False
        status = bytes(self._data[: self._data.find(b"\r\n")])
        del self._data[: end + 4]
        self._is_open = b" 101 " in status
        if self._is_open:
            self.opened.set_result(None)
        else:
            self.opened.set_exception(ConnectionError(status.decode("latin-1")))
        return self._is_open

    def _next_frame(self) -> tuple[int, memoryview | bytes] | None:
        data = self._data
        if len(data) < 2:
            return None
        size, at = data[1] & 0x7F, 2
        if size == 126:
            size, at = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(data[2:10], "big"), 10
        if len(data) < at + size:
            return None
        opcode, payload = data[0] & 0x0F, bytes(data[at : at + size])
        del data[: at + size]
        return opcode, payload

    def _note(self, payload: memoryview | bytes, now: float) -> None:
        # The type stands at the beginning of each event: the rest need not be read.
        head = bytes(payload[:160])
        at = head.find(_TYPE)
        if at < 0:
            at = head.find(b'"type": "')
            at += 9 if at >= 0 else 0
        else:
            at += len(_TYPE)
        kind = self._watched.get(head[at : head.find(b'"', at)])
        if kind is not None:
            self.events.append((kind, now))
