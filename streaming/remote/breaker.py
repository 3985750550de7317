"""A circuit breaker: a server that fails again and again is left alone for a while. Pure; time is passed in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSettings:
    """When a server is left alone.

    Attributes:
        n_failures: that many failures in a row open the breaker, at least 1; each try of a request counts.
        pause_s: how long it then stays open before one request may try, more than 0.
    """

    n_failures: int = 5
    pause_s: float = 10.0

    def __post_init__(self) -> None:
        """Check the values."""
        if self.n_failures < 1:
            raise ValueError(f"n_failures is {self.n_failures}, expected at least 1")
        if not self.pause_s > 0:
            raise ValueError(f"pause_s is {self.pause_s}, expected more than 0 seconds")


class Breaker:
    """Closed: all requests pass. Open: none do. After the pause, one does; how it ends decides which it is then.

    Each request that was let through must be followed by exactly one of `succeeded`, `failed` and `abandoned`.
    """

    def __init__(self, settings: BreakerSettings | None = None) -> None:
        self._settings = settings or BreakerSettings()
        self._n_failed = 0
        self._open_until_s: float | None = None
        self._is_probing = False

    @property
    def is_open(self) -> bool:
        """Whether requests are held back (but for a probe)."""
        return self._open_until_s is not None

    def wait_s(self, now_s: float) -> float:
        """Return 0 and let a request through, or return for how long none will be (more than 0)."""
        if self._open_until_s is None:
            return 0.0
        if now_s < self._open_until_s:
            return self._open_until_s - now_s
        if self._is_probing:
            return self._settings.pause_s
        self._is_probing = True
        return 0.0

    def succeeded(self) -> None:
        """The server answered: all may pass."""
        self._n_failed = 0
        self._open_until_s = None
        self._is_probing = False

    def failed(self, now_s: float) -> None:
        """The server did not answer as it should."""
        self._n_failed += 1
        self._is_probing = False
        if self._n_failed >= self._settings.n_failures:
            self._open_until_s = now_s + self._settings.pause_s

    def abandoned(self) -> None:
        """The request was given up by its caller: it tells nothing about the server."""
        self._is_probing = False
