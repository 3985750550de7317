from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
import pytest

from streaming.errors import DeviceUnavailable
from streaming.events import AudioDropped
from streaming.microphone import input_devices, microphone

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from streaming.sources import LiveSource

pytestmark = pytest.mark.anyio


class PortAudioError(Exception):
    """What sounddevice raises."""


class Stream:
    """An input stream that a test speaks into."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.running = self.closed = False
        self.starts = True
        self.heard_s = 0.0

    def start(self) -> None:
        if not self.starts:
            raise PortAudioError("Device busy")
        self.running = True

    def abort(self, *, ignore_errors: bool) -> None:
        assert ignore_errors
        self.running = False
        self.options["finished_callback"]()

    def close(self, *, ignore_errors: bool) -> None:
        assert ignore_errors
        self.closed = True

    def speak(self, samples: np.ndarray, *, lost_s: float = 0.0) -> None:
        self.heard_s += lost_s
        times = SimpleNamespace(inputBufferAdcTime=self.heard_s)
        status = SimpleNamespace(input_overflow=lost_s > 0)
        self.options["callback"](samples[:, None], samples.size, times, status)
        self.heard_s += samples.size / self.options["samplerate"]


class FakePortAudio(ModuleType):
    """As much of sounddevice as a microphone needs."""

    PortAudioError = PortAudioError

    def __init__(self, *, rates: tuple[int, ...] = (16_000,), devices: int = 1, starts: bool = True) -> None:
        super().__init__("sounddevice")
        self.starts = starts
        self.rates = rates
        self.devices = [
            {"name": f"mic {i}", "max_input_channels": 1, "default_samplerate": 48_000.0} for i in range(devices)
        ]
        self.devices.append({"name": "speaker", "max_input_channels": 0, "default_samplerate": 48_000.0})
        self.default = SimpleNamespace(device=[devices - 1, devices])
        self.streams: list[Stream] = []

    def query_devices(self, device: object = None, kind: str | None = None) -> Any:
        if kind is None:
            return self.devices
        if len(self.devices) == 1:
            raise PortAudioError("Error querying device -1")
        return self.devices[0]

    def check_input_settings(self, *, samplerate: int, **_: object) -> None:
        if samplerate not in self.rates:
            raise PortAudioError("Invalid sample rate")

    def InputStream(self, **options: Any) -> Stream:  # noqa: N802 - sounddevice's name and types
        stream = Stream(**options)
        stream.starts = self.starts
        self.streams.append(stream)
        return stream


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakePortAudio], FakePortAudio]:
    def installed(portaudio: FakePortAudio) -> FakePortAudio:
        monkeypatch.setitem(sys.modules, "sounddevice", portaudio)
        return portaudio

    return installed


async def all_of(context: AbstractAsyncContextManager[LiveSource], *, at_start: Callable[[], None]) -> None:
    async with context as source:
        at_start()
        async for _ in source:
            pass


async def test_what_is_spoken_is_heard(install: Callable[[FakePortAudio], FakePortAudio]):
    portaudio = install(FakePortAudio())
    async with microphone() as source:
        stream = portaudio.streams[0]
        assert stream.options["samplerate"] == 16_000
        stream.speak(np.full(320, 0.25, dtype=np.float32))
        first = await anext(aiter(source))
        assert isinstance(first, np.ndarray)
        assert first.tolist() == [0.25] * 320
    assert not stream.running


@pytest.mark.parametrize("rate", [16_000, 48_000])
async def test_a_driver_that_sends_nonsense_is_clipped_and_goes_on(
    install: Callable[[FakePortAudio], FakePortAudio], rate: int
):
    portaudio = install(FakePortAudio(rates=(rate,)))
    nonsense = np.resize(np.array([np.nan, np.inf, -np.inf, 3.0], dtype=np.float32), rate // 50)
    async with microphone() as source:
        for _ in range(5):
            portaudio.streams[0].speak(nonsense)
        source.close()
        heard = [item async for item in source if isinstance(item, np.ndarray)]
    assert np.abs(np.concatenate(heard)).max() <= 1.0


async def test_a_device_that_opens_but_does_not_start_is_let_go(install: Callable[[FakePortAudio], FakePortAudio]):
    portaudio = install(FakePortAudio(starts=False))
    with pytest.raises(DeviceUnavailable, match="Device busy"):
        async with microphone():
            pass
    assert portaudio.streams[0].closed


async def test_a_device_without_16_khz_is_resampled(install: Callable[[FakePortAudio], FakePortAudio]):
    portaudio = install(FakePortAudio(rates=(48_000,)))
    async with microphone() as source:
        assert portaudio.streams[0].options["samplerate"] == 48_000
        for _ in range(50):
            portaudio.streams[0].speak(np.full(960, 0.25, dtype=np.float32))
        source.close()
        heard = [item async for item in source]
    n_samples = sum(item.size for item in heard if isinstance(item, np.ndarray))
    assert 15_000 < n_samples <= 16_000


async def test_sound_that_portaudio_lost_is_told(install: Callable[[FakePortAudio], FakePortAudio]):
    portaudio = install(FakePortAudio())
    async with microphone() as source:
        portaudio.streams[0].speak(np.ones(320, dtype=np.float32))
        portaudio.streams[0].speak(np.ones(320, dtype=np.float32), lost_s=0.1)
        source.close()
        heard = [item async for item in source]
    told = [item for item in heard if isinstance(item, AudioDropped)]
    assert told == [AudioDropped(at_s=0.02, seconds=0.1, total_s=0.1)]


async def test_a_microphone_that_is_pulled_out_ends_with_one_error(install: Callable[[FakePortAudio], FakePortAudio]):
    portaudio = install(FakePortAudio())
    with pytest.raises(DeviceUnavailable, match="unplugged"), anyio.fail_after(5):
        await all_of(microphone(), at_start=lambda: portaudio.streams[0].abort(ignore_errors=True))


async def test_a_microphone_that_falls_silent_ends_with_one_error(install: Callable[[FakePortAudio], FakePortAudio]):
    install(FakePortAudio())
    with pytest.raises(DeviceUnavailable, match="has sent nothing"), anyio.fail_after(5):
        await all_of(microphone(stall_s=0.01), at_start=lambda: None)


async def test_without_a_device_one_line_says_what_to_do(install: Callable[[FakePortAudio], FakePortAudio]):
    install(FakePortAudio(rates=(), devices=0))
    with pytest.raises(DeviceUnavailable, match="no microphone can be opened: Error querying device -1; plug one in"):
        async with microphone():
            pass


async def test_without_portaudio_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeviceUnavailable, match="libportaudio2"):
        async with microphone():
            pass
    with pytest.raises(DeviceUnavailable, match="libportaudio2"):
        input_devices()


async def test_devices_are_listed_the_default_first(install: Callable[[FakePortAudio], FakePortAudio]):
    install(FakePortAudio(devices=2))
    assert input_devices() == ["mic 1", "mic 0"]
