"""Hears the items of a dialogue: each speaker by a listener of their own, as live; each item is one utterance."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from agent.given import utterance_of
from streaming.audio import FRAME, SAMPLE_RATE
from streaming.controls import Commit, TurnDetection
from streaming.events import AudioDropped, SpeechStarted, Transcript, Utterance
from streaming.pipeline import SILENT_DB, Heard, level_db

from .words import DEFAULT_LANGUAGE, GivenWords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streaming.backends.choose import Transcribers
    from streaming.backends.embedded import EmbeddedEngines
    from streaming.events import Hypothesis, ListenerEvent, Samples
    from streaming.listener import Listener

BY_ITEM = TurnDetection(is_manual=True)
"""Items say themselves where utterances begin and end: nobody listens for voice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ears:
    """What listeners are made of, loaded once; `embedded` loads when somebody is heard for the first time."""

    embedded: Callable[[], EmbeddedEngines]
    transcribers: Transcribers | None = None


@dataclass(slots=True, kw_only=True)
class _Speaker:
    """A speaker's listener and what it has heard so far, in samples; `words` where they are given, not heard."""

    listener: Listener
    words: GivenWords | None
    n_samples: int = 0
    numbers: dict[int, int] = field(default_factory=dict[int, int])


class DialogueHearing:
    """Turns the items of one dialogue into what a session hears. Utterances are numbered through all speakers.

    Args:
        ears: what hears.
        takes_given: words are given with each item; the sound is heard only for how they are said.
    """

    def __init__(self, ears: Ears, *, takes_given: bool) -> None:
        self._ears = ears
        self._takes_given = takes_given
        self._speakers: dict[str | None, _Speaker] = {}
        self._stack = ExitStack()
        self._n_samples = 0
        self._n_utterances = 0
        self.began_s = 0.0
        """Where the item that is heard begins in what its speaker's listener has heard: its events count from there."""

    def close(self) -> None:
        """Free the listeners. Idempotent."""
        self._stack.close()

    @property
    def now_s(self) -> float:
        """Stream time of the dialogue."""
        return self._n_samples / SAMPLE_RATE

    def sound(
        self,
        samples: Samples,
        *,
        speaker: str | None,
        words: tuple[Hypothesis, ...],
        language: str = DEFAULT_LANGUAGE,
    ) -> Iterator[Heard]:
        """Yield what an item's sound leads to, a whole number of 20 ms blocks of it; `language` is that of `words`.

        Raises:
            EngineFailed: an engine does not start.
        """
        one = self._speaker(speaker)
        if one.words is not None:
            one.words.give(words, language=language)
        self.began_s = began_s = one.n_samples / SAMPLE_RATE
        for at in range(0, len(samples), FRAME):
            block = samples[at : at + FRAME]
            events = one.listener.feed(block)
            one.n_samples += len(block)
            self._n_samples += len(block)
            yield self._heard(events, one, began_s=began_s, level=level_db(block))
        yield self._heard(one.listener.control(Commit()), one, began_s=began_s, level=SILENT_DB)

    def writing(self, words: tuple[Hypothesis, ...], *, language: str = DEFAULT_LANGUAGE) -> Heard:
        """Return an utterance of which there are only words: nothing is known of how it was said."""
        self._n_utterances += 1
        said = utterance_of(words)
        number, at_s = self._n_utterances, self.now_s
        transcript = replace(said.transcript, utterance=number, at_s=at_s, language=language)
        times = {"start_s": at_s, "end_s": at_s, "decided_s": at_s}
        said = replace(said, utterance=number, transcript=transcript, language=language, **times)
        return Heard(now_s=at_s, level_db=SILENT_DB, events=(transcript, said))

    def _speaker(self, name: str | None) -> _Speaker:
        if name not in self._speakers:
            words = GivenWords() if self._takes_given else None
            transcribers = self._ears.transcribers
            heard = None if transcribers is None else transcribers.open
            opens = heard if words is None else lambda: words
            listener = self._ears.embedded().listener(transcriber=opens, detection=BY_ITEM)
            self._stack.callback(listener.close)
            self._speakers[name] = _Speaker(listener=listener, words=words)
        return self._speakers[name]

    def _heard(self, events: list[ListenerEvent], one: _Speaker, *, began_s: float, level: float) -> Heard:
        told = tuple(self._renumbered(event, one, began_s) for event in events)
        return Heard(now_s=self.now_s, level_db=level, events=told)

    def _renumbered(self, event: ListenerEvent, one: _Speaker, began_s: float) -> ListenerEvent:
        """Return an event under its number in the dialogue; words of finals count their time from the item's start."""
        if isinstance(event, AudioDropped):
            return event
        if isinstance(event, SpeechStarted):
            self._n_utterances += 1
            one.numbers[event.utterance] = self._n_utterances
        number = one.numbers[event.utterance]
        if isinstance(event, Utterance):
            transcript = _from(replace(event.transcript, utterance=number), began_s)
            return replace(event, utterance=number, transcript=transcript)
        if isinstance(event, Transcript) and event.is_final:
            return _from(replace(event, utterance=number), began_s)
        return replace(event, utterance=number)


def _from(transcript: Transcript, began_s: float) -> Transcript:
    nbest = tuple(
        replace(
            one,
            words=tuple(replace(w, start_s=w.start_s - began_s, end_s=w.end_s - began_s) for w in one.words),
        )
        for one in transcript.nbest
    )
    return replace(transcript, nbest=nbest)
