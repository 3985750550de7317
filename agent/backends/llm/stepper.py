"""One thread that owns a model and works on several jobs turn about, a step (about a token) at a time.

So that an emotion is scored between two tokens of a reply, a cancelled job stops before its next step, and a model that
is not thread-safe is only ever touched by its own thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from streaming.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

T = TypeVar("T")
R = TypeVar("R")


class Urgency(IntEnum):
    """Which jobs step first; those that are alike take turns."""

    ANSWER = 0
    """Somebody waits: scores and replies."""
    AHEAD = 1
    """Nobody waits yet: prefilling what will probably be asked."""


@dataclass(slots=True, eq=False)
class _Job(Generic[T]):
    start: Callable[[], Generator[T, None, Any]]
    urgency: Urgency
    loop: asyncio.AbstractEventLoop
    told: asyncio.Queue[tuple[str, Any]] = field(default_factory=asyncio.Queue[tuple[str, Any]])
    steps: Generator[T, None, Any] | None = None
    is_cancelled: bool = False

    def tell(self, kind: str, value: object) -> None:
        """Hand something over to the event loop; a loop that is gone wants nothing any more."""
        try:
            self.loop.call_soon_threadsafe(self.told.put_nowait, (kind, value))
        except RuntimeError:
            self.is_cancelled = True


class Stepper:
    """Runs jobs, each a generator function without arguments, on a thread of its own.

    A generator's `next` is one step; what it yields goes to the caller, what it returns ends the job. It is created,
    stepped and closed on the thread, so a `finally` in it may free what the model holds.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: tuple[deque[_Job[Any]], ...] = tuple(deque() for _ in Urgency)
        self._ready = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def stream(
        self, job: Callable[[], Generator[T, None, Any]], *, urgency: Urgency = Urgency.ANSWER
    ) -> AsyncGenerator[T, None]:
        """Yield what `job` yields. Closing this generator stops the job before its next step.

        Raises:
            EngineFailed: the stepper is closed; besides, whatever the job raises.
        """
        mine = _Job(job, urgency, asyncio.get_running_loop())
        self._add(mine)
        try:
            while True:
                kind, value = await mine.told.get()
                if kind == "failed":
                    raise value
                if kind == "returned":
                    return
                yield value
        finally:
            mine.is_cancelled = True

    async def call(self, job: Callable[[], Generator[Any, None, R]], *, urgency: Urgency = Urgency.ANSWER) -> R:
        """Return what `job` returns; what it yields only marks where others may take their turn."""
        result: list[R] = []

        def kept() -> Generator[Any, None, None]:
            result.append((yield from job()))

        async with aclosing(self.stream(kept, urgency=urgency)) as steps:
            async for _ in steps:
                pass
        return result[0]

    def close(self) -> None:
        """Stop all jobs, failing those under way, and wait for the thread. Idempotent."""
        with self._ready:
            self._is_closed = True
            self._ready.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _add(self, job: _Job[Any]) -> None:
        with self._ready:
            if self._is_closed:
                raise EngineFailed(f"{self._name} is closed; make a new one")
            self._jobs[job.urgency].append(job)
            self._ready.notify()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            if self._step(job):
                with self._ready:
                    self._jobs[job.urgency].append(job)
        for jobs in self._jobs:
            for job in jobs:
                self._finish(job, "failed", EngineFailed(f"{self._name} was closed before it answered"))

    def _next(self) -> _Job[Any] | None:
        with self._ready:
            while not self._is_closed:
                for jobs in self._jobs:
                    if jobs:
                        return jobs.popleft()
                self._ready.wait()
        return None

    def _step(self, job: _Job[Any]) -> bool:
        """Take one step; return whether there are more."""
        if job.is_cancelled:
            self._finish(job, "returned", None)
            return False
        try:
            if job.steps is None:
                job.steps = job.start()
            job.tell("yielded", next(job.steps))
        except StopIteration:
            job.tell("returned", None)
            return False
        except Exception as trouble:  # noqa: BLE001 - whatever it is, it is the caller's, and the thread lives on
            job.tell("failed", trouble)
            return False
        return True

    def _finish(self, job: _Job[Any], kind: str, value: object) -> None:
        if job.steps is not None:
            job.steps.close()
        job.tell(kind, value)
