"""The shipped voice activity: webrtcvad opens the gate, the level is evened out, Silero judges, webrtcvad has a vote.

- The level: Silero (and webrtcvad) are half deaf to quiet and to overdriven microphones, so both hear the sound at a
  usual speech level, told by the loudest 10 ms of the recent past. What is below `FLOOR_DB` is silence all the same.
- The gate: webrtcvad hears nearly all speech for almost nothing. While it has heard none for 300 ms the network rests
  and the frames are silent, which spares the processor in quiet rooms. Its memory is kept meanwhile: cleared, it
  would be hard of hearing for the first word after each pause.
- The vote: each frame's log-odds of speech are Silero's, less the share of the frames around it that webrtcvad thinks
  silent. Full agreement changes nothing, full disagreement costs one nat.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..audio import VAD_FRAME, Blocks, padded, to_pcm16
from .silero import WINDOW, SileroWindows, WindowFrames, probability
from .webrtc import WebrtcVotes

if TYPE_CHECKING:
    from ..events import Samples

MODE = 2
GATE_FRAMES = 30
AROUND = 4  # frames on either side that the vote is taken over
SILENT_LOGIT = -9.0
FLOOR_DB = -75.0
USUAL_DB = (-22.0, -12.0)
MAX_GAIN_DB = 30.0
MIN_GAIN_DB = -12.0
DECAY_DB = 0.01  # per frame: 1 dB a second
_N_LATEST = 4 * AROUND + WINDOW // VAD_FRAME + 8
_FRAME_BYTES = 2 * VAD_FRAME
_LATEST = (1 << _N_LATEST) - 1


class Level:
    """The gain that brings the loudest sound of the recent past into the usual range; pure.

    The loudest level falls by 1 dB a second. A stream begins with the highest gain, since the first word of a quiet
    speaker counts as much as that of a loud one, which takes the gain back at once.
    """

    def __init__(self) -> None:
        self._peak_db = USUAL_DB[0] - MAX_GAIN_DB
        self.gain = 1.0

    def hear(self, frame: Samples) -> bool:
        """Take the next frame into account; say whether it is loud enough to be anything."""
        level_db = 10.0 * math.log10(float(frame.dot(frame)) / frame.size + 1e-12)
        self._peak_db = peak_db = max(level_db, self._peak_db - DECAY_DB, USUAL_DB[0] - MAX_GAIN_DB)
        too_loud_db = min(0.0, USUAL_DB[1] - peak_db)
        gain_db = USUAL_DB[0] - peak_db if peak_db < USUAL_DB[0] else max(MIN_GAIN_DB, too_loud_db)
        self.gain = 10.0 ** (gain_db / 20.0)
        return level_db > FLOOR_DB


class Votes:
    """The latest votes of webrtcvad, by frame; pure."""

    def __init__(self) -> None:
        self._bits = 0  # the newest vote is the lowest bit
        self._n = 0

    def add(self, *, voice: bool) -> None:
        """Take the vote on the next frame."""
        self._bits = (self._bits << 1 | voice) & _LATEST
        self._n += 1

    def silent_share(self, index: int) -> float:
        """Return the share of the frames around frame `index`, as far as they are known, that are silent."""
        first = max(index - AROUND, self._n - _N_LATEST, 0)
        last = min(index + AROUND, self._n - 1)
        n = last - first + 1
        if n <= 0:
            return 1.0
        around = (self._bits >> (self._n - 1 - last)) & ((1 << n) - 1)
        return 1.0 - around.bit_count() / n


class FusedActivity:
    """webrtcvad, level and Silero in one `VoiceActivity`; frames come 60 to 100 ms after their sound."""

    def __init__(self) -> None:
        self._webrtc = WebrtcVotes(mode=MODE)
        self._network = SileroWindows()
        self.reset()

    def feed(self, samples: Samples) -> list[float]:
        """Return the probability of speech of each frame that can now be judged."""
        self._n_samples += samples.size
        return self._hear(self._blocks.run(samples))

    def flush(self) -> list[float]:
        """Return the frames still owed, and start afresh."""
        n_owed = -(-self._n_samples // VAD_FRAME) - self._frames.n_frames
        rest = self._blocks.flush()
        frames = self._hear(padded(rest, VAD_FRAME)) if rest.size else []
        while len(frames) < n_owed:
            frames += self._window(padded(self._windows.flush(), WINDOW), self._level.gain)
        self.reset()
        return frames[:n_owed]

    def reset(self) -> None:
        """Forget the stream."""
        self._webrtc.reset()
        self._network.reset()
        self._blocks = Blocks(VAD_FRAME)
        self._windows = Blocks(WINDOW)
        self._frames = WindowFrames()
        self._level = Level()
        self._votes = Votes()
        self._open_for = 0
        self._n_samples = 0

    def _hear(self, sound: Samples) -> list[float]:
        """Take whole frames: each step is done for all of them, as that costs hardly more than for one."""
        rows = sound.reshape(-1, VAD_FRAME)
        if not len(rows):
            return []
        gains: list[float] = []
        loud: list[bool] = []
        for row in rows:
            loud.append(self._level.hear(row))
            gains.append(self._level.gain)
        pcm = to_pcm16((rows * np.array(gains, np.float32)[:, None]).reshape(-1))
        n_held = self._windows.n_held
        windows = self._windows.feed(sound)
        # The frame, of these, with which each window is full: then it is judged, with what is known by then.
        full_at = [((i + 1) * WINDOW - n_held - 1) // VAD_FRAME for i in range(len(windows))]
        frames: list[float] = []
        for i, gain in enumerate(gains):
            voice = self._webrtc.judge_pcm(pcm[i * _FRAME_BYTES : (i + 1) * _FRAME_BYTES])
            self._votes.add(voice=voice)
            self._open_for = GATE_FRAMES if voice and loud[i] else max(0, self._open_for - 1)
            while full_at and full_at[0] == i:
                del full_at[0]
                frames += self._window(windows.pop(0), gain)
        return frames

    def _window(self, window: Samples, gain: float) -> list[float]:
        first = self._frames.n_frames
        logits = self._frames.add(self._judge(window * np.float32(gain)))
        return [probability(logit - self._votes.silent_share(first + i)) for i, logit in enumerate(logits)]

    def _judge(self, window: Samples) -> float:
        if self._open_for > 0:
            return self._network.judge(window)
        self._network.skip(window)
        return SILENT_LOGIT
