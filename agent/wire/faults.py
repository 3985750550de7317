"""What can be wrong with what a client asks, and how it is told: the closed table of codes of `error` events."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .dialect import ServerEvent
    from .ids import Ids

INVALID_REQUEST: Final = "invalid_request_error"

_OF_THE_REQUEST = {
    "invalid_json": "the message is not one JSON object: not JSON, an array, NaN, too deep, too many values",
    "binary_not_expected": "a binary message came; events are JSON text, sound goes inside them as base64",
    "unknown_event": "no client event has this `type`",
    "invalid_field": "a field is missing, given twice, of a wrong type or out of range; `param` names it",
    "out_of_order": "the event makes no sense at this point of the session",
    "non_finite_audio": "sound holds values that are no numbers",
    "suspect_audio": "sound looks like a file (WAV, Ogg, MP3, FLAC, WebM), not like samples of the format agreed on",
    "input_audio_buffer_commit_empty": "there is too little sound since the last commit to make an item of",
    "item_not_found": "no item of the conversation has this id",
    "item_retrieve_invalid_item_id": "no item of the conversation has this id, asked for by conversation.item.retrieve",
    "item_create_invalid_item_id": "an item of the conversation already has this id, or the id cannot be one",
    "response_cancel_not_active": "there is no response to cancel; the session goes on",
    "conversation_already_has_active_response": "a response is under way; cancel it or wait for `response.done`",
    "cannot_update_voice": "the voice cannot change once the session has spoken",
    "not_available": "this server has no engine for what was asked for",
    "not_found": "there is nothing of this name, or it is not yours",
}
_OF_A_LIMIT = {
    "audio_too_fast": "sound comes much faster than it was spoken",
    "too_many_messages": "messages come too fast",
}
_OF_THE_SESSION = {
    "session_expired": "the session lasted as long as one may, or its client stayed away too long",
}
_OF_THE_SERVER = {
    "storage_degraded": "the turn is not on disk; the message says whether it is tried again",
    "engine_failed": "an engine died or answered nonsense; the session goes on as far as it can",
    "server_error": "something went wrong here; it is logged",
}

FAULTS: Final[Mapping[str, str]] = MappingProxyType(_OF_THE_REQUEST | _OF_A_LIMIT | _OF_THE_SESSION | _OF_THE_SERVER)
"""Every `code` of an `error` event, and what it means."""

TYPES: Final[Mapping[str, str]] = MappingProxyType(
    dict.fromkeys(_OF_THE_REQUEST, INVALID_REQUEST)
    | dict.fromkeys(_OF_A_LIMIT, "rate_limit_error")
    | dict.fromkeys(_OF_THE_SESSION, INVALID_REQUEST)
    | dict.fromkeys(_OF_THE_SERVER, "server_error")
)
"""`type` of the error with each code."""


@dataclass(eq=False)
class WireFault(Exception):
    """A message of a client is not what it should be; the session goes on.

    Attributes:
        code: one of `FAULTS`.
        message: what was wrong, what was expected, what to do; lower case, no full stop.
        param: path of the field it is about ("session.audio.input.turn_detection.threshold"), None: none.
        type: kind of error, where it is not the code's own (`TYPES`).
        event_id: the client's own id of the message, when it gave one.
    """

    code: str
    message: str
    param: str | None = field(default=None, kw_only=True)
    type: str = field(default=INVALID_REQUEST, kw_only=True)
    event_id: str | None = field(default=None, kw_only=True)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def error_event(ids: Ids, fault: WireFault) -> ServerEvent:
    """Return the `error` event that tells a client of `fault`."""
    kind = fault.type if fault.type != INVALID_REQUEST else TYPES.get(fault.code, INVALID_REQUEST)
    error: dict[str, Any] = {
        "type": kind,
        "code": fault.code,
        "message": fault.message,
        "param": fault.param,
        "event_id": fault.event_id,
    }
    return {"type": "error", "event_id": ids.event(), "error": error}
