"""Sound on the wire: formats, G.711 by its own values, any chunks, files and wrong readings."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire import g711
from agent.wire.codec import Decoder, Encoder, bytes_per_s, rate_of
from agent.wire.doubt import doubts_of
from agent.wire.faults import WireFault
from agent.wire.rates import HALF, Doubled, Halved, converter
from streaming.audio import SAMPLE_RATE, to_pcm16

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streaming.events import Samples

PCM = {"type": "audio/pcm", "rate": 24_000}
PCM16K = {"type": "audio/pcm", "rate": 16_000}
ULAW = {"type": "audio/pcmu"}
ALAW = {"type": "audio/pcma"}
FORMATS = [PCM, PCM16K, ULAW, ALAW]


def tone(hz: float, *, seconds: float = 1.0, rate: int = SAMPLE_RATE, level: float = 0.5) -> Samples:
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def voice(*, seconds: float = 1.5, rate: int = 24_000) -> Samples:
    """Something with the slope of speech: harmonics of 120 Hz, falling 12 dB per octave, in syllables."""
    t = np.arange(round(seconds * rate)) / rate
    total = sum(np.sin(2 * np.pi * 120 * k * t + k) / k**2 for k in range(1, 25))
    return (0.2 * total * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))).astype(np.float32)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *np.cumsum(cuts).tolist(), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if a < len(data)]


@pytest.mark.parametrize("audio_format", FORMATS)
def test_sound_comes_back_as_it_was(audio_format: Mapping[str, Any]):
    sound = tone(440.0)
    encoder, decoder = Encoder(audio_format), Decoder(audio_format)
    data = encoder.feed(sound) + encoder.flush()
    back = np.concatenate((decoder.feed(data), decoder.flush()))
    assert len(data) == bytes_per_s(audio_format)
    assert len(back) == len(sound)
    inner = slice(800, -800)
    assert np.abs(back[inner] - sound[inner]).max() < (0.02 if "rate" not in audio_format else 0.001)


@pytest.mark.parametrize("audio_format", FORMATS)
@given(cuts=st.lists(st.integers(0, 4_000), max_size=12))
def test_bytes_give_the_same_samples_however_they_are_cut(audio_format: Mapping[str, Any], cuts: list[int]):
    sound = voice(seconds=0.4, rate=16_000)
    data = Encoder(audio_format).feed(sound)
    whole, pieces = Decoder(audio_format), Decoder(audio_format)
    at_once = np.concatenate((whole.feed(data), whole.flush()))
    in_cuts = np.concatenate([*(pieces.feed(piece) for piece in cut(data, cuts)), pieces.flush()])
    assert np.array_equal(at_once, in_cuts)


@pytest.mark.parametrize("audio_format", FORMATS)
@given(cuts=st.lists(st.integers(0, 3_000), max_size=8))
def test_samples_give_the_same_bytes_however_they_are_cut(audio_format: Mapping[str, Any], cuts: list[int]):
    sound = voice(seconds=0.4, rate=16_000)
    whole, pieces = Encoder(audio_format), Encoder(audio_format)
    edges = [0, *np.minimum(np.cumsum(cuts), len(sound)).astype(int).tolist(), len(sound)]
    in_cuts = b"".join(pieces.feed(sound[a:b]) for a, b in itertools.pairwise(edges)) + pieces.flush()
    assert whole.feed(sound) + whole.flush() == in_cuts


def test_an_odd_byte_waits_for_its_other_half():
    data = to_pcm16(tone(300.0, rate=24_000))
    decoder = Decoder(PCM16K)
    assert len(decoder.feed(data[:3])) == 1
    assert np.array_equal(decoder.feed(data[3:8]), np.frombuffer(data[2:8], "<i2") / np.float32(32_768))


@pytest.mark.parametrize("audio_format", FORMATS)
def test_flush_gives_what_waits_and_the_stream_goes_on(audio_format: Mapping[str, Any]):
    sound = tone(300.0, seconds=0.5)
    data = Encoder(PCM16K).feed(sound) if audio_format is PCM16K else b""
    encoder = Encoder(audio_format)
    data = encoder.feed(sound) + encoder.flush()
    decoder = Decoder(audio_format)
    for _ in range(3):
        assert len(decoder.feed(data)) + len(decoder.flush()) == len(sound)


def test_too_loud_is_clipped():
    assert np.frombuffer(Encoder(PCM16K).feed(np.array([2.0, -2.0], np.float32)), "<i2").tolist() == [32_767, -32_768]
    assert np.abs(g711.decoded(g711.encoded(np.array([2.0, -2.0], np.float32), "u"), "u")).min() > 0.97


@pytest.mark.parametrize(
    "audio_format",
    [
        {"type": "audio/pcm", "rate": 44_100},
        {"type": "audio/opus"},
        {"type": "audio/pcm", "rate": "24000"},
        {"rate": 8},
    ],
)
def test_other_formats_are_refused(audio_format: Mapping[str, Any]):
    with pytest.raises(WireFault) as caught:
        rate_of(audio_format)
    assert caught.value.code == "invalid_field"
    assert rate_of({"type": "audio/pcm"}) == 24_000


# G.711


@pytest.mark.parametrize(
    ("law", "byte", "linear"),
    [
        ("u", 0x00, -32_124),
        ("u", 0x80, 32_124),
        ("u", 0x7F, 0),
        ("u", 0xFF, 0),
        ("u", 0xFE, 8),
        ("u", 0xF0, 120),
        ("u", 0xEF, 132),
        ("u", 0x7E, -8),
        ("a", 0xD5, 8),
        ("a", 0x55, -8),
        ("a", 0xD4, 24),
        ("a", 0xAA, 32_256),
        ("a", 0x2A, -32_256),
        ("a", 0xC5, 264),
        ("a", 0xF5, 528),
    ],
)
def test_known_values_of_g711(law: g711.Law, byte: int, linear: int):
    assert g711.decoded(bytes([byte]), law)[0] * 32_768 == linear
    expected = 0xFF if (law, byte) == ("u", 0x7F) else byte  # of two zeros the positive one is sent
    assert g711.encoded(np.array([linear / 32_768], np.float32), law) == bytes([expected])


@pytest.mark.parametrize("law", ["u", "a"])
def test_g711_takes_the_nearest_level_of_any_sample(law: g711.Law):
    linear = np.arange(-32_768, 32_768)
    back = g711.decoded(g711.encoded((linear / 32_768).astype(np.float32), law), law).astype(np.float64) * 32_768
    levels = np.unique(g711.decoded(bytes(range(256)), law).astype(np.float64) * 32_768)
    # The distance to the nearest level, found by looking at all of them around it.
    at = np.clip(np.searchsorted(levels, linear), 1, len(levels) - 1)
    nearest = np.minimum(np.abs(levels[at] - linear), np.abs(levels[at - 1] - linear))
    assert np.array_equal(np.abs(back - linear), nearest)
    assert np.all(np.diff(back) >= 0)


@pytest.mark.parametrize("law", ["u", "a"])
def test_every_byte_of_g711_comes_back(law: g711.Law):
    every = bytes(range(256))
    back = g711.encoded(g711.decoded(every, law), law)
    assert [a for a, b in zip(every, back, strict=True) if a != b] == ([0x7F] if law == "u" else [])


# Rates


def test_doubling_keeps_every_sample_and_puts_one_between():
    sound = tone(1_000.0, rate=8_000)
    doubled = Doubled()
    out = np.concatenate((doubled.feed(sound), doubled.flush()))
    assert np.array_equal(out[0::2], sound)
    inner = slice(4 * HALF, -4 * HALF)
    assert np.abs(out - tone(1_000.0, rate=16_000))[inner].max() < 0.001


@pytest.mark.parametrize(("hz", "least", "most"), [(300.0, 0.999, 1.001), (3_000.0, 0.99, 1.01), (5_500.0, 0.0, 0.001)])
def test_halving_keeps_the_band_of_telephones_and_nothing_above_it(hz: float, least: float, most: float):
    halved = Halved()
    out = np.concatenate((halved.feed(tone(hz, level=1.0)), halved.flush()))[200:-200]
    assert least <= float(np.sqrt(2 * np.mean(out**2))) <= most


@pytest.mark.parametrize(("source", "target"), [(24_000, 16_000), (16_000, 24_000), (8_000, 16_000), (16_000, 8_000)])
def test_a_converter_starts_afresh_after_flush(source: int, target: int):
    sound = voice(seconds=0.3, rate=source)
    once, twice = converter(source_hz=source, target_hz=target), converter(source_hz=source, target_hz=target)
    first = np.concatenate((once.feed(sound), once.flush()))
    twice.feed(sound[::-1].copy())
    twice.flush()
    assert np.array_equal(first, np.concatenate((twice.feed(sound), twice.flush())))
    assert len(first) == len(sound) * target // source


# What is no raw sound


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "WAV"),
        (b"OggS\x00\x02", "Ogg"),
        (b"fLaC\x00\x00", "FLAC"),
        (b"ID3\x04\x00\x00", "MP3"),
        (b"\x1aE\xdf\xa3\x01", "WebM"),
        (b"\x00\x00\x00\x18ftypmp42", "MP4"),
        (b"FORM\x00\x00", "AIFF"),
        (b"caff\x00\x01", "CAF"),
    ],
)
def test_files_are_refused_until_the_buffer_is_cleared(head: bytes, name: str):
    decoder = Decoder(PCM)
    for data in (head + bytes(100), bytes(4_800)):
        with pytest.raises(WireFault) as caught:
            decoder.feed(data)
        assert caught.value.code == "suspect_audio"
        assert name in caught.value.message
    decoder.clear()
    assert len(decoder.feed(bytes(48_000))) > 0


def test_a_file_in_the_middle_of_a_stream_is_refused_too():
    decoder = Decoder(PCM)
    decoder.feed(bytes(4_800))
    with pytest.raises(WireFault):
        decoder.feed(b"RIFF" + bytes(100))


def doubts(data: bytes, audio_format: Mapping[str, Any] = PCM) -> list[tuple[str, str]]:
    decoder = Decoder(audio_format)
    found: list[tuple[str, str]] = []
    for start in range(0, len(data), 4_801):
        decoder.feed(data[start : start + 4_801])
        found += [(doubt.code, doubt.message) for doubt in decoder.doubts()]
    return found


def swapped(data: bytes) -> bytes:
    return np.frombuffer(data, "<i2").astype(">i2").tobytes()


def doubled(data: bytes) -> bytes:
    return np.repeat(np.frombuffer(data, "<i2"), 2).tobytes()


def as_floats(data: bytes) -> bytes:
    return (np.frombuffer(data, "<i2") / 32_768).astype("<f4").tobytes()


def as_ulaw(data: bytes) -> bytes:
    return g711.encoded((np.frombuffer(data, "<i2") / 32_768).astype(np.float32), "u")


@pytest.mark.parametrize(
    ("wrongly", "name"),
    [(swapped, "big-endian"), (doubled, "two channels"), (as_floats, "32-bit floats"), (as_ulaw, "µ-law")],
)
def test_sound_that_is_read_wrongly_is_told_of_once_and_by_name(wrongly: Callable[[bytes], bytes], name: str):
    data = wrongly(to_pcm16(voice(seconds=6.0)))
    found = doubts(data)
    assert [code for code, _ in found] == ["suspect_audio"]
    assert name in found[0][1]


@pytest.mark.parametrize("kind", ["voice", "noise", "quiet", "silence", "hiss", "click"])
def test_sound_of_any_kind_that_is_read_rightly_raises_no_doubt(kind: str):
    noise = np.random.default_rng(1).standard_normal(72_000).astype(np.float32)
    sounds = {
        "voice": voice(seconds=3.0),
        "noise": noise * 0.3,
        "quiet": voice(seconds=3.0) * 0.02,
        "silence": np.zeros(72_000, np.float32),
        "hiss": np.diff(noise, prepend=0.0).astype(np.float32) * 0.2,
        "click": np.where(np.arange(72_000) % 12_000 == 0, 0.9, 0.0).astype(np.float32),
    }
    assert doubts(to_pcm16(sounds[kind])) == []


def test_silence_is_not_judged_and_what_follows_it_is():
    data = bytes(96_000) + swapped(to_pcm16(voice(seconds=3.0)))
    assert [code for code, _ in doubts(data)] == ["suspect_audio"]


def test_clipped_sound_is_heard_and_told_of():
    loud = to_pcm16(np.sign(tone(200.0, seconds=2.0, rate=24_000)))
    assert [code for code, _ in doubts(loud)] == ["clipping"]
    assert [doubt.code for doubt in doubts_of(np.ones(1_000, np.float32))] == ["clipping"]
    assert doubts(to_pcm16(np.clip(2.5 * voice(seconds=2.0), -1, 1))) == []


@pytest.mark.parametrize("audio_format", [ULAW, ALAW])
def test_g711_that_is_g711_raises_no_doubt(audio_format: Mapping[str, Any]):
    assert doubts(Encoder(audio_format).feed(voice(seconds=2.0, rate=16_000)), audio_format) == []
