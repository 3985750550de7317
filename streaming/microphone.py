# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (sounddevice ships no types)
"""The microphone, by sounddevice (PortAudio). An edge: it opens a device and listens until it is told to stop.

PortAudio is loaded when a microphone is wanted, since loading it fails on machines without the library. A device that
stops sending, or is pulled out, ends the stream with one error; nobody polls.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import numpy as np

from .audio import SAMPLE_RATE, Resampler
from .errors import DeviceUnavailable
from .sources import LiveSource

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from types import ModuleType

    from .events import Samples

BLOCK_S = 0.02
STALL_S = 3.0


@asynccontextmanager
async def microphone(
    device: int | str | None = None, *, capacity_s: float = 5.0, stall_s: float = STALL_S
) -> AsyncGenerator[LiveSource, None]:
    """Open the microphone and give its sound as a `LiveSource`; leaving the context lets go of the device.

    Args:
        device: number, or part of the name, of the input device; None takes the system's default.
        capacity_s: sound that may wait for a slow listener before the oldest is dropped.
        stall_s: silence of the driver (not of the room) after which the device is taken for lost.

    Raises:
        DeviceUnavailable: no PortAudio, no such device, no permission; from the iteration: the device was lost.
    """
    source = LiveSource(capacity_s=capacity_s, stall_s=stall_s, name="the microphone")
    stream = await anyio.to_thread.run_sync(_open_stream, device, source)
    try:
        yield source
    finally:
        source.close()
        with anyio.CancelScope(shield=True), anyio.move_on_after(2.0):
            await anyio.to_thread.run_sync(_stop_stream, stream, abandon_on_cancel=True)


def input_devices() -> list[str]:
    """Return the names of the devices that can be heard, the default first, possibly none.

    Raises:
        DeviceUnavailable: PortAudio is not installed.
    """
    sounddevice = _sounddevice()
    try:
        devices = [dict(device) for device in sounddevice.query_devices()]
        default = int(sounddevice.default.device[0])
    except sounddevice.PortAudioError as error:
        raise _unavailable(error) from error
    names = [(index != default, str(d["name"])) for index, d in enumerate(devices) if d["max_input_channels"] > 0]
    return [name for _, name in sorted(names, key=lambda pair: pair[0])]


class _Listener:
    """What PortAudio's thread calls with each block."""

    def __init__(self, source: LiveSource, *, rate_hz: int) -> None:
        self._source = source
        self._rate_hz = rate_hz
        self._resampler = Resampler(source_hz=rate_hz)
        self._expected_s: float | None = None

    def hear(self, block: Any, n_frames: int, times: Any, status: Any) -> None:  # noqa: ANN401 - PortAudio's own types
        """Pass a block on, and before it the news of sound that PortAudio lost."""
        begin_s = float(times.inputBufferAdcTime)
        if status.input_overflow and self._expected_s is not None:
            self._source.lose(max(0, round((begin_s - self._expected_s) * SAMPLE_RATE)))
        self._expected_s = begin_s + n_frames / self._rate_hz
        samples: Samples = np.clip(np.nan_to_num(block[:, 0]), -1.0, 1.0)
        self._source.push(self._resampler.feed(samples))

    def finished(self) -> None:
        """End the source: PortAudio stopped, which it does by itself only when the device is gone."""
        self._source.close(DeviceUnavailable("the microphone stopped: it was unplugged or taken by another program"))


def _open_stream(device: int | str | None, source: LiveSource) -> Any:  # noqa: ANN401 - PortAudio's own type
    sounddevice = _sounddevice()
    try:
        rate_hz = _rate_hz(sounddevice, device)
        listener = _Listener(source, rate_hz=rate_hz)
        stream = sounddevice.InputStream(
            device=device,
            samplerate=rate_hz,
            blocksize=round(rate_hz * BLOCK_S),
            channels=1,
            dtype="float32",
            callback=listener.hear,
            finished_callback=listener.finished,
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        raise _unavailable(error) from error
    try:
        stream.start()
    except sounddevice.PortAudioError as error:
        stream.close(ignore_errors=True)
        raise _unavailable(error) from error
    return stream


def _rate_hz(sounddevice: ModuleType, device: int | str | None) -> int:
    """Return 16 kHz if the device can, else its own usual rate."""
    try:
        sounddevice.check_input_settings(device=device, channels=1, dtype="float32", samplerate=SAMPLE_RATE)
    except sounddevice.PortAudioError:
        return round(float(sounddevice.query_devices(device, "input")["default_samplerate"]))
    return SAMPLE_RATE


def _stop_stream(stream: Any) -> None:  # noqa: ANN401 - PortAudio's own type
    stream.abort(ignore_errors=True)
    stream.close(ignore_errors=True)


def _sounddevice() -> ModuleType:
    try:
        import sounddevice  # noqa: PLC0415 - loading it fails where PortAudio is missing
    except (ImportError, OSError) as error:
        message = "no microphone can be used: PortAudio is not installed (Debian: apt install libportaudio2)"
        raise DeviceUnavailable(message) from error
    return sounddevice


def _unavailable(error: Exception) -> DeviceUnavailable:
    return DeviceUnavailable(
        f"no microphone can be opened: {error}; plug one in, allow its use, or name one of `attune doctor`'s devices"
    )
