"""One utterance on its way through Whisper: what was heard of it, what was asked about it, what of it is promised."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from threading import Event, Lock
from typing import TYPE_CHECKING

import numpy as np

from ..audio import SAMPLE_RATE
from ..batching import Lane
from ..errors import EngineFailed, Superseded
from ..events import Hypothesis, Transcript
from ..stability import StablePrefix
from .whisper_features import FRAMES_PER_S, MelFrames
from .whisper_reading import Head, Reader
from .whisper_values import DecodeOptions, Question
from .whisper_words import joined

if TYPE_CHECKING:
    from ..events import Samples, Word
    from ..languages import SessionLanguage
    from ..scheduler import Ticket
    from .whisper_engine import WhisperEngine
    from .whisper_reading import Read
    from .whisper_values import Answer, WhisperSettings

_POLL_S = 0.005
_SHORT_S = 8.0
_SHORT_TOKENS, _LONG_TOKENS = 160, 224
_NO_REPEAT = 3


class PendingTranscript:
    """A transcript under way."""

    def __init__(self, talk: Talk, *, heard_s: float, is_final: bool) -> None:
        self._talk = talk
        self.heard_s = heard_s
        self.is_final = is_final
        self.is_cancelled = False
        self.read: Read | None = None
        self.asked: Asked | None = None
        self.outcome: Transcript | EngineFailed | None = None

    def result(self) -> Transcript:
        """Wait for the answer and return it; once known, it is the same for ever.

        Raises:
            Superseded: a newer request took the place of this partial, or it took longer than it may.
            EngineFailed: the model failed, the engine was closed, or the answer was cancelled.
        """
        if self.is_cancelled:
            raise EngineFailed("the transcript was cancelled, nothing can be collected; ask for another")
        if self.outcome is None:
            try:
                self.outcome = self._talk.transcript(self)
            except EngineFailed as failure:
                self.outcome = failure
        if isinstance(self.outcome, EngineFailed):
            raise self.outcome
        return self.outcome

    def done(self) -> bool:
        """Whether `result` returns, or raises, at once (but for the second try of a search that got stuck)."""
        return self.outcome is not None or self.asked is None or self.asked.ticket.done()

    def cancel(self) -> None:
        """Say that nobody wants the answer any more. Idempotent."""
        self.is_cancelled = True
        if self.asked is not None:
            self.asked.ticket.cancel()


class Again:
    """The answer to a partial asked again before there was enough new sound: that of the one before."""

    def __init__(self, before: PendingTranscript) -> None:
        self._before = before

    def result(self) -> Transcript:
        """Return what the partial before comes to, or raise what it raises."""
        return self._before.result()

    def done(self) -> bool:
        """Whether the one before is there."""
        return self._before.done()

    def cancel(self) -> None:
        """Leave the one before alone: somebody may still want it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """A question under way, and what was settled before the sound it is about."""

    question: Question
    ticket: Ticket[Answer]
    head: Head


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Speaker:
    """What goes on from utterance to utterance: who asks, the language, the last words' tokens."""

    session: object
    language: SessionLanguage
    context: tuple[int, ...] = ()


