"""Where the agent's voice goes: a real loudspeaker, or a virtual one that runs on the clock of the stream.

The edge between pure bookkeeping (`agent.playback`) and a device. Holds no decision: the session says when to duck,
resume and cancel.
"""
# sounddevice ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import anyio.lowlevel
import anyio.to_thread
import numpy as np

from streaming.audio import SAMPLE_RATE, Resampler
from streaming.errors import DeviceUnavailable

from .soundstore import SoundStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from numpy.typing import NDArray

    from streaming.events import Samples

    from .playback import FadeSettings


LATENCY_S = 0.06
"""Sound the device holds: enough that a busy interpreter leaves no gaps, little enough to fall silent at once."""


class Sink(Protocol):
    """Takes the sound of one reply after another.

    Order of calls: `begin`, `play` for each block, `finish`; in between `duck` and `resume` at will; `cancel` ends the
    reply at once. Sample counts are of the present reply's sound, 16 kHz.
    """

    def begin(self, *, at_s: float) -> None:
        """A reply begins to sound at stream time `at_s`."""
        ...

    async def play(self, samples: Samples) -> None:
        """Take the next sound; wait while there is enough in store. After a `cancel` it is dropped.

        Raises:
            DeviceUnavailable: the loudspeaker was lost.
        """
        ...

    def finish(self) -> None:
        """All sound of the reply has been given to `play`."""
        ...

    def duck(self) -> None:
        """Lower the voice."""
        ...

    def resume(self) -> None:
        """Raise it again."""
        ...

    def cancel(self, *, at_s: float) -> int:
        """Fade out and forget the rest; return how many samples had been heard. Idempotent."""
        ...

    def played(self, *, at_s: float) -> int:
        """Return how many samples have been heard at stream time `at_s` (now)."""
        ...

    def ended_s(self, *, now_s: float) -> float | None:
        """Return the stream time at which the reply's last sound was heard; None before, or without `finish`."""
        ...

    async def drain(self) -> None:
        """Wait until everything in store has been heard."""
        ...

    def close(self) -> None:
        """Free the device. Idempotent."""
        ...


@runtime_checkable
class OwnClock(Protocol):
    """A sink that goes on by itself, whether or not the stream does."""

    async def over(self) -> None:
        """Return when the reply was heard to its end, or is cancelled."""
        ...


class SilentSink:
    """A virtual loudspeaker on the clock of the stream: for files, and for conversations without sound.

    A reply sounds from `begin` on without gaps, as if its sound had been there at once; positions follow from stream
    time alone, so a replay hears what a live session heard. Holds counts, no sound, so `play` never waits.
    """

    def __init__(self) -> None:
        self._begin_s = 0.0
        self._n_samples = 0
        self._open = self._finished = False

    def begin(self, *, at_s: float) -> None:
        """See `Sink`."""
        self._begin_s, self._n_samples = at_s, 0
        self._open, self._finished, self._drained = True, False, False

    async def play(self, samples: Samples) -> None:
        """See `Sink`."""
        await anyio.lowlevel.checkpoint()
        if self._open:
            self._n_samples += len(samples)

    def finish(self) -> None:
        """See `Sink`."""
        self._finished = self._open

    def duck(self) -> None:
        """See `Sink`; nothing to hear."""

    def resume(self) -> None:
        """See `Sink`; nothing to hear."""

    def cancel(self, *, at_s: float) -> int:
        """See `Sink`."""
        self._n_samples = self.played(at_s=at_s)
        self._open = self._finished = False
        return self._n_samples

    def played(self, *, at_s: float) -> int:
        """See `Sink`."""
        return round(min(self._n_samples, max(0.0, (at_s - self._begin_s) * SAMPLE_RATE)))

    def ended_s(self, *, now_s: float) -> float | None:
        """See `Sink`."""
        end_s = self._begin_s + self._n_samples / SAMPLE_RATE
        return end_s if self._finished and (self._drained or end_s <= now_s) else None

    async def drain(self) -> None:
        """Return at once: nobody listens, so the rest counts as heard without waiting for it."""
        self._drained = True
        await anyio.lowlevel.checkpoint()

    def close(self) -> None:
        """See `Sink`."""


