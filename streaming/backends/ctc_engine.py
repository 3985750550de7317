"""A CTC model shared by all sessions of a process: batches on one thread, reads the frames on another."""

from __future__ import annotations

from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ..audio import SAMPLE_RATE
from ..errors import EngineFailed
from ..scheduler import Scheduler, SchedulerSettings
from .ctc_model import CtcModel

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from pathlib import Path

    from ..batching import Lane
    from ..ctc import Alphabet
    from ..ctc_alignment import LogProbs
    from ..events import Samples
    from ..scheduler import SchedulerStats, Ticket

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Row:
    """Sound to hear, and what is to be made of its frames: None to keep them as they are."""

    samples: Samples
    read: Callable[[LogProbs], Any] | None


class Heard(Generic[R_co]):
    """What was read from a stretch of sound, under way; satisfies `streaming.ports.Pending`."""

    def __init__(self, ticket: Ticket[Future[Any]], *, name: str) -> None:
        self._ticket = ticket
        self._name = name

    def result(self) -> R_co:
        """Wait for the answer and return it.

        Raises:
            Superseded, OutOfMemory: as they say.
            EngineFailed: the model failed, or was closed before it answered.
        """
        try:
            return cast("R_co", self._ticket.result().result())
        except CancelledError:
            raise EngineFailed(f"{self._name} was closed before it answered; ask before closing") from None

    def cancel(self) -> None:
        """Say that nobody wants the answer any more. Idempotent."""
        self._ticket.cancel()

    def done(self) -> bool:
        """Whether the model has heard it."""
        return self._ticket.done()

    def has_failed(self) -> bool:
        """Whether there is no answer and never will be."""
        if not self._ticket.done():
            return False
        try:
            self._ticket.result()
        except EngineFailed:
            return True
        return False


class CtcEngine:
    """One model for many speakers; thread-safe. `close` it after the last of its transcribers."""

    def __init__(self, model: CtcModel, *, settings: SchedulerSettings | None = None) -> None:
        """Start the threads."""
        self._model = model
        self._readers = ThreadPoolExecutor(1, thread_name_prefix=f"{model.name}-reader")
        settings = settings or SchedulerSettings.on(model.device)
        self._scheduler: Scheduler[_Row, Future[Any]] = Scheduler(self._run, name=model.name, settings=settings)

    @classmethod
    def load(cls, path: Path, *, device: str = "auto") -> CtcEngine:
        """Read a model from its folder; may take long.

        Raises:
            ModelUnusable: it is missing, damaged, or no CTC model of 16 kHz sound and characters.
            EngineFailed: there is no such device; EngineMissing, OutOfMemory: as they say.
        """
        return cls(CtcModel.load(path, device=device))

    @property
    def name(self) -> str:
        """Name of the model's folder."""
        return self._model.name

    @property
    def alphabet(self) -> Alphabet:
        """What the model's outputs stand for."""
        return self._model.alphabet

    @property
    def stride(self) -> int:
        """Samples per frame."""
        return self._model.stride

    @property
    def n_least(self) -> int:
        """Samples of the shortest sound it can hear."""
        return self._model.n_least

    def frame_s(self, frame: int) -> float:
        """Return when a frame begins, seconds from the first sample."""
        return frame * self.stride / SAMPLE_RATE

    def ask(self, samples: Samples, read: Callable[[LogProbs], R], *, session: Hashable, lane: Lane) -> Heard[R]:
        """Have sound heard and its frames read; returns at once.

        Args:
            samples: float32, shape (n,), n at least `n_least`.
            read: makes the answer of the log-probabilities, shape (frames, symbols), on a thread of the engine.
            session: whose question it is.
            lane: how much it matters.

        Raises:
            EngineFailed: the engine is closed.
        """
        return self._submit(_Row(samples=samples, read=read), session=session, lane=lane)

    def hear(self, samples: Samples, *, session: Hashable, lane: Lane) -> Heard[LogProbs]:
        """Have sound heard, and return the log-probabilities themselves; as `ask` otherwise."""
        return self._submit(_Row(samples=samples, read=None), session=session, lane=lane)

    def stats(self) -> SchedulerStats:
        """Return what was done so far."""
        return self._scheduler.stats()

    def close(self) -> None:
        """End the threads; what was not answered fails. Idempotent."""
        self._scheduler.close()
        self._readers.shutdown(cancel_futures=True)

    def _submit(self, row: _Row, *, session: Hashable, lane: Lane) -> Heard[Any]:
        bucket = self._model.bucket(len(row.samples))
        return Heard(self._scheduler.submit(row, session=session, bucket=bucket, lane=lane), name=self.name)

    def _run(self, rows: Sequence[_Row]) -> list[Future[Any] | EngineFailed]:
        answers = self._model.hear([row.samples for row in rows])
        return [
            answer if isinstance(answer, EngineFailed) else self._reading(row, answer)
            for row, answer in zip(rows, answers, strict=True)
        ]

    def _reading(self, row: _Row, answer: LogProbs) -> Future[Any]:
        if row.read is not None:  # work for the processor: meanwhile the model may go on with the next batch
            return self._readers.submit(row.read, answer)
        # What waits for nothing needs no reader: readers wait for it.
        kept: Future[Any] = Future()
        kept.set_result(answer)
        return kept
