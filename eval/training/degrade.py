"""Sound as other rooms and microphones would give it: noise, echo, tilted and cut spectra, pieces. Seeded; pure."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streaming.audio import SAMPLE_RATE

if TYPE_CHECKING:
    from streaming.events import Samples

Floats = NDArray[np.float64]

_PEAK = 0.7


def generator(*names: str) -> np.random.Generator:
    """Return random numbers that depend on the names only."""
    return np.random.default_rng(zlib.crc32("/".join(names).encode()))


def with_noise(samples: Samples, rng: np.random.Generator, *, snr_db: float, colour: float) -> Samples:
    """Return the sound with noise whose power falls as 1 / f^colour (0 white, 1 pink, 2 brown)."""
    spectrum = np.fft.rfft(rng.standard_normal(len(samples)))
    spectrum /= np.maximum(_hz(len(samples)), 20.0) ** (colour / 2)
    noise = np.fft.irfft(spectrum, len(samples))
    sound = samples.astype(np.float64)
    gain = np.sqrt(np.mean(sound**2) / max(float(np.mean(noise**2)), 1e-30)) * 10 ** (-snr_db / 20)
    return _scaled(sound + gain * noise)


def with_tilt(samples: Samples, *, db_per_octave: float, low_hz: float = 0.0, high_hz: float = 8000.0) -> Samples:
    """Return the sound through a microphone that tilts the spectrum and passes `low_hz` to `high_hz` only."""
    hz = np.maximum(_hz(len(samples)), 1.0)
    gain = 10 ** (db_per_octave * np.log2(np.clip(hz, 100, 8000) / 1000) / 20)
    if low_hz > 0:
        gain = gain / np.sqrt(1 + (low_hz / hz) ** 4)
    if high_hz < SAMPLE_RATE / 2:
        gain = gain / np.sqrt(1 + (hz / high_hz) ** 8)
    return _scaled(np.fft.irfft(np.fft.rfft(samples.astype(np.float64)) * gain, len(samples)))


def with_echo(samples: Samples, rng: np.random.Generator, *, decay_s: float, direct_db: float) -> Samples:
    """Return the sound in a room whose echo fades by 60 dB in `decay_s` and starts `direct_db` under the voice."""
    at_s = np.arange(1, int(decay_s * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(at_s)) * 10 ** (-3 * at_s / decay_s)
    tail *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(tail**2))
    n = len(samples) + len(tail)
    room = np.fft.rfft(np.concatenate(([1.0], tail)), n)
    return _scaled(np.fft.irfft(np.fft.rfft(samples.astype(np.float64), n) * room, n)[: len(samples)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Where and through what a voice is heard; see `with_noise`, `with_echo` and `with_tilt`. `decay_s` 0: no echo."""

    db_per_octave: float
    low_hz: float
    high_hz: float
    snr_db: float
    colour: float
    decay_s: float
    direct_db: float


def some_room(rng: np.random.Generator) -> Room:
    """Return a room and microphone such as people have; every second one has an echo."""
    return Room(
        db_per_octave=float(rng.uniform(-4, 4)),
        low_hz=float(rng.choice([0, 80, 200, 300])),
        high_hz=float(rng.choice([3800, 5500, 7000, 8000, 8000])),
        snr_db=float(rng.uniform(8, 35)),
        colour=float(rng.choice([0, 1, 2])),
        decay_s=float(rng.choice([0.0, rng.uniform(0.15, 0.6)])),
        direct_db=float(rng.uniform(-3, 12)),
    )


def heard_in(room: Room, samples: Samples, rng: np.random.Generator) -> Samples:
    """Return the sound as the room's microphone gives it; every second time only a piece of it, 0.8 s or longer."""
    if room.decay_s:
        samples = with_echo(samples, rng, decay_s=room.decay_s, direct_db=room.direct_db)
    tilted = with_tilt(samples, db_per_octave=room.db_per_octave, low_hz=room.low_hz, high_hz=room.high_hz)
    length = len(samples)
    if rng.random() < 0.5:
        length = int(rng.integers(min(length, int(0.8 * SAMPLE_RATE)), length + 1))
    start = int(rng.integers(0, len(samples) - length + 1))
    return with_noise(tilted[start : start + length], rng, snr_db=room.snr_db, colour=room.colour)


def _hz(n: int) -> Floats:
    return np.fft.rfftfreq(n, 1 / SAMPLE_RATE).astype(np.float64)


def _scaled(sound: Floats) -> Samples:
    """The sound at a fixed peak."""
    return (sound * (_PEAK / max(float(np.abs(sound).max()), 1e-9))).astype(np.float32)
