from __future__ import annotations

import struct
import tracemalloc
import wave
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from streaming.errors import AudioUnreadable
from streaming.files import AudioFile, read_audio

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 2.0


def tone(rate: int, *, seconds: float = SECONDS) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * 440 * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def riff(path: Path, samples: np.ndarray, *, rate: int, kind: str, channels: int = 1) -> Path:
    """Write a WAV file of 16- or 24-bit integers or 32-bit floats by hand."""
    flat = np.repeat(samples, channels)
    if kind == "float":
        data, code, width = flat.astype("<f4").tobytes(), 3, 4
    elif kind == "pcm24":
        wide = (flat * 8_388_607).astype("<i4")
        data, code, width = wide.view(np.uint8).reshape(-1, 4)[:, :3].tobytes(), 1, 3
    else:
        data, code, width = (flat * 32_767).astype("<i2").tobytes(), 1, 2
    form = struct.pack("<HHIIHH", code, channels, rate, rate * channels * width, channels * width, width * 8)
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(chunks)) + chunks)
    return path


def encoded(path: Path, *, codec: str, rate: int = 48_000) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.layout = "mono"
        form, frame_size = {"flac": ("s16", 4096), "aac": ("fltp", 1024), "libopus": ("flt", 960)}[codec]
        # Encoders take frames of a fixed size; the resampler cuts them.
        resampler: Any = av.AudioResampler(format=form, layout="mono", rate=rate, frame_size=frame_size)
        frame = av.AudioFrame.from_ndarray(tone(rate)[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


def check_tone(path: Path, *, tolerance_s: float = 0.001) -> None:
    got = read_audio(path)
    assert abs(got.size / 16_000 - SECONDS) <= tolerance_s
    spectrum = np.abs(np.fft.rfft(got))
    assert spectrum.argmax() * 16_000 / got.size == pytest.approx(440, abs=2)
    assert np.sqrt(np.mean(got[1_000:30_000] ** 2)) == pytest.approx(0.4 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("kind", ["pcm16", "pcm24", "float"])
@pytest.mark.parametrize("channels", [1, 2, 12])
def test_wav_of_any_kind_is_heard(tmp_path: Path, rate: int, kind: str, channels: int):
    check_tone(riff(tmp_path / "a.wav", tone(rate), rate=rate, kind=kind, channels=channels))


@pytest.mark.parametrize(("name", "codec"), [("a.flac", "flac"), ("a.m4a", "aac"), ("a.webm", "libopus")])
def test_compressed_sound_is_heard(tmp_path: Path, name: str, codec: str):
    check_tone(encoded(tmp_path / name, codec=codec), tolerance_s=0.1)


def test_sixteen_bit_sound_at_sixteen_kilohertz_is_kept_exactly(tmp_path: Path):
    samples = np.arange(-2000, 2000, dtype="<i2")
    with wave.open(str(tmp_path / "a.wav"), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(samples.tobytes())
    assert np.array_equal(read_audio(tmp_path / "a.wav"), samples.astype(np.float32) / 32_768)


def test_sound_comes_in_blocks_of_20_ms(tmp_path: Path):
    with AudioFile(riff(tmp_path / "a.wav", tone(44_100), rate=44_100, kind="pcm16")) as file:
        sizes = [block.size for block in file]
    assert set(sizes[:-1]) == {320}
    assert 0 < sizes[-1] <= 320


def test_louder_than_full_scale_is_clipped(tmp_path: Path):
    got = read_audio(riff(tmp_path / "a.wav", tone(16_000) * 5, rate=16_000, kind="float"))
    assert np.abs(got).max() == 1.0


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(None, "does not exist", id="missing"),
        pytest.param(b"", r"is empty \(0 bytes\)", id="empty"),
        pytest.param(b"hello, this is text\n" * 50, "is not a sound file", id="text"),
        pytest.param(bytes(range(256)) * 100, "is not a sound file", id="bytes"),
        pytest.param(b"RIFF\x24\x00\x00\x00WAVE", "is not a sound file", id="header cut"),
        pytest.param(b"#EXTM3U\n#EXTINF:1,\nother.wav\n", "is not a sound file", id="playlist"),
        pytest.param(b"ffconcat version 1.0\nfile other.wav\n", "is not a sound file", id="list of files"),
    ],
)
def test_what_cannot_be_heard_is_refused_in_one_line(tmp_path: Path, content: bytes | None, problem: str):
    riff(tmp_path / "other.wav", tone(16_000), rate=16_000, kind="pcm16")
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioUnreadable, match=problem) as refusal:
        read_audio(path)
    assert "\n" not in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_a_directory_is_no_sound_file(tmp_path: Path):
    with pytest.raises(AudioUnreadable, match="is a directory"):
        AudioFile(tmp_path)


def test_a_file_without_one_sample_is_refused(tmp_path: Path):
    with pytest.raises(AudioUnreadable):
        read_audio(riff(tmp_path / "a.wav", np.zeros(0, dtype=np.float32), rate=16_000, kind="pcm16"))


def test_a_film_without_sound_is_refused(tmp_path: Path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
        frame = av.VideoFrame(32, 32, "yuvj420p")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(AudioUnreadable, match="holds no sound track"):
        AudioFile(path)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_sound_that_is_not_finite_is_refused_with_its_place(tmp_path: Path, bad: float):
    samples = tone(16_000)
    samples[16_000] = bad
    path = riff(tmp_path / "a.wav", samples, rate=16_000, kind="float")
    with pytest.raises(AudioUnreadable, match=r"a\.wav: sound holds 1 samples that are not finite"):
        read_audio(path)


@pytest.mark.parametrize("kind", ["pcm16", "flac"])
def test_a_truncated_file_gives_what_there_is_and_says_so(tmp_path: Path, kind: str):
    if kind == "flac":
        path = encoded(tmp_path / "a.flac", codec="flac")
    else:
        path = riff(tmp_path / "a.wav", tone(16_000), rate=16_000, kind=kind)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with AudioFile(path) as file:
        heard_s = sum(block.size for block in file) / 16_000
    assert 0.5 < heard_s < 1.5
    assert file.warning is not None
    assert "truncated" in file.warning or "damaged" in file.warning
    assert "\n" not in file.warning


def test_a_whole_file_has_no_warning(tmp_path: Path):
    with AudioFile(riff(tmp_path / "a.wav", tone(44_100), rate=44_100, kind="pcm16")) as file:
        assert sum(block.size for block in file) == pytest.approx(32_000, abs=2)
    assert file.declared_s == pytest.approx(SECONDS)
    assert file.warning is None


def test_a_length_that_could_not_be_known_is_not_believed(tmp_path: Path):
    path = riff(tmp_path / "a.wav", tone(16_000), rate=16_000, kind="pcm16")
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", 2_147_479_552)  # as espeak-ng writes to a pipe
    path.write_bytes(bytes(content))
    with AudioFile(path) as file:
        assert sum(block.size for block in file) == 32_000
    assert file.warning is None


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.m4a"])
def test_damage_of_any_kind_is_heard_or_refused_but_never_a_crash(tmp_path: Path, name: str):
    path = tmp_path / name
    if name == "a.wav":
        riff(path, tone(16_000), rate=16_000, kind="float", channels=2)
    else:
        encoded(path, codec="flac" if name == "a.flac" else "aac")
    whole = path.read_bytes()
    rng = np.random.default_rng(7)
    outcomes: set[str] = set()
    for n_harmed, within in [(20, 400)] * 25 + [(200, len(whole))] * 25:
        harmed = bytearray(whole)
        for at in rng.integers(min(within, len(whole)), size=n_harmed):
            harmed[at] = rng.integers(256)
        path.write_bytes(bytes(harmed))
        try:
            outcomes.add("heard" if np.isfinite(read_audio(path)).all() else "not finite")
        except AudioUnreadable as refusal:
            outcomes.add("refused in many lines" if "\n" in str(refusal) else "refused")
    assert outcomes <= {"heard", "refused"}
    assert "refused" in outcomes


def test_odd_names_are_no_trouble(tmp_path: Path):
    check_tone(riff(tmp_path / "we:ird #%20 ünï.wav", tone(16_000), rate=16_000, kind="pcm16"))


def test_a_file_is_never_loaded_whole(tmp_path: Path):
    path = riff(tmp_path / "long.wav", np.zeros(16_000 * 120, dtype=np.float32), rate=16_000, kind="pcm16")
    tracemalloc.start()
    try:
        with AudioFile(path) as file:
            assert sum(block.size for block in file) == 16_000 * 120
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000  # the sound itself is 8 MB
