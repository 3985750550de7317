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
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from ..audio import VAD_FRAME, Blocks, padded
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


class Level:
    """The gain that brings the loudest sound of the recent past into the usual range; pure.

    The loudest level falls by 1 dB a second. A stream begins with the highest gain, since the first word of a quiet
    speaker counts as much as that of a loud one, which takes the gain back at once.
    """

    def __init__(self) -> None:
        self._peak_db = USUAL_DB[0] - MAX_GAIN_DB
        self.gain = np.float32(1.0)

    def hear(self, frame: Samples) -> bool:
        """Take the next frame into account; say whether it is loud enough to be anything."""
        level_db = 10.0 * math.log10(float(np.dot(frame, frame)) / frame.size + 1e-12)
        self._peak_db = max(level_db, self._peak_db - DECAY_DB, USUAL_DB[0] - MAX_GAIN_DB)
        too_quiet_db, too_loud_db = USUAL_DB[0] - self._peak_db, USUAL_DB[1] - self._peak_db
        self.gain = np.float32(10.0 ** ((max(0.0, too_quiet_db) + max(MIN_GAIN_DB, min(0.0, too_loud_db))) / 20.0))
        return level_db > FLOOR_DB


class Votes:
    """The latest votes of webrtcvad, by frame; pure."""

    def __init__(self) -> None:
        self._latest: deque[bool] = deque(maxlen=4 * AROUND + WINDOW // VAD_FRAME + 8)
        self._n = 0

    def add(self, *, voice: bool) -> None:
        """Take the vote on the next frame."""
        self._latest.append(voice)
        self._n += 1

    def silent_share(self, index: int) -> float:
        """Return the share of the frames around frame `index`, as far as they are known, that are silent."""
        oldest = self._n - len(self._latest)
        first = max(index - AROUND - oldest, 0)
        around = list(islice(self._latest, first, max(index + AROUND + 1 - oldest, first)))
        return 1.0 - sum(around) / len(around) if around else 1.0


class FusedActivity:
    """webrtcvad, level and Silero in one `VoiceActivity`; frames come 60 to 100 ms after their sound."""

    def __init__(self) -> None:
        self._webrtc = WebrtcVotes(mode=MODE)
        self._network = SileroWindows()
        self.reset()

    def feed(self, samples: Samples) -> list[float]:
        """Return the probability of speech of each frame that can now be judged."""
        self._n_samples += samples.size
        frames: list[float] = []
        for frame in self._blocks.feed(samples):
            frames += self._frame(frame)
        return frames

    def flush(self) -> list[float]:
        """Return the frames still owed, and start afresh."""
        n_owed = -(-self._n_samples // VAD_FRAME) - self._frames.n_frames
        rest = self._blocks.flush()
        frames = self._frame(padded(rest, VAD_FRAME)) if rest.size else []
        while len(frames) < n_owed:
            frames += self._window(padded(self._windows.flush(), WINDOW))
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

    def _frame(self, frame: Samples) -> list[float]:
        loud = self._level.hear(frame)
        voice = self._webrtc.judge(frame * self._level.gain)
        self._votes.add(voice=voice)
        self._open_for = GATE_FRAMES if loud and voice else max(0, self._open_for - 1)
        frames: list[float] = []
        for window in self._windows.feed(frame):
            frames += self._window(window)
        return frames

    def _window(self, window: Samples) -> list[float]:
        first = self._frames.n_frames
        logits = self._frames.add(self._judge(window))
        return [probability(logit - self._votes.silent_share(first + i)) for i, logit in enumerate(logits)]

    def _judge(self, window: Samples) -> float:
        evened = window * self._level.gain
        if self._open_for > 0:
            return self._network.judge(evened)
        self._network.skip(evened)
        return SILENT_LOGIT
