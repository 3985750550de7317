# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (PyAV's types leave arrays open)
"""Sound files of any common format as mono 16 kHz blocks, a little at a time.

An edge: it opens files, nothing else. A file is read as a stream, so its length does not matter. Only the file itself
is ever opened: a playlist that points elsewhere is not followed.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

import av
import numpy as np
from av.error import FFmpegError

from .audio import FRAME, SAMPLE_RATE, Blocks, Resampler, finite, mono, silence
from .errors import AudioUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.audio.stream import AudioStream
    from av.container import InputContainer

    from .events import Samples

SHORT_BY_S: Final = 0.25
"""A file this much shorter than its header says (and by 1 % of it) counts as truncated."""

UNKNOWN_BYTES: Final = 2**31 - 2**16
"""Headers written by a program that could not know the length claim about this much."""


FORMATS: Final = (
    "wav,w64,rf64,flac,ogg,mp3,aac,mov,matroska,aiff,au,amr,caf,ac3,eac3,asf,avi,flv,mpegts,mpeg,"
    "wv,ape,tta,gsm,sox,voc,dsf"
)
"""What may be opened: containers of sound, no playlists, which could name other files."""


class AudioFile:
    """One sound file, opened; iterate once over its 20 ms blocks (float32, shape (320,), the last may be shorter).

    Attributes:
        warning: what was wrong with the file although it could be heard (truncated, damaged); None while all is well.
            Complete after the last block.

    Raises:
        AudioUnreadable: missing, a directory, empty, not sound, no permission; while iterating: sound that is not
            finite, or no sample at all.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.warning: str | None = None
        _check(self.path)
        self._container = _open(self.path)
        try:
            self._stream = _sound_track(self._container, self.path)
        except AudioUnreadable:
            self._container.close()
            raise
        self.declared_s = _riff_s(self.path) or _declared_s(self._container, self._stream)

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._container.close()

    def __enter__(self) -> AudioFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Samples]:
        n_samples = 0
        for block in self._blocks():
            n_samples += block.size
            yield block
        heard_s = n_samples / SAMPLE_RATE
        if n_samples == 0:
            message = f"{self.path} holds no sound: it has a header but not one sample"
            raise AudioUnreadable(message)
        if self.warning is None and self.declared_s is not None:
            missing_s = self.declared_s - heard_s
            if missing_s > max(SHORT_BY_S, 0.01 * self.declared_s):
                self.warning = f"{self.path} is truncated: {heard_s:.1f} s of {self.declared_s:.1f} s could be heard"

    def _blocks(self) -> Iterator[Samples]:
        resampler = Resampler(source_hz=self._stream.rate)
        blocks = Blocks(FRAME)
        for chunk in self._decoded():
            for block in blocks.feed(resampler.feed(chunk)):
                yield np.clip(block, -1.0, 1.0)
        for block in (*blocks.feed(resampler.flush()), blocks.flush()):
            if block.size:
                yield np.clip(block, -1.0, 1.0)

    def _decoded(self) -> Iterator[Samples]:
        """Yield mono sound at the file's own rate; stop, with a warning, where the file is damaged."""
        convert = av.AudioResampler(format="flt")  # interleaved: PyAV reads past the 8th plane of planar sound
        n_samples = 0
        try:
            for decoded in self._container.decode(self._stream):
                for frame in convert.resample(decoded):
                    channels = np.asarray(frame.to_ndarray(), dtype=np.float32).reshape(-1, frame.layout.nb_channels)
                    at_s = n_samples / self._stream.rate
                    n_samples += channels.shape[0]
                    yield mono(np.clip(_finite(channels, path=self.path, at_s=at_s), -1.0, 1.0))
        except (FFmpegError, ValueError) as error:
            at_s = n_samples / self._stream.rate
            if n_samples == 0:
                message = f"{self.path} cannot be decoded: {_reason(error)}"
                raise AudioUnreadable(message) from error
            self.warning = f"{self.path} is damaged after {at_s:.1f} s and was heard up to there: {_reason(error)}"


def read_audio(path: str | Path) -> Samples:
    """Return a whole file as mono 16 kHz sound; for short files, see `AudioFile` for long ones.

    Raises:
        AudioUnreadable: see `AudioFile`.
    """
    with AudioFile(path) as file:
        return np.concatenate([silence(0), *file])


def _check(path: Path) -> None:
    try:
        if path.is_dir():
            problem = "is a directory, expected a sound file"
        elif not path.exists():
            problem = "does not exist"
        elif path.stat().st_size == 0:
            problem = "is empty (0 bytes)"
        else:
            return
    except (OSError, ValueError) as error:
        problem = f"cannot be looked at: {_reason(error)}"
    message = f"{path} {problem}"
    raise AudioUnreadable(message)


def _open(path: Path) -> InputContainer:
    try:
        return av.open(f"file:{path}", options={"protocol_whitelist": "file", "format_whitelist": FORMATS})
    except (FFmpegError, OSError, ValueError) as error:
        message = f"{path} is not a sound file that can be read: {_reason(error)}"
        raise AudioUnreadable(message) from error


def _sound_track(container: InputContainer, path: Path) -> AudioStream:
    if not container.streams.audio:
        message = f"{path} holds no sound track"
        raise AudioUnreadable(message)
    stream = container.streams.audio[0]
    # A codec FFmpeg does not know leaves the stream without these attributes.
    if not getattr(stream, "rate", 0) or not getattr(stream, "channels", 0):
        message = f"{path} holds a sound track that cannot be decoded: its codec, rate or channels are unknown"
        raise AudioUnreadable(message)
    return stream


def _declared_s(container: InputContainer, stream: AudioStream) -> float | None:
    """Return the length the header claims, None when it claims nothing that can be believed."""
    if stream.duration is not None and stream.time_base is not None:
        declared_s = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        declared_s = container.duration / 1_000_000
    else:
        return None
    claimed_bytes = declared_s * stream.rate * stream.channels * 2
    return None if declared_s <= 0.0 or claimed_bytes >= UNKNOWN_BYTES else declared_s


def _riff_s(path: Path) -> float | None:
    """Return the length a WAV header claims, None if it is no WAV or could not know; FFmpeg goes by the file's size."""
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return None
        bytes_per_s = 0
        while len(chunk := file.read(8)) == 8:
            kind, size = struct.unpack("<4sI", chunk)
            if kind == b"data":
                return size / bytes_per_s if bytes_per_s and size < UNKNOWN_BYTES else None
            body = file.read(16) if kind == b"fmt " else b""
            if len(body) == 16:
                bytes_per_s = struct.unpack("<8xI4x", body)[0]
            file.seek(size + size % 2 - len(body), 1)
    return None


def _finite(chunk: Samples, *, path: Path, at_s: float) -> Samples:
    try:
        return finite(chunk, at_s=at_s)
    except AudioUnreadable as error:
        message = f"{path}: {error}"
        raise AudioUnreadable(message) from None


def _reason(error: Exception) -> str:
    """Return the bare reason, without FFmpeg's number and file name."""
    text = getattr(error, "strerror", None) or str(error)
    return text.strip().lower()