class Loudspeaker:
    """A real loudspeaker (PortAudio through sounddevice)."""

    def __init__(
        self,
        device: str | int | None = None,
        *,
        lead_s: float = 0.3,
        stall_s: float = 2.0,
        fades: FadeSettings | None = None,
    ) -> None:
        """Open the device.

        Args:
            device: name, part of it, or number; None is the system's default.
            lead_s: sound kept in store against gaps; what a cancel throws away.
            stall_s: a device that takes nothing for so long counts as lost.
            fades: how ducking, resuming and cancelling sound.

        Raises:
            DeviceUnavailable: there is none, it is busy, or PortAudio is not installed.
        """
        self._store = SoundStore(n_lead=round(lead_s * SAMPLE_RATE), stall_s=stall_s, fades=fades)
        self._stream = _open_stream(device, self._store)
        self._n_latency = round(float(self._stream.latency) * SAMPLE_RATE)

    def begin(self, *, at_s: float) -> None:
        """See `Sink`."""
        del at_s  # the device has its own clock
        self._store.begin()

    async def play(self, samples: Samples) -> None:
        """See `Sink`."""
        reply = self._store.reply
        if not self._store.has_room(reply):
            # A thread waits, since the device's own thread must never wait for the event loop.
            await anyio.to_thread.run_sync(self._store.wait_for_room, reply, abandon_on_cancel=True)
        await anyio.lowlevel.checkpoint()
        self._store.put(samples, reply=reply)

    def finish(self) -> None:
        """See `Sink`."""
        self._store.finish()

    def duck(self) -> None:
        """See `Sink`."""
        self._store.duck()

    def resume(self) -> None:
        """See `Sink`."""
        self._store.resume()

    def cancel(self, *, at_s: float) -> int:
        """See `Sink`."""
        n_played = self.played(at_s=at_s)
        self._store.cancel()
        return n_played

    def played(self, *, at_s: float) -> int:
        """See `Sink`; what the device holds but has not sounded yet does not count."""
        del at_s
        return self._store.n_sounded(self._n_latency)

    def ended_s(self, *, now_s: float) -> float | None:
        """See `Sink`."""
        return now_s if self._store.is_over(self._n_latency) else None

    async def drain(self) -> None:
        """See `Sink`."""
        await anyio.to_thread.run_sync(self._store.wait_until_over, self._n_latency, abandon_on_cancel=True)

    def close(self) -> None:
        """See `Sink`."""
        self._store.close()
        self._stream.close()


def output_devices() -> list[str]:
    """Return the names of the devices that can sound, the default first, possibly none.

    Raises:
        DeviceUnavailable: PortAudio is not installed.
    """
    sounddevice = _sounddevice()
    try:
        devices = [dict(device) for device in sounddevice.query_devices()]
        default = int(sounddevice.default.device[1])
    except sounddevice.PortAudioError as trouble:
        raise _unavailable(None, trouble) from trouble
    names = [(index != default, str(d["name"])) for index, d in enumerate(devices) if d["max_output_channels"] > 0]
    return [name for _, name in sorted(names, key=lambda pair: pair[0])]


class _AtRate:
    """Pulls sound at 16 kHz and gives it at the rate of a device that knows no 16 kHz."""

    def __init__(self, source: Callable[[int], Samples], *, rate: int) -> None:
        self._source = source
        self._resampler = Resampler(source_hz=SAMPLE_RATE, target_hz=rate)
        self._ready: Samples = np.zeros(0, np.float32)

    def pull(self, n_frames: int) -> Samples:
        """Return `n_frames` at the device's rate."""
        while len(self._ready) < n_frames:
            self._ready = np.concatenate((self._ready, self._resampler.feed(self._source(SAMPLE_RATE // 100))))
        out, self._ready = self._ready[:n_frames], self._ready[n_frames:]
        return out


def _open_stream(device: str | int | None, store: SoundStore) -> Any:  # noqa: ANN401 - PortAudio's own type
    """Return a running output stream that empties `store`."""
    sounddevice = _sounddevice()
    try:
        rate = _rate_for(sounddevice, device)
        pull = store.pull if rate == SAMPLE_RATE else _AtRate(store.pull, rate=rate).pull

        def fill(outdata: NDArray[np.float32], n_frames: int, _time: object, _status: object) -> None:
            outdata[:, 0] = pull(n_frames)

        stream = sounddevice.OutputStream(
            device=device,
            samplerate=rate,
            channels=1,
            dtype="float32",
            latency=LATENCY_S,
            callback=fill,
            finished_callback=store.lose,
        )
        stream.start()
    except (sounddevice.PortAudioError, ValueError) as trouble:
        raise _unavailable(device, trouble) from trouble
    return stream


def _rate_for(sounddevice: ModuleType, device: str | int | None) -> int:
    """Return 16 kHz if the device takes it, else its own rate."""
    try:
        sounddevice.check_output_settings(device=device, channels=1, dtype="float32", samplerate=SAMPLE_RATE)
    except sounddevice.PortAudioError:
        return round(float(sounddevice.query_devices(device, "output")["default_samplerate"]))
    return SAMPLE_RATE


def _sounddevice() -> ModuleType:
    try:
        import sounddevice  # noqa: PLC0415 - PortAudio is looked for only when somebody wants to hear something
    except (ImportError, OSError) as trouble:
        raise DeviceUnavailable(
            f"the loudspeaker needs PortAudio, which is not installed ({trouble}); "
            "install it (on Debian and Ubuntu: apt install libportaudio2) or go without sound"
        ) from trouble
    return sounddevice


def _unavailable(device: str | int | None, trouble: Exception) -> DeviceUnavailable:
    which = "there is no loudspeaker" if device is None else f"the loudspeaker {device!r} cannot be used"
    return DeviceUnavailable(f"{which} ({trouble}); plug one in, name another, or go without sound")
