"""From Whisper's hypotheses to an n-best list: what is believed, which words, when, how likely. Asks no model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from ..events import Word
from ..hallucination import Boilerplate, Decoding, fault
from ..nbest import Reading, rank
from .whisper_words import joined, place_to_cut, timed_like, word_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..events import Hypothesis
    from ..hallucination import Fault
    from .whisper_values import Answer, Decoded, HeardWord, WhisperSettings

CUT_MARGIN_S = 3.0
"""Words that end this near a forced cut are decoded again with what follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What is already settled of a long utterance.

    Attributes:
        first_frame: where the rest begins, frames of 10 ms from the start of the utterance.
        words: in stream time.
        logp: their share of the score of the reading they come from.
    """

    first_frame: int = 0
    words: tuple[Word, ...] = ()
    logp: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What an answer comes to.

    Attributes:
        nbest: ranked, the head's words included.
        language: code.
        tokens: of the best reading, the head's not included; empty when none was believed.
        fault: why nothing was believed, None if something was or nothing was said.
    """

    nbest: tuple[Hypothesis, ...]
    language: str
    tokens: tuple[int, ...] = ()
    fault: Fault | None = None


@lru_cache(maxsize=1)
def boilerplate() -> Boilerplate:
    """Return the whole texts that Whisper makes up."""
    return Boilerplate.from_lines(
        files("streaming.backends").joinpath("boilerplate.txt").read_text("utf-8").splitlines()
    )


class Reader:
    """Reads answers about one utterance, which begins at `at_s`."""

    def __init__(
        self, settings: WhisperSettings, *, at_s: float, pieces: Callable[..., tuple[list[str], list[int]]]
    ) -> None:
        """Take `pieces`, which splits tokens into words, see `WhisperEngine.pieces`."""
        self._settings = settings
        self._at_s = at_s
        self._pieces = pieces

    def read(self, answer: Answer, *, heard_s: float, head: Head) -> Read:
        """Return the n-best list of what is believed; the words of the head alone when nothing is.

        Args:
            answer: about the sound behind the head.
            heard_s: length of that sound.
            head: what was settled before it.
        """
        faults: list[Fault | None] = [
            self._fault(hypothesis, answer, heard_s=heard_s) for hypothesis in answer.hypotheses
        ]
        believed = [h for h, wrong in zip(answer.hypotheses, faults, strict=True) if wrong is None and h.text]
        readings = [
            Reading(
                words=head.words + self._words(self._timed(h, answer, heard_s=heard_s), head=head),
                logp=head.logp + h.logp,
            )
            for h in believed
        ]
        if not believed:
            wrongs: list[Fault] = [wrong for wrong in faults if wrong is not None]
            nbest = self.head_alone(head, language=answer.language)
            return Read(nbest=nbest, language=answer.language, fault=wrongs[0] if wrongs else None)
        return Read(
            nbest=self._ranked(readings, language=answer.language), language=answer.language, tokens=believed[0].tokens
        )

    def head_alone(self, head: Head, *, language: str | None) -> tuple[Hypothesis, ...]:
        """Return the list that holds the head's words only, nothing if it has none."""
        return self._ranked([Reading(words=head.words, logp=head.logp)], language=language) if head.words else ()

    def longer(self, head: Head, answer: Answer, *, heard_s: float) -> Head:
        """Return the head with what is settled of an answer about a stretch that was cut for its length."""
        n_frames = round(100 * heard_s)
        best = next((h for h in answer.hypotheses if h.text and not self._fault(h, answer, heard_s=heard_s)), None)
        words = () if best is None else self._timed(best, answer, heard_s=heard_s)
        place = place_to_cut(words, before_s=heard_s - CUT_MARGIN_S)
        if best is None or place is None:
            # No word to cut behind: noise, or one endless word. What was near the end is heard again.
            return replace(head, first_frame=head.first_frame + n_frames - round(100 * CUT_MARGIN_S))
        n_words, at_s = place
        return Head(
            first_frame=head.first_frame + round(100 * at_s),
            words=head.words + self._words(words[:n_words], head=head),
            logp=head.logp + best.logp * n_words / len(words),
        )

    def _fault(self, hypothesis: Decoded, answer: Answer, *, heard_s: float) -> Fault | None:
        decoding = Decoding(
            text=hypothesis.text,
            n_tokens=len(hypothesis.tokens),
            mean_logp=hypothesis.mean_logp,
            p_no_speech=answer.p_no_speech,
            heard_s=heard_s,
        )
        return fault(decoding, boilerplate=boilerplate(), settings=self._settings.guard)

    def _timed(self, hypothesis: Decoded, answer: Answer, *, heard_s: float) -> Sequence[HeardWord]:
        """Return the hypothesis' words; only the first was aligned, the others take their times from it."""
        if hypothesis is answer.hypotheses[0]:
            return answer.words
        pieces, _ = self._pieces(hypothesis.tokens, language=answer.language)
        return timed_like(word_texts(pieces), answer.words, heard_s=heard_s)

    def _words(self, words: Sequence[HeardWord], *, head: Head) -> tuple[Word, ...]:
        start_s = self._at_s + head.first_frame / 100
        return tuple(
            Word(text=w.text, start_s=start_s + w.start_s, end_s=start_s + w.end_s, posterior=w.probability)
            for w in words
        )

    def _ranked(self, readings: Sequence[Reading], *, language: str | None) -> tuple[Hypothesis, ...]:
        ranked = rank(
            readings, source=self._settings.name, n_best=self._settings.n_best, temperature=self._settings.temperature
        )
        return tuple(replace(h, text=joined([word.text for word in h.words], language=language)) for h in ranked)
