"""Reads what a client sends: one message in, one typed event out, or a `WireFault` that says what is wrong with it.

Sound is most of what comes, so it goes a short way of its own: no model is built for `input_audio_buffer.append`.
"""

from __future__ import annotations

import json
from binascii import a2b_base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, get_args

from pydantic import ValidationError
from pydantic_core import from_json

from .beta import modern
from .faults import WireFault
from .refusals import Twice, fault_of, refuse_unreadable, shortened
from .schema.attune import ClientExtension
from .schema.client import RealtimeEvent
from .schema.translations import TranslationEvent
from .schema.values import Asked, is_name

if TYPE_CHECKING:
    from collections.abc import Mapping

Endpoint: TypeAlias = Literal["realtime", "translations"]


@dataclass(frozen=True, slots=True)
class Append:
    """The next sound of the user, in the bytes of the session's input format."""

    event_id: str | None
    audio: bytes


ClientEvent: TypeAlias = Append | RealtimeEvent | TranslationEvent
"""What a client asks for. Sound always comes as `Append`, on both endpoints."""

APPEND: Final[Mapping[Endpoint, str]] = {
    "realtime": "input_audio_buffer.append",
    "translations": "session.input_audio_buffer.append",
}


def _by_type(*models: type[Asked]) -> dict[str, type[Asked]]:
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in models}


MODELS: Final[Mapping[Endpoint, Mapping[str, type[Asked]]]] = {
    "realtime": _by_type(*get_args(RealtimeEvent)),
    "translations": _by_type(*get_args(TranslationEvent), *get_args(ClientExtension)),
}
"""Every client event of an endpoint, by its type."""

MAX_OBJECTS: Final = 20_000
"""Objects and fields in one message: far more than any event has."""

MAX_MARKS: Final = 50_000
"""Commas and opening brackets in one message, in texts too."""


def parse(message: str | bytes, *, endpoint: Endpoint = "realtime") -> ClientEvent:
    """Return the event that `message` is; names of the protocol's beta are understood.

    Raises:
        WireFault: it is none; `param` names the field, `event_id` is the client's own where it gave one.
    """
    if not isinstance(message, str):
        raise WireFault("binary_not_expected", "a binary message came, expected JSON text with sound as base64 in it")
    event = _loaded(message)
    audio = event.get("audio")
    # Four quotation marks for each field of text: then none is given twice, and nothing else needs a look.
    if event.get("type") == APPEND[endpoint] and isinstance(audio, str) and message.count('"') == 4 * len(event):
        event_id = event.get("event_id")
        if event_id is None or is_name(event_id):
            return Append(event_id, audio_bytes(audio, event_id=event_id))
    try:
        return _checked(message, endpoint)
    except WireFault as fault:
        fault.event_id = fault.event_id or _id_of(event)
        raise


def audio_bytes(audio: str, *, param: str = "audio", event_id: str | None = None) -> bytes:
    """Return the bytes that `audio` is the base64 of.

    Raises:
        WireFault: it is not base64; `param` names the field.
    """
    try:
        # Strict reading still takes padding where none belongs.
        if len(audio) % 4:
            raise ValueError(f"{len(audio)} characters are no multiple of 4")  # noqa: TRY301
        return a2b_base64(audio, strict_mode=True)
    except ValueError as trouble:
        message = f"{param} is not base64 ({str(trouble).lower()}), expected the standard alphabet with padding"
        raise WireFault("invalid_field", message, param=param, event_id=event_id) from None


def _loaded(message: str) -> dict[str, Any]:
    """Return the message as values; deep nesting, NaN and numbers of thousands of digits are no JSON here."""
    # Told before it is read: reading half a million values would hold up everybody else.
    if len(message) > MAX_MARKS and sum(map(message.count, ",[{")) > MAX_MARKS:
        wanted = f"the message has more than {MAX_MARKS} commas and brackets, expected fewer values"
        raise WireFault("invalid_json", wanted)
    try:
        event: object = from_json(message, allow_inf_nan=False, cache_strings="keys")
    except (ValueError, TypeError) as trouble:
        raise WireFault("invalid_json", f"the message is not JSON ({trouble}), expected one object") from None
    if not isinstance(event, dict):
        kind = type(event).__name__
        raise WireFault("invalid_json", f"the message is of type {kind}, expected one JSON object")
    return cast("dict[str, Any]", event)


def _checked(message: str, endpoint: Endpoint) -> ClientEvent:
    event = _read(message)
    refuse_unreadable(event)
    event, renamed = modern(event)
    kind: object = event.get("type")
    if not isinstance(kind, str):
        raise WireFault("invalid_field", "type is missing or no text, expected the name of an event", param="type")
    model = MODELS[endpoint].get(kind)
    if model is None:
        known = ", ".join(sorted(MODELS[endpoint]))
        raise WireFault(
            "unknown_event", f"type {shortened(kind)!r} is not known, expected one of {known}", param="type"
        )
    try:
        checked = model.model_validate(event)
    except ValidationError as trouble:
        raise fault_of(trouble, event, renamed=renamed) from None
    if kind == APPEND[endpoint]:
        return Append(checked.event_id, audio_bytes(event["audio"]))
    return cast("ClientEvent", checked)


def _read(message: str) -> dict[str, Any]:
    """Return the message with a mark where a name is given twice, which the fast reader does not tell."""
    n_read = 0

    def paired(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal n_read
        n_read += 1 + len(pairs)
        if n_read > MAX_OBJECTS:
            raise WireFault("invalid_json", f"the message has more than {MAX_OBJECTS} fields, expected fewer")
        values = dict(pairs)
        if len(values) < len(pairs):
            seen: set[str] = set()
            values |= {name: Twice() for name, _ in pairs if name in seen or seen.add(name)}
        return values

    return json.loads(message, object_pairs_hook=paired)


def _id_of(event: dict[str, Any]) -> str | None:
    event_id = event.get("event_id")
    return event_id if isinstance(event_id, str) and is_name(event_id) else None
