from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.audio import (
    SAMPLE_RATE,
    Blocks,
    Pcm16Decoder,
    Resampler,
    finite,
    from_pcm16,
    mono,
    padded,
    to_pcm16,
)
from streaming.errors import AudioUnreadable

CUTS = st.lists(st.integers(0, 3000), max_size=12)


def tone(*, hz: float, rate: int, seconds: float) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def pieces(samples: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    edges = [0, *sorted(min(cut, samples.size) for cut in cuts), samples.size]
    return [samples[a:b] for a, b in pairwise(edges)]


@given(cuts=CUTS, size=st.integers(1, 700))
def test_blocks_do_not_depend_on_the_cutting(cuts: list[int], size: int):
    sound = np.arange(2500, dtype=np.float32)
    blocks = Blocks(size)
    out = [block for piece in pieces(sound, cuts) for block in blocks.feed(piece)]
    assert all(block.size == size for block in out)
    rest = blocks.flush()
    assert rest.size == sound.size % size
    assert np.array_equal(np.concatenate([*out, rest]), sound)
    assert blocks.flush().size == 0


def test_blocks_keep_no_reference_to_what_they_were_given():
    blocks = Blocks(4)
    buffer = np.ones(2, dtype=np.float32)
    blocks.feed(buffer)
    buffer[:] = 9.0
    assert blocks.feed(buffer)[0].tolist() == [1.0, 1.0, 9.0, 9.0]


@settings(max_examples=30, deadline=None)
@given(cuts=CUTS, rate=st.sampled_from([8_000, 22_050, 24_000, 44_100, 48_000]))
def test_resampled_sound_does_not_depend_on_the_cutting(cuts: list[int], rate: int):
    sound = tone(hz=300.0, rate=rate, seconds=0.1)
    whole = Resampler(source_hz=rate)
    expected = np.concatenate([whole.feed(sound), whole.flush()])
    cut = Resampler(source_hz=rate)
    got = np.concatenate([*(cut.feed(piece) for piece in pieces(sound, cuts)), cut.flush()])
    assert np.array_equal(got, expected)


@pytest.mark.parametrize("rate", [8_000, 11_025, 24_000, 44_100, 48_000, 96_000])
def test_a_resampled_tone_keeps_its_length_pitch_and_place(rate: int):
    resampler = Resampler(source_hz=rate)
    got = np.concatenate([resampler.feed(tone(hz=440.0, rate=rate, seconds=1.0)), resampler.flush()])
    assert abs(got.size - SAMPLE_RATE) <= 1
    expected = tone(hz=440.0, rate=SAMPLE_RATE, seconds=1.0)
    assert np.abs(got[800:15_200] - expected[800:15_200]).max() < 0.01


def test_a_resampler_starts_afresh_after_its_end():
    resampler = Resampler(source_hz=8_000)
    sound = tone(hz=300.0, rate=8_000, seconds=0.1)
    first = np.concatenate([resampler.feed(sound), resampler.flush()])
    second = np.concatenate([resampler.feed(sound), resampler.flush()])
    assert np.array_equal(first, second)


def test_sixteen_kilohertz_passes_through_at_once():
    resampler = Resampler(source_hz=SAMPLE_RATE)
    sound = tone(hz=300.0, rate=SAMPLE_RATE, seconds=0.01)
    assert np.array_equal(resampler.feed(sound), sound)
    assert resampler.flush().size == 0


@pytest.mark.parametrize("rate", [0, -16_000, 100, 1_000_000])
def test_impossible_rates_are_refused(rate: int):
    with pytest.raises(AudioUnreadable, match=f"a sample rate of {rate} Hz"):
        Resampler(source_hz=rate)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_sound_that_is_not_finite_is_refused(bad: float):
    sound = np.zeros(10, dtype=np.float32)
    sound[3] = bad
    with pytest.raises(AudioUnreadable, match=r"1 samples that are not finite numbers at 2\.000 s"):
        finite(sound, at_s=2.0)
    with pytest.raises(AudioUnreadable, match="not finite"):
        Resampler(source_hz=8_000).feed(sound)


def test_pcm_goes_there_and_back():
    values = np.array([-32768, -1, 0, 1, 32767], dtype="<i2")
    assert to_pcm16(from_pcm16(values.tobytes())) == values.tobytes()


def test_too_loud_is_clipped_not_wrapped():
    assert np.frombuffer(to_pcm16(np.array([1.5, -1.5], dtype=np.float32)), dtype="<i2").tolist() == [32767, -32768]


def test_an_odd_number_of_bytes_is_no_sound():
    with pytest.raises(AudioUnreadable, match="3 bytes"):
        from_pcm16(b"abc")


@given(cuts=CUTS)
def test_an_odd_byte_waits_for_its_other_half(cuts: list[int]):
    data = np.arange(-1000, 1000, dtype="<i2").tobytes()
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    decoder = Pcm16Decoder()
    got = np.concatenate([decoder.feed(data[a:b]) for a, b in pairwise(edges)])
    assert np.array_equal(got, from_pcm16(data))


def test_channels_are_averaged():
    assert mono(np.array([[1.0, 0.0], [0.5, 0.5]], dtype=np.float32)).tolist() == [0.5, 0.5]
    assert mono(np.array([[1.0], [0.5]], dtype=np.float32)).tolist() == [1.0, 0.5]
    assert mono(np.array([1.0, 0.5], dtype=np.float32)).tolist() == [1.0, 0.5]


def test_padding_is_silence_at_the_end():
    assert padded(np.ones(2, dtype=np.float32), 4).tolist() == [1.0, 1.0, 0.0, 0.0]
