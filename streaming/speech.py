"""One utterance on its way through the stages: from its first sound to the `Utterance`; pure.

Engines are asked, and their answers collected, at counts of samples. Knows nothing of how utterances are told apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from .audio import SAMPLE_RATE
from .endings import openness
from .errors import EngineFailed, Superseded
from .events import EngineTrouble, RollingProsody, Transcript, Utterance
from .nbest import cross_wer
from .ports import Watchable

if TYPE_CHECKING:
    from collections.abc import Callable

    from .events import Acoustics, ListenerEvent, Prosody, Samples, SpeechAudio, SpeechEnded
    from .listener import ListenerSettings, PartialTiming, Stages
    from .ports import Pending, VoiceQuality
    from .prosody import Settled

T = TypeVar("T")

CUT_S = 20.0
"""Speech longer than this may be cut at any block, and its words then have to be waited for."""


class Speech:
    """One utterance on its way through the stages."""

    def __init__(self, utterance: int, stages: Stages, settings: ListenerSettings, *, partials: PartialTiming) -> None:
        self._utterance = utterance
        self._partials = partials
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
            skipped += self._take_partial(asked, out)
        return skipped

    def _take_partial(self, asked: Pending[Transcript], out: list[ListenerEvent]) -> int:
        """Add a partial that is due. Returns 1 if it is void, else 0."""
        partial, is_void = None, False
        try:
            partial = self._collect(asked, out, engine=self._stages.transcriber.name)
        except Superseded:
            is_void = True
        if self._partials.voids(self._utterance, self._n_samples, is_void=is_void):
            return 1
        if partial is not None and partial.nbest:
            self._n_revisions += 1
            out.append(replace(partial, revision=self._n_revisions))
        return 0

    @property
    def may_wait(self) -> bool:
        """Whether the next 20 ms may have to wait for an answer."""
        if self._heard_s >= CUT_S:
            return True
        waits_for_partial = (
            self._asked is not None and not _is_there(self._asked[1]) and self._must_wait(self._asked[1])
        )
        return waits_for_partial or not (_is_there(self._final) and _is_there(self._quality))

    def _must_wait(self, pending: Pending[Transcript]) -> bool:
        return self._settings.waits_for_partials or not isinstance(pending, Watchable)

    def _may_collect(self, pending: Pending[Transcript]) -> bool:
        if self._must_wait(pending):
            return True
        return self._partials.takes(self._utterance, self._n_samples, is_there=_is_there(pending))

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

    def drop(self) -> None:
        """Call off all that is under way: the utterance is void."""
        self._drop_partial()
        self.resume()

    def openness(self) -> float:
        """Wait for the words up to the pause, which would be the final ones, and say whether more is to come."""
        assert self._final is not None, "the words are asked for in a pause, which starts work on them"
        known = _Known[Transcript].of(self._final)
        self._final = known
        return 0.0 if known.answer is None else openness(known.answer.text, language=known.answer.language)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known(Generic[T]):
    """An answer that was waited for before it was due: it, or why there is none."""

    pending: Pending[T]
    answer: T | None = None
    trouble: EngineFailed | None = None

    @classmethod
    def of(cls, pending: Pending[T]) -> _Known[T]:
        """Wait for an answer."""
        try:
            return cls(pending=pending, answer=pending.result())
        except EngineFailed as trouble:
            return cls(pending=pending, trouble=trouble)

    def done(self) -> bool:
        """It is there."""
        return True

    def result(self) -> T:
        """Return the answer, or raise what was raised."""
        if self.trouble is not None:
            raise self.trouble
        assert self.answer is not None, "an engine gave no answer and no reason"
        return self.answer

    def cancel(self) -> None:
        """Pass it on: engines learn from finals that stand."""
        self.pending.cancel()


def _is_there(pending: Pending[object] | None) -> bool:
    """Whether nothing has to be waited for."""
    if pending is None:
        return True
    # Not `isinstance(pending, Watchable)`: looking at a protocol costs more than hearing 20 ms of sound.
    done: Callable[[], bool] | None = getattr(pending, "done", None)
    return done is not None and done()
