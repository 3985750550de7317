from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import anyio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.controls import Commit, Mark, TurnDetection
from streaming.errors import AudioUnreadable, DeviceUnavailable
from streaming.events import AudioDropped
from streaming.sources import LiveSource, Pace, from_chunks, from_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from streaming.sources import Sound

pytestmark = pytest.mark.anyio

SECOND = 16_000


def wav(path: Path, *, seconds: float) -> Path:
    rng = np.random.default_rng(3)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SECOND)
        out.writeframes(rng.integers(-9000, 9000, round(seconds * SECOND)).astype("<i2").tobytes())
    return path


def ones(seconds: float, value: float = 1.0) -> np.ndarray:
    return np.full(round(seconds * SECOND), value, dtype=np.float32)


async def sound_of(source: AsyncIterator[Sound]) -> tuple[np.ndarray, list[AudioDropped]]:
    parts: list[np.ndarray] = []
    dropped: list[AudioDropped] = []
    async for item in source:
        if isinstance(item, AudioDropped):
            dropped.append(item)
        elif isinstance(item, np.ndarray):
            parts.append(item)
    return np.concatenate([np.zeros(0, dtype=np.float32), *parts]), dropped


class Clock:
    """A clock that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept_s: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds


async def test_paced_sound_is_the_same_sound(tmp_path: Path):
    path = wav(tmp_path / "a.wav", seconds=2.5)
    clock = Clock()
    fast, _ = await sound_of(from_file(path))
    paced, _ = await sound_of(from_file(path, pace=Pace(clock=clock, sleep=clock.sleep)))
    assert np.array_equal(fast, paced)
    assert clock.now_s == pytest.approx(102.5)


async def test_each_block_is_released_when_its_last_sample_was_spoken(tmp_path: Path):
    clock = Clock()
    n_samples = 0
    async for item in from_file(wav(tmp_path / "a.wav", seconds=0.2), pace=Pace(clock=clock, sleep=clock.sleep)):
        assert isinstance(item, np.ndarray)
        n_samples += item.size
        assert clock.now_s == pytest.approx(100.0 + n_samples / SECOND)


async def test_a_late_listener_is_not_made_later():
    clock = Clock()
    pace = Pace(clock=clock, sleep=clock.sleep)
    await pace.wait(320)
    clock.now_s += 1.0
    for _ in range(50):
        await pace.wait(320)
    assert clock.slept_s == pytest.approx([0.02])
    await pace.wait(320)
    assert clock.slept_s == pytest.approx([0.02, 0.02])


async def test_what_was_wrong_with_a_file_is_told_at_its_end(tmp_path: Path):
    path = wav(tmp_path / "a.wav", seconds=2.0)
    path.write_bytes(path.read_bytes()[:30_000])
    told: list[str] = []
    sound, _ = await sound_of(from_file(path, warn=told.append))
    assert 0 < sound.size < 15_000
    assert len(told) == 1


async def test_a_file_that_cannot_be_heard_says_so(tmp_path: Path):
    with pytest.raises(AudioUnreadable, match="does not exist"):
        await sound_of(from_file(tmp_path / "missing.wav"))


async def chunks_of(chunks: Iterable[np.ndarray]) -> AsyncIterator[np.ndarray]:
    for chunk in chunks:
        await anyio.lowlevel.checkpoint()
        yield chunk


async def test_anybodys_chunks_are_resampled_and_none_is_lost():
    sound, dropped = await sound_of(from_chunks(chunks_of([ones(0.1)] * 30), source_hz=8_000))
    assert sound.size == 2 * 30 * 1_600
    assert not dropped


async def test_chunks_that_are_not_finite_are_refused():
    with pytest.raises(AudioUnreadable, match="not finite"):
        await sound_of(from_chunks(chunks_of([ones(0.1), ones(0.1, np.nan)])))


async def test_live_sound_comes_in_order_and_ends():
    source = LiveSource()
    for value in range(5):
        source.push(ones(0.1, value / 4))
    source.close()
    sound, dropped = await sound_of(aiter(source))
    assert sound[::1_600].tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert sound.size == 5 * 1_600
    assert not dropped


async def test_a_full_buffer_drops_the_oldest_and_puts_silence_in_its_place():
    source = LiveSource(capacity_s=1.0)
    for value in range(1, 16):
        source.push(ones(0.1, value / 16))
    source.close()
    sound, dropped = await sound_of(aiter(source))
    assert dropped == [AudioDropped(at_s=0.0, seconds=0.5, total_s=0.5)]
    assert source.dropped_s == 0.5
    assert not sound[: round(0.5 * SECOND)].any()
    assert sound[round(0.5 * SECOND) :: 1_600].tolist() == [value / 16 for value in range(6, 16)]
    assert sound.size == round(1.5 * SECOND)


async def test_a_drop_is_told_before_its_silence_and_at_its_time():
    source = LiveSource(capacity_s=0.5)
    items = aiter(source)
    source.push(ones(0.3))
    assert isinstance(await anext(items), np.ndarray)
    source.push(ones(0.75, 0.5))
    told = await anext(items)
    assert told == AudioDropped(at_s=0.3, seconds=0.25, total_s=0.25)
    gap = await anext(items)
    assert isinstance(gap, np.ndarray)
    assert gap.size == 4_000
    assert not gap.any()
    source.close()


async def test_a_chunk_may_be_dropped_in_part():
    source = LiveSource(capacity_s=0.1)
    source.push(np.arange(2_000, dtype=np.float32) / np.float32(2_048))
    source.close()
    sound, dropped = await sound_of(aiter(source))
    assert dropped[0].seconds == 400 / SECOND
    assert (sound[400:] * 2_048).tolist() == list(range(400, 2_000))


async def test_what_the_device_lost_is_told_once_where_it_was_lost():
    source = LiveSource(capacity_s=1.0)
    source.push(ones(0.1))
    source.lose(800)
    source.push(ones(0.1))
    source.close()
    sound, dropped = await sound_of(aiter(source))
    assert dropped == [AudioDropped(at_s=0.1, seconds=0.05, total_s=0.05)]
    assert sound.size == 1_600 + 800 + 1_600
    assert not sound[1_600:2_400].any()
    assert source.dropped_s == 0.05


async def test_each_loss_is_told_with_all_that_were_lost_before_it():
    source = LiveSource()
    for _ in range(3):
        source.push(ones(0.1))
        source.lose(800)
    source.push(ones(0.0))
    source.lose(0)
    source.close()
    _, dropped = await sound_of(aiter(source))
    assert [news.total_s for news in dropped] == [0.05, 0.1, 0.15]
    assert [news.at_s for news in dropped] == pytest.approx([0.1, 0.25, 0.4])


async def test_what_a_listener_has_not_taken_counts_against_the_capacity():
    source = LiveSource(capacity_s=1.0)
    items = aiter(source)
    for _ in range(50):
        source.push(ones(0.02))
    await anext(items)
    for _ in range(50):
        source.push(ones(0.02))
    assert source.dropped_s == pytest.approx(0.98)
    assert source.waiting_s == pytest.approx(1.98)  # the silence in place of what was dropped waits as well


async def test_controls_come_in_their_place_among_the_sound():
    source = LiveSource()
    source.push_control(TurnDetection(is_manual=True))
    source.push(ones(0.1))
    source.push_control(Commit())
    source.push_control(Mark(value="x"))
    source.push(ones(0.2))
    source.close()
    items = [item if not isinstance(item, np.ndarray) else item.size async for item in source]
    assert items == [TurnDetection(is_manual=True), 1_600, Commit(), Mark(value="x"), 3_200]


@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(st.one_of(st.integers(0, 900), st.sampled_from("cl")), max_size=25))
async def test_when_the_oldest_sound_must_go_controls_stay_at_their_time(pieces: list[int | str]):
    source = LiveSource(capacity_s=1_000 / SECOND)
    at, n_pushed = dict[int, int](), 0
    for i, piece in enumerate(pieces):
        if piece == "c":
            source.push_control(Mark(value=i))
            at[i] = n_pushed
        elif piece == "l":
            source.lose(50)
            n_pushed += 50
        elif isinstance(piece, int):
            source.push(np.full(piece, 0.5, np.float32))
            n_pushed += piece
    source.close()
    found, n_heard, n_lost = dict[int, int](), 0, 0
    async for item in source:
        if isinstance(item, np.ndarray):
            n_heard += item.size
        elif isinstance(item, AudioDropped):
            n_lost += round(item.seconds * SECOND)
            assert round(item.at_s * SECOND) == n_heard
        else:
            assert isinstance(item, Mark)
            assert isinstance(item.value, int)
            found[item.value] = n_heard
    assert (found, n_heard) == (at, n_pushed)
    assert list(found) == sorted(found)
    assert n_lost == round(source.dropped_s * SECOND)
    assert source.waiting_s == 0.0


async def test_louder_than_full_scale_is_clipped():
    source = LiveSource()
    source.push(ones(0.1, 1e30))
    source.push(ones(0.1, -2.0))
    source.close()
    live, _ = await sound_of(aiter(source))
    chunks, _ = await sound_of(from_chunks(chunks_of([ones(0.1, 1e30)])))
    assert live[::1_600].tolist() == [1.0, -1.0]
    assert chunks[::1_600].tolist() == [1.0]


async def test_an_hour_that_was_lost_costs_no_memory_and_is_counted_once():
    source = LiveSource(capacity_s=1.0)
    source.push(ones(0.5))
    source.lose(3_600 * SECOND)
    assert source.dropped_s == 3_600.5
    source.push(ones(0.5))
    source.close()
    n_samples = 0
    async for item in source:
        n_samples += item.size if isinstance(item, np.ndarray) else 0
    assert n_samples == 3_601 * SECOND


async def test_sound_that_is_not_finite_is_refused_by_push():
    source = LiveSource()
    with pytest.raises(AudioUnreadable, match="not finite"):
        source.push(ones(0.1, np.inf))
    source.close()
    assert (await sound_of(aiter(source)))[0].size == 0


async def test_a_listener_is_woken_by_a_push_from_another_thread():
    source = LiveSource()
    got: list[int] = []

    async def listen() -> None:
        async for item in source:
            assert isinstance(item, np.ndarray)
            got.append(item.size)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            group.start_soon(listen)
            await anyio.wait_all_tasks_blocked()
            await anyio.to_thread.run_sync(source.push, ones(0.1))
            await anyio.wait_all_tasks_blocked()
            assert got == [1_600]
            source.close()


async def test_a_source_that_goes_silent_is_taken_for_dead():
    source = LiveSource(stall_s=0.01, name="the microphone")
    source.push(ones(0.1))
    items = aiter(source)
    await anext(items)
    with pytest.raises(DeviceUnavailable, match="the microphone has sent nothing for"):
        await anext(items)


async def test_the_first_reason_for_an_end_counts_and_comes_after_the_sound():
    source = LiveSource()
    source.push(ones(0.1))
    source.close(DeviceUnavailable("unplugged"))
    source.close()
    items = aiter(source)
    assert isinstance(await anext(items), np.ndarray)
    with pytest.raises(DeviceUnavailable, match="unplugged"):
        await anext(items)


async def test_a_live_source_tells_how_far_its_listener_is_behind():
    source = LiveSource()
    source.push(np.zeros(8000, np.float32))
    assert source.waiting_s == 0.5
    source.close()
    heard = [sound async for sound in source]
    assert len(heard) == 1
    assert source.waiting_s == 0.0
