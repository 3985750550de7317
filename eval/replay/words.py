"""Readings that are not heard but given: by a corpus's own recognisers, or its transcript."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from agent.given import given
from streaming.audio import SAMPLE_RATE
from streaming.events import Hypothesis, Transcript

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.events import Samples

    from ..corpora.item import Item
    from .plan import Hypotheses

TRANSCRIPT: Final = "transcript"
"""Source of a reading that is what was really said."""

DEFAULT_LANGUAGE: Final = "en"


def readings(item: Item, *, whose: Hypotheses, only: Sequence[str] = ()) -> tuple[Hypothesis, ...]:
    """Return what is given of an item, best first, equally likely; nothing where it brings no words.

    `only`: of the corpus's recognisers these, in this order. A blank reading is none: where its recognisers heard
    nothing, nothing was heard, and the transcript does not take their place.
    """
    named = _named(item, whose, only)
    kept = [(name, text) for name, text in named if text.strip()]
    found = given(*(text for _, text in kept))
    return tuple(replace(one, source=name) for one, (name, _) in zip(found, kept, strict=True))


def lacks(item: Item, *, whose: Hypotheses, only: Sequence[str] = ()) -> str | None:
    """Return why an item brings no reading at all, not even a blank one; None where it does."""
    if _named(item, whose, only):
        return None
    if only and item.hypotheses:
        return f"it brings no reading by {', '.join(only)}"
    return "there is neither sound nor words"


def _named(item: Item, whose: Hypotheses, only: Sequence[str]) -> list[tuple[str, str]]:
    """The readings meant, with who gave them."""
    if whose == "text" or not item.hypotheses:
        return [] if item.text is None else [(TRANSCRIPT, item.text)]
    if not only:
        return list(item.hypotheses)
    return [(name, text) for wanted in only for name, text in item.hypotheses if name == wanted]


@dataclass(frozen=True, slots=True)
class _There:
    """A transcript that is there at once."""

    transcript: Transcript

    def done(self) -> bool:
        return True

    def result(self) -> Transcript:
        return self.transcript

    def cancel(self) -> None:
        pass


class GivenWords:
    """A `Transcriber` that hears nothing: the words of the next utterance are those it was last given."""

    def __init__(self) -> None:
        self._given: tuple[Hypothesis, ...] = ()
        self._now: tuple[Hypothesis, ...] = ()
        self._language = DEFAULT_LANGUAGE
        self._utterance = 1
        self._end_s = 0.0
        self._revision = 0

    def give(self, words: tuple[Hypothesis, ...], *, language: str = DEFAULT_LANGUAGE) -> None:
        """Take the words of the utterance that begins next; one after it has none unless given more."""
        self._given, self._language = words, language

    @property
    def name(self) -> str:
        """Short name."""
        return "given"

    @property
    def partial_lag_s(self) -> float:
        """Nothing is waited for."""
        return 0.0

    def start(self, utterance: int, at_s: float) -> None:
        """Begin an utterance."""
        self._utterance, self._end_s, self._revision = utterance, at_s, 0
        self._now, self._given = self._given, ()

    def accept(self, samples: Samples) -> None:
        """Let time pass."""
        self._end_s += len(samples) / SAMPLE_RATE

    def partial(self) -> _There:
        """Return a partial without words: when each is said is not known."""
        return self._transcript((), is_final=False)

    def finish(self) -> _There:
        """Return the words given."""
        return self._transcript(self._now, is_final=True)

    def close(self) -> None:
        """Nothing to free."""

    def _transcript(self, nbest: tuple[Hypothesis, ...], *, is_final: bool) -> _There:
        self._revision += 1
        return _There(
            Transcript(
                utterance=self._utterance,
                revision=self._revision,
                at_s=self._end_s,
                is_final=is_final,
                nbest=nbest,
                language=self._language,
            )
        )
