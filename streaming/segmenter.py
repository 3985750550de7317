"""Sound in, utterances out: hysteresis, pre-roll, pauses, an endpoint that adapts, a cap; pure.

Decisions are taken after every 20 ms block, counted from the first sample, so they never depend on how the sound was
cut. Knows nothing of recognisers; which frames are speech is the voice activity's word.

The voice activity answers a little late. Times in events say where the voice truly began or ended; waits (pause,
endpoint) run from the end of the voice to the newest sample, so that lateness is part of the wait, not added to it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from .audio import FRAME, VAD_FRAME, Blocks, padded
from .endpoint import Endpoint, EndpointSettings
from .events import SpeechAudio, SpeechDropped, SpeechEnded, SpeechPaused, SpeechResumed, SpeechStarted
from .standing import Standing, samples, seconds
from .stretches import StretchSettings, VoiceTrack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .controls import Eagerness, TurnDetection
    from .events import EndReason, Samples, SegmentEvent
    from .ports import VoiceActivity

MEMORY_BLOCKS = 100
"""Blocks (2 s) kept while nobody speaks: the pre-roll and the longest time in which a stretch may come to count."""

SOFT_LIMIT_S = 5.0
"""Over this long before the cap the endpoint wait shrinks to nothing: the cut falls into a pause if there is one."""

REACH_BACK_S = 1.0
"""Voice that comes this soon after a cut brings all the sound since the cut with it."""

PATIENCE_S: Final[Mapping[Eagerness, float]] = {"high": 2.0, "medium": 4.0, "low": 8.0}
"""How long words that cannot be an end are waited for to go on, at most."""

BLOCK_S = seconds(FRAME)
FRAMES_PER_BLOCK = FRAME // VAD_FRAME


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterSettings:
    """When an utterance begins, pauses and ends.

    Attributes:
        stretch: what counts as voice.
        endpoint: how long a silence ends the utterance.
        pre_roll_s: sound from before the voice that goes with the utterance, so that no first sound is clipped.
        pause_s: time after the end of the voice at which `SpeechPaused` is said.
        limit_s: speech longer than this is cut.
    """

    stretch: StretchSettings = field(default_factory=StretchSettings)
    endpoint: EndpointSettings = field(default_factory=EndpointSettings)
    pre_roll_s: float = 0.4
    pause_s: float = 0.2
    limit_s: float = 30.0

    def __post_init__(self) -> None:
        """Refuse a pre-roll the memory cannot hold, and waits in the wrong order."""
        if not 0.0 <= self.pre_roll_s <= 1.0:
            message = f"pre_roll_s must lie in [0, 1], got {self.pre_roll_s}"
            raise ValueError(message)
        if not 0.0 < self.pause_s <= self.endpoint.min_s:
            message = f"pause_s must lie in (0, endpoint.min_s = {self.endpoint.min_s}], got {self.pause_s}"
            raise ValueError(message)
        if self.limit_s < 1.0:
            message = f"limit_s must be at least 1 second, got {self.limit_s}"
            raise ValueError(message)


@dataclass(slots=True, kw_only=True)
class _Open:
    """The utterance under way; `start` is the sample at which its voice began."""

    number: int
    start: int
    generation: int = 0
    paused: bool = False
    openness: float | None = None  # of the words before the pause under way, once asked for


class Segmenter:
    """Cuts one stream into utterances; they are numbered from 1.

    Attributes:
        openness: says how surely the words of the open utterance, which pauses, cannot be its end, in [0, 1]. Asked
            only where an eagerness is set, once in a pause, when the usual wait is over.
    """

    def __init__(self, activity: VoiceActivity, *, settings: SegmenterSettings | None = None) -> None:
        self._settings = settings or SegmenterSettings()
        self._activity = activity
        self._endpoint = Endpoint(self._settings.endpoint)
        self._fixed_s: float | None = None
        self._patience_s = 0.0
        self.openness: Callable[[], float] = _says_nothing
        self._blocks = Blocks(FRAME)
        self._n_utterances = 0
        self._restart()

    @property
    def wait_s(self) -> float:
        """Silence that ends an utterance of this speaker at present, seconds."""
        return self._endpoint.wait_s if self._fixed_s is None else self._fixed_s

    def detect(self, detection: TurnDetection) -> None:
        """Go by these values from here on; what is learnt of the speaker's pauses is kept."""
        stretch = replace(self._settings.stretch, p_enter=detection.threshold, p_leave=detection.threshold)
        self._settings = replace(self._settings, stretch=stretch, pre_roll_s=detection.pre_roll_s)
        self._track.adopt(stretch)
        self._fixed_s = detection.silence_s
        eagerness = detection.eagerness if detection.silence_s is None else None
        self._patience_s = PATIENCE_S[eagerness] if eagerness is not None else 0.0

    def enter(self, standing: Standing) -> None:
        """Go on where another segmenter left off; its open utterance ends here unless a voice is heard."""
        self._activity.reset()
        self._n_utterances = standing.n_utterances
        self._restart(standing.n_blocks)
        if standing.start is not None:
            self._open = _Open(number=standing.n_utterances, start=standing.start)

    def leave(self) -> tuple[list[SegmentEvent], Standing]:
        """Say what is left to say for another to go on, and where the stream stands."""
        events: list[SegmentEvent] = []
        if self._open is not None and self._open.paused:
            events.append(SpeechResumed(utterance=self._open.number, at_s=seconds(self._now)))
        start = None if self._open is None else self._open.start
        return events, Standing(n_blocks=self._n_blocks, n_utterances=self._n_utterances, start=start)

    def commit(self) -> list[SegmentEvent]:
        """End the open utterance here, as somebody else knows that it is over; nothing while nobody speaks."""
        if self._open is None:
            return []
        end = self._now if self._track.speaking else self._voice_end
        event = self._end("commit", end=end, decided=self._now)
        self._forget()
        return [event]

    def clear(self) -> list[SegmentEvent]:
        """Forget what was heard; an open utterance is void."""
        utterance, self._open = self._open, None
        self._forget()
        return [] if utterance is None else [SpeechDropped(utterance=utterance.number, at_s=seconds(self._now))]

    def feed(self, samples: Samples) -> list[SegmentEvent]:
        """Take the next sound, any amount; return what can be said now."""
        return [event for block in self._blocks.feed(samples) for event in self.take(block)]

    def take(self, block: Samples) -> list[SegmentEvent]:
        """The same of exactly the next 20 ms, while nothing is left of an amount that was less."""
        return [*self._block(block, self._activity.feed(block)), *self._decide()]

    def flush(self) -> list[SegmentEvent]:
        """End the stream: judge what is left and end the open utterance; the next sample is the first of a new stream.

        The last block is filled up with silence. The speaker's pauses stay known and the numbering goes on.
        """
        rest = self._blocks.flush()
        now = self._now + rest.size
        frames = [*self._activity.feed(rest), *self._activity.flush()]
        events = self._block(padded(rest, FRAME), frames) if rest.size else self._judge(frames)
        if self._open is not None:
            events.append(self._end("flush", end=min(self._voice_end, now), decided=now))
        self._activity.reset()
        self._restart()
        return events

    def _restart(self, n_blocks: int = 0) -> None:
        self._deaf_until = 0
        self._track = VoiceTrack(self._settings.stretch, first_frame=n_blocks * FRAMES_PER_BLOCK)
        self._memory: deque[Samples] = deque(maxlen=MEMORY_BLOCKS)
        self._n_blocks = n_blocks
        self._n_told = n_blocks
        self._open: _Open | None = None
        self._silent_from: int | None = None  # where the voice last ended, as was said
        self._cut: int | None = None  # where the last utterance was cut by the cap

    def _forget(self) -> None:
        """Let nothing up to here belong to an utterance to come: voice has to count by what follows."""
        self._track.stop()
        self._deaf_until = self._n_blocks * FRAMES_PER_BLOCK
        self._n_told = self._n_blocks
        self._silent_from = self._cut = None

    @property
    def _now(self) -> int:
        return self._n_blocks * FRAME

    @property
    def _voice_end(self) -> int:
        return self._track.end * VAD_FRAME

    def _block(self, block: Samples, frames: list[float]) -> list[SegmentEvent]:
        self._memory.append(block)
        self._n_blocks += 1
        return [*self._judge(frames), *self._tell()]

    def _judge(self, frames: list[float]) -> list[SegmentEvent]:
        events: list[SegmentEvent] = []
        for probability in frames:
            change = self._track.step(probability if self._track.n_frames >= self._deaf_until else 0.0)
            if self._open is None:
                events += self._begin()
            elif change == "began" and self._open.paused:
                events.append(self._resume(self._open))
        return events

    def _begin(self) -> list[SegmentEvent]:
        """Open an utterance if there is voice that belongs to none yet."""
        cut = self._cut or 0
        if not self._track.speaking or self._voice_end <= cut:
            return []
        start = max(self._track.begin * VAD_FRAME, cut)
        if self._silent_from is not None:
            self._endpoint.learn(seconds(start - self._silent_from))
        self._n_utterances += 1
        self._open = _Open(number=self._n_utterances, start=start)
        self._n_told = max(self._n_told, self._first_block(start))
        self._cut = None
        return [SpeechStarted(utterance=self._n_utterances, at_s=seconds(start)), *self._tell()]

    def _first_block(self, start: int) -> int:
        """Return the block that the pre-roll of a voice at sample `start` begins with."""
        back_to = start - samples(self._settings.pre_roll_s)
        if self._cut is not None and start - self._cut <= samples(REACH_BACK_S):
            back_to = self._cut
        return max(back_to // FRAME, self._n_blocks - len(self._memory), 0)

    def _resume(self, utterance: _Open) -> SegmentEvent:
        at = self._track.begin * VAD_FRAME
        utterance.paused, utterance.openness = False, None
        if self._silent_from is not None:
            self._endpoint.learn(seconds(at - self._silent_from))
        return SpeechResumed(utterance=utterance.number, at_s=seconds(at))

    def _tell(self) -> list[SegmentEvent]:
        """Return the blocks of the open utterance that were not told yet."""
        if self._open is None:
            return []
        first, self._n_told = self._n_told, self._n_blocks
        back = self._n_blocks - len(self._memory)
        return [
            SpeechAudio(utterance=self._open.number, at_s=seconds(i * FRAME), samples=self._memory[i - back])
            for i in range(first, self._n_blocks)
        ]

    def _decide(self) -> list[SegmentEvent]:
        """Say after a block whether the open utterance pauses or ends here."""
        if self._open is None:
            return []
        left_s = self._settings.limit_s - seconds(self._now - self._open.start)
        if left_s <= 0.0:
            return [self._cut_here()]
        if self._track.speaking or self._track.undecided:
            return []
        silent_s = seconds(self._now - self._voice_end)
        events: list[SegmentEvent] = []
        if not self._open.paused and silent_s >= self._pause_s:
            events.append(self._pause(self._open))
            if self._patience_s:
                return events  # work on the words starts now: they are asked after with the next block
        wait_s = self._wait_s(self._open, silent_s)
        if silent_s >= wait_s:
            events.append(self._end("endpoint", end=self._voice_end, decided=self._now))
        elif silent_s >= wait_s * min(1.0, left_s / SOFT_LIMIT_S):
            events.append(self._cut_here())
        return events

    @property
    def _pause_s(self) -> float:
        """A fixed wait may be short: the pause comes a block before its end at least, so that work can start."""
        pause_s = self._settings.pause_s
        return pause_s if self._fixed_s is None else min(pause_s, self._fixed_s - 1.5 * BLOCK_S)

    def _wait_s(self, utterance: _Open, silent_s: float) -> float:
        """Return the wait; once the usual one is over, a longer one if the words cannot be an end."""
        wait_s = self.wait_s
        if silent_s < wait_s or self._patience_s <= wait_s:
            return wait_s
        if utterance.openness is None:
            utterance.openness = self.openness()
        return wait_s + utterance.openness * (self._patience_s - wait_s)

    def _pause(self, utterance: _Open) -> SegmentEvent:
        utterance.paused = True
        utterance.generation += 1
        self._silent_from = self._voice_end
        return SpeechPaused(
            utterance=utterance.number, generation=utterance.generation, at_s=seconds(self._silent_from)
        )

    def _cut_here(self) -> SegmentEvent:
        """End the utterance at the cap; if the voice goes on, the next begins with the very next sample."""
        self._cut = self._now
        speaking = self._track.speaking
        event = self._end("limit", end=self._now if speaking else self._voice_end, decided=self._now)
        if speaking:
            self._silent_from = None
        return event

    def _end(self, reason: EndReason, *, end: int, decided: int) -> SegmentEvent:
        assert self._open is not None
        utterance, self._open = self._open, None
        self._silent_from = max(end, utterance.start)
        return SpeechEnded(
            utterance=utterance.number,
            start_s=seconds(utterance.start),
            end_s=seconds(self._silent_from),
            decided_s=seconds(decided),
            reason=reason,
        )


def _says_nothing() -> float:
    return 0.0
