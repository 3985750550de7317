"""Utterances that a program cuts by itself: nobody listens for voice, all sound up to its word is one; pure.

The same calls as the `Segmenter`'s, so that one can take the other's place in the middle of a stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .audio import FRAME, Blocks, padded
from .events import SpeechAudio, SpeechDropped, SpeechEnded, SpeechStarted
from .standing import Standing, samples, seconds

if TYPE_CHECKING:
    from .events import EndReason, Samples, SegmentEvent

LIMIT_S: Final = 60.0
"""Sound for which nobody says that it is an utterance is cut into pieces of this length."""


class ManualSegmenter:
    """Begins an utterance with the first sound, and ends it when told to.

    Its decisions fall on whole blocks of 20 ms, like all others; what fills no block goes with what comes next.
    """

    def __init__(self, *, limit_s: float = LIMIT_S) -> None:
        self._limit = samples(limit_s)
        self._blocks = Blocks(FRAME)
        self._n_blocks = 0
        self._n_utterances = 0
        self._start: int | None = None

    def enter(self, standing: Standing) -> None:
        """Go on where another segmenter left off."""
        self._n_blocks, self._n_utterances = standing.n_blocks, standing.n_utterances
        self._start = standing.start

    def leave(self) -> tuple[list[SegmentEvent], Standing]:
        """Say what is left to say, and where the stream stands."""
        return [], Standing(n_blocks=self._n_blocks, n_utterances=self._n_utterances, start=self._start)

    def feed(self, samples: Samples) -> list[SegmentEvent]:
        """Take the next sound, any amount; return what can be said now."""
        return [event for block in self._blocks.feed(samples) for event in self.take(block)]

    def take(self, block: Samples) -> list[SegmentEvent]:
        """The same of exactly the next 20 ms, while nothing is left of an amount that was less."""
        events: list[SegmentEvent] = []
        at_s = seconds(self._now)
        if self._start is None:
            self._start = self._now
            self._n_utterances += 1
            events.append(SpeechStarted(utterance=self._n_utterances, at_s=at_s))
        events.append(SpeechAudio(utterance=self._n_utterances, at_s=at_s, samples=block))
        self._n_blocks += 1
        if self._now - self._start >= self._limit:
            events += self._end("limit", at=self._now)
        return events

    def commit(self) -> list[SegmentEvent]:
        """End the utterance here; nothing without a sound since the last."""
        return self._end("commit", at=self._now)

    def clear(self) -> list[SegmentEvent]:
        """Forget the sound since the last utterance."""
        if self._start is None:
            return []
        self._start = None
        return [SpeechDropped(utterance=self._n_utterances, at_s=seconds(self._now))]

    def flush(self) -> list[SegmentEvent]:
        """End the stream and the open utterance; the next sample is the first of a new stream.

        The last block is filled up with silence; alone it is no utterance.
        """
        rest = self._blocks.flush()
        end = self._now + rest.size
        events = self.take(padded(rest, FRAME)) if rest.size and self._start is not None else []
        events += self._end("flush", at=end)
        self._n_blocks = 0
        return events

    @property
    def _now(self) -> int:
        return self._n_blocks * FRAME

    def _end(self, reason: EndReason, *, at: int) -> list[SegmentEvent]:
        if self._start is None:
            return []
        start, self._start = self._start, None
        return [
            SpeechEnded(
                utterance=self._n_utterances,
                start_s=seconds(start),
                end_s=seconds(at),
                decided_s=seconds(at),
                reason=reason,
            )
        ]
