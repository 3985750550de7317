"""When to ask a server again. Pure; chance is passed in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySettings:
    """How often and how soon a failed request is sent again, as long as nothing of an answer has come.

    Attributes:
        n_tries: how often in all, at least 1.
        first_wait_s: pause before the second try; doubles each time.
        longest_wait_s: no pause is longer; a server that asks for a longer one (Retry-After) is not asked again.
    """

    n_tries: int = 3
    first_wait_s: float = 0.25
    longest_wait_s: float = 4.0

    def __post_init__(self) -> None:
        """Check the values."""
        if self.n_tries < 1:
            raise ValueError(f"n_tries is {self.n_tries}, expected at least 1")
        if not 0 <= self.first_wait_s <= self.longest_wait_s:
            message = f"first_wait_s is {self.first_wait_s}, expected 0 to longest_wait_s ({self.longest_wait_s})"
            raise ValueError(message)

    def wait_s(self, n_tried: int, *, retry_after_s: float | None, spread: float) -> float | None:
        """Return how long to wait before the next try, None to give up.

        Args:
            n_tried: tries so far, from 1.
            retry_after_s: what the server asked for; waited for in full.
            spread: chance in [0, 1), so that many clients do not come back at once: a pause is cut by up to half.
        """
        if n_tried >= self.n_tries:
            return None
        if retry_after_s is not None:
            return retry_after_s if retry_after_s <= self.longest_wait_s else None
        whole = min(self.longest_wait_s, self.first_wait_s * 2.0 ** (n_tried - 1))
        return whole * (1 - spread / 2)
