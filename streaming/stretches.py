"""Where there is voice: probabilities of speech, 10 ms apart, become stretches of speech.

Knows nothing of utterances, sound or engines. Silences shorter than `gap_ms` belong to the stretch around them (the
closure of a "p" is no pause); a stretch counts once it holds `min_voice_ms` of voiced frames, so a click never does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from .audio import SAMPLE_RATE, VAD_FRAME, Blocks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .events import Samples
    from .ports import VoiceActivity

FRAME_MS = 10

Change: TypeAlias = Literal["began", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StretchSettings:
    """When voice begins and ends.

    Attributes:
        p_enter, p_leave: probability from which a frame begins a stretch, and below which it is silent inside one.
        gap_ms: silence that ends a stretch; shorter ones are bridged.
        min_voice_ms: voiced frames a stretch needs before it counts.
    """

    p_enter: float = 0.5
    p_leave: float = 0.5
    gap_ms: int = 120
    min_voice_ms: int = 100

    def __post_init__(self) -> None:
        """Refuse values that could never end or begin a stretch."""
        if not 0.0 < self.p_leave <= self.p_enter < 1.0:
            message = f"expected 0 < p_leave <= p_enter < 1, got {self.p_leave} and {self.p_enter}"
            raise ValueError(message)
        if min(self.gap_ms, self.min_voice_ms) < FRAME_MS:
            message = f"gap_ms and min_voice_ms must be at least {FRAME_MS}, got {self.gap_ms} and {self.min_voice_ms}"
            raise ValueError(message)


class VoiceTrack:
    """Follows the frames; `began` and `ended` say where the voice truly began and ended, not when that was known.

    Attributes:
        n_frames: frames seen.
        begin: first frame of the latest stretch that counts.
        end: the frame after the last voiced one of that stretch.
        speaking: whether that stretch is still open.
    """

    def __init__(self, settings: StretchSettings, *, first_frame: int = 0) -> None:
        self.adopt(settings)
        self._run_begin: int | None = None
        self._run_end = first_frame
        self._voiced = 0
        self.n_frames = first_frame
        self.begin = first_frame
        self.end = first_frame
        self.speaking = False

    def adopt(self, settings: StretchSettings) -> None:
        """Go by other settings from the next frame on."""
        self._settings = settings
        self._need = settings.min_voice_ms // FRAME_MS
        self._gap = settings.gap_ms // FRAME_MS

    @property
    def undecided(self) -> bool:
        """Whether some voice was heard that does not count yet."""
        return self._run_begin is not None and not self.speaking

    def step(self, probability: float) -> Change | None:
        """Take the next frame; say whether a stretch began to count or ended just now."""
        index = self.n_frames
        self.n_frames += 1
        in_run = self._run_begin is not None
        if probability >= (self._settings.p_leave if in_run else self._settings.p_enter):
            return self._voiced_frame(index)
        if in_run and self.n_frames - self._run_end >= self._gap:
            return self.stop()
        return None

    def stop(self) -> Change | None:
        """End the open stretch after its last voiced frame; say "ended" if it counted."""
        ended = self.speaking
        self._run_begin, self._voiced, self.speaking = None, 0, False
        return "ended" if ended else None

    def _voiced_frame(self, index: int) -> Change | None:
        if self._run_begin is None:
            self._run_begin = index
        self._voiced += 1
        self._run_end = index + 1
        if self.speaking:
            self.end = self._run_end
            return None
        if self._voiced < self._need:
            return None
        self.begin, self.end, self.speaking = self._run_begin, self._run_end, True
        return "began"


def stretches(
    sound: Iterable[Samples], *, activity: VoiceActivity, settings: StretchSettings | None = None
) -> list[tuple[float, float]]:
    """Return start and end, in seconds, of each stretch of speech as the voice activity hears it.

    No pre-roll and no endpoint silence. `sound` is any cutting of a mono 16 kHz stream; it is read once.
    """
    track = VoiceTrack(settings or StretchSettings())
    blocks = Blocks(VAD_FRAME)
    found: list[tuple[float, float]] = []
    n_samples = 0

    def take(probabilities: list[float]) -> None:
        found.extend((frame_s(track.begin), frame_s(track.end)) for p in probabilities if track.step(p) == "ended")

    activity.reset()
    for chunk in sound:
        n_samples += chunk.size
        for block in blocks.feed(chunk):
            take(activity.feed(block))
    take(activity.feed(blocks.flush()))
    take(activity.flush())
    if track.stop() == "ended":
        found.append((frame_s(track.begin), min(frame_s(track.end), n_samples / SAMPLE_RATE)))
    return found


def frame_s(index: int) -> float:
    """Return the stream time, in seconds, at which frame `index` begins."""
    return index * VAD_FRAME / SAMPLE_RATE
