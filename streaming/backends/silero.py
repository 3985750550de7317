# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (onnxruntime ships no types)
"""Voice activity by the Silero v6 network that ships inside the faster-whisper package.

The network judges windows of 512 samples (32 ms), sees 64 samples before each and carries an LSTM state. Its answer is
about sound that lies a little before the window's middle, so frames are read off the line through neighbouring
windows, `ALIGN_MS` later than their own middle: on labelled speech that is worth more than a second, overlapping run.
"""

from __future__ import annotations

import math
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..audio import VAD_FRAME, Blocks, padded
from ..errors import EngineFailed

if TYPE_CHECKING:
    from ..events import Samples

WINDOW = 512
CONTEXT = 64
STATE = (1, 1, 128)
ALIGN_MS = 32
SAMPLES_PER_MS = 16
LOGIT_CAP = 9.0
QUIET_LOGIT = 0.0
QUIET_WINDOWS = 94  # 3 s


def model_path() -> Path:
    """Return where the network lies, without importing faster-whisper (slow, and it loads CTranslate2).

    Raises:
        EngineFailed: the package, or the file in it, is missing.
    """
    spec = find_spec("faster_whisper")
    if spec is None or not spec.submodule_search_locations:
        message = "the Silero model ships inside faster-whisper, which is not installed: pip install faster-whisper"
        raise EngineFailed(message)
    path = Path(spec.submodule_search_locations[0]) / "assets" / "silero_vad_v6.onnx"
    if not path.is_file():
        message = f"no Silero v6 model at {path}: this faster-whisper is too old or too new, expected 1.2"
        raise EngineFailed(message)
    return path


@lru_cache(maxsize=1)
def _session() -> Any:  # noqa: ANN401 - onnxruntime ships no types
    """Load the network once for all streams: it holds no state of its own and may run in any thread."""
    try:
        import onnxruntime  # noqa: PLC0415 - loaded when an engine is chosen, not when it is named
    except ImportError as error:
        message = "the Silero voice activity model needs onnxruntime: pip install onnxruntime"
        raise EngineFailed(message) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(model_path()), options, providers=["CPUExecutionProvider"])


class SileroWindows:
    """The bare network: one log-odds of speech per window of 512 samples."""

    def __init__(self) -> None:
        self._session = _session()
        self._input = np.zeros((1, CONTEXT + WINDOW), dtype=np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget the stream."""
        self._input[:] = 0.0
        self._h = np.zeros(STATE, dtype=np.float32)
        self._c = np.zeros(STATE, dtype=np.float32)
        self._n_quiet = 0

    def judge(self, window: Samples) -> float:
        """Return the log-odds of speech in the next window: float32, shape (512,)."""
        self._input[0, :CONTEXT] = self._input[0, WINDOW:]
        self._input[0, CONTEXT:] = window
        feed = {"input": self._input, "h": self._h, "c": self._c}
        output, self._h, self._c = self._session.run(None, feed)
        logit = log_odds(float(output.reshape(-1)[0]))
        self._rest(logit)
        return logit

    def skip(self, window: Samples) -> None:
        """Pass over a window unjudged; it is still what the next one follows."""
        self._input[0, WINDOW:] = window[-CONTEXT:]

    def _rest(self, logit: float) -> None:
        """Clear the LSTM after 3 s without speech.

        Steady sound that ends below 8 kHz, as resampled hiss does, makes the state drift: the log-odds creep up for
        half a minute, until they pass for speech.
        """
        self._n_quiet = self._n_quiet + 1 if logit < QUIET_LOGIT else 0
        if self._n_quiet >= QUIET_WINDOWS:
            self._h = np.zeros(STATE, dtype=np.float32)
            self._c = np.zeros(STATE, dtype=np.float32)
            self._n_quiet = 0


class WindowFrames:
    """Reads 10 ms frames off the straight line through the windows' log-odds; pure."""

    def __init__(self, *, align_ms: int = ALIGN_MS) -> None:
        self._offset = VAD_FRAME // 2 + align_ms * SAMPLES_PER_MS
        self._n_windows = 0
        self.n_frames = 0
        self._before = 0.0
        self._last = 0.0

    def add(self, logit: float) -> list[float]:
        """Take the next window's log-odds; return those of the frames that can be read now."""
        self._before = self._last if self._n_windows else logit
        self._last = logit
        centre = self._n_windows * WINDOW + WINDOW // 2
        self._n_windows += 1
        frames: list[float] = []
        while (at := self.n_frames * VAD_FRAME + self._offset) <= centre:
            frames.append(self._last + (self._before - self._last) * min(1.0, (centre - at) / WINDOW))
            self.n_frames += 1
        return frames


class SileroActivity:
    """Silero alone, as a `VoiceActivity`; frames come 60 to 100 ms after their sound."""

    def __init__(self) -> None:
        self._windows = SileroWindows()
        self.reset()

    def feed(self, samples: Samples) -> list[float]:
        """Return the probability of speech of each frame that can now be judged."""
        self._n_samples += samples.size
        frames: list[float] = []
        for block in self._blocks.feed(samples):
            frames += self._frames.add(self._windows.judge(block))
        return [probability(logit) for logit in frames]

    def flush(self) -> list[float]:
        """Return the frames still owed, and start afresh."""
        n_owed = -(-self._n_samples // VAD_FRAME) - self._frames.n_frames
        frames: list[float] = []
        while len(frames) < n_owed:
            frames += self._frames.add(self._windows.judge(padded(self._blocks.flush(), WINDOW)))
        self.reset()
        return [probability(logit) for logit in frames[:n_owed]]

    def reset(self) -> None:
        """Forget the stream."""
        self._windows.reset()
        self._blocks = Blocks(WINDOW)
        self._frames = WindowFrames()
        self._n_samples = 0


def log_odds(p: float) -> float:
    """Return ln(p / (1 - p)), within +-9."""
    if p <= 0.0:
        return -LOGIT_CAP
    if p >= 1.0:
        return LOGIT_CAP
    return max(-LOGIT_CAP, min(LOGIT_CAP, math.log(p / (1.0 - p))))


def probability(logit: float) -> float:
    """Return 1 / (1 + exp(-logit))."""
    return 1.0 / (1.0 + math.exp(-logit))
