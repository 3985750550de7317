"""Voice quality by Praat, measured beside the event loop in worker processes."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..audio import SAMPLE_RATE
from ..errors import EngineFailed
from .worker import PendingReply, WorkerPool

if TYPE_CHECKING:
    from ..events import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class PraatSettings:
    """How much of an utterance is measured: its last `longest_s` seconds, so that the wait stays bounded."""

    longest_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse spans too short to measure anything."""
        if self.longest_s < 1:
            msg = f"longest_s must be at least 1, got {self.longest_s}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class PraatQuality:
    """Praat's measures of an utterance; satisfies `streaming.ports.VoiceQuality`.

    Attributes:
        pitch_mean_hz: mean fundamental over at least 20 voiced frames of 10 ms; None for an utterance that was cut.
        jitter, shimmer, hnr_db: local jitter and shimmer as shares and the mean harmonicity (cc), over at least 50
            voiced frames; None under that.
    """

    pitch_mean_hz: float | None = None
    jitter: float | None = None
    shimmer: float | None = None
    hnr_db: float | None = None


def praat_workers(n: int = 1) -> WorkerPool:
    """Worker processes that several analysts can share.

    Raises:
        EngineFailed: praat-parselmouth is not installed.
    """
    if importlib.util.find_spec("parselmouth") is None:
        msg = "praat-parselmouth is not installed; pip install praat-parselmouth, or go without voice quality"
        raise EngineFailed(msg)
    return WorkerPool(f"{__package__}.praat_worker", n=n)


class PraatAnalyst:
    """A `VoiceAnalyst` over Praat. Stateless between utterances.

    Give it `workers` to share processes between sessions (they are then the giver's to close); by itself it starts
    one of its own.
    """

    def __init__(self, workers: WorkerPool | None = None, *, settings: PraatSettings | None = None) -> None:
        self._own = praat_workers() if workers is None else None
        self._workers = self._own or workers
        self._settings = settings or PraatSettings()

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that are running."""
        return [] if self._workers is None else self._workers.pids

    def analyse(self, samples: Samples) -> PendingReply[PraatQuality]:
        """Start measuring; returns at once.

        Raises:
            EngineFailed: the analyst or its workers are closed.
        """
        if self._workers is None:
            msg = "the voice analyst is closed; make a new one"
            raise EngineFailed(msg)
        longest = round(self._settings.longest_s * SAMPLE_RATE)
        is_cut = len(samples) > longest
        request = np.ascontiguousarray(samples[-longest:], np.float32).tobytes()
        return self._workers.submit(request, parse=_cut if is_cut else _whole)

    def close(self) -> None:
        """Free the worker it started; shared ones live on. Idempotent."""
        if self._own is not None:
            self._own.close()
        self._own = self._workers = None


def _whole(answer: bytes) -> PraatQuality:
    return PraatQuality(**json.loads(answer))


def _cut(answer: bytes) -> PraatQuality:
    """The part may not stand for the whole's pitch, but does for the voice."""
    return PraatQuality(**{**json.loads(answer), "pitch_mean_hz": None})
