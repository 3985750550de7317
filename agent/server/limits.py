"""How much one client may send: sound per second, messages per second, nonsense in a row. Told the time, holds none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from .closing import CLOSINGS, Close

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .ports import Received
    from .settings import ServerSettings

BARE_S: Final = 0.0025
"""A message that carries at least so much sound is sound only; below, it counts as a message in proportion.

Browsers hand out sound in pieces of 2.7 ms (128 samples at 48 kHz); what sends less at a time has no microphone.
"""
CLOSE_OF: Final[Mapping[str, Close]] = {
    "invalid_json": Close.POLICY,
    "binary_not_expected": Close.UNSUPPORTED_DATA,
    "unknown_event": Close.SCHEMA,
    "invalid_field": Close.SCHEMA,
    "suspect_audio": Close.BAD_AUDIO,
    "non_finite_audio": Close.BAD_AUDIO,
}
"""Faults that count, and what many of one kind in a row are closed with. The others are answers like any: a client that
cancels what has ended, or asks for what is gone, makes sense.
"""


class Bucket:
    """Allows `rate` a second and `burst` at once; may be overdrawn, which it tells."""

    def __init__(self, *, rate: float, burst: float, now_s: float) -> None:
        """Begin full."""
        self._rate = rate
        self._burst = self._level = burst
        self._at_s = now_s

    def take(self, amount: float, *, now_s: float) -> float:
        """Take an amount out, and return by how much that was too much so far; 0 where it was there."""
        self._level = min(self._burst, self._level + (now_s - self._at_s) * self._rate) - amount
        self._at_s = now_s
        return max(0.0, -self._level)

    @property
    def is_relaxed(self) -> bool:
        """At least half of it was there when it was last looked at."""
        return self._level >= self._burst / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """The client goes too fast: it is told, once until it slows down."""

    code: Literal["audio_too_fast", "too_many_messages"]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The client is closed."""

    code: Close
    detail: str


Verdict: TypeAlias = Warned | Ended | None


class Gauge:
    """A bucket with two marks: above none of it left, the client is warned; `excess` further, it is closed."""

    def __init__(self, bucket: Bucket, *, excess: float, warned: Warned) -> None:
        """Begin at rest."""
        self._bucket = bucket
        self._excess = excess
        self._warned = warned
        self._is_warned = False

    def take(self, amount: float, *, now_s: float) -> Verdict:
        """Take an amount, and say what follows."""
        excess = self._bucket.take(amount, now_s=now_s)
        if excess > self._excess:
            return Ended(code=Close.TOO_FAST, detail=self._warned.message)
        if excess > 0 and not self._is_warned:
            self._is_warned = True
            return self._warned
        if self._bucket.is_relaxed:
            self._is_warned = False
        return None


class Allowance:
    """What one client may still send."""

    def __init__(self, settings: ServerSettings, *, now_s: float) -> None:
        """Begin with all bursts unused."""
        rate, burst = settings.audio_rate, settings.audio_burst_s
        self._audio = Gauge(
            Bucket(rate=rate, burst=burst, now_s=now_s),
            excess=settings.audio_excess_s,
            warned=Warned(
                code="audio_too_fast",
                message=f"sound comes faster than it was spoken: at most {rate:g} s each second, after {burst:g} s",
            ),
        )
        rate, burst = settings.control_rate, settings.control_burst
        self._control = Gauge(
            Bucket(rate=rate, burst=burst, now_s=now_s),
            excess=burst,
            warned=Warned(
                code="too_many_messages",
                message=f"too many messages without sound: at most {rate:g} each second, after {burst:g}",
            ),
        )
        self._max_faults = settings.max_faults_in_row
        self._faults: list[Close] = []

    def take(self, received: Received, *, now_s: float) -> Verdict:
        """Count a message, and say what follows."""
        ended = self._count_fault(received.fault)
        if ended is not None:
            return ended
        verdict: Verdict = None
        if received.sound_s:
            verdict = self._audio.take(received.sound_s, now_s=now_s)
        if verdict is None and received.sound_s < BARE_S:
            verdict = self._control.take(1 - received.sound_s / BARE_S, now_s=now_s)
        return verdict

    def _count_fault(self, fault: str | None) -> Ended | None:
        close = None if fault is None else CLOSE_OF.get(fault)
        if close is None:
            self._faults.clear()
            return None
        self._faults.append(close)
        if len(self._faults) < self._max_faults:
            return None
        code = close if len(set(self._faults)) == 1 else Close.POLICY
        return Ended(code=code, detail=f"{len(self._faults)} messages in a row: {CLOSINGS[code].when}")
