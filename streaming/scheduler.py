"""One model, many sessions: a thread that gathers their requests into batches and calls the model with each.

Who goes when is `streaming.batching`'s; this module knows threads and the clock, and nothing of models.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from .batching import BatchQueue, Lane, Request, SchedulerSettings
from .errors import EngineFailed, OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

Q = TypeVar("Q")
A = TypeVar("A")

__all__ = ["Lane", "Scheduler", "SchedulerSettings", "SchedulerStats", "Ticket"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerStats:
    """What a scheduler has done so far.

    Attributes:
        requests: how many were submitted.
        answered, failed: how many of them got an answer, or an error of the model or of the closing.
        superseded: waiting partials dropped for a newer request; refused: turned away, or dropped, for lack of room.
        cancelled: withdrawn while they waited.
        batches: calls of the model but for those that had to be halved; mean_batch, largest_batch: requests in one.
        out_of_memory: calls that did not fit, each of which halved the batch; max_batch: what it may hold now.
        queue_p50_s, queue_p95_s, queue_max_s: time from being submitted to being begun over the last requests
            (`SchedulerSettings.n_timed`), seconds; 0 before the first.
    """

    requests: int
    answered: int
    failed: int
    superseded: int
    refused: int
    cancelled: int
    batches: int
    mean_batch: float
    largest_batch: int
    out_of_memory: int
    max_batch: int
    queue_p50_s: float
    queue_p95_s: float
    queue_max_s: float


class _Slot(Generic[A]):
    """Where an answer goes."""

    def __init__(self) -> None:
        self.future: Future[A] = Future()
        self.queued_s: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Job(Generic[Q, A]):
    """What waits in the queue: the question, and where its answer goes."""

    question: Q
    slot: _Slot[A]


class Ticket(Generic[A]):
    """An answer under way in a scheduler; satisfies `streaming.ports.Pending`."""

    def __init__(self, slot: _Slot[A], *, withdraw: Callable[[], None]) -> None:
        self._slot = slot
        self._withdraw = withdraw

    @property
    def queued_s(self) -> float | None:
        """Time the request waited until its batch was begun, seconds; None before."""
        return self._slot.queued_s

    def result(self) -> A:
        """Wait for the answer and return it.

        Raises:
            Superseded: a newer request of the session took its place, or there was no room for a partial.
            OutOfMemory: even alone the request does not fit.
            EngineFailed: the model failed on it, the scheduler was full or closed; or the answer was cancelled.
        """
        try:
            return self._slot.future.result()
        except CancelledError:
            msg = "the answer was cancelled before the model began with it; ask again"
            raise EngineFailed(msg) from None

    def cancel(self) -> None:
        """Say that nobody wants the answer any more. Work that has begun runs to its end, unheard."""
        self._withdraw()

    def done(self) -> bool:
        """Whether `result` returns, or raises, at once."""
        return self._slot.future.done()


class Scheduler(Generic[Q, A]):
    """A thread that owns a model and answers the requests of many sessions in batches; thread-safe.

    Args:
        run: the model: takes questions of one bucket, at most `max_batch`, and returns as many answers in their order;
            an `EngineFailed` among them fails that row alone. When it raises `OutOfMemory` the batch is halved and
            tried again; anything else it raises fails the batch, and the thread lives. Called by one thread only.
        name: of the thread, and in messages.
        settings: how requests are gathered.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Q]], Sequence[A | EngineFailed]],
        *,
        name: str,
        settings: SchedulerSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._name = name
        self._clock = clock
        settings = settings or SchedulerSettings()
        self._queue: BatchQueue[_Job[Q, A]] = BatchQueue(settings)
        self._tally = _Tally(settings.n_timed)
        self._is_closed = False
        self._changed = threading.Condition()  # guards all of the above
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def submit(self, question: Q, *, session: Hashable, bucket: Hashable, lane: Lane) -> Ticket[A]:
        """Queue a question and return at once; a question there is no room for comes back as a failed ticket.

        Raises:
            EngineFailed: the scheduler is closed.
        """
        job = _Job(question, _Slot[A]())
        with self._changed:
            if self._is_closed:
                msg = f"the scheduler of {self._name} is closed; make a new one"
                raise EngineFailed(msg)
            request = Request(item=job, session=session, bucket=bucket, lane=lane, asked_at_s=self._clock())
            self._tally.requests += 1
            for dropped in self._queue.add(request):
                self._tally.dropped(is_for_room=dropped.is_for_room)
                dropped.request.item.slot.future.set_exception(dropped.why)
            self._changed.notify_all()
        return Ticket(job.slot, withdraw=lambda: self._cancel(request))

    def stats(self) -> SchedulerStats:
        """Return what was done so far."""
        with self._changed:
            return self._tally.stats(max_batch=self._queue.max_batch)

    def close(self) -> None:
        """Fail what waits at once, let the running batch end, end the thread. Idempotent."""
        with self._changed:
            self._is_closed = True
            waiting = self._queue.drain()
            self._tally.failed += len(waiting)
            for request in waiting:
                msg = f"the scheduler of {self._name} was closed before it came to this request; ask before closing"
                request.item.slot.future.set_exception(EngineFailed(msg))
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _cancel(self, request: Request[_Job[Q, A]]) -> None:
        with self._changed:
            if self._queue.remove(request):
                self._tally.cancelled += 1
                request.item.slot.future.cancel()

    def _loop(self) -> None:
        while self._serve_next():
            pass

    def _serve_next(self) -> bool:
        """Wait for a batch and answer it; False when closed. Leaving this frame lets go of the questions."""
        jobs = self._next_jobs()
        if not jobs:
            return False
        answers = self._answers(jobs)
        with self._changed:  # before anybody hears: who asks again upon an answer did not ask while the model worked
            self._queue.ended()
        for job, answer in zip(jobs, answers, strict=True):
            if isinstance(answer, EngineFailed):
                job.slot.future.set_exception(answer)
            else:
                job.slot.future.set_result(answer)
        return True

    def _next_jobs(self) -> list[_Job[Q, A]]:
        with self._changed:
            while not self._is_closed:
                now_s = self._clock()
                wait_s = self._queue.wait_s(now_s)
                if wait_s == 0:
                    return [self._begun(request, now_s) for request in self._queue.take()]
                self._changed.wait(wait_s)
        return []

    def _begun(self, request: Request[_Job[Q, A]], now_s: float) -> _Job[Q, A]:
        queued_s = now_s - request.asked_at_s
        request.item.slot.queued_s = queued_s
        self._tally.queued_s.append(queued_s)
        return request.item

    def _answers(self, jobs: Sequence[_Job[Q, A]]) -> list[A | EngineFailed]:
        """Call the model, once when all fits into memory, until every job has an answer or an error."""
        answers: list[A | EngineFailed] = []
        while len(answers) < len(jobs):
            with self._changed:
                n = min(len(jobs) - len(answers), self._queue.max_batch)
            got = self._asked(jobs[len(answers) :][:n])
            with self._changed:
                if isinstance(got, OutOfMemory):
                    self._tally.out_of_memory += 1
                    self._queue.shrink(n)
                    if n > 1:
                        continue
                    got = [got]
                else:
                    self._queue.fitted(n)
                self._tally.add_batch(got)
            answers += got
        return answers

    def _asked(self, jobs: Sequence[_Job[Q, A]]) -> Sequence[A | EngineFailed] | OutOfMemory:
        """Call the model: an answer or an error for each job, or that they do not fit into memory together."""
        try:
            answers = list(self._run([job.question for job in jobs]))
        except OutOfMemory as trouble:
            # A new one: the traceback of the old would keep what was allocated alive during the next try.
            return OutOfMemory(f"{self._name} has no memory for even one request: {trouble}; use a smaller model")
        except EngineFailed as trouble:
            return [trouble] * len(jobs)
        except BaseException as trouble:  # noqa: BLE001 - the thread must outlive whatever a model throws, panics too
            failed = EngineFailed(f"{self._name} failed on a batch of {len(jobs)}: {type(trouble).__name__}: {trouble}")
            failed.__cause__ = trouble
            return [failed] * len(jobs)
        if len(answers) != len(jobs):
            msg = f"{self._name} gave {len(answers)} answers to {len(jobs)} requests; expected one each"
            return [EngineFailed(msg)] * len(jobs)
        return answers


