"""Two ways to share one model between sessions, and what sessions make of them: finals in a row, and talking."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from streaming.batching import Lane
from streaming.scheduler import Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from streaming.backends.whisper_values import Answer, Question
    from streaming.batching import SchedulerSettings
    from streaming.scheduler import SchedulerStats

    Run: TypeAlias = Callable[[Sequence[Question]], Sequence[Answer]]


class Asked(Protocol):
    """A request under way."""

    def result(self) -> Answer:
        """Wait for the answer."""
        ...

    def cancel(self) -> object:
        """Withdraw it."""
        ...

    def done(self) -> bool:
        """Whether there is nothing to wait for any more."""
        ...


class Sharing(Protocol):
    """A way to share the model."""

    def ask(self, question: Question, *, session: Hashable, lane: Lane) -> Asked:
        """Ask the model."""
        ...

    def stats(self) -> SchedulerStats | None:
        """Return what a scheduler did, None without one."""
        ...

    def close(self) -> None:
        """Free the threads."""
        ...


class OneAtATime:
    """A lock around the model at its best: first come, first served; what was withdrawn in time costs nothing."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._line = ThreadPoolExecutor(max_workers=1)

    def ask(self, question: Question, *, session: Hashable, lane: Lane) -> Asked:
        """Stand in line."""
        del session, lane
        return self._line.submit(lambda: self._run([question])[0])

    def stats(self) -> None:
        """Return nothing: a lock keeps no account."""

    def close(self) -> None:
        """End the thread."""
        self._line.shutdown(cancel_futures=True)


class Batched:
    """The scheduler around the model."""

    def __init__(self, run: Run, *, settings: SchedulerSettings) -> None:
        self._scheduler: Scheduler[Question, Answer] = Scheduler(run, name="whisper", settings=settings)

    def ask(self, question: Question, *, session: Hashable, lane: Lane) -> Asked:
        """Submit it."""
        return self._scheduler.submit(question, session=session, bucket=question.bucket, lane=lane)

    def stats(self) -> SchedulerStats:
        """Return what it did."""
        return self._scheduler.stats()

    def close(self) -> None:
        """End the thread."""
        self._scheduler.close()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Turn:
    """What a session asks while it talks: a partial every `every_s`, the final as long after the last of them."""

    partials: tuple[Question, ...]
    final: Question
    every_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Talked:
    """What came of a turn: the wait for its final, and how many of its partials were answered before the next."""

    final_wait_s: float
    n_partials: int
    n_answered: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Round:
    """The answers by session, and what they took by the clock and of the processor."""

    answers: tuple[Answer, ...]
    wall_s: float
    processor_s: float

    @property
    def n(self) -> int:
        """How many answers."""
        return len(self.answers)


def finals_in_a_row(sharing: Sharing, finals: Sequence[Question], *, n: int) -> Round:
    """Let each session ask for its final `n` times, the next upon the answer."""
    ready = threading.Barrier(len(finals) + 1)

    def session(number: int) -> list[Answer]:
        ready.wait()
        return [sharing.ask(finals[number], session=number, lane=Lane.FINAL).result() for _ in range(n)]

    with ThreadPoolExecutor(max_workers=len(finals)) as threads:
        waiting = [threads.submit(session, number) for number in range(len(finals))]
        processor_s, wall_s = time.process_time(), time.perf_counter()
        ready.wait()
        answers = tuple(answer for each in waiting for answer in each.result())
        return Round(
            answers=answers, wall_s=time.perf_counter() - wall_s, processor_s=time.process_time() - processor_s
        )


def talking(sharing: Sharing, turns: Sequence[Turn], *, n: int) -> list[Talked]:
    """Let each session talk for `n` turns in real time, their beginnings spread over one `every_s`."""

    def session(number: int) -> list[Talked]:
        pace = threading.Event()
        pace.wait(turns[number].every_s * number / len(turns))
        return [_talk(sharing, turns[number], session=number, pace=pace) for _ in range(n)]

    with ThreadPoolExecutor(max_workers=len(turns)) as threads:
        return [talked for each in threads.map(session, range(len(turns))) for talked in each]


def _talk(sharing: Sharing, turn: Turn, *, session: int, pace: threading.Event) -> Talked:
    n_answered = 0
    began = time.perf_counter()
    for i, question in enumerate(turn.partials, start=1):
        partial = sharing.ask(question, session=session, lane=Lane.PARTIAL)
        pace.wait(max(0.0, began + i * turn.every_s - time.perf_counter()))
        n_answered += partial.done()
        partial.cancel()
    asked = time.perf_counter()
    sharing.ask(turn.final, session=session, lane=Lane.FINAL).result()
    return Talked(final_wait_s=time.perf_counter() - asked, n_partials=len(turn.partials), n_answered=n_answered)
