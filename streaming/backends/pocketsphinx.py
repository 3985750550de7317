"""PocketSphinx as a `Transcriber`: partials while speaking, a final 10-best with scores, posteriors and word times.

The engine runs in worker processes (see `pocketsphinx_worker`); each utterance is a `Talk` with one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .pocketsphinx_engine import PocketSphinxEngine
from .pocketsphinx_talk import NAME, Talk

if TYPE_CHECKING:
    from ..events import Samples
    from .pocketsphinx_settings import Mean, PocketSphinxSettings
    from .pocketsphinx_talk import PendingTranscript


class PocketSphinxTranscriber:
    """One speaker's recogniser. One caller at a time, but `close` may come from another thread and frees a waiting one.

    What it says depends on the sound only; the cepstral mean is carried from utterance to utterance.
    """

    def __init__(
        self, settings: PocketSphinxSettings | None = None, *, engine: PocketSphinxEngine | None = None
    ) -> None:
        """Share `engine` between transcribers to load the model once; without one, own one."""
        self._owns_engine = engine is None
        self._engine = engine or PocketSphinxEngine(settings)
        self._engine.warm()
        self._settings = settings or self._engine.settings
        self._mean: Mean | None = None
        self._talk: Talk | None = None

    @property
    def name(self) -> str:
        """Short name of the engine."""
        return NAME

    @property
    def partial_lag_s(self) -> float:
        """Audio time between asking for a partial and collecting it."""
        return self._settings.partial_lag_s

    def start(self, utterance: int, at_s: float) -> None:
        """Begin an utterance; a final still owed for the one before is waited for, as its mean is needed here."""
        self._end_talk()
        self._talk = Talk(self._engine, self._settings, utterance=utterance, at_s=at_s, mean=self._mean)

    def accept(self, samples: Samples) -> None:
        """Take the next sound of the utterance. Returns at once."""
        self._talking.accept(samples)

    def partial(self) -> PendingTranscript:
        """Ask for a transcript of everything accepted so far."""
        return self._talking.ask(is_final=False)

    def finish(self) -> PendingTranscript:
        """Ask for the final n-best of everything accepted so far."""
        return self._talking.ask(is_final=True)

    def close(self) -> None:
        """Free the worker. Idempotent."""
        if self._talk is not None:
            self._talk.close()
            self._talk = None
        if self._owns_engine:
            self._engine.close()

    @property
    def _talking(self) -> Talk:
        assert self._talk is not None, "start() begins an utterance, and close() ends the last"
        return self._talk

    def _end_talk(self) -> None:
        if self._talk is not None:
            self._mean = self._talk.mean_after()
            self._talk.close()
            self._talk = None
