"""The process that holds PocketSphinx: starts it, opens a connection per utterance, replaces it when it dies."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
from contextlib import suppress
from dataclasses import asdict
from threading import Lock

from ..errors import EngineFailed
from .framing import Channel
from .pocketsphinx_settings import PocketSphinxSettings
from .program import start_program

_WORKER = f"{__package__}.pocketsphinx_worker"


class PocketSphinxEngine:
    """One loaded engine for any number of transcribers; utterances of different speakers are decoded in parallel.

    Memory: the model is loaded once; every utterance under way adds what it writes on its copy. Thread-safe.
    """

    def __init__(self, settings: PocketSphinxSettings | None = None) -> None:
        self.settings = settings or PocketSphinxSettings()
        if importlib.util.find_spec("pocketsphinx") is None:
            raise EngineFailed("pocketsphinx is not installed, expected the package of that name; run `make run` again")
        if not hasattr(os, "fork"):
            raise EngineFailed(
                "the embedded recogniser needs a system that can copy processes (Linux, macOS); this one cannot: "
                "choose another transcriber"
            )
        self._lock = Lock()
        self._is_closed = False
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def warm(self) -> None:
        """Start loading the model if that is not done, or its process has died; returns at once."""
        with self._lock:
            if self._process is not None and self._process.poll() is not None:
                self._stop()
            self._running()

    def open(self) -> tuple[Channel, int | None]:
        """Return a connection to a fresh copy of the engine, for one utterance, and the engine's process id.

        Raises:
            EngineFailed: the worker cannot be started, or the engine is closed.
        """
        with self._lock:
            try:
                ours = self._connected()
            except OSError:
                self._stop()  # it died: start another
                try:
                    ours = self._connected()
                except OSError as error:
                    raise EngineFailed(f"the worker of pocketsphinx cannot be reached ({error}); try again") from error
            return Channel(ours), self.pid

    def retire(self, pid: int | None) -> None:
        """End the process `pid` and its copies, for it is no good, unless that was done already; `open` starts another.

        So that of several transcribers that lost the same process only one replaces it.
        """
        with self._lock:
            if pid == self.pid:
                self._stop()

    def close(self) -> None:
        """End the process and all its copies, for good. Idempotent."""
        with self._lock:
            self._is_closed = True
            self._stop()

    @property
    def pid(self) -> int | None:
        """Process id of the loaded engine (and of its process group), None when it does not run."""
        return None if self._process is None else self._process.pid

    def _connected(self) -> socket.socket:
        control = self._running()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(control, [b"u"], [theirs.fileno()])
            except OSError:
                ours.close()
                raise
        return ours

    def _running(self) -> socket.socket:
        if self._is_closed:
            raise EngineFailed("the recogniser is closed; make a new one")
        if self._control is None:
            ours, theirs = socket.socketpair()
            options = {name: value for name, value in asdict(self.settings).items() if name != "stability"}
            fd = theirs.fileno()
            with theirs:
                self._process = start_program(
                    _WORKER,
                    str(fd),
                    json.dumps(options),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    fds=(fd,),
                )
            self._control = ours
        return self._control

    def _stop(self) -> None:
        process, self._process = self._process, None
        if self._control is not None:
            self._control.close()
            self._control = None
        if process is not None:
            # The whole group: copies outlive a worker that was itself killed. macOS says EPERM when all are dead.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
