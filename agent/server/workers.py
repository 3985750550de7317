"""Several server processes on one port, and the one that looks after them.

`supervise` starts the same command so many times, each with its `Place` in the environment; replaces whichever dies;
and passes on what it is asked (SIGTERM, SIGINT: drain; again: now). The kernel spreads new connections over the
workers (SO_REUSEPORT, Linux); nothing is shared but a folder for their metrics. A worker whose supervisor has gone
drains by itself.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import anyio

from ..errors import ConfigInvalid
from .draining import stop_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from anyio.abc import Process

    from .draining import Stopping

PLACE: Final = "ATTUNE_WORKER"
METRICS: Final = "PROMETHEUS_MULTIPROC_DIR"

SHARES_PORTS: Final = sys.platform == "linux"
"""Elsewhere SO_REUSEPORT is missing, or gives all connections to one process."""

WELL_S: Final = 5.0
"""A worker that has lived so long was well started."""
PAUSES_S: Final = (0.1, 0.5, 1.0, 2.0, 4.0)
"""Before each next try after a worker died at once; after the last one there is no next. Replaced within 5 s."""

STARTED_BADLY: Final = 4
MISUSED: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which worker a process is.

    Attributes:
        number: from 0; resume tokens carry it.
        n_workers: how many there are.
        port: they all listen on.
        folder: of theirs alone, readable by nobody else, gone when they are.
    """

    number: int
    n_workers: int
    port: int
    folder: str

    @classmethod
    def of_this_process(cls, environment: Mapping[str, str] = os.environ) -> Self | None:
        """Return which worker this process is, None: none, it is on its own."""
        written = environment.get(PLACE)
        return None if written is None else cls(**json.loads(written))

    def environment(self) -> dict[str, str]:
        """Return what a process must find in its environment to take this place."""
        return {PLACE: json.dumps(asdict(self)), METRICS: self.folder}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersSettings:
    """How a supervisor works.

    Attributes:
        n: how many workers.
        host, port: where they listen; port 0 takes any that is free.
        leave_s: how long workers may take to leave once asked, before they are killed.
        pauses_s: before each next try after a worker died at once; after the last one there is no next.
        well_s: a worker that has lived so long did not die at once.
    """

    n: int
    host: str
    port: int
    leave_s: float = 12.0
    pauses_s: tuple[float, ...] = PAUSES_S
    well_s: float = WELL_S


