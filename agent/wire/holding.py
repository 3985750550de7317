"""What was heard over a reply and is not told yet: it may be a turn, or only a nod.

Stock clients take `speech_started` for an interruption: they stop the reply, and truncate it. So what is heard over one
waits until the reply has ended, then it is told; or until it turns out to be no turn, then it never is. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streaming.events import SpeechDropped, SpeechStarted, Transcript

from ..events import UtteranceDismissed

if TYPE_CHECKING:
    from ..events import SessionEvent


class Holding:
    """Session events of utterances that nobody may hear of yet, in order."""

    def __init__(self) -> None:
        self._utterances: set[int] = set()
        self._events: list[tuple[int, SessionEvent]] = []

    def passed(self, event: SessionEvent, *, is_over_reply: bool) -> tuple[SessionEvent, ...]:
        """Return `event` where it may be told now; else put it by, or drop what it shows to be no turn.

        Args:
            event: the next one.
            is_over_reply: a reply is being said that speech may stop: speech that begins now is held back.
        """
        if isinstance(event, SpeechStarted) and is_over_reply:
            self._utterances.add(event.utterance)
        utterance: int | None = getattr(event, "utterance", None)
        if utterance is None or utterance not in self._utterances:
            return (event,)
        if _is_no_turn(event):
            self._drop(utterance)
        else:
            self._events.append((utterance, event))
        return ()

    def release(self) -> list[SessionEvent]:
        """Hold nothing back any more; return what was, in order."""
        events, self._events = self._events, []
        self._utterances.clear()
        return [event for _, event in events]

    def _drop(self, utterance: int) -> None:
        self._utterances.discard(utterance)
        self._events = [held for held in self._events if held[0] != utterance]


def _is_no_turn(event: SessionEvent) -> bool:
    match event:
        case UtteranceDismissed() | SpeechDropped():
            return True
        case Transcript(is_final=True, nbest=()):
            return True
        case _:
            return False
