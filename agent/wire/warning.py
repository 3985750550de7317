"""What ought to be known of the sound although it is heard all the same: `attune.warning`, for those who asked. Pure.

No `error`: some stock clients take every one of those for the end of the session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streaming.events import AudioDropped, SpeechEnded

from .expression import ms

if TYPE_CHECKING:
    from ..events import SessionEvent
    from .dialect import ServerEvent
    from .ids import Ids


def warning(code: str, message: str, *, ids: Ids, at_s: float | None = None, item_id: str | None = None) -> ServerEvent:
    """Return a warning; `at_s` is stream time, `item_id` the user's item that it is about."""
    at_ms = None if at_s is None else ms(at_s)
    told = {"type": "attune.warning", "event_id": ids.event(), "code": code, "message": message}
    return {**told, "at_ms": at_ms, "item_id": item_id}


def warnings(event: SessionEvent, *, ids: Ids, item_id: str | None) -> list[ServerEvent]:
    """Return what an event of the session warns of: sound was lost, an utterance was cut; mostly nothing."""
    match event:
        case AudioDropped(at_s=at_s, seconds=seconds):
            message = f"{seconds:.2f} s of sound came faster than it could be heard: silence stands in its place"
            return [warning("audio_dropped", message, ids=ids, at_s=at_s)]
        case SpeechEnded(reason="limit", start_s=start_s, decided_s=at_s):
            message = f"an utterance may last {at_s - start_s:.0f} s: what comes next begins another"
            return [warning("utterance_cut", message, ids=ids, at_s=at_s, item_id=item_id)]
        case _:
            return []
