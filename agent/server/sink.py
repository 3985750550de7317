"""Where a reply's sound goes out to a client: a little ahead of real time, so that a barge-in still finds it unsent.

What was sent must have been heard once as much time has gone by: the client plays at the pace of its own device, and
tells by `conversation.item.truncate` where that is wrong. Waits on an injected clock; holds no decision.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import anyio
import anyio.lowlevel
import numpy as np

from streaming.audio import SAMPLE_RATE, silence

from ..playback import Fader

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streaming.events import Samples

    from ..playback import FadeSettings

Moved: TypeAlias = Literal["duck", "resume"]

MIN_BLOCK: Final = SAMPLE_RATE * 40 // 1000
MAX_BLOCK: Final = SAMPLE_RATE * 100 // 1000

TAIL: Final = SAMPLE_RATE * 40 // 1000
"""Silence after a reply: it pushes the last sound out of whatever changes the rate behind us."""


class WireSink:
    """A client as a loudspeaker: sends at most `lead_s` of sound ahead of what it must have played.

    One task plays; `duck`, `resume`, `cancel` and `finish` come from others of the same event loop.
    """

    def __init__(
        self,
        *,
        emit: Callable[[Samples], None],
        moved: Callable[[Moved], None] | None = None,
        lead_s: float = 0.3,
        fades: FadeSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """Begin silent.

        Args:
            emit: takes the next sound of the reply, 40 to 100 ms of it; the last block may be shorter.
            moved: told when what sounds gets quieter or louder again.
            lead_s: sound sent ahead of real time.
            fades: how ducking, resuming and cancelling sound.
            clock: seconds that never go back.
            sleep: waits so many of them.
        """
        self._emit = emit
        self._moved: Callable[[Moved], None] = moved or _nobody
        self._n_lead = round(lead_s * SAMPLE_RATE)
        self._fades = fades
        self._clock = clock
        self._sleep = sleep
        self._reply = 0
        self._open = self._finished = self._is_low = False
        self._reset()

    def begin(self, *, at_s: float) -> None:
        """See `agent.loudspeaker.Sink`."""
        del at_s  # the client has its own clock
        self._reply += 1
        self._open, self._finished, self._is_low = True, False, False
        self._reset()

    def _reset(self) -> None:
        self._store: deque[Samples] = deque()
        self._n_stored = self._n_sent = 0
        self._fader = Fader(self._fades)
        # At `_from_s`, `_n_before` samples had been heard, and since then sound goes on without a gap.
        self._from_s, self._n_before = self._clock(), 0

    async def play(self, samples: Samples) -> None:
        """See `agent.loudspeaker.Sink`; returns once all but the lead is sent, so it goes at the pace of the sound."""
        reply = self._reply
        await anyio.lowlevel.checkpoint()
        if not self._open or reply != self._reply:
            return
        self._store.append(samples)
        self._n_stored += len(samples)
        while self._open and reply == self._reply and self._n_stored >= MIN_BLOCK:
            n_block = min(self._n_stored, MAX_BLOCK)
            n_missing = n_block - self._n_room()
            if n_missing <= 0:
                self._send(self._take(n_block))
            else:
                await self._sleep(n_missing / SAMPLE_RATE)

    def finish(self) -> None:
        """See `agent.loudspeaker.Sink`."""
        if not self._open or self._finished:
            return
        self._finished = True
        while self._n_stored > MAX_BLOCK:
            self._send(self._take(MAX_BLOCK))
        rest = self._take(self._n_stored)
        self._send(rest, tail=silence(TAIL))

    def duck(self) -> None:
        """See `agent.loudspeaker.Sink`; what was sent already is the client's to lower."""
        if self._open and not self._is_low:
            self._is_low = True
            self._fader.duck()
            self._moved("duck")

    def resume(self) -> None:
        """See `agent.loudspeaker.Sink`."""
        if self._open and self._is_low:
            self._is_low = False
            self._fader.resume()
            self._moved("resume")

    def cancel(self, *, at_s: float) -> int:
        """See `agent.loudspeaker.Sink`; of what is in store only the fade is sent."""
        n_heard = self.played(at_s=at_s)
        if self._open:
            n_fade = min(self._fader.cancel(), self._n_stored)
            if n_fade:
                self._emit(self._fader.process(self._take(n_fade)))
            self._reset()
            self._n_sent = self._n_before = n_heard
        self._open = self._finished = False
        return n_heard

    def played(self, *, at_s: float) -> int:
        """See `agent.loudspeaker.Sink`: what was sent, as far as there was time to hear it."""
        del at_s
        return min(self._n_sent, self._n_before + round((self._clock() - self._from_s) * SAMPLE_RATE))

    def ended_s(self, *, now_s: float) -> float | None:
        """See `agent.loudspeaker.Sink`."""
        return now_s if self._finished and self.played(at_s=now_s) >= self._n_sent else None

    async def drain(self) -> None:
        """See `agent.loudspeaker.Sink`."""
        await anyio.lowlevel.checkpoint()
        while self._open and (n_left := self._n_sent - self.played(at_s=0.0)) > 0:
            await self._sleep(n_left / SAMPLE_RATE)

    async def over(self) -> None:
        """See `agent.loudspeaker.OwnClock`: this reply's end, whatever begins while one waits."""
        reply = self._reply
        await anyio.lowlevel.checkpoint()
        while self._open and reply == self._reply and self.ended_s(now_s=0.0) is None:
            n_left = max(MIN_BLOCK, self._n_sent - self.played(at_s=0.0))
            await self._sleep(n_left / SAMPLE_RATE)

    def close(self) -> None:
        """See `agent.loudspeaker.Sink`: nothing is sent any more."""
        self._open = self._finished = False

    def _n_room(self) -> int:
        """Return how much may be sent now. A block is kept free for the end of the reply, which does not wait."""
        return self._n_lead - MIN_BLOCK - (self._n_sent - self.played(at_s=0.0))

    def _take(self, n: int) -> Samples:
        """Return the next `n` samples in store."""
        self._n_stored -= n
        parts: list[Samples] = []
        while n > 0:
            part = self._store.popleft()
            if len(part) > n:
                self._store.appendleft(part[n:])
                part = part[:n]
            parts.append(part)
            n -= len(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else silence(0)

    def _send(self, samples: Samples, *, tail: Samples | None = None) -> None:
        now_s = self._clock()
        n_heard = self.played(at_s=0.0)
        if n_heard >= self._n_sent:
            # The client has run dry: what comes now sounds from now on, however long that took.
            self._from_s, self._n_before = now_s, n_heard
        self._n_sent += len(samples)
        if self._is_low or self._fader.gain < 1.0:
            samples = self._fader.process(samples)
        self._emit(samples if tail is None else np.concatenate((samples, tail)))


def _nobody(_: Moved) -> None:
    """Tell nobody."""
