"""Whisper's log-mel features, computed as the sound comes: a partial costs the new sound only.

Equal to the features of the whole utterance padded with silence, as the reference implementation makes them. Frames are
computed in groups that lie at fixed places, so that not a bit depends on how the sound was cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..events import Samples

HOP = 160
WIDTH = 400
HALF = WIDTH // 2
GROUP = 10
"""Frames computed at once: 100 ms."""
FRAMES_PER_S = 100
FULL_FRAMES = 3000
"""What the model was trained on: 30 s, silence included."""

_WINDOW = np.hanning(WIDTH + 1)[:-1].astype(np.float32)
_GROUP_SAMPLES = (GROUP - 1) * HOP + WIDTH
_FLOOR = 1e-10
_RANGE = 8.0


class MelFrames:
    """The log-mel spectrogram of one utterance as it grows; frame i is centred at i * 10 ms."""

    def __init__(self, filters: NDArray[np.float32]) -> None:
        """Take the mel filters: float32, shape (n_mels, 201)."""
        self._filters = filters
        self._groups: list[NDArray[np.float32]] = []
        self._n_samples = 0
        self._first: list[Samples] = []
        self._rest: Samples | None = None

    @property
    def n_samples(self) -> int:
        """How much was heard."""
        return self._n_samples

    @property
    def n_settled(self) -> int:
        """How many frames no further sound will change."""
        return GROUP * len(self._groups)

    def feed(self, samples: Samples) -> None:
        """Take the next sound: float32, shape (n,)."""
        self._n_samples += samples.size
        if self._rest is None:
            self._first.append(samples)
            if self._n_samples <= HALF:
                return
            self._rest = _mirrored(np.concatenate(self._first))
            self._first = []
        else:
            self._rest = np.concatenate([self._rest, samples])
        n_groups = max(0, (self._rest.size - _GROUP_SAMPLES) // (GROUP * HOP) + 1)
        for i in range(n_groups):
            self._groups.append(self._log_mel(self._rest[i * GROUP * HOP :]))
        self._rest = self._rest[n_groups * GROUP * HOP :]

    def settled(self, first: int, n_frames: int) -> NDArray[np.float32]:
        """Return normalised features of settled frames only: float32, shape (n_mels, n_frames)."""
        whole = np.concatenate(self._groups, axis=1)
        return _normalised(whole[:, first : first + n_frames])

    def read(self, first: int = 0) -> NDArray[np.float32]:
        """Return the normalised features from frame `first` to the last that any sound reaches; shape (n_mels, n)."""
        n_frames = -(-(self._n_samples + HALF) // HOP)
        rest = self._rest
        if rest is None:
            sound = np.concatenate([*self._first, np.zeros(HALF + 1, np.float32)])
            rest = _mirrored(sound)
        groups = list(self._groups)
        while GROUP * len(groups) < n_frames:
            begin = GROUP * HOP * (len(groups) - len(self._groups))
            piece = rest[begin : begin + _GROUP_SAMPLES]
            groups.append(self._log_mel(np.concatenate([piece, np.zeros(_GROUP_SAMPLES - piece.size, np.float32)])))
        whole = np.concatenate(groups, axis=1)
        return _normalised(whole[:, first:n_frames])

    def _log_mel(self, sound: Samples) -> NDArray[np.float32]:
        """Return the log-mel powers of the first `GROUP` frames in `sound`."""
        frames = np.lib.stride_tricks.sliding_window_view(sound[:_GROUP_SAMPLES], WIDTH)[::HOP] * _WINDOW
        spectrum = np.fft.rfft(frames, axis=1)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        return np.log10(np.maximum(self._filters @ power.T, np.float32(_FLOOR)))


def padded(features: NDArray[np.float32], n_frames: int) -> NDArray[np.float32]:
    """Return the features followed by silence, or cut, to `n_frames` frames."""
    n_missing = n_frames - features.shape[1]
    if n_missing <= 0:
        return features[:, :n_frames]
    # What silence comes to beside this sound: the floor of the powers, or of the range below the loudest.
    loudest = float(features.max(initial=-1.5)) * 4.0 - 4.0
    silence = (max(np.log10(_FLOOR), loudest - _RANGE) + 4.0) / 4.0
    return np.pad(features, ((0, 0), (0, n_missing)), constant_values=np.float32(silence))


def _normalised(log_powers: NDArray[np.float32]) -> NDArray[np.float32]:
    top = log_powers.max(initial=np.float32(np.log10(_FLOOR)))
    return ((np.maximum(log_powers, top - np.float32(_RANGE)) + np.float32(4.0)) / np.float32(4.0)).astype(np.float32)


def _mirrored(sound: Samples) -> Samples:
    """Return the sound with its first 200 samples mirrored before it, as a centred short-time transform has it."""
    return np.concatenate([sound[HALF:0:-1], sound])
