"""Where an answer ends: before any of its stop texts, however they are cut into pieces. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class UntilStop:
    """Lets text through up to the first of `stops`; what may turn out to begin one is held back until it is clear."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.is_over = False

    def feed(self, text: str) -> str:
        """Return what of the text so far is now known to belong to the answer; nothing more once it is over."""
        if self.is_over:
            return ""
        self._held += text
        ends = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if ends:
            self.is_over = True
            return self._let_go(min(ends))
        return self._let_go(len(self._held) - self._n_unclear())

    def flush(self) -> str:
        """Return what was held back: the answer ends here, so it began no stop text."""
        return "" if self.is_over else self._let_go(len(self._held))

    def _n_unclear(self) -> int:
        """Return the length of the longest end of the text that begins a stop text."""
        longest = min(len(self._held), max((len(stop) - 1 for stop in self._stops), default=0))
        return next(
            (n for n in range(longest, 0, -1) if any(stop.startswith(self._held[-n:]) for stop in self._stops)), 0
        )

    def _let_go(self, n: int) -> str:
        gone, self._held = self._held[:n], self._held[n:]
        return gone
