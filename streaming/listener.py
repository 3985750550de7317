"""The line from sound to utterance: all stages put together, as one pure function of the samples.

The listener asks its engines at fixed sample counts and collects their answers at fixed sample counts. It may wait for
an engine, but never lets the engine's pace decide what is said or in which order. Knows no clock, device or thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .events import (
    SpeechAudio,
    SpeechDropped,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from .speech import Speech
from .turns import Turns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .acoustics import AcousticsTracker
    from .controls import Control
    from .events import ListenerEvent, Samples, SegmentEvent
    from .ports import Transcriber, VoiceAnalyst
    from .prosody import ProsodyTracker
    from .segmenter import Segmenter


class PartialTiming(Protocol):
    """What of partials that nobody waits for is a matter of time; whoever notes it can have the same events again."""

    def takes(self, utterance: int, n_samples: int, *, is_there: bool) -> bool:
        """Return whether a partial is taken now, after so many samples of its utterance; as a rule if it is there."""
        ...

    def voids(self, utterance: int, n_samples: int, *, is_void: bool) -> bool:
        """Return whether the partial taken now is void; as a rule if its engine says so (`Superseded`)."""
        ...


class AsTheyCome:
    """Partials are taken when they are there."""

    def takes(self, utterance: int, n_samples: int, *, is_there: bool) -> bool:
        """See `PartialTiming`."""
        del utterance, n_samples
        return is_there

    def voids(self, utterance: int, n_samples: int, *, is_void: bool) -> bool:
        """See `PartialTiming`."""
        del utterance, n_samples
        return is_void


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """How the listener speaks up while somebody talks; seconds of speech, best multiples of 20 ms.

    Attributes:
        partial_every_s, prosody_every_s: how often.
        language: of what is said, where the engine does not tell.
        waits_for_partials: a partial that is not there in time is waited for, so that the same sound gives the same
            events. Live it is better not to: the line would stand still; the partial then comes when it is there.
    """

    partial_every_s: float = 0.2
    prosody_every_s: float = 0.26
    language: str = "en"
    waits_for_partials: bool = True

    def __post_init__(self) -> None:
        """Refuse intervals of nothing, which would never be over."""
        if min(self.partial_every_s, self.prosody_every_s) < 0.02:
            message = f"expected intervals of at least 0.02 s, got {self.partial_every_s} and {self.prosody_every_s}"
            raise ValueError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """What a listener is made of; `analyst` and `acoustics` may be missing, then their values are None."""

    segmenter: Segmenter
    transcriber: Transcriber
    prosody: ProsodyTracker
    acoustics: AcousticsTracker | None = None
    analyst: VoiceAnalyst | None = None


class Listener:
    """Turns samples into events: words as they come, prosody as it rolls, an `Utterance` for each stretch of speech.

    Sound that holds no recognisable word gives speech events but no utterance.
    """

    def __init__(self, stages: Stages, settings: ListenerSettings | None = None) -> None:
        self._stages = stages
        self._settings = settings or ListenerSettings()
        self._turns = Turns(stages.segmenter, openness=self._openness)
        self._speech: Speech | None = None
        self.n_partials_skipped = 0
        self.partials: PartialTiming = AsTheyCome()

    @property
    def may_wait(self) -> bool:
        """Whether `feed`, given a block of 20 ms, may have to wait for an engine: else it takes next to no time."""
        return self._speech is not None and self._speech.may_wait

    def feed(self, samples: Samples, *, hurried: bool = False) -> list[ListenerEvent]:
        """Take the next sound of the stream; return what it leads to, in order.

        Args:
            samples: float32, shape (n,), any n.
            hurried: the caller is behind its source; partial transcripts asked for now are skipped and counted.
        """
        return self._take(self._turns.feed(samples), hurried=hurried)

    def control(self, control: Control) -> list[ListenerEvent]:
        """Do what stands in the stream after the sound fed so far, at its last whole 20 ms; return what it leads to."""
        return self._take(self._turns.control(control), hurried=False)

    def flush(self) -> list[ListenerEvent]:
        """End the stream: whatever is being said is over now."""
        return self._take(self._turns.flush(), hurried=False)

    def close(self) -> None:
        """Free the engines. Idempotent."""
        self._stages.transcriber.close()
        if self._stages.analyst is not None:
            self._stages.analyst.close()

    def _take(self, events: Iterable[SegmentEvent], *, hurried: bool) -> list[ListenerEvent]:
        out: list[ListenerEvent] = []
        for event in events:
            match event:
                case SpeechStarted():
                    self._speech = Speech(event.utterance, self._stages, self._settings, partials=self.partials)
                    out.append(event)
                case SpeechAudio():
                    self.n_partials_skipped += self._talking.hear(event, out, hurried=hurried)
                case SpeechPaused():
                    out.append(event)
                    self._talking.pause()
                case SpeechResumed():
                    out.append(event)
                    self._talking.resume()
                case SpeechEnded():
                    out.append(event)
                    self._talking.end(event, out)
                    self._speech = None
                case SpeechDropped():
                    out.append(event)
                    self._talking.drop()
                    self._speech = None
        return out

    def _openness(self) -> float:
        return self._talking.openness()

    @property
    def _talking(self) -> Speech:
        assert self._speech is not None, "the segmenter speaks of an utterance it has not started"
        return self._speech
