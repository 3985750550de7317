"""One Whisper model for all sessions of a process: their requests are batched by a scheduler that owns it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..scheduler import Scheduler, SchedulerSettings
from .whisper_model import load_whisper

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ..batching import Lane
    from ..scheduler import SchedulerStats, Ticket
    from .whisper_model import WhisperModel
    from .whisper_values import Answer, Question


class WhisperEngine:
    """The loaded model and its scheduler; thread-safe. Close it when the last transcriber is closed."""

    def __init__(self, model: WhisperModel, *, scheduler: SchedulerSettings | None = None) -> None:
        """Own a loaded model; batches are as large as suits its device unless `scheduler` says otherwise."""
        self._model = model
        settings = scheduler or SchedulerSettings.on(model.device)
        self._scheduler: Scheduler[Question, Answer] = Scheduler(model.decode, name="whisper", settings=settings)

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        device: str = "auto",
        compute_type: str = "auto",
        n_threads: int = 0,
        scheduler: SchedulerSettings | None = None,
    ) -> WhisperEngine:
        """Return an engine with the model in `path`, see `whisper_model.load_whisper`. May take long.

        Raises:
            EngineFailed: the device, the compute type or the model cannot be used; the message says why.
        """
        model = load_whisper(Path(path), device=device, compute_type=compute_type, n_threads=n_threads)
        return cls(model, scheduler=scheduler)

    @property
    def device(self) -> str:
        """Where it runs, "cpu" or "cuda"."""
        return self._model.device

    @property
    def compute_type(self) -> str:
        """Kind of number it computes with."""
        return self._model.compute_type

    @property
    def is_multilingual(self) -> bool:
        """Whether it knows other languages than English."""
        return self._model.is_multilingual

    @property
    def can_detect(self) -> bool:
        """Whether it can tell which language is spoken."""
        return self._model.can_detect

    @property
    def filters(self) -> NDArray[np.float32]:
        """Mel filters of its features, shape (n_mels, 201)."""
        return self._model.filters

    def speaks(self, language: str) -> bool:
        """Whether it knows the language with this code."""
        return self._model.speaks(language)

    def pieces(self, tokens: Sequence[int], *, language: str) -> tuple[list[str], list[int]]:
        """Return what the text of the tokens falls into, and how many tokens each piece takes."""
        return self._model.pieces(tokens, language=language)

    def ask(self, question: Question, *, session: Hashable, lane: Lane) -> Ticket[Answer]:
        """Queue a question.

        Raises:
            EngineFailed: the engine is closed.
        """
        return self._scheduler.submit(question, session=session, bucket=question.bucket, lane=lane)

    def stats(self) -> SchedulerStats:
        """Return what the scheduler has done, queueing times included."""
        return self._scheduler.stats()

    def close(self) -> None:
        """Fail what waits, free the model and all threads. Idempotent."""
        self._scheduler.close()
        self._model.close()
