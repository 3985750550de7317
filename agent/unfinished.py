"""What is known of an utterance while it is being said. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streaming.audio import silence
from streaming.events import (
    Prosody,
    RollingProsody,
    SpeechPaused,
    SpeechStarted,
    Transcript,
    Utterance,
)
from streaming.nbest import cross_wer

if TYPE_CHECKING:
    from streaming.events import ListenerEvent

UNMEASURED = Prosody()


class Unfinished:
    """Gathers partial words and rolling prosody, and gives them as a snapshot."""

    def __init__(self) -> None:
        self._start_s = 0.0
        self._at_s = 0.0
        self._partial: Transcript | None = None
        self._prosody = UNMEASURED

    def feed(self, event: ListenerEvent) -> None:
        """Take in what the listener says; what tells nothing about the utterance is passed over."""
        match event:
            case SpeechStarted():
                self._start_s = self._at_s = event.at_s
                self._partial, self._prosody = None, UNMEASURED
            case Transcript(is_final=False):
                self._partial, self._at_s = event, event.at_s
            case RollingProsody():
                self._prosody, self._at_s = event.prosody, event.at_s
            case SpeechPaused():
                self._at_s = event.at_s
            case _:
                pass

    def snapshot(self, utterance: int) -> Utterance | None:
        """Return the utterance as far as it was said, without samples; None while none of its words are known."""
        partial = self._partial
        if partial is None or partial.utterance != utterance:
            return None
        return Utterance(
            utterance=utterance,
            start_s=self._start_s,
            end_s=self._at_s,
            decided_s=self._at_s,
            transcript=partial,
            prosody=self._prosody,
            samples=silence(0),
            cross_wer=cross_wer(partial.nbest),
            is_final=False,
        )
