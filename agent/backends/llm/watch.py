"""How long a call to a language model took, and what it cost."""

from __future__ import annotations

import time

from ...llm.values import Usage


class Watch:
    """Starts when a call is made; is told when work on it begins and when the first token or score is there."""

    def __init__(self) -> None:
        self._made = self._begun = time.perf_counter()
        self._first: float | None = None

    def begin(self) -> None:
        """Work on the call begins."""
        self._begun = time.perf_counter()

    def first(self) -> None:
        """A token or a score is there; the first time counts."""
        if self._first is None:
            self._first = time.perf_counter()

    def usage(self, n_prompt: int, n_cached: int, n_generated: int) -> Usage:
        """Return what the call cost up to now."""
        return Usage(
            n_prompt=n_prompt,
            n_cached=n_cached,
            n_generated=n_generated,
            queued_ms=1000 * (self._begun - self._made),
            first_ms=None if self._first is None else 1000 * (self._first - self._made),
            total_ms=1000 * (time.perf_counter() - self._made),
        )
