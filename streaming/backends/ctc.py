"""CTC models (wav2vec 2.0, HuBERT, WavLM, ...) as a `Transcriber`: partials, and a final n-best with exact scores.

Many speakers share a `CtcEngine`, which hears; here is what belongs to one speaker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ..audio import SAMPLE_RATE
from ..batching import Lane
from ..ctc import read_greedy, read_nbest
from ..errors import EngineFailed
from ..events import Hypothesis, Transcript, Word
from ..nbest import Reading, rank
from ..stability import StablePrefix
from .ctc_engine import CtcEngine, Heard
from .ctc_settings import CtcSettings, Windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..ctc import CtcReading
    from ..ctc_alignment import LogProbs
    from ..events import Samples

R = TypeVar("R")

__all__ = ["CtcEngine", "CtcSettings", "CtcTranscriber"]


class CtcTranscriber:
    """One speaker's recogniser. One caller at a time; what it says depends on the sound only."""

    def __init__(self, engine: CtcEngine, *, name: str | None = None, settings: CtcSettings | None = None) -> None:
        """Share `engine`, which stays the caller's to close; `name` is what hypotheses give as their source."""
        self._engine = engine
        self._name = name or engine.name
        self._settings = settings or CtcSettings()
        self._speech: _Speech | None = None

    @property
    def name(self) -> str:
        """Short name of the engine."""
        return self._name

    @property
    def partial_lag_s(self) -> float:
        """Audio time between asking for a partial and collecting it."""
        return self._settings.partial_lag_s

    def start(self, utterance: int, at_s: float) -> None:
        """Begin an utterance."""
        self.close()
        self._speech = _Speech(self._engine, self._settings, name=self._name, utterance=utterance, at_s=at_s)

    def accept(self, samples: Samples) -> None:
        """Take the next sound of the utterance. Returns at once."""
        self._talking.blocks.append(samples)

    def partial(self) -> PendingCtc:
        """Ask for a transcript of everything accepted so far."""
        return self._talking.ask(is_final=False)

    def finish(self) -> PendingCtc:
        """Ask for the final n-best of everything accepted so far."""
        return self._talking.ask(is_final=True)

    def close(self) -> None:
        """Drop the utterance. Idempotent; answers already asked for can still be collected."""
        self._speech = None

    @property
    def _talking(self) -> _Speech:
        assert self._speech is not None, "start() begins an utterance, and close() ends the last"
        return self._speech


class PendingCtc:
    """A transcript under way."""

    def __init__(
        self,
        speech: _Speech,
        heard: Heard[list[CtcReading]] | None,
        *,
        n_samples: int,
        is_final: bool,
        failure: EngineFailed | None = None,
    ) -> None:
        self._failure = failure
        self._speech = speech
        self._heard = heard
        self._n_samples = n_samples
        self._is_final = is_final
        self._transcript: Transcript | None = None

    def result(self) -> Transcript:
        """Wait for the transcript and return it.

        Raises:
            Superseded: a partial, and something newer was asked for.
            EngineFailed: the model failed on it, or the engine was closed.
        """
        if self._failure is not None:
            raise self._failure
        if self._transcript is None:
            readings = self._heard.result() if self._heard is not None else []
            self._transcript = self._speech.transcript(readings, n_samples=self._n_samples, is_final=self._is_final)
        return self._transcript

    def done(self) -> bool:
        """Whether the model has heard the sound; what is left to do takes milliseconds."""
        return self._heard is None or self._heard.done()

    def cancel(self) -> None:
        """Say that nobody wants the answer any more. Idempotent."""
        if self._heard is not None:
            self._heard.cancel()


