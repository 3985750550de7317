"""Where the voice goes: the virtual loudspeaker, the store of sound, and a device made up on the spot."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.loudspeaker import Loudspeaker, SilentSink, Sink, output_devices
from agent.soundstore import SoundStore
from streaming.errors import DeviceUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from streaming.events import Samples

pytestmark = pytest.mark.anyio

ONES = np.ones(16_000, np.float32)


class PortAudioError(Exception):
    """What sounddevice raises."""


class Device(ModuleType):
    """A sounddevice module with one made-up output, emptied by hand."""

    PortAudioError = PortAudioError

    def __init__(self, *, rates: tuple[int, ...] = (16_000,), present: bool = True) -> None:
        super().__init__("sounddevice")
        self.rates, self.present = rates, present
        self.closed = False
        self.options: dict[str, Any] = {}
        self.default = type("Default", (), {"device": (0, 1)})

    def check_output_settings(self, *, samplerate: int, **_: object) -> None:
        if not self.present or samplerate not in self.rates:
            raise PortAudioError("Invalid sample rate")

    def query_devices(self, device: object = None, kind: str | None = None) -> object:
        if not self.present:
            raise PortAudioError("Error querying device -1")
        inner = {"name": "Line", "max_output_channels": 2, "default_samplerate": 44_100.0}
        mic = {"name": "Mic", "max_output_channels": 0, "default_samplerate": 44_100.0}
        return {"default_samplerate": float(self.rates[0])} if kind else [{**inner, "name": "HDMI"}, inner, mic]

    def OutputStream(self, **options: object) -> Device:  # noqa: N802 - sounddevice's name
        self.options = options
        return self

    @property
    def latency(self) -> float:
        return 0.01

    def start(self) -> None:
        if not self.present:
            raise PortAudioError("Device unavailable")

    def close(self) -> None:
        self.closed = True

    def take(self, n_frames: int) -> Samples:
        """Let the device ask for sound, as PortAudio's thread does."""
        out = np.full((n_frames, 1), np.nan, np.float32)
        self.options["callback"](out, n_frames, None, None)
        return out[:, 0]

    def unplug(self) -> None:
        self.options["finished_callback"]()


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Callable[[Device], Device]:
    def put(device: Device) -> Device:
        monkeypatch.setitem(sys.modules, "sounddevice", device)
        return device

    return put


async def test_a_virtual_reply_sounds_on_the_clock_of_the_stream():
    sink: Sink = SilentSink()
    sink.begin(at_s=2.0)
    await sink.play(ONES)
    await sink.play(ONES[:8_000])

    assert sink.played(at_s=1.9) == 0
    assert sink.played(at_s=2.5) == 8_000
    assert sink.played(at_s=9.0) == 24_000
    assert sink.ended_s(now_s=9.0) is None
    sink.finish()
    assert sink.ended_s(now_s=3.4) is None
    assert sink.ended_s(now_s=3.52) == 3.5
    assert sink.ended_s(now_s=float("inf")) == 3.5


async def test_a_virtual_reply_that_is_cancelled_was_heard_up_to_there_and_no_further():
    sink = SilentSink()
    sink.begin(at_s=2.0)
    await sink.play(ONES)
    sink.duck()
    sink.resume()

    assert sink.cancel(at_s=2.25) == 4_000
    await sink.play(ONES)
    sink.finish()

    assert sink.cancel(at_s=5.0) == 4_000
    assert sink.ended_s(now_s=9.0) is None
    await sink.drain()
    sink.close()


async def test_a_virtual_reply_begins_anew():
    sink = SilentSink()
    sink.begin(at_s=0.0)
    await sink.play(ONES)
    sink.begin(at_s=5.0)
    await sink.play(ONES[:160])
    sink.finish()

    assert sink.ended_s(now_s=6.0) == 5.01


async def test_sound_reaches_the_device_and_is_counted_when_it_has_left_it(plug: Callable[[Device], Device]):
    device = plug(Device())
    voice: Sink = Loudspeaker()
    voice.begin(at_s=0.0)
    await voice.play(ONES[:480])
    voice.finish()

    assert np.array_equal(device.take(320), ONES[:320])
    assert voice.played(at_s=0.0) == 160  # 10 ms of it are still in the device
    heard = device.take(320)
    assert heard[:160].all()
    assert not heard[160:].any()
    assert voice.ended_s(now_s=1.5) == 1.5
    assert voice.played(at_s=1.5) == 480
    voice.close()
    assert device.closed


async def test_an_idle_device_is_given_silence(plug: Callable[[Device], Device]):
    device = plug(Device())
    voice = Loudspeaker()

    assert not device.take(1_000).any()
    assert voice.played(at_s=1.0) == 0
    assert voice.ended_s(now_s=1.0) is None


async def test_play_waits_while_there_is_enough_in_store(plug: Callable[[Device], Device]):
    device = plug(Device())
    voice = Loudspeaker(lead_s=0.1)
    voice.begin(at_s=0.0)
    done = 0

    async def speak() -> None:
        nonlocal done
        for _ in range(3):
            await voice.play(ONES[:1_600])
            done += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(speak)
        while done < 1:
            await anyio.lowlevel.checkpoint()
        assert done == 1
        device.take(1_000)
        while done < 2:
            await anyio.lowlevel.checkpoint()
        assert done == 2
        voice.cancel(at_s=0.0)  # lets the waiting one go

    assert done == 3
    assert len(np.flatnonzero(device.take(16_000))) <= 320