async def supervise(command: Sequence[str], settings: WorkersSettings, *, note: Callable[[str], None]) -> int:
    """Run workers until asked to stop by a signal; in the main thread.

    Args:
        command: what each runs; it finds its `Place` in the environment, and the end of its stdin when orphaned.
        settings: how many, and where.
        note: takes a line for people.

    Returns:
        Exit code: 0 when asked to stop, 4 when a worker dies at once again and again, 2 when it refuses its settings.

    Raises:
        ConfigInvalid: the port is taken, or may not be had.
    """
    folder = tempfile.mkdtemp(prefix="attune-workers-")
    try:
        with closing(reserved(settings.host, settings.port)) as port:
            place = Place(number=0, n_workers=settings.n, port=port.getsockname()[1], folder=folder)
            async with stop_signals() as stopping:
                return await Supervisor(command, settings, place=place, note=note).run(stopping)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Supervisor:
    """Keeps workers alive, and ends them."""

    def __init__(
        self,
        command: Sequence[str],
        settings: WorkersSettings,
        *,
        place: Place,
        note: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look after workers that run `command`; `place` is that of the first."""
        self._command = command
        self._settings = settings
        self._place = place
        self._note = note
        self._clock = clock
        self._workers: dict[int, Process] = {}
        self._code = 0
        self._is_over = anyio.Event()

    @property
    def pids(self) -> dict[int, int]:
        """Process ids of the workers there are, by number."""
        return {number: process.pid for number, process in self._workers.items()}

    async def run(self, stopping: Stopping) -> int:
        """Keep all workers until asked to stop, or until one cannot be kept; return the exit code."""
        async with anyio.create_task_group() as keepers, anyio.create_task_group() as watchers:
            for number in range(self._settings.n):
                keepers.start_soon(self._keep, number)
            watchers.start_soon(self._when_asked, stopping)
            await self._is_over.wait()
            watchers.start_soon(self._when_urged, stopping)
            await self._end_all()
            keepers.cancel_scope.cancel()
            watchers.cancel_scope.cancel()
        return self._code

    async def _keep(self, number: int) -> None:
        """Run one worker, and another in its place when it dies."""
        n_bad = 0
        while not self._is_over.is_set():
            began_s = self._clock()
            code = await self._run_one(number)
            if self._is_over.is_set():
                return
            if code == MISUSED:
                self._give_up(MISUSED)
                return
            n_bad = 1 if self._clock() - began_s >= self._settings.well_s else n_bad + 1
            if n_bad > len(self._settings.pauses_s):
                self._note(f"worker {number} died {n_bad} times at once ({_how(code)}): giving up")
                self._give_up(STARTED_BADLY)
                return
            self._note(f"worker {number} died ({_how(code)}): starting another")
            await anyio.sleep(self._settings.pauses_s[n_bad - 1])

    async def _run_one(self, number: int) -> int:
        environment = {**os.environ, **replace(self._place, number=number).environment()}
        # A session of its own: what a terminal sends to all (Ctrl-C) comes from here, once. Its stdin ends with us.
        process = await anyio.open_process(
            self._command, stdin=-1, stdout=None, stderr=None, env=environment, start_new_session=True
        )
        async with process:  # killed where this task is cancelled
            self._workers[number] = process
            if self._is_over.is_set():
                process.terminate()
            try:
                return await process.wait()
            finally:
                del self._workers[number]
                _forget_metrics(process.pid, folder=self._place.folder)

    def _give_up(self, code: int) -> None:
        self._code = self._code or code
        self._is_over.set()

    async def _when_asked(self, stopping: Stopping) -> None:
        await stopping.asked()
        self._is_over.set()

    async def _when_urged(self, stopping: Stopping) -> None:
        await stopping.urged()
        self._signal(signal.SIGTERM)

    async def _end_all(self) -> None:
        """Ask every worker to drain, and kill those that have not left in time."""
        self._signal(signal.SIGTERM)
        with anyio.move_on_after(self._settings.leave_s) as waited:
            await self._all_gone()
        if waited.cancelled_caught:
            self._note(f"{len(self._workers)} workers did not leave in {self._settings.leave_s:g} s: killed")
            self._signal(signal.SIGKILL)
            await self._all_gone()

    async def _all_gone(self) -> None:
        while self._workers:
            await next(iter(self._workers.values())).wait()
            await anyio.lowlevel.checkpoint()

    def _signal(self, number: signal.Signals) -> None:
        for process in self._workers.values():
            with suppress(ProcessLookupError):
                process.send_signal(number)


def reserved(host: str, port: int) -> socket.socket:
    """Return a socket that holds a port for the workers; it does not listen, so nobody is connected to it.

    Raises:
        ConfigInvalid: the port is taken, or may not be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        held = socket.socket(family, kind, protocol)
    except OSError as trouble:
        raise ConfigInvalid(f"{host}:{port} cannot be listened on: {trouble.strerror}") from None
    try:
        # Without SO_REUSEPORT first: another server that shares its port would give us some of its connections.
        _probe(family, kind, address)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(address)
    except OSError as trouble:
        held.close()
        raise ConfigInvalid(f"{host}:{port} cannot be listened on: {trouble.strerror}") from None
    return held


def _probe(family: int, kind: int, address: tuple[object, ...]) -> None:
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


async def orphaned(stopping: Stopping) -> None:
    """In a worker: ask for a stop once the supervisor has gone (stdin ends, whatever killed it)."""
    if not SHARES_PORTS:
        return
    descriptor = sys.stdin.fileno()
    while True:
        await anyio.wait_readable(descriptor)
        if not os.read(descriptor, 4096):
            stopping.ask()
            return


def _forget_metrics(pid: int, *, folder: str) -> None:
    """A worker has gone: what it held at the end (gauges) counts no more; what it counted still does."""
    for path in Path(folder).glob(f"gauge_*_{pid}.db"):
        path.unlink(missing_ok=True)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


def command_again() -> list[str]:
    """Return the command line of this process, to be run again by a worker."""
    return [sys.executable, "-m", "agent", *sys.argv[1:]]
