# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingModuleSource=false
# (webrtcvad ships no types)
"""Voice activity by webrtcvad: a Gaussian mixture over six bands, very fast, misses little, believes much noise.

Its answers are yes or no, so the probability of a frame is 0 or 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..audio import SAMPLE_RATE, VAD_FRAME, Blocks, padded, to_pcm16
from ..errors import EngineFailed

if TYPE_CHECKING:
    from ..events import Samples

MODES = (0, 1, 2, 3)


class WebrtcVotes:
    """The bare detector: one vote per frame.

    Raises:
        EngineFailed: webrtcvad is not installed.
        ValueError: `mode` is not 0 (lenient) to 3 (strict).
    """

    def __init__(self, *, mode: int) -> None:
        if mode not in MODES:
            message = f"webrtcvad has modes 0 to 3, got {mode}"
            raise ValueError(message)
        self._mode = mode
        self.reset()

    def judge(self, frame: Samples) -> bool:
        """Say whether the next frame, exactly 10, 20 or 30 ms long, is speech."""
        return self.judge_pcm(to_pcm16(frame))

    def judge_pcm(self, frame: bytes) -> bool:
        """The same of a frame as 16-bit little-endian PCM."""
        return bool(self._vad.is_speech(frame, SAMPLE_RATE))

    def reset(self) -> None:
        """Forget the stream."""
        self._vad = _new_vad(self._mode)


class WebrtcActivity:
    """webrtcvad alone, as a `VoiceActivity`."""

    def __init__(self, *, mode: int = 3) -> None:
        self._votes = WebrtcVotes(mode=mode)
        self._blocks = Blocks(VAD_FRAME)

    def feed(self, samples: Samples) -> list[float]:
        """Return 1.0 or 0.0 for each frame that is complete."""
        return [float(self._votes.judge(block)) for block in self._blocks.feed(samples)]

    def flush(self) -> list[float]:
        """Return the last, incomplete frame, if any, and start afresh."""
        rest = self._blocks.flush()
        frames = self.feed(padded(rest, VAD_FRAME)) if rest.size else []
        self.reset()
        return frames

    def reset(self) -> None:
        """Forget the stream."""
        self._votes.reset()
        self._blocks = Blocks(VAD_FRAME)


def _new_vad(mode: int) -> Any:  # noqa: ANN401 - webrtcvad ships no types
    try:
        import webrtcvad  # noqa: PLC0415 - loaded when an engine is chosen, not when it is named
    except ImportError as error:
        message = "the webrtc voice activity detector is not installed: pip install webrtcvad-wheels"
        raise EngineFailed(message) from error
    return webrtcvad.Vad(mode)
