"""Which of the waiting requests go into the next call of a model that many sessions share.

The policy only: no thread, clock or model; the time is told. `streaming.scheduler` puts a thread around it.

Finals go before partials. Within a lane the sessions take turns: whose turn it is says which bucket is served (one call
takes one kind of request), the others of that bucket fill the batch up in the order of their turns, partials last. So a
request that leads its session's queue begins after no more batches than sessions stood before it, whatever its bucket
and however many requests the others have; partials wait for as long as finals wait. A session's requests begin in the
order they came.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from .errors import EngineFailed, Superseded

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

T = TypeVar("T")


class Lane(IntEnum):
    """How much a request matters; lower goes first."""

    FINAL = 0
    PARTIAL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerSettings:
    """How requests are gathered.

    Attributes:
        max_batch: most requests in one call.
        window_s: how long the first request waits for company when the model is idle, seconds.
        max_waiting: most requests that may wait; beyond it partials, then finals, are turned away.
        recover_after: full batches that must fit before a batch size halved for lack of memory grows by one.
        n_timed: how many of the last requests the queueing times are told of.
    """

    max_batch: int = 16
    window_s: float = 0.005
    max_waiting: int = 256
    recover_after: int = 8
    n_timed: int = 1024

    def __post_init__(self) -> None:
        for name in ("max_batch", "max_waiting", "recover_after", "n_timed"):
            if getattr(self, name) < 1:
                msg = f"{name} is {getattr(self, name)}; expected 1 or more"
                raise ValueError(msg)
        if not 0 <= self.window_s <= 1:
            msg = f"window_s is {self.window_s}; expected 0 to 1 second"
            raise ValueError(msg)

    @classmethod
    def on(cls, device: str) -> SchedulerSettings:
        """Return what suits a model on "cpu" or "cuda".

        A GPU takes many requests in hardly more time than one. On a CPU most of what can be gained is gained by four;
        beyond, a request costs as much or more (30 s of sound no longer fit its caches), while whoever comes meanwhile
        waits for the whole batch. `attune-eval bench scheduler` measures it.
        """
        return cls(max_batch=4) if device == "cpu" else cls()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Request(Generic[T]):
    """Something a session asks of the model; `bucket` is equal for requests that one call can take together."""

    item: T
    session: Hashable
    bucket: Hashable
    lane: Lane
    asked_at_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dropped(Generic[T]):
    """A request that will not be served, and why: for lack of room, or because a newer one took its place."""

    request: Request[T]
    why: EngineFailed
    is_for_room: bool


class BatchQueue(Generic[T]):
    """The waiting requests of one model, and how many it may be given at once.

    Call `take` when `wait_s` says 0, then `fitted` or `shrink` for every call of the model, then `ended`.
    """

    def __init__(self, settings: SchedulerSettings) -> None:
        self._settings = settings
        # Both in the order of the sessions' turns. No queue in them is ever empty.
        self._finals: dict[Hashable, deque[Request[T]]] = {}
        self._partials: dict[Hashable, Request[T]] = {}
        self._max_batch = settings.max_batch
        self._n_fitted = 0
        self._is_running = False
        self._opens_at_s = 0.0

    def __len__(self) -> int:
        return sum(map(len, self._finals.values())) + len(self._partials)

    @property
    def max_batch(self) -> int:
        """How many requests a batch may hold now."""
        return self._max_batch

    def add(self, request: Request[T]) -> list[Dropped[T]]:
        """Queue a request; return those that are dropped for it, which may be itself."""
        was_empty = len(self) == 0
        old = self._partials.get(request.session)
        dropped = [] if old is None else [_superseded(old)]
        if request.lane is Lane.PARTIAL:
            if old is None and len(self) >= self._settings.max_waiting:
                return [self._refused(request)]
            self._partials[request.session] = request  # in place of the old one, and in its turn
        else:
            self._partials.pop(request.session, None)
            if len(self) >= self._settings.max_waiting:
                if not self._partials:
                    return [self._refused(request)]
                _, last = self._partials.popitem()
                dropped.append(self._refused(last))
            self._finals.setdefault(request.session, deque()).append(request)
        if was_empty:
            self._opens_at_s = request.asked_at_s + (0.0 if self._is_running else self._settings.window_s)
        return dropped

    def remove(self, request: Request[T]) -> bool:
        """Take a request out; False when it no longer waits."""
        if self._partials.get(request.session) is request:
            del self._partials[request.session]
            return True
        queue = self._finals.get(request.session, deque())
        if request not in queue:
            return False
        queue.remove(request)
        if not queue:
            del self._finals[request.session]
        return True

    def drain(self) -> list[Request[T]]:
        """Take every request out."""
        waiting = [request for queue in self._finals.values() for request in queue]
        waiting.extend(self._partials.values())
        self._finals.clear()
        self._partials.clear()
        return waiting

    def wait_s(self, now_s: float) -> float | None:
        """Return how long to wait before the next batch, seconds; None when nothing waits."""
        if not self._finals and not self._partials:
            return None
        return 0.0 if self._is_full() else max(0.0, self._opens_at_s - now_s)

    def take(self) -> list[Request[T]]:
        """Begin a batch: its requests, all of one bucket, finals first; empty when nothing waits."""
        if not self._finals and not self._partials:
            return []
        bucket = self._bucket()
        batch = self._take_finals(bucket)
        partials = list(self._ready_partials(bucket))[: self._max_batch - len(batch)]
        for request in partials:
            del self._partials[request.session]
        self._is_running = True
        self._opens_at_s = -math.inf  # what is left over has waited while the batch ran
        return batch + partials

    def fitted(self, n: int) -> None:
        """Take note that `n` requests fitted into memory."""
        if n < self._max_batch:
            return
        self._n_fitted += 1
        if self._n_fitted >= self._settings.recover_after:
            self._n_fitted = 0
            self._max_batch = min(self._max_batch + 1, self._settings.max_batch)

    def shrink(self, n: int) -> None:
        """Take note that `n` requests did not fit into memory: batches are half as large from now on."""
        self._n_fitted = 0
        self._max_batch = max(1, n // 2)

    def ended(self) -> None:
        """Take note that the batch is over."""
        self._is_running = False

    def _bucket(self) -> Hashable:
        """Return the bucket of the session whose turn it is, in the best lane."""
        if self._finals:
            return next(iter(self._finals.values()))[0].bucket
        return next(iter(self._partials.values())).bucket

    def _take_finals(self, bucket: Hashable) -> list[Request[T]]:
        """Take one final of each session, then a second of each, ...; who was served goes to the end of the line."""
        taken: list[Request[T]] = []
        while len(taken) < self._max_batch:
            served = [session for session, queue in self._finals.items() if queue[0].bucket == bucket]
            if not served:
                break
            for session in served[: self._max_batch - len(taken)]:
                queue = self._finals.pop(session)
                taken.append(queue.popleft())
                if queue:
                    self._finals[session] = queue
        return taken

    def _ready_partials(self, bucket: Hashable) -> Iterator[Request[T]]:
        """Yield the partials that may begin: none overtakes a final of its own session."""
        return (r for r in self._partials.values() if r.bucket == bucket and r.session not in self._finals)

    def _is_full(self) -> bool:
        """Whether the next batch would hold as many requests as it may."""
        if len(self) < self._max_batch:
            return False
        bucket, n = self._bucket(), 0
        for session, queue in self._finals.items():
            n_ready = next((i for i, request in enumerate(queue) if request.bucket != bucket), len(queue))
            partial = self._partials.get(session)
            follows = n_ready == len(queue) and partial is not None and partial.bucket == bucket
            n += n_ready + follows
        return n + sum(1 for _ in self._ready_partials(bucket)) >= self._max_batch

    def _refused(self, request: Request[T]) -> Dropped[T]:
        bound = f"{self._settings.max_waiting} requests wait for the model already, its bound (max_waiting)"
        if request.lane is Lane.PARTIAL:
            return Dropped(request=request, why=Superseded(f"no room for a partial: {bound}"), is_for_room=True)
        why = EngineFailed(f"{bound}; expected fewer: take fewer sessions at once or raise the bound")
        return Dropped(request=request, why=why, is_for_room=True)


def _superseded(old: Request[T]) -> Dropped[T]:
    why = Superseded("a newer request of the same session took the place of this partial")
    return Dropped(request=old, why=why, is_for_room=False)
