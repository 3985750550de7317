"""The sound on its way to a device: filled by the session, emptied by the device's own thread.

Counts what was taken and fades where something is cut. Knows no device and no event loop; `Loudspeaker` joins the two.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from streaming.errors import DeviceUnavailable

from .playback import Fader

if TYPE_CHECKING:
    from collections.abc import Callable

    from streaming.events import Samples

    from .playback import FadeSettings


class SoundStore:
    """A queue of sound for one reply after another; safe between threads."""

    def __init__(self, *, n_lead: int, stall_s: float, fades: FadeSettings | None = None) -> None:
        """Hold about `n_lead` samples; a device that takes nothing for `stall_s` counts as lost."""
        self._n_lead, self._stall_s, self._fades = n_lead, stall_s, fades
        self._changed = threading.Condition()
        self._blocks: deque[Samples] = deque()
        self._fader = Fader(fades)
        self._n_stored = self._n_taken = self._n_since = self._n_pulls = 0
        self._reply = 0
        self._open = self._finished = self._lost = False

    @property
    def reply(self) -> int:
        """Number of the present reply, from 1; changes with `begin`, `cancel` and `close`."""
        return self._reply

    def begin(self) -> None:
        """Expect the sound of a new reply; what is still stored of the last one is heard before it."""
        with self._changed:
            self._n_taken = -self._n_stored
            self._n_since = 0
            self._next(is_open=True)

    def put(self, samples: Samples, *, reply: int) -> None:
        """Store sound of `reply`, unless that is over."""
        with self._changed:
            if self._open and reply == self._reply and len(samples):
                self._blocks.append(samples)
                self._n_stored += len(samples)
                self._n_since = 0

    def finish(self) -> None:
        """No more sound comes for this reply."""
        with self._changed:
            self._finished = self._open
            self._changed.notify_all()

    def duck(self) -> None:
        """Go down in loudness."""
        with self._changed:
            self._fader.duck()

    def resume(self) -> None:
        """Go back to full loudness."""
        with self._changed:
            self._fader.resume()

    def cancel(self) -> None:
        """Keep only a short fade-out of what is stored. Idempotent."""
        with self._changed:
            if not self._open:
                return
            n_fade = min(self._fader.cancel(), self._n_stored)
            rest = np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.float32)
            self._blocks = deque([self._fader.process(rest[:n_fade])] if n_fade else [])
            self._n_stored = n_fade
            self._fader = Fader(self._fades)
            self._next(is_open=False)

    def close(self) -> None:
        """Let everybody who waits go."""
        with self._changed:
            self._blocks.clear()
            self._n_stored = 0
            self._next(is_open=False)

    def lose(self) -> None:
        """The device is gone: whoever waits for it is told."""
        with self._changed:
            self._lost = True
            self._changed.notify_all()

    def pull(self, n: int) -> Samples:
        """Return the next `n` samples for the device, silence where there are none."""
        with self._changed:
            sound = self._fader.process(self._take(n))
            self._n_pulls += 1
            self._lost = False  # it takes sound again
            self._n_since += n - len(sound)
            self._changed.notify_all()
        return np.concatenate((sound, np.zeros(n - len(sound), np.float32)))

    def n_sounded(self, n_latency: int) -> int:
        """Return how many samples of the reply have left a device that holds `n_latency` of them."""
        with self._changed:
            return max(0, min(self._n_taken, self._n_taken + self._n_since - n_latency))

    def is_over(self, n_latency: int) -> bool:
        """Tell whether the finished reply has been heard to its end; on a lost device, as far as it ever will be."""
        with self._changed:
            return self._finished and (self._lost or (not self._n_stored and self._n_since >= n_latency))

    def has_room(self, reply: int) -> bool:
        """Tell whether `put` need not wait: little is stored, or `reply` is over."""
        with self._changed:
            return self._has_room(reply)

    def wait_for_room(self, reply: int) -> None:
        """Block until `has_room`.

        Raises:
            DeviceUnavailable: the device takes nothing any more.
        """
        self._wait(lambda: self._has_room(reply))

    def wait_until_over(self, n_latency: int) -> None:
        """Block until nothing is stored or held by the device.

        Raises:
            DeviceUnavailable: the device takes nothing any more.
        """
        self._wait(lambda: not self._n_stored and (self._n_since >= n_latency or not self._open))

    def _has_room(self, reply: int) -> bool:
        return (self._n_stored < self._n_lead and not self._lost) or reply != self._reply

    def _next(self, *, is_open: bool) -> None:
        self._reply += 1
        self._open, self._finished = is_open, False
        self._changed.notify_all()

    def _take(self, n: int) -> Samples:
        taken: list[Samples] = []
        while n and self._blocks:
            block = self._blocks.popleft()
            taken.append(block[:n])
            if len(block) > n:
                self._blocks.appendleft(block[n:])
            n -= len(taken[-1])
        sound = np.concatenate(taken) if taken else np.zeros(0, np.float32)
        self._n_stored -= len(sound)
        self._n_taken += len(sound)
        return sound

    def _wait(self, is_done: Callable[[], bool]) -> None:
        with self._changed:
            while not is_done():
                n_pulls = self._n_pulls
                is_told = not self._lost and self._changed.wait(self._stall_s)
                if not is_told and self._n_pulls == n_pulls and not is_done():
                    self._lost = True
                    raise DeviceUnavailable(
                        "the loudspeaker takes no sound any more: it was unplugged or taken by another program; "
                        "plug it in again, name another, or go without sound"
                    )
