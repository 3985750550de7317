"""Controls and commands as JSON and back: what may stand in a stream, each class by its name. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final, cast

from streaming.controls import Clear, Commit, Mark, TurnDetection
from streaming.events import AudioDropped

from ..behaviour import Aside, Behaviour, Forget, Respond, Tool, Truncate, Withdraw, Write
from ..correction import EmotionCorrection

KNOWN: Final[Mapping[str, type]] = {
    known.__name__: known
    for known in (
        Aside,
        AudioDropped,
        Behaviour,
        Clear,
        Commit,
        EmotionCorrection,
        Forget,
        Mark,
        Respond,
        Tool,
        Truncate,
        TurnDetection,
        Withdraw,
        Write,
    )
}


def to_json(value: object) -> Any:  # noqa: ANN401 - JSON
    """Return a value as JSON: an object of ours as `{"a": its class, "with": its fields}`, a mapping as `{"map": …}`.

    Raises:
        TypeError: it is none that may stand in a stream.
    """
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {"map": dict(cast("Mapping[str, Any]", value))}
    if isinstance(value, tuple | list):
        return [to_json(each) for each in cast("tuple[object, ...]", value)]
    name = type(value).__name__
    if KNOWN.get(name) is not type(value) or not is_dataclass(value):
        raise TypeError(f"a {name} cannot be recorded, expected one of {', '.join(KNOWN)}")
    return {"a": name, "with": {field.name: to_json(getattr(value, field.name)) for field in fields(value)}}


def from_json(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return what `to_json` was given.

    Raises:
        KeyError, TypeError, ValueError: it is not of this form.
    """
    if isinstance(value, list):
        return tuple(from_json(each) for each in cast("list[Any]", value))
    if not isinstance(value, dict):
        return value
    held = cast("dict[str, Any]", value)
    if "map" in held:
        return held["map"]
    return KNOWN[held["a"]](**{name: from_json(each) for name, each in held["with"].items()})
