"""How long to wait before a silence ends the utterance: as long as this speaker's own pauses ask for; pure.

An exponential mean of the pauses after which the speaker went on, plus a margin, within bounds. A new utterance that
begins soon after an endpoint shows that the endpoint cut a pause: it counts as one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """The wait between the end of the voice and the end of the utterance, seconds.

    Attributes:
        min_s, max_s: the shortest and longest wait.
        pause_s: what the speaker's pauses are taken to be before any was heard.
        margin_s: added to the mean pause; the voice activity needs nearly half of it to notice that voice is back.
        weight: share of the newest pause in the mean, in (0, 1].
        regret_s: speech that comes back within this time of the voice's end was cut off: a pause, not a new turn.
    """

    min_s: float = 0.4
    max_s: float = 0.7
    pause_s: float = 0.3
    margin_s: float = 0.2
    weight: float = 0.3
    regret_s: float = 1.0

    def __post_init__(self) -> None:
        """Refuse bounds that cross and weights that do nothing."""
        if not 0.0 < self.min_s <= self.max_s:
            message = f"expected 0 < min_s <= max_s, got {self.min_s} and {self.max_s}"
            raise ValueError(message)
        if not 0.0 < self.weight <= 1.0:
            message = f"weight must lie in (0, 1], got {self.weight}"
            raise ValueError(message)
        if min(self.pause_s, self.margin_s, self.regret_s) < 0.0:
            message = "pause_s, margin_s and regret_s must not be negative"
            raise ValueError(message)


class Endpoint:
    """The wait for one speaker."""

    def __init__(self, settings: EndpointSettings) -> None:
        self._settings = settings
        self._mean_s = settings.pause_s

    @property
    def wait_s(self) -> float:
        """Silence after which the utterance is over, seconds."""
        bounded = max(self._settings.min_s, self._mean_s + self._settings.margin_s)
        return min(self._settings.max_s, bounded)

    def learn(self, pause_s: float) -> None:
        """Take a silence after which the speaker went on; those longer than `regret_s` were no pauses."""
        if pause_s <= self._settings.regret_s:
            self._mean_s += self._settings.weight * (pause_s - self._mean_s)
