"""The line from sound to utterance: all stages put together, as one pure function of the samples.

The listener asks its engines at fixed sample counts and collects their answers at fixed sample counts. It may wait for
an engine, but never lets the engine's pace decide what is said or in which order. Knows no clock, device or thread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from .audio import SAMPLE_RATE
from .errors import EngineFailed, Superseded
from .events import (
    Acoustics,
    EngineTrouble,
    Prosody,
    RollingProsody,
    Samples,
    SpeechAudio,
    SpeechDropped,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    Transcript,
    Utterance,
)
from .nbest import cross_wer
from .ports import Watchable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .acoustics import AcousticsTracker
    from .events import ListenerEvent, SegmentEvent
    from .ports import Pending, Transcriber, VoiceAnalyst, VoiceQuality
    from .prosody import ProsodyTracker, Settled
    from .segmenter import Segmenter

T = TypeVar("T")


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
        self._speech: _Speech | None = None
        self.n_partials_skipped = 0

    def feed(self, samples: Samples, *, hurried: bool = False) -> list[ListenerEvent]:
        """Take the next sound of the stream; return what it leads to, in order.

        Args:
            samples: float32, shape (n,), any n.
            hurried: the caller is behind its source; partial transcripts asked for now are skipped and counted.
        """
        return self._take(self._stages.segmenter.feed(samples), hurried=hurried)

    def flush(self) -> list[ListenerEvent]:
        """End the stream: whatever is being said is over now."""
        return self._take(self._stages.segmenter.flush(), hurried=False)

    def close(self) -> None:
        """Free the engines. Idempotent."""
        self._stages.transcriber.close()
        if self._stages.analyst is not None:
            self._stages.analyst.close()

    def _take(self, events: Sequence[SegmentEvent], *, hurried: bool) -> list[ListenerEvent]:
        out: list[ListenerEvent] = []
        for event in events:
            match event:
                case SpeechStarted():
                    self._speech = _Speech(event.utterance, self._stages, self._settings)
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
                    self._speech = None
        return out

    @property
    def _talking(self) -> _Speech:
        assert self._speech is not None, "the segmenter speaks of an utterance it has not started"
        return self._speech


class _Speech:
    """One utterance on its way through the stages."""

    def __init__(self, utterance: int, stages: Stages, settings: ListenerSettings) -> None:
        self._utterance = utterance
        self._stages = stages
        self._settings = settings
        self._blocks: list[Samples] = []
        self._n_samples = 0
        self._start_s = 0.0
        self._paused = False
        self._asked: tuple[float, Pending[Transcript]] | None = None
        self._next_partial_s = settings.partial_every_s
        self._next_prosody_s = settings.prosody_every_s
        self._n_revisions = 0
        self._final: Pending[Transcript] | None = None
        self._quality: Pending[VoiceQuality] | None = None
        self._settled: Settled | None = None
        self._acoustics: Acoustics | None = None

    def hear(self, audio: SpeechAudio, out: list[ListenerEvent], *, hurried: bool) -> int:
        """Pass the sound on; add partials and prosody that are due. Returns how many partials were skipped."""
        if not self._blocks:
            self._start_s = audio.at_s
            self._stages.transcriber.start(self._utterance, audio.at_s)
            self._stages.prosody.start(audio.at_s)
            if self._stages.acoustics is not None:
                self._stages.acoustics.start()
        self._blocks.append(audio.samples)
        self._n_samples += len(audio.samples)
        self._stages.transcriber.accept(audio.samples)
        # One pitch track serves both: finding it is most of the work.
        track = self._stages.prosody.feed(audio.samples)
        if self._stages.acoustics is not None:
            self._stages.acoustics.feed(audio.samples, track)
        if self._paused:
            return 0
        self._roll_prosody(out)
        return self._roll_transcript(out, hurried=hurried)

    @property
    def _heard_s(self) -> float:
        return self._n_samples / SAMPLE_RATE

    def _following(self, due_s: float, every_s: float) -> float:
        """Return when the next one is due: those that fell into a pause are not made up for."""
        while due_s <= self._heard_s + 1e-9:
            due_s += every_s
        return due_s

    def _roll_prosody(self, out: list[ListenerEvent]) -> None:
        if self._heard_s + 1e-9 < self._next_prosody_s:
            return
        self._next_prosody_s = self._following(self._next_prosody_s, self._settings.prosody_every_s)
        prosody = self._stages.prosody.read()
        if self._stages.acoustics is not None:
            prosody = replace(prosody, acoustics=self._stages.acoustics.read(settled=True))
        out.append(RollingProsody(utterance=self._utterance, at_s=self._start_s + self._heard_s, prosody=prosody))

    def _roll_transcript(self, out: list[ListenerEvent], *, hurried: bool) -> int:
        skipped = 0
        if self._heard_s + 1e-9 >= self._next_partial_s:
            self._next_partial_s = self._following(self._next_partial_s, self._settings.partial_every_s)
            if hurried or (self._asked is not None and self._heard_s + 1e-9 >= self._asked[0]):
                skipped = 1
            elif self._asked is None:
                self._asked = (
                    self._heard_s + self._stages.transcriber.partial_lag_s,
                    self._stages.transcriber.partial(),
                )
        if self._asked is not None and self._heard_s + 1e-9 >= self._asked[0] and self._may_collect(self._asked[1]):
            asked, self._asked = self._asked[1], None
            try:
                partial = self._collect(asked, out, engine=self._stages.transcriber.name)
            except Superseded:
                return skipped + 1
            if partial is not None and partial.nbest:
                self._n_revisions += 1
                out.append(replace(partial, revision=self._n_revisions))
        return skipped

    def _may_collect(self, pending: Pending[Transcript]) -> bool:
        return self._settings.waits_for_partials or not isinstance(pending, Watchable) or pending.done()

    def pause(self) -> None:
        """Start work on the final, revocably."""
        self._paused = True
        self._drop_partial()
        self._final = self._stages.transcriber.finish()
        if self._stages.analyst is not None:
            self._quality = self._stages.analyst.analyse(self._sound())
        # Silence changes nothing about how it was said: what is measured here need not wait for the endpoint.
        self._settled = self._stages.prosody.settle()
        if self._stages.acoustics is not None:
            self._acoustics = self._stages.acoustics.read(tail=self._settled.tail)

    def resume(self) -> None:
        """Revoke what `pause` started."""
        self._paused = False
        for pending in (self._final, self._quality):
            if pending is not None:
                pending.cancel()
        self._final = self._quality = self._settled = self._acoustics = None

    def end(self, event: SpeechEnded, out: list[ListenerEvent]) -> None:
        """Collect the final transcript and prosody; add the utterance if there are words in it."""
        if self._final is None:
            self.pause()
        assert self._final is not None
        final = self._collect(self._final, out, engine=self._stages.transcriber.name)
        quality = None if self._quality is None else self._collect(self._quality, out, engine="voice analyst")
        prosody = self._stages.prosody.finish(quality, settled=self._settled)
        prosody = replace(prosody, acoustics=self._acoustics)
        if final is None:
            return
        transcript = replace(final, revision=self._n_revisions + 1)
        out.append(transcript)
        if transcript.nbest:
            self._commit()
            out.append(self._utter(event, transcript, prosody))

    def _utter(self, event: SpeechEnded, transcript: Transcript, prosody: Prosody) -> Utterance:
        n_voice = round((event.end_s - self._start_s) * SAMPLE_RATE)
        return Utterance(
            utterance=self._utterance,
            start_s=event.start_s,
            end_s=event.end_s,
            decided_s=event.decided_s,
            transcript=transcript,
            prosody=prosody,
            samples=self._sound()[:n_voice],
            language=transcript.language or self._settings.language,
            cross_wer=cross_wer(transcript.nbest),
        )

    def _commit(self) -> None:
        """Let the speaker's baselines learn: only from sound that held words, never from noise."""
        self._stages.prosody.commit()
        if self._stages.acoustics is not None:
            self._stages.acoustics.commit(self._acoustics)

    def _sound(self) -> Samples:
        return np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.float32)

    def _drop_partial(self) -> None:
        if self._asked is not None:
            self._asked[1].cancel()
            self._asked = None

    def _collect(self, pending: Pending[T], out: list[ListenerEvent], *, engine: str) -> T | None:
        try:
            return pending.result()
        except Superseded:
            raise
        except EngineFailed as trouble:
            at_s = self._start_s + self._heard_s
            out.append(EngineTrouble(utterance=self._utterance, at_s=at_s, engine=engine, message=str(trouble)))
            return None
