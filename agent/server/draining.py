"""How a server is asked to stop: the first signal drains it, the second ends it at once.

SIGTERM and SIGINT drain: nobody new comes in, every session is told and ends after what was said in it. A second one
of either ends all sessions now; what was acknowledged is on disk either way. SIGHUP is noted and changes nothing:
settings are read once, at the start, and a terminal that goes away must not take the sessions with it.
"""

from __future__ import annotations

import logging
import os
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

_LOG = logging.getLogger(__name__)

WINDOWS: Final = os.name == "nt"
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT) if WINDOWS else (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stopping:
    """Whether the process was asked to stop, and how urgently."""

    def __init__(self) -> None:
        """Nobody has asked so far."""
        self._asked = anyio.Event()
        self._urged = anyio.Event()

    @property
    def is_asked(self) -> bool:
        """Somebody has asked."""
        return self._asked.is_set()

    def ask(self) -> None:
        """Ask to stop; asked again, to stop now."""
        if self._asked.is_set():
            self._urged.set()
        self._asked.set()

    async def asked(self) -> None:
        """Wait until somebody asks."""
        await self._asked.wait()

    async def urged(self) -> None:
        """Wait until somebody asks again."""
        await self._urged.wait()

    async def unless_urged(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do the last work of the process; give it up when asked again. Returns whether it was done."""
        async with anyio.create_task_group() as tasks:

            async def cancel() -> None:
                await self._urged.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(cancel)
            await work()
            tasks.cancel_scope.cancel()
            return True
        return False


@asynccontextmanager
async def stop_signals() -> AsyncGenerator[Stopping]:
    """Take the signals of the process, in its main thread, for as long as the context is open."""
    stopping = Stopping()
    async with anyio.create_task_group() as tasks:
        await tasks.start(_watch, stopping)
        yield stopping
        tasks.cancel_scope.cancel()


async def _watch(stopping: Stopping, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
    with anyio.open_signal_receiver(*SIGNALS) as received:
        task_status.started()
        async for number in received:
            if number not in {signal.SIGTERM, signal.SIGINT}:
                _LOG.info("%s changes nothing: settings are read at the start only", number.name)
                continue
            _LOG.info("%s: %s", number.name, "ending now" if stopping.is_asked else "draining")
            stopping.ask()
