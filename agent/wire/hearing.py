"""What the user says, as the client is told: speech, its item in the conversation, its words.

Words are told as they become certain and never taken back: all deltas of an item, put together, begin its transcript or
stand corrected by `completed`. Knows nothing of replies, nor of what is held back for them (`agent.wire.holding`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from streaming.events import EngineTrouble, SpeechDropped, SpeechEnded, SpeechStarted, Transcript

from .message import copied
from .settings import LOGPROBS

if TYPE_CHECKING:
    from streaming.events import Hypothesis, Word

    from ..events import SessionEvent
    from .dialect import ServerEvent
    from .ids import Ids
    from .items import Item, Items
    from .settings import SessionSettings

TRANSCRIPTION: Final = "conversation.item.input_audio_transcription"

NOT_TRANSCRIBERS: Final = frozenset({"voice analyst", "emotion recogniser", "responder", "voice"})
"""Engines whose trouble leaves the words as they are."""

LEAST: Final = 1e-9
"""A word as unlikely as this is told as this unlikely: the logarithm of 0 is no number."""

KEPT: Final = 64


@dataclass(slots=True, kw_only=True)
class _Speech:
    """An utterance until its words are final."""

    item_id: str
    is_told: bool
    """That it began was told, so that it ended must be too."""
    has_ended: bool = False
    seconds: float = 0.0
    n_words: int = 0
    words: str = ""
    """Told so far, for certain."""


class Hearing:
    """Turns what the listener says into events. One per session."""

    def __init__(self, ids: Ids, items: Items) -> None:
        self._ids = ids
        self._items = items
        self._speeches: dict[int, _Speech] = {}

    def tell(self, event: SessionEvent, settings: SessionSettings) -> list[ServerEvent]:
        """Return what the client is told of an event about spoken words; nothing for any other event."""
        match event:
            case SpeechStarted():
                return self._started(event, settings)
            case SpeechEnded():
                return self._ended(event)
            case SpeechDropped(utterance=utterance, at_s=at_s):
                return self._dropped(utterance, at_s)
            case Transcript(utterance=utterance) if utterance in self._speeches:
                speech = self._speeches[utterance]
                return self._final(event, settings) if event.is_final else self._partial(speech, event, settings)
            case EngineTrouble():
                return self._failed(event, settings)
            case _:
                return []

    def _started(self, event: SpeechStarted, settings: SessionSettings) -> list[ServerEvent]:
        item_id = self._ids.item()
        self._items.name(event.utterance, item_id)
        self._speeches[event.utterance] = _Speech(item_id=item_id, is_told=not settings.is_manual)
        if len(self._speeches) > KEPT:
            del self._speeches[next(iter(self._speeches))]
        if settings.is_manual:
            return []
        start_ms = max(0, _ms(event.at_s - settings.turn_detection().pre_roll_s))
        return [self._event("input_audio_buffer.speech_started", audio_start_ms=start_ms, item_id=item_id)]

    def _ended(self, event: SpeechEnded) -> list[ServerEvent]:
        speech = self._speeches.get(event.utterance)
        if speech is None or speech.has_ended:
            return []
        speech.has_ended = True
        speech.seconds = round(max(0.0, event.end_s - event.start_s), 3)
        item_id = speech.item_id
        item: Item = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        previous = self._items.add(item)
        told: list[ServerEvent] = []
        if speech.is_told:
            # The end of the sound that makes the item: the silence that ended it is in.
            end_ms = _ms(event.decided_s)
            told.append(self._event("input_audio_buffer.speech_stopped", audio_end_ms=end_ms, item_id=item_id))
        told.append(self._event("input_audio_buffer.committed", previous_item_id=previous, item_id=item_id))
        return told + added(self._ids, item, previous)

    def _dropped(self, utterance: int, at_s: float) -> list[ServerEvent]:
        speech = self._speeches.pop(utterance, None)
        if speech is None or speech.has_ended:
            return []
        self._items.unname(utterance)
        if not speech.is_told:
            return []
        return [self._event("input_audio_buffer.speech_stopped", audio_end_ms=_ms(at_s), item_id=speech.item_id)]

    def _partial(self, speech: _Speech, event: Transcript, settings: SessionSettings) -> list[ServerEvent]:
        words = _words(event.nbest[0])[speech.n_words : event.n_stable] if event.nbest else []
        if settings.transcription is None or not words:
            return []
        delta = (" " if speech.n_words else "") + " ".join(text for text, _ in words)
        logprobs = _logprobs(words, starts=not speech.n_words) if LOGPROBS in settings.include else None
        speech.n_words += len(words)
        return [self._delta(speech, delta, logprobs)]

    def _final(self, event: Transcript, settings: SessionSettings) -> list[ServerEvent]:
        speech = self._speeches.pop(event.utterance)
        text = event.text
        item = self._items.get(speech.item_id)
        if item is not None:
            item["content"] = [{"type": "input_audio", "transcript": text}]
        if settings.transcription is None:
            return []
        told: list[ServerEvent] = []
        rest = text[len(speech.words) :]
        if rest and text.startswith(speech.words):
            words = _words(event.nbest[0])[speech.n_words :]
            logprobs = _logprobs(words, starts=not speech.n_words) if LOGPROBS in settings.include else None
            told.append(self._delta(speech, rest, logprobs))
        done = self._event(
            f"{TRANSCRIPTION}.completed",
            item_id=speech.item_id,
            content_index=0,
            transcript=text,
            usage={"type": "duration", "seconds": speech.seconds},
        )
        if LOGPROBS in settings.include:
            done["logprobs"] = _logprobs(_words(event.nbest[0]), starts=True) if event.nbest else []
        return [*told, done]

    def _failed(self, event: EngineTrouble, settings: SessionSettings) -> list[ServerEvent]:
        """The words of a finished utterance are lost; before its end the next partial may make good for it."""
        speech = self._speeches.get(event.utterance)
        if speech is None or not speech.has_ended or event.engine in NOT_TRANSCRIBERS:
            return []
        del self._speeches[event.utterance]
        if settings.transcription is None:
            return []
        error = {"type": "server_error", "code": "engine_failed", "message": event.message, "param": None}
        return [self._event(f"{TRANSCRIPTION}.failed", item_id=speech.item_id, content_index=0, error=error)]

    def _delta(self, speech: _Speech, delta: str, logprobs: list[dict[str, Any]] | None) -> ServerEvent:
        speech.words += delta
        event = self._event(f"{TRANSCRIPTION}.delta", item_id=speech.item_id, content_index=0, delta=delta)
        return event if logprobs is None else event | {"logprobs": logprobs}

    def _event(self, kind: str, **values: object) -> ServerEvent:
        return {"type": kind, "event_id": self._ids.event(), **values}


def added(ids: Ids, item: Item, previous: str | None) -> list[ServerEvent]:
    """Return the two events that tell of an item that is whole from the start."""
    return [
        {"type": kind, "event_id": ids.event(), "previous_item_id": previous, "item": copied(item)}
        for kind in ("conversation.item.added", "conversation.item.done")
    ]


def _words(reading: Hypothesis) -> list[tuple[str, float]]:
    """Return the words of a reading with their log-probabilities, natural.

    Where the engine cannot tell how sure it is of a word, the words share what it says of the whole reading.
    """
    texts = reading.text.split()
    if [word.text for word in reading.words] == texts and all(_is_known(word) for word in reading.words):
        return [(word.text, math.log(max(word.posterior or 0.0, LEAST))) for word in reading.words]
    share = math.log(max(reading.posterior, LEAST)) / max(1, len(texts))
    return [(text, share) for text in texts]


def _is_known(word: Word) -> bool:
    return word.posterior is not None


def _logprobs(words: list[tuple[str, float]], *, starts: bool) -> list[dict[str, Any]]:
    """Return the words as tokens; put together they are the text."""
    tokens = [(text if starts and n == 0 else f" {text}", logp) for n, (text, logp) in enumerate(words)]
    return [
        {"token": token, "logprob": min(0.0, round(logp, 4)), "bytes": list(token.encode())} for token, logp in tokens
    ]


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
