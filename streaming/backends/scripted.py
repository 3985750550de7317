"""A `Transcriber` that replays given transcripts: for tests, dry runs and demonstrations. Hears nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..audio import SAMPLE_RATE
from ..events import Hypothesis, Transcript, Word
from ..nbest import Reading, rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..events import Samples

_NAME = "scripted"
_WORD_S = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedUtterance:
    """What is "heard" in one utterance: texts, best first, with their natural-log scores."""

    nbest: tuple[tuple[str, float], ...]

    @classmethod
    def plain(cls, text: str) -> ScriptedUtterance:
        """Return an utterance with a single reading; empty text means nothing is recognised."""
        return cls(nbest=((text, 0.0),) if text else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that is there already."""

    transcript: Transcript

    def done(self) -> bool:
        """It is."""
        return True

    def result(self) -> Transcript:
        """Return the transcript."""
        return self.transcript

    def cancel(self) -> None:
        """Nothing is under way: nothing to do."""


class ScriptedTranscriber:
    """Replays a script, one entry per utterance, from the start again when it is used up.

    A word is "recognised" every 0.3 s of accepted sound; partials hold the words so far, all but the last of them
    stable. The final holds all readings whatever the amount of sound; its words are spread evenly over it.
    """

    def __init__(self, script: Sequence[ScriptedUtterance | str]) -> None:
        if not script:
            raise ValueError("script is empty, expected at least one utterance")
        self._script = tuple(ScriptedUtterance.plain(entry) if isinstance(entry, str) else entry for entry in script)
        self._n_started = 0
        self._utterance = 0
        self._at_s = 0.0
        self._n_samples = 0
        self._n_revisions = 0

    @property
    def name(self) -> str:
        """Short name of the engine."""
        return _NAME

    @property
    def partial_lag_s(self) -> float:
        """Answers are there at once."""
        return 0.0

    def start(self, utterance: int, at_s: float) -> None:
        """Go to the next entry of the script."""
        self._n_started += 1
        self._utterance, self._at_s = utterance, at_s
        self._n_samples = self._n_revisions = 0

    def accept(self, samples: Samples) -> None:
        """Count the samples."""
        self._n_samples += len(samples)

    def partial(self) -> Answer:
        """Return the words that were "spoken" so far."""
        readings = self._readings()
        heard_s = self._n_samples / SAMPLE_RATE
        words = readings[0].words[: int(heard_s / _WORD_S + 1e-9)] if readings else ()
        nbest = rank([Reading(words=words, logp=0.0)], source=_NAME)
        return self._answer(nbest, n_stable=max(0, len(words) - 1), is_final=False)

    def finish(self) -> Answer:
        """Return all readings of the entry."""
        nbest = rank(self._readings(), source=_NAME)
        return self._answer(nbest, n_stable=len(nbest[0].words) if nbest else 0, is_final=True)

    def close(self) -> None:
        """Nothing is held: nothing to free."""

    def _readings(self) -> list[Reading]:
        entry = self._script[(self._n_started - 1) % len(self._script)]
        return [Reading(words=self._spread(text), logp=logp) for text, logp in entry.nbest]

    def _spread(self, text: str) -> tuple[Word, ...]:
        words = text.split()
        each_s = self._n_samples / SAMPLE_RATE / len(words) if words else 0.0
        return tuple(
            Word(text=word, start_s=self._at_s + i * each_s, end_s=self._at_s + (i + 1) * each_s)
            for i, word in enumerate(words)
        )

    def _answer(self, nbest: tuple[Hypothesis, ...], *, n_stable: int, is_final: bool) -> Answer:
        self._n_revisions += 1
        return Answer(
            transcript=Transcript(
                utterance=self._utterance,
                revision=self._n_revisions,
                at_s=self._at_s + self._n_samples / SAMPLE_RATE,
                is_final=is_final,
                nbest=nbest,
                n_stable=n_stable,
            )
        )
