"""The process PocketSphinx runs in: loads the engine once, then makes a copy of itself for every utterance.

The engine holds Python's lock while it searches, and ending an utterance takes long and cannot be undone. Processes
solve both: the loaded process never decodes, so every utterance begins from the same state; its copy decodes; a copy
of the copy ends the utterance wherever a final is asked for, while the search goes on in case the speaker does.

Run as `python -m streaming.backends.pocketsphinx_worker FD SETTINGS`, FD being a Unix socket over which one socket
per utterance is passed. A process ends when the other end of its socket closes.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from .framing import Unpacker, load_json, pack_json
from .pocketsphinx_decode import Decoding, load_decoder
from .pocketsphinx_settings import Mean, PocketSphinxSettings

_READ_SIZE = 1 << 16


def main() -> None:
    """Serve until the other end of the control socket closes, then end every copy."""
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = PocketSphinxSettings(**json.loads(sys.argv[2]))
    decoder = load_decoder()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # copies are reaped by the system
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            os.killpg(0, signal.SIGKILL)  # this process and all its copies: it leads their group
        for descriptor in descriptors:
            if not os.fork():
                control.close()
                _serve_utterance(socket.socket(fileno=descriptor), decoder, settings)
            os.close(descriptor)


def _serve_utterance(connection: socket.socket, decoder: Any, settings: PocketSphinxSettings) -> None:  # noqa: ANN401
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        with suppress(OSError):
            _Utterance(connection, decoder, settings).run()
    finally:
        os._exit(0)


class _Utterance:
    """Answers what is asked about one utterance."""

    def __init__(self, connection: socket.socket, decoder: Any, settings: PocketSphinxSettings) -> None:  # noqa: ANN401
        self._connection = connection
        self._decoder = decoder
        self._settings = settings
        self._decoding: Decoding | None = None
        self._finisher: _Finisher | None = None

    def run(self) -> None:
        """Serve until the other side closes."""
        unpacker = Unpacker()
        self._connection.sendall(pack_json(b"H", os.getpid()))
        while True:
            if self._finisher is not None and self._finisher.wait_for(self._connection):
                self._connection.sendall(self._finisher.answer())
                self._finisher = None
                continue
            data = self._connection.recv(_READ_SIZE)
            if not data:
                self._stop_finishing()
                return
            for kind, payload in unpacker.feed(data):
                self._take(kind, payload)

    def _take(self, kind: bytes, payload: bytes) -> None:
        if kind == b"S":
            mean = load_json(payload)
            self._decoding = Decoding(
                self._decoder, settings=self._settings, mean=None if mean is None else Mean(**mean)
            )
            return
        assert self._decoding is not None, "the first message of an utterance is its start"
        if kind == b"A":
            self._decoding.accept(payload)
        elif kind == b"P":
            self._connection.sendall(pack_json(b"P", {"id": load_json(payload), "words": self._decoding.partial()}))
        elif kind == b"F":
            self._stop_finishing()
            self._finisher = _Finisher(self._decoding, load_json(payload))
        elif kind == b"X" and self._finisher is not None and self._finisher.request == load_json(payload):
            self._stop_finishing()

    def _stop_finishing(self) -> None:
        if self._finisher is not None:
            self._finisher.kill()
            self._finisher = None


class _Finisher:
    """A copy of this process that ends the utterance on its own memory and tells the result."""

    def __init__(self, decoding: Decoding, request: int) -> None:
        self._reader, writer = os.pipe()
        self._child = os.fork()
        if not self._child:
            try:
                os.close(self._reader)
                with os.fdopen(writer, "wb") as pipe:
                    pipe.write(pack_json(b"F", {"id": request, **decoding.finish()}))
                os._exit(0)
            finally:
                os._exit(1)
        os.close(writer)
        self.request = request

    def wait_for(self, connection: socket.socket) -> bool:
        """Return True when the answer is ready, False when `connection` has something to read first."""
        readable, _, _ = select.select([self._reader, connection], [], [])
        return connection not in readable

    def answer(self) -> bytes:
        """Return the message with the result, or that there is none because the copy died."""
        with os.fdopen(self._reader, "rb") as pipe:
            message = pipe.read()
        _, status = os.waitpid(self._child, 0)
        return pack_json(b"F", {"id": self.request, "died": status}) if status else message

    def kill(self) -> None:
        """End the copy now."""
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        os.close(self._reader)


if __name__ == "__main__":
    main()
