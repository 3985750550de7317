"""The process that holds PocketSphinx: starts it, opens a connection per utterance, replaces it when it dies."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from ..errors import EngineFailed
from .framing import Channel
from .pocketsphinx_settings import PocketSphinxSettings

_WORKER = "streaming.backends.pocketsphinx_worker"
_CLOSE_WITHIN_S = 5.0


class PocketSphinxEngine:
    """One loaded engine for any number of transcribers; utterances of different speakers are decoded in parallel.

    Memory: the model is loaded once; every utterance under way adds what it writes on its copy.
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
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def warm(self) -> None:
        """Start loading the model; returns at once."""
        self._running()

    def open(self) -> Channel:
        """Return a connection to a fresh copy of the engine, for one utterance.

        Raises:
            EngineFailed: the worker cannot be started.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._running(), [b"u"], [theirs.fileno()])
            except OSError:
                self.close()  # it died: start another
                try:
                    socket.send_fds(self._running(), [b"u"], [theirs.fileno()])
                except OSError as error:
                    ours.close()
                    raise EngineFailed(f"the worker of pocketsphinx cannot be reached ({error}); try again") from error
        return Channel(ours)

    def close(self) -> None:
        """End the process and all its copies. Idempotent; `open` starts a new one."""
        process, self._process = self._process, None
        if self._control is not None:
            self._control.close()
            self._control = None
        if process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(_CLOSE_WITHIN_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # copies outlive a worker that was itself killed
        process.wait()

    @property
    def pid(self) -> int | None:
        """Process id of the loaded engine (and of its process group), None when it does not run."""
        return None if self._process is None else self._process.pid

    def _running(self) -> socket.socket:
        if self._control is None:
            ours, theirs = socket.socketpair()
            with theirs:
                self._process = _start(theirs, self.settings)
            self._control = ours
        return self._control


def _start(control: socket.socket, settings: PocketSphinxSettings) -> subprocess.Popen[bytes]:
    options = {name: value for name, value in asdict(settings).items() if name != "stability"}
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    try:
        return subprocess.Popen(
            [sys.executable, "-m", _WORKER, str(control.fileno()), json.dumps(options)],
            pass_fds=(control.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # numpy's thread pools would be copied into every utterance's process
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )
    except OSError as error:
        raise EngineFailed(f"cannot start the worker of pocketsphinx: {error}") from error
