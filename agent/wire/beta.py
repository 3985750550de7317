"""Names of the protocol's beta, turned into today's on the way in. What is said in today's names stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Values: TypeAlias = dict[str, Any]

FORMATS: Final[Mapping[str, Values]] = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}


def _format(value: object) -> object:
    return FORMATS.get(value, value) if isinstance(value, str) else value


def _modalities(value: object) -> object:
    """The beta's speak-and-write is today's speak: sound always comes with its words."""
    speaks = isinstance(value, list) and "audio" in cast("list[object]", value)
    return ["audio"] if speaks else cast("object", value)


def _turn_detection(value: object) -> object:
    """Some clients say `false` or a type of their own for nobody listening."""
    is_none = value is False or (isinstance(value, dict) and cast("Values", value).get("type") == "none")
    return None if is_none else cast("object", value)


def _same(value: object) -> object:
    return value


Move: TypeAlias = "tuple[str, str, Callable[[object], object]]"

SESSION: Final[tuple[Move, ...]] = (
    ("modalities", "output_modalities", _modalities),
    ("voice", "audio.output.voice", _same),
    ("speed", "audio.output.speed", _same),
    ("input_audio_format", "audio.input.format", _format),
    ("output_audio_format", "audio.output.format", _format),
    ("turn_detection", "audio.input.turn_detection", _turn_detection),
    ("input_audio_transcription", "audio.input.transcription", _same),
    ("input_audio_noise_reduction", "audio.input.noise_reduction", _same),
    ("max_response_output_tokens", "max_output_tokens", _same),
    # Both shapes are met in the wild: today's place with yesterday's value.
    ("audio.input.format", "audio.input.format", _format),
    ("audio.output.format", "audio.output.format", _format),
    ("audio.input.turn_detection", "audio.input.turn_detection", _turn_detection),
    ("output_modalities", "output_modalities", _modalities),
)
"""Where a setting stood, where it stands, how its value is said today. `temperature` is dropped: nobody reads it."""

RESPONSE: Final[tuple[Move, ...]] = (
    ("modalities", "output_modalities", _modalities),
    ("output_modalities", "output_modalities", _modalities),
    ("voice", "audio.output.voice", _same),
    ("output_audio_format", "audio.output.format", _format),
    ("max_response_output_tokens", "max_output_tokens", _same),
    ("audio.output.format", "audio.output.format", _format),
)

CONTENT: Final[Mapping[str, Mapping[str, str]]] = {
    "assistant": {"text": "output_text", "audio": "output_audio", "input_text": "output_text"},
    "user": {"text": "input_text", "audio": "input_audio"},
    "system": {"text": "input_text"},
}
"""Today's type of a content part, by the role of its message."""


def modern(event: Values) -> tuple[Values, dict[str, str]]:
    """Return a client event in today's names, and what was renamed: today's path to the client's own."""
    match event.get("type"):
        case "session.update":
            return _moved(event, "session", SESSION)
        case "transcription_session.update":
            return _transcription(event)
        case "response.create":
            event, renamed = _moved(event, "response", RESPONSE)
            for item in _listed(_valued(event.get("response")).get("input")):
                _rename_content(item)
            return event, renamed
        case "conversation.item.create":
            _rename_content(_valued(event.get("item")))
            return event, {}
        case _:
            return event, {}


def _transcription(event: Values) -> tuple[Values, dict[str, str]]:
    event, renamed = _moved(event | {"type": "session.update"}, "session", SESSION)
    if isinstance(event.get("session"), dict):
        event["session"]["type"] = "transcription"
    return event, renamed


def _moved(event: Values, name: str, moves: tuple[Move, ...]) -> tuple[Values, dict[str, str]]:
    """Move every setting of `event[name]` to where it stands today. The event is the caller's own to change."""
    settings = event.get(name)
    if not isinstance(settings, dict):
        return event, {}
    settings = cast("Values", settings)
    renamed: dict[str, str] = {}
    for old, new, said in moves:
        *inside, last = old.split(".")
        place = _inner(settings, inside, is_made=False)
        if place is None or last not in place:
            continue
        value = said(place[last])
        if old == new:
            place[last] = value
            continue
        *inside, last_now = new.split(".")
        target = _inner(settings, inside, is_made=True)
        if target is not None and last_now not in target:
            target[last_now] = value
            renamed[f"{name}.{new}"] = f"{name}.{old}"
        place.pop(last, None)
    return event, renamed


def _inner(settings: Values, path: list[str], *, is_made: bool) -> Values | None:
    """Return the object at `path`, made where it is missing and wanted; None: something else stands there."""
    place = settings
    for name in path:
        inner: object = place.setdefault(name, {}) if is_made else place.get(name)
        if not isinstance(inner, dict):
            return None
        place = cast("Values", inner)
    return place


def _rename_content(item: Values) -> None:
    role = item.get("role")
    names = CONTENT.get(role, {}) if isinstance(role, str) else {}
    for part in _listed(item.get("content")):
        kind = part.get("type")
        if isinstance(kind, str) and kind in names:
            part["type"] = names[kind]


def _valued(value: object) -> Values:
    return cast("Values", value) if isinstance(value, dict) else {}


def _listed(value: object) -> list[Values]:
    items: list[object] = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("Values", item) for item in items if isinstance(item, dict)]
