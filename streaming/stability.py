"""What of a growing transcript will not change any more. Knows nothing of engines: words with times in, words out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .nbest import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .events import Word


@dataclass(frozen=True, slots=True, kw_only=True)
class StabilitySettings:
    """When a word of a partial is trusted.

    Attributes:
        n_agree: how many partials in a row must begin with the same words, at least 1.
        hold_back_s: words that end this near the newest sound stay a guess.
        normalised: compare words without case and punctuation, and know promised words again by what they say before
            by when they were said; for engines that write punctuation and whose word times wander.
    """

    n_agree: int = 3
    hold_back_s: float = 0.3
    normalised: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        if self.n_agree < 1:
            raise ValueError(f"n_agree is {self.n_agree}, expected at least 1")
        if self.hold_back_s < 0:
            raise ValueError(f"hold_back_s is {self.hold_back_s}, expected seconds, 0 or more")


class StablePrefix:
    """Keeps the words that were promised and adds to them: local agreement with a guarded edge.

    After "Local Agreement" of Liu et al. 2020 (LA-n): the longest common prefix of the last n partials is taken, less
    the words that end near the newest sound. What was once taken is never taken back.
    """

    def __init__(self, settings: StabilitySettings | None = None) -> None:
        self._settings = settings or StabilitySettings()
        self._stable: list[Word] = []
        self._recent: list[tuple[Word, ...]] = []

    @property
    def stable(self) -> tuple[Word, ...]:
        """The words promised so far."""
        return tuple(self._stable)

    def feed(self, words: Sequence[Word], *, heard_s: float) -> tuple[Word, ...]:
        """Return the transcript to show: the stable words, then the current guess.

        Args:
            words: the engine's newest partial, in order.
            heard_s: stream time up to which it has heard.
        """
        tail = self._after_stable(words)
        self._recent = [*self._recent, tuple(words)][-self._settings.n_agree :]
        if len(self._recent) == self._settings.n_agree:
            n_new = self._n_agreed(tail, heard_s - self._settings.hold_back_s)
            self._stable.extend(tail[:n_new])
            tail = tail[n_new:]
        return (*self._stable, *tail)

    def _after_stable(self, words: Sequence[Word]) -> tuple[Word, ...]:
        """Return the words that lie behind the stable ones in time, whatever the engine now makes of those."""
        if not self._stable:
            return tuple(words)
        edge_s = self._stable[-1].end_s
        if self._settings.normalised and self._begins_as_promised(words):
            return tuple(_not_before(word, edge_s) for word in words[len(self._stable) :])
        return tuple(word for word in words if (word.start_s + word.end_s) / 2 > edge_s)

    def _begins_as_promised(self, words: Sequence[Word]) -> bool:
        return len(words) >= len(self._stable) and all(
            self._said(word) == self._said(stable) for word, stable in zip(words, self._stable, strict=False)
        )

    def _said(self, word: Word) -> str:
        """Return what words are compared by; a word of marks only stays as it is."""
        return (normalise(word.text) or word.text) if self._settings.normalised else word.text

    def _n_agreed(self, tail: Sequence[Word], before_s: float) -> int:
        """Return how many words of `tail` every recent partial has in the same place and that end before `before_s`."""
        tails = [[self._said(word) for word in self._after_stable(words)] for words in self._recent]
        n_agreed = 0
        for i, word in enumerate(tail):
            if word.end_s > before_s or any(len(other) <= i or other[i] != self._said(word) for other in tails):
                break
            n_agreed = i + 1
        return n_agreed


def _not_before(word: Word, edge_s: float) -> Word:
    """Return the word, moved behind `edge_s` where it lies before."""
    if word.start_s >= edge_s:
        return word
    return replace(word, start_s=edge_s, end_s=max(edge_s, word.end_s))