class Talk:
    """One utterance of one speaker. One caller at a time, but `close` may come from another thread."""

    def __init__(
        self,
        engine: WhisperEngine,
        settings: WhisperSettings,
        *,
        speaker: Speaker,
        utterance: int,
        at_s: float,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._speaker = speaker
        self._language = speaker.language
        self._utterance = utterance
        self._at_s = at_s
        self._mel = MelFrames(engine.filters)
        self._reader = Reader(settings, at_s=at_s, pieces=engine.pieces)
        self._peak = 0.0
        self._head = Head()
        self._cut: Asked | None = None
        self._stable = StablePrefix(settings.stability)
        self._partial: PendingTranscript | None = None
        self._n_revisions = 0
        self._final: PendingTranscript | None = None
        self._open: list[Ticket[Answer]] = []
        self._lock = Lock()
        self._is_closed = False

    def accept(self, samples: Samples) -> None:
        """Take sound; what is no number is silence."""
        sound = np.nan_to_num(np.asarray(samples, np.float32), nan=0.0, posinf=1.0, neginf=-1.0).clip(-1.0, 1.0)
        self._peak = max(self._peak, float(np.abs(sound).max(initial=0.0)))
        self._mel.feed(sound)

    def partial(self) -> PendingTranscript | Again:
        """Ask for what was said so far; where hardly anything is new, the partial before answers."""
        before = self._partial
        is_new = before is None or self._heard_s - before.heard_s > self._settings.partial_every_s - 1e-9
        if before is not None and not before.is_cancelled and not is_new:
            return Again(before)
        self._partial = self._pending(is_final=False)
        return self._partial

    def finish(self) -> PendingTranscript:
        """Ask for the final."""
        self._final = self._pending(is_final=True)
        return self._final

    def transcript(self, pending: PendingTranscript) -> Transcript:
        """Wait for the answer to what is pending and make a transcript of it."""
        if pending.asked is None:
            nbest = self._reader.head_alone(self._head, language=self._language.settled)
            return self._revised(pending, nbest, language=self._language.settled)
        answer = self._answer(pending.asked, is_final=pending.is_final)
        question, head = pending.asked.question, pending.asked.head
        pending.read = found = self._reader.read(answer, heard_s=question.heard_s, head=head)
        if pending.is_final and found.fault in {"loop", "rate"}:
            pending.read = found = self._second_try(pending.asked, head=head)
        nbest = found.nbest if pending.is_final else self._shown(found, heard_s=pending.heard_s)
        return self._revised(pending, nbest, language=found.language)

    def last_heard(self) -> tuple[Answer | None, Read | None, float]:
        """Return what the next utterance may learn from: the final's answer, what it came to, and its length.

        Nothing from one that was called off: the utterance is void.
        """
        final = self._final
        if final is None or final.asked is None or final.is_cancelled:
            return None, None, 0.0
        try:
            final.result()
            return final.asked.ticket.result(), final.read, final.asked.question.heard_s
        except EngineFailed:
            return None, None, 0.0

    def close(self) -> None:
        """Withdraw what is still asked, for good. Idempotent."""
        with self._lock:
            self._is_closed = True
            open_tickets, self._open = self._open, []
        for ticket in open_tickets:
            ticket.cancel()

    @property
    def _heard_s(self) -> float:
        return self._mel.n_samples / SAMPLE_RATE

    def _pending(self, *, is_final: bool) -> PendingTranscript:
        """Return a request; whatever goes wrong with it is told when it is collected."""
        pending = PendingTranscript(self, heard_s=self._heard_s, is_final=is_final)
        try:
            self._settle_head()
            if self._heard_s >= self._settings.shortest_s and self._peak > self._settings.silence_peak:
                question = self._question(self._mel.read(self._head.first_frame), is_final=is_final)
                pending.asked = self._ask(question, is_final=is_final)
        except EngineFailed as failure:
            pending.outcome = failure
        return pending

    def _question(self, features: np.ndarray, *, is_final: bool) -> Question:
        settings, heard_s = self._settings, features.shape[1] / FRAMES_PER_S
        options = DecodeOptions(
            n_frames=settings.n_padded(features.shape[1]),
            n_beams=settings.n_beams if is_final else 1,
            n_samples=settings.n_samples if is_final else 0,
            sampling_temperature=settings.sampling_temperature,
            length_penalty=settings.length_penalty,
            max_tokens=_SHORT_TOKENS if heard_s <= _SHORT_S else _LONG_TOKENS,
        )
        return Question(
            features=features,
            options=options,
            language=self._language.settled,
            evidence=self._language.evidence,
            allowed=settings.language.allowed,
            context=self._speaker.context if is_final and settings.use_context else (),
        )

    def _ask(self, question: Question, *, is_final: bool) -> Asked:
        with self._lock:
            if self._is_closed:
                raise EngineFailed("the recogniser was closed before it answered; ask before closing")
            lane = Lane.FINAL if is_final else Lane.PARTIAL
            ticket = self._engine.ask(question, session=self._speaker.session, lane=lane)
            self._open = [*(each for each in self._open if not each.done()), ticket]
        return Asked(question=question, ticket=ticket, head=self._head)

    def _answer(self, asked: Asked, *, is_final: bool) -> Answer:
        """Wait for an answer; for a partial's only as long as patience lasts."""
        patience_s = self._settings.patience_s
        if not is_final and patience_s is not None:
            give_up_at = time.monotonic() + patience_s
            while not asked.ticket.done():
                if time.monotonic() >= give_up_at:
                    asked.ticket.cancel()
                    raise Superseded(f"the partial took longer than {patience_s} s (patience_s)")
                Event().wait(_POLL_S)
        return asked.ticket.result()

    def _second_try(self, asked: Asked, *, head: Head) -> Read:
        """Decode once more with phrases that may come once only: how a search that got stuck gets out."""
        question = replace(asked.question, options=replace(asked.question.options, no_repeat=_NO_REPEAT), context=())
        again = self._ask(question, is_final=True)
        return self._reader.read(again.ticket.result(), heard_s=question.heard_s, head=head)

    def _settle_head(self) -> None:
        """Decode the beginning of what is too long to be decoded at once, for good; where depends on the sound only."""
        n_frames = round(self._settings.longest_s * FRAMES_PER_S)
        while self._mel.n_settled - self._head.first_frame >= n_frames:
            if self._cut is None:
                question = self._question(self._mel.settled(self._head.first_frame, n_frames), is_final=True)
                self._cut = self._ask(question, is_final=True)
            cut, self._cut = self._cut, None
            answer = self._answer(cut, is_final=True)
            self._head = self._reader.longer(self._head, answer, heard_s=cut.question.heard_s)

    def _shown(self, found: Read, *, heard_s: float) -> tuple[Hypothesis, ...]:
        """Return the words to show now: those promised, then a guess."""
        words = found.nbest[0].words if found.nbest and found.fault is None else ()
        shown: tuple[Word, ...] = self._stable.stable
        if words:
            shown = self._stable.feed(words, heard_s=self._at_s + heard_s)
        text = joined([word.text for word in shown], language=found.language)
        return (
            (Hypothesis(text=text, logp=0.0, posterior=1.0, source=self._settings.name, words=shown),) if shown else ()
        )

    def _revised(
        self, pending: PendingTranscript, nbest: tuple[Hypothesis, ...], *, language: str | None
    ) -> Transcript:
        self._n_revisions += 1
        n_words = len(nbest[0].words) if nbest else 0
        return Transcript(
            utterance=self._utterance,
            revision=self._n_revisions,
            at_s=self._at_s + pending.heard_s,
            is_final=pending.is_final,
            nbest=nbest,
            n_stable=n_words if pending.is_final else min(n_words, len(self._stable.stable)),
            language=language,
        )