async def test_ducking_and_cancelling_never_click(plug: Callable[[Device], Device]):
    device = plug(Device())
    voice = Loudspeaker()
    voice.begin(at_s=0.0)
    await voice.play(ONES)
    parts = [device.take(500)]
    voice.duck()
    parts.append(device.take(1_000))
    voice.resume()
    parts.append(device.take(700))

    n_played = voice.cancel(at_s=0.0)
    parts.append(device.take(2_000))
    sound = np.concatenate(parts)

    assert n_played == 2_200 - 160
    assert sound[1_499] == pytest.approx(10 ** (-18 / 20), rel=1e-3)
    assert np.abs(np.diff(sound)).max() < 0.005
    assert not sound[2_200 + 480 :].any()


async def test_a_new_reply_after_a_cancelled_one_is_at_full_level_and_counts_from_zero(
    plug: Callable[[Device], Device],
):
    device = plug(Device())
    voice = Loudspeaker()
    voice.begin(at_s=0.0)
    await voice.play(ONES)
    voice.duck()
    device.take(1_000)
    voice.cancel(at_s=0.0)
    voice.begin(at_s=1.0)
    await voice.play(ONES)

    device.take(480)
    n_fade = 480 - voice.played(at_s=0.0) - 160

    assert 0 <= n_fade <= 480
    assert device.take(320).all()
    assert device.take(320)[-1] == 1.0


async def test_a_device_that_knows_no_16_khz_gets_its_own_rate(plug: Callable[[Device], Device]):
    device = plug(Device(rates=(48_000,)))
    voice = Loudspeaker(2)
    voice.begin(at_s=0.0)
    tone = np.sin(np.arange(16_000) * 2 * np.pi * 400 / 16_000).astype(np.float32)
    await voice.play(tone)

    sound = np.concatenate([device.take(n) for n in (100, 1_000, 10_900, 24_000)])

    assert device.options["samplerate"] == 48_000
    assert device.options["device"] == 2
    spectrum = np.abs(np.fft.rfft(sound[12_000:]))
    assert np.argmax(spectrum) * 48_000 / 24_000 == pytest.approx(400, abs=2)


async def test_drain_waits_until_all_is_heard(plug: Callable[[Device], Device]):
    device = plug(Device())
    voice = Loudspeaker()
    voice.begin(at_s=0.0)
    await voice.play(ONES[:1_600])
    voice.finish()
    drained = anyio.Event()

    async def wait() -> None:
        await voice.drain()
        drained.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        device.take(1_600)
        await anyio.wait_all_tasks_blocked()
        assert not drained.is_set()
        device.take(320)
        await drained.wait()


@pytest.mark.parametrize("lose", [True, False], ids=["unplugged", "stalled"])
async def test_a_lost_device_is_an_error_not_a_hang(plug: Callable[[Device], Device], lose: bool):
    device = plug(Device())
    voice = Loudspeaker(lead_s=0.01, stall_s=0.01)
    voice.begin(at_s=0.0)
    await voice.play(ONES)
    if lose:
        device.unplug()

    with pytest.raises(DeviceUnavailable, match="takes no sound any more"):
        await voice.play(ONES)
    with pytest.raises(DeviceUnavailable, match="takes no sound any more"):
        await voice.drain()


def test_no_loudspeaker_says_so(plug: Callable[[Device], Device]):
    plug(Device(present=False))

    with pytest.raises(DeviceUnavailable, match="there is no loudspeaker"):
        Loudspeaker()
    with pytest.raises(DeviceUnavailable, match="the loudspeaker 'USB' cannot be used"):
        Loudspeaker("USB")
    with pytest.raises(DeviceUnavailable, match="there is no loudspeaker"):
        output_devices()


def test_no_portaudio_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)

    with pytest.raises(DeviceUnavailable, match="apt install libportaudio2"):
        Loudspeaker()


def test_devices_that_can_sound_are_named_default_first(plug: Callable[[Device], Device]):
    plug(Device())

    assert output_devices() == ["Line", "HDMI"]


def test_a_reply_on_a_lost_device_is_over_and_a_device_that_comes_back_goes_on():
    store = SoundStore(n_lead=1_000, stall_s=0.001)
    store.begin()
    store.put(ONES[:900], reply=store.reply)
    store.finish()
    assert not store.is_over(0)
    store.lose()
    assert store.is_over(0)
    store.pull(100)
    assert not store.is_over(0)
    with pytest.raises(DeviceUnavailable):
        store.wait_until_over(0)
    assert store.is_over(0)


@given(
    orders=st.lists(
        st.tuples(st.sampled_from(["put", "pull", "duck", "resume", "cancel", "begin", "finish"]), st.integers(0, 900)),
        max_size=30,
    )
)
def test_a_store_never_counts_more_than_it_was_given(orders: list[tuple[str, int]]):
    store = SoundStore(n_lead=1_000, stall_s=1.0)
    n_given = 0
    for order, n in orders:
        match order:
            case "put":
                store.put(ONES[:n], reply=store.reply)
                n_given += n
            case "pull":
                assert len(store.pull(n)) == n
            case "begin":
                store.begin()
                n_given = 0
            case _:
                getattr(store, order)()
        assert 0 <= store.n_sounded(0) <= n_given
        assert store.n_sounded(200) <= store.n_sounded(0)
    store.close()
    assert store.has_room(store.reply)
    assert not store.pull(100).any()
