"""One stream, cut into utterances by voice or by hand, whichever is wanted at present; pure.

Blocks of 20 ms are counted here, over all changes, so that times and numbers go on and nothing depends on the cutting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from .audio import FRAME, Blocks
from .controls import Clear, Commit, Mark, TurnDetection
from .manual import ManualSegmenter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .controls import Control
    from .events import Samples, SegmentEvent
    from .segmenter import Segmenter


class Turns:
    """What a `Segmenter` does, and controls beside.

    Args:
        segmenter: of utterances that are told by voice.
        openness: see `Segmenter.openness`.
    """

    def __init__(self, segmenter: Segmenter, *, openness: Callable[[], float]) -> None:
        self._voice = segmenter
        self._voice.openness = openness
        self._manual = ManualSegmenter()
        self._current: Segmenter | ManualSegmenter = segmenter
        self._blocks = Blocks(FRAME)

    def feed(self, samples: Samples) -> Iterator[SegmentEvent]:
        """Take the next sound, any amount; give what can be said, block by block.

        What is given is to be acted on before the next is asked for: an answer to it may change what follows.
        """
        for block in self._blocks.feed(samples):
            yield from self._current.take(block)

    def flush(self) -> list[SegmentEvent]:
        """End the stream and the open utterance; the next sample is the first of a new stream."""
        return [*self._current.feed(self._blocks.flush()), *self._current.flush()]

    def control(self, control: Control) -> list[SegmentEvent]:
        """Do as told, at the last whole block of 20 ms."""
        match control:
            case Commit():
                return self._current.commit()
            case Clear():
                return self._current.clear()
            case TurnDetection():
                return self._detect(control)
            case Mark():
                return []
            case _:
                assert_never(control)

    def _detect(self, detection: TurnDetection) -> list[SegmentEvent]:
        self._voice.detect(detection)
        following = self._manual if detection.is_manual else self._voice
        if following is self._current:
            return []
        events, standing = self._current.leave()
        following.enter(standing)
        self._current = following
        return events
