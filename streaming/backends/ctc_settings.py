"""How a CTC recogniser is used, and how long sound is cut for it. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..audio import SAMPLE_RATE
from ..ctc_beam import BeamSettings
from ..stability import StabilitySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class CtcSettings:
    """Settings of a transcriber; no trained weights were at hand, so none of the values is fitted.

    Attributes:
        n_best: readings in a final.
        beam: how finals are searched; a few readings more than wanted, some differ in an apostrophe only.
        temperature: divides scores before posteriors are taken; 1 takes the model's probabilities as they are.
        window_s: sound longer than this is heard in windows of this length ...
        overlap_s: ... in which so much at each inner edge is only context.
        silence_peak: sound that never exceeds it is silence, and not shown to the model (0.0001 = -80 dB full scale).
        partial_lag_s: audio time between asking for a partial and collecting it.
        stability: when a word of a partial is promised.
    """

    n_best: int = 10
    beam: BeamSettings = field(default_factory=lambda: BeamSettings(n_best=14))
    temperature: float = 1.0
    window_s: float = 16.0
    overlap_s: float = 2.0
    silence_peak: float = 1e-4
    partial_lag_s: float = 0.2
    stability: StabilitySettings = field(default_factory=lambda: StabilitySettings(n_agree=2))

    def __post_init__(self) -> None:
        """Check the values."""
        if not 1 <= self.n_best <= self.beam.n_best:
            raise ValueError(f"n_best is {self.n_best}, expected 1 to that of the beam ({self.beam.n_best})")
        if self.temperature <= 0:
            raise ValueError(f"temperature is {self.temperature}, expected more than 0")
        if self.overlap_s < 0.1 or self.window_s < 3 * self.overlap_s:
            raise ValueError(
                f"window_s is {self.window_s} and overlap_s {self.overlap_s}, "
                "expected an overlap of at least 0.1 s and a window of at least three overlaps"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Where long sound is cut, and which frames of each piece count; all on the model's grid of frames.

    Every window but the last is as long as any other and does not change when more sound comes: its answer can be kept.

    Attributes:
        length, hop: samples of a window, and from one to the next.
        overlap: frames at an inner edge that do not count.
        stride: samples per frame.
    """

    length: int
    hop: int
    overlap: int
    stride: int

    @classmethod
    def of(cls, settings: CtcSettings, *, stride: int) -> Windows:
        """Return the windows of these lengths for a model with `stride` samples per frame."""
        overlap = round(settings.overlap_s * SAMPLE_RATE / stride)
        length = round(settings.window_s * SAMPLE_RATE / stride)
        return cls(length=length * stride, hop=(length - 2 * overlap) * stride, overlap=overlap, stride=stride)

    def n_before_last(self, n_samples: int) -> int:
        """Return how many windows come before the last one in so much sound; these are complete."""
        return max(0, -(-(n_samples - self.length) // self.hop))

    def span(self, window: int) -> slice:
        """Return which samples a window has, as far as there are so many."""
        return slice(window * self.hop, window * self.hop + self.length)

    def kept(self, window: int, *, is_last: bool) -> slice:
        """Return which of a window's frames count."""
        first = 0 if window == 0 else self.overlap
        return slice(first, None if is_last else self.overlap + self.hop // self.stride)