class _Tally:
    """The running counts behind `SchedulerStats`."""

    def __init__(self, n_timed: int) -> None:
        self.requests = self.answered = self.failed = self.superseded = self.refused = self.cancelled = 0
        self.batches = self.rows = self.largest_batch = self.out_of_memory = 0
        self.queued_s: deque[float] = deque(maxlen=n_timed)

    def dropped(self, *, is_for_room: bool) -> None:
        if is_for_room:
            self.refused += 1
        else:
            self.superseded += 1

    def add_batch(self, answers: Sequence[object]) -> None:
        n_failed = sum(isinstance(answer, EngineFailed) for answer in answers)
        self.failed += n_failed
        self.answered += len(answers) - n_failed
        self.batches += 1
        self.rows += len(answers)
        self.largest_batch = max(self.largest_batch, len(answers))

    def stats(self, *, max_batch: int) -> SchedulerStats:
        times = sorted(self.queued_s) or [0.0]
        return SchedulerStats(
            requests=self.requests,
            answered=self.answered,
            failed=self.failed,
            superseded=self.superseded,
            refused=self.refused,
            cancelled=self.cancelled,
            batches=self.batches,
            mean_batch=self.rows / self.batches if self.batches else 0.0,
            largest_batch=self.largest_batch,
            out_of_memory=self.out_of_memory,
            max_batch=max_batch,
            queue_p50_s=_quantile(times, 0.5),
            queue_p95_s=_quantile(times, 0.95),
            queue_max_s=times[-1],
        )


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[math.ceil(share * len(ordered)) - 1]
