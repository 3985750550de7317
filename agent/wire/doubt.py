"""Sound that is not what it is said to be: files with a header, wrong byte order, floats, two channels, clipping.

A file is known by its first bytes. The rest is judged once, by the first second that is not quiet: raw sound read in a
wrong way is rough, and some other reading of the same bytes is much smoother. Wrong rates cannot be told
from the samples (a high voice is no fault): they show as sound that comes too fast, which the connection limits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from streaming.audio import PCM16_SCALE

from .g711 import decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from streaming.events import Samples

QUIET: Final = 0.01
"""Root mean square below which sound says nothing."""

FILLED: Final = 0.3
"""Share of a second that must not be quiet for it to be judged."""

SMOOTH: Final = 0.9
SMOOTHER: Final = 2.0
"""Roughness is the difference of neighbours over the samples themselves: white noise has 1.41, speech 0.02 to 0.5.

A reading so many times smoother than the stated one is what was meant: other readings of true samples are rougher. Of
150 recordings, read in five right ways and rates, none was doubted; of wrong readings 85 % (µ-law) to all (two
channels) were told.
"""

_N_BLOCKS: Final = 50
"""A second is looked at in pieces of 20 ms."""

CLIPPED: Final = 0.2
"""Share of samples at full scale, where it is not quiet, from which on a second counts as clipped.

Shouting into a hot microphone has 0.05.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Something odd: "suspect_audio" (the sound is likely read wrongly) or "clipping" (it is heard all the same)."""

    code: Literal["suspect_audio", "clipping"]
    message: str


def container_of(data: bytes) -> str | None:
    """Return what file `data` begins, in words; None for bare samples."""
    if not data.startswith(_FIRST):
        return "an MP4 file" if data[4:8] == b"ftyp" else None
    return next(name for first, name in _CONTAINERS.items() if data.startswith(first))


_CONTAINERS: Final[Mapping[bytes, str]] = {
    b"RIFF": "a WAV file",
    b"OggS": "an Ogg file",
    b"fLaC": "a FLAC file",
    b"ID3\x02": "an MP3 file",
    b"ID3\x03": "an MP3 file",
    b"ID3\x04": "an MP3 file",
    b"\x1a\x45\xdf\xa3": "a WebM file",
    b"FORM": "an AIFF file",
    b"caff": "a CAF file",
}
_FIRST: Final = tuple(_CONTAINERS)


class Examination:
    """Looks at the beginning of a stream of samples, as they were read from the wire."""

    def __init__(self, *, rate: int) -> None:
        self._rate = rate
        self._parts: list[Samples] = []
        self._n = 0
        self._is_over = False

    def feed(self, samples: Samples) -> list[Doubt]:
        """Return what is odd; after the first second with sound in it, nothing."""
        if self._is_over:
            return []
        self._parts.append(samples)
        self._n += len(samples)
        if self._n < self._rate:
            return []
        second = np.concatenate(self._parts)[: self._rate]
        self._parts, self._n = [], 0
        if np.mean(_is_loud(second.reshape(_N_BLOCKS, -1))) < FILLED:
            return []
        self._is_over = True
        return doubts_of(second)


def doubts_of(samples: Samples) -> list[Doubt]:
    """Return what is odd about a stretch of sound that is not quiet."""
    wrong = _other_reading(samples)
    if wrong is not None:
        message = f"the sound looks like {wrong}, expected mono samples in the session's format"
        return [Doubt(code="suspect_audio", message=message)]
    if _clipped(samples) > CLIPPED:
        return [Doubt(code="clipping", message="most of the sound is at full scale; turn the microphone down")]
    return []


def _clipped(samples: Samples) -> float:
    """Return the share of samples at full scale in what is not quiet: the pauses of a shout are no headroom."""
    blocks = samples[: len(samples) // _N_BLOCKS * _N_BLOCKS].reshape(_N_BLOCKS, -1)
    loud = blocks[_is_loud(blocks)]
    return float(np.mean(np.abs(loud) > 0.999)) if loud.size else 0.0


def _is_loud(blocks: Samples) -> NDArray[np.bool_]:
    return np.sqrt(np.mean(np.square(blocks), axis=1)) > QUIET


def _other_reading(samples: Samples) -> str | None:
    if _is_doubled(samples):
        return "two channels, or half the rate with each sample sent twice"
    raw = (samples * np.float32(PCM16_SCALE)).astype("<i2").tobytes()
    others = {name: _roughness_of_speech(read(raw)) for name, read in _READINGS.items()}
    name = min(others, key=others.__getitem__)
    return name if others[name] < _roughness(samples) / SMOOTHER else None


def _is_doubled(samples: Samples) -> bool:
    """Return whether samples come in equal pairs, which one channel never does."""
    pairs = samples[: len(samples) // 2 * 2].reshape(-1, 2)
    within = float(np.mean(np.abs(pairs[:, 0] - pairs[:, 1])))
    between = float(np.mean(np.abs(pairs[1:, 0] - pairs[:-1, 1])))
    return within < 0.1 * between


def _roughness_of_speech(samples: NDArray[np.floating]) -> float:
    """Return how rough a reading is; infinity where nobody can have meant it: beyond full scale, silent, noise."""
    with np.errstate(all="ignore"):
        is_sound = bool(np.isfinite(samples).all()) and float(np.max(np.abs(samples))) <= 1.0
    if not is_sound or _level(samples) < QUIET / 4:
        return math.inf
    rough = _roughness(samples)
    return rough if rough < SMOOTH else math.inf


_READINGS: Final[Mapping[str, Callable[[bytes], NDArray[np.floating]]]] = {
    "big-endian samples": lambda raw: np.frombuffer(raw, ">i2") / PCM16_SCALE,
    "32-bit floats": lambda raw: np.frombuffer(raw[: len(raw) // 4 * 4], "<f4"),
    "G.711 µ-law": lambda raw: decoded(raw, "u"),
    "G.711 A-law": lambda raw: decoded(raw, "a"),
}


def _level(samples: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def _roughness(samples: NDArray[np.floating]) -> float:
    return _level(np.diff(samples)) / max(_level(samples), 1e-9)