class _Speech:
    """One utterance."""

    def __init__(self, engine: CtcEngine, settings: CtcSettings, *, name: str, utterance: int, at_s: float) -> None:
        self.blocks: list[Samples] = []
        self._engine = engine
        self._session = object()
        self._settings = settings
        self._name = name
        self._utterance = utterance
        self._at_s = at_s
        self._windows = Windows.of(settings, stride=engine.stride)
        self._complete: list[Heard[LogProbs]] = []
        self._stable = StablePrefix(settings.stability)
        self._n_revisions = 0

    def ask(self, *, is_final: bool) -> PendingCtc:
        sound = np.concatenate([np.zeros(0, np.float32), *self.blocks])
        self.blocks = [sound]
        heard: Heard[list[CtcReading]] | None = None
        failure: EngineFailed | None = None
        if len(sound) >= self._engine.n_least and np.abs(sound).max() > self._settings.silence_peak:
            read, lane = (self._nbest, Lane.FINAL) if is_final else (self._greedy, Lane.PARTIAL)
            try:
                heard = self._hear(sound, read, lane=lane)
            except EngineFailed as trouble:  # told when the answer is collected
                failure = trouble
        return PendingCtc(self, heard, n_samples=len(sound), is_final=is_final, failure=failure)

    def _hear(self, sound: Samples, read: Callable[[LogProbs], R], *, lane: Lane) -> Heard[R]:
        """Ask for the last window; the complete ones before it are asked for once, and kept."""
        n_complete = self._windows.n_before_last(len(sound))
        for window in range(n_complete):
            if window == len(self._complete):
                self._complete.append(self._hear_complete(sound, window))
            elif self._complete[window].has_failed():
                self._complete[window] = self._hear_complete(sound, window)
        complete = self._complete[:n_complete]
        windows = self._windows

        def read_all(last: LogProbs) -> R:
            before = [heard.result()[windows.kept(i, is_last=False)] for i, heard in enumerate(complete)]
            return read(np.concatenate([*before, last[windows.kept(n_complete, is_last=True)]]))

        return self._engine.ask(sound[windows.span(n_complete)], read_all, session=self._session, lane=lane)

    def _hear_complete(self, sound: Samples, window: int) -> Heard[LogProbs]:
        # Of a session of its own: else it would take the place of a partial.
        session = (self._session, "complete")
        return self._engine.hear(sound[self._windows.span(window)].copy(), session=session, lane=Lane.FINAL)

    def _nbest(self, frames: LogProbs) -> list[CtcReading]:
        readings = read_nbest(frames, self._engine.alphabet, settings=self._settings.beam)
        # When silence is the best reading, nothing was said: what else it might be is noise.
        return readings if readings and readings[0].text else []

    def _greedy(self, frames: LogProbs) -> list[CtcReading]:
        return [read_greedy(frames, self._engine.alphabet)]

    def transcript(self, readings: list[CtcReading], *, n_samples: int, is_final: bool) -> Transcript:
        """Make a transcript of what was read from the first `n_samples`."""
        heard_s = self._at_s + n_samples / SAMPLE_RATE
        spoken = [Reading(words=self._words(reading, heard_s), logp=reading.logp) for reading in readings]
        if is_final:
            settings = self._settings
            nbest = rank(spoken, source=self._name, n_best=settings.n_best, temperature=settings.temperature)
        else:
            nbest = self._guess(spoken[0].words if spoken else (), heard_s)
        self._n_revisions += 1
        n_stable = len(self._stable.stable) if not is_final else len(nbest[0].words) if nbest else 0
        return Transcript(
            utterance=self._utterance,
            revision=self._n_revisions,
            at_s=heard_s,
            is_final=is_final,
            nbest=nbest,
            n_stable=n_stable,
        )

    def _guess(self, words: tuple[Word, ...], heard_s: float) -> tuple[Hypothesis, ...]:
        shown = self._stable.feed(words, heard_s=heard_s)
        text = " ".join(word.text for word in shown)
        return (Hypothesis(text=text, logp=0.0, posterior=1.0, source=self._name, words=shown),) if shown else ()

    def _words(self, reading: CtcReading, heard_s: float) -> tuple[Word, ...]:
        return tuple(
            Word(
                text=word.text,
                start_s=self._at_s + self._engine.frame_s(word.first),
                end_s=min(heard_s, self._at_s + self._engine.frame_s(word.end)),
                posterior=word.p,
            )
            for word in reading.words
        )
