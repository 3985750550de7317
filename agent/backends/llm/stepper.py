"""One thread that owns a model and works on several jobs turn about, a step (about a token) at a time.

So that an emotion is scored between two tokens of a reply, a cancelled job stops before its next step, and a model that
is not thread-safe is only ever touched by its own thread.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import Enum, IntEnum
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


class Pause(Enum):
    """What a job yields instead of a value when it can do nothing until another job has got on."""

    WAITING = "waiting"


@dataclass(slots=True, eq=False)
class _Job(Generic[T]):
    start: Callable[[], Generator[T, None, Any]]
    urgency: Urgency
    loop: asyncio.AbstractEventLoop | None
    told: asyncio.Queue[tuple[str, Any]] = field(default_factory=asyncio.Queue[tuple[str, Any]])
    steps: Generator[T, None, Any] | None = None
    is_cancelled: bool = False
    is_waiting: bool = False

    def tell(self, kind: str, value: object) -> None:
        """Hand something over to the event loop; a loop that is gone wants nothing any more."""
        if self.loop is None:
            return
        try:
            self.loop.call_soon_threadsafe(self.told.put_nowait, (kind, value))
        except RuntimeError:
            self.is_cancelled = True


class Stepper:
    """Runs jobs, each a generator function without arguments, on a thread of its own.

    A generator's `next` is one step; what it yields goes to the caller, what it returns ends the job. It is created,
    stepped and closed on the thread, so a `finally` in it may free what the model holds. A job that yields
    `Pause.WAITING` is passed over until another one took a step, be it a less urgent one.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: tuple[deque[_Job[Any]], ...] = tuple(deque() for _ in Urgency)
        self._ready = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()
        atexit.register(self.close)  # a thread inside a native library must not outlive the interpreter

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

    def post(self, errand: Callable[[], None]) -> None:
        """Have something done on the thread in its turn, without waiting for it; nothing once closed."""

        def job() -> Generator[None, None, None]:
            errand()
            yield

        with self._ready:
            if not self._is_closed:
                self._jobs[Urgency.ANSWER].append(_Job(job, Urgency.ANSWER, None))
                self._ready.notify()

    def close(self) -> None:
        """Stop all jobs, failing those under way, and wait for the thread. Idempotent; from any thread."""
        atexit.unregister(self.close)
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
            if not job.is_waiting:
                self._wake()
        for jobs in self._jobs:
            for job in jobs:
                self._finish(job, "failed", EngineFailed(f"{self._name} was closed before it answered"))
            jobs.clear()

    def _next(self) -> _Job[Any] | None:
        with self._ready:
            while not self._is_closed:
                waiting: _Job[Any] | None = None
                for jobs in self._jobs:
                    for job in jobs:
                        if not job.is_waiting or job.is_cancelled:
                            jobs.remove(job)
                            return job
                        waiting = waiting or job
                if waiting is None:
                    self._ready.wait()
                self._wake()
        return None

    def _wake(self) -> None:
        """Let those that wait for another's step try again: one was taken, or nobody else is there."""
        with self._ready:
            for jobs in self._jobs:
                for job in jobs:
                    job.is_waiting = False

    def _step(self, job: _Job[Any]) -> bool:
        """Take one step; return whether there are more."""
        if job.is_cancelled:
            self._finish(job, "returned", None)
            return False
        try:
            if job.steps is None:
                job.steps = job.start()
            value = next(job.steps)
        except StopIteration:
            job.tell("returned", None)
            return False
        except BaseException as trouble:  # noqa: BLE001 - whatever it is, it is the caller's, and the thread lives on
            job.tell("failed", _presentable(trouble))
            return False
        job.is_waiting = value is Pause.WAITING
        if not job.is_waiting:
            job.tell("yielded", value)
        return True

    def _finish(self, job: _Job[Any], kind: str, value: object) -> None:
        """End a job between two steps. What its cleaning up raises is told in the place of `value`."""
        try:
            if job.steps is not None:
                job.steps.close()
        except BaseException as trouble:  # noqa: BLE001 - as above
            kind, value = "failed", _presentable(trouble)
        job.tell(kind, value)


def _presentable(trouble: BaseException) -> Exception:
    """Return what went wrong as something a caller may be told: an exit or a cancellation is not theirs."""
    if isinstance(trouble, Exception):
        return trouble
    failed = EngineFailed(f"a job ended itself by {type(trouble).__name__}")
    failed.__cause__ = trouble
    return failed
