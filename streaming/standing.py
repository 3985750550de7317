"""Where a stream stands, in samples and utterances: what one segmenter leaves to the next. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .audio import SAMPLE_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a segmenter left off.

    Attributes:
        n_blocks: blocks of 20 ms since the stream began.
        n_utterances: utterances so far, the one under way included: it has this number.
        start: sample at which the one under way began, None: none is.
    """

    n_blocks: int
    n_utterances: int
    start: int | None = None


def seconds(n_samples: int) -> float:
    """Return the stream time of a sample count."""
    return n_samples / SAMPLE_RATE


def samples(duration_s: float) -> int:
    """Return the sample count of a stream time."""
    return round(duration_s * SAMPLE_RATE)
