"""Says which field of a client's message is wrong, by its path, and what was expected there."""

from __future__ import annotations

import json
import math
from functools import reduce
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from .faults import WireFault
from .schema.values import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

MAX_SHOWN: Final = 80
MAX_MESSAGE: Final = 400
MAX_INTEGER: Final = 2**63
MAX_ERRORS: Final = 32
MAX_VALUES: Final = 20_000


_Way: TypeAlias = "tuple[_Way, str | int] | None"
"""From a value upwards: what it stands in, and under which name or index."""


class Twice:
    """Stands where a name was given twice."""


def shortened(text: str) -> str:
    """Return what a client wrote, fit to be shown in a message: visible, on one line, at most 80 characters."""
    visible = " ".join(shown(text[: 4 * MAX_SHOWN]).split())
    return visible if len(visible) <= MAX_SHOWN else visible[: MAX_SHOWN - 1] + "\u2026"


def refuse_unreadable(event: dict[str, Any]) -> None:
    """Refuse fields given twice, numbers that no field can hold, and messages of very many values.

    Raises:
        WireFault: as above; `param` names the field.
    """
    # Each value with the way to it, put into words only where it is needed: a path costs as much as its depth.
    waiting: list[tuple[object, _Way]] = [(event, None)]
    n_seen = 0
    while waiting:
        value, way = waiting.pop()
        n_seen += 1
        if n_seen > MAX_VALUES:
            raise WireFault("invalid_json", f"the message has more than {MAX_VALUES} values, expected fewer")
        if isinstance(value, dict):
            waiting.extend((each, (way, name)) for name, each in cast("dict[str, object]", value).items())
        elif isinstance(value, list):
            waiting.extend((each, (way, index)) for index, each in enumerate(cast("list[object]", value)))
        elif not isinstance(value, str):
            _refuse(value, way)


def _refuse(value: object, way: _Way) -> None:
    if isinstance(value, Twice):
        raise WireFault("invalid_field", f"{_spelt(way)} is given twice, expected once", param=_spelt(way))
    if (isinstance(value, float) and not math.isfinite(value)) or (isinstance(value, int) and abs(value) > MAX_INTEGER):
        raise WireFault("invalid_field", f"{_spelt(way)} is out of range, expected 64 bits", param=_spelt(way))


def _spelt(way: _Way) -> str:
    parts: list[str | int] = []
    while way is not None:
        way, part = way
        parts.append(part)
    return reduce(_at, reversed(parts), "")[:MAX_MESSAGE]


def _at(path: str, part: str | int) -> str:
    if isinstance(part, int):
        return f"{path}[{part}]"
    name = shortened(part)
    return f"{path}.{name}" if path else name


def fault_of(trouble: ValidationError, event: dict[str, Any], *, renamed: Mapping[str, str]) -> WireFault:
    """Return the first thing that is wrong with `event`, under the name the client gave it.

    Args:
        trouble: what its model says of it.
        event: what was checked.
        renamed: today's path of a setting to the one that the client used.
    """
    errors = trouble.errors(include_url=False)[:MAX_ERRORS]
    told = [(_path(error, event), _expected(error)) for error in errors]
    first, _ = told[0]
    # Of a field that may be one of several things, the thing that came nearest has most to say.
    param = max((path for path, _ in told if path.startswith(first)), key=len)
    wanted = " or ".join(dict.fromkeys(words for path, words in told if path == param))
    got = next(_got(error) for error, (path, _) in zip(errors, told, strict=True) if path == param)
    param = _as_given(param, renamed)
    message = f"{param}{got}: {wanted}" if param else wanted
    return WireFault("invalid_field", message[:MAX_MESSAGE], param=param or None)


def _path(error: ErrorDetails, event: object) -> str:
    """Follow the error's place through the event: parts that are no fields of it name a kind, and are left out."""
    parts = error["loc"]
    path, here = "", event
    for n_left, part in zip(range(len(parts) - 1, -1, -1), parts, strict=True):
        if isinstance(here, dict) and part in here:
            path, here = _at(path, part), cast("dict[Any, object]", here)[part]
        elif isinstance(here, list) and isinstance(part, int):
            path, here = _at(path, part), cast("list[object]", here)[part]
        elif n_left == 0 and error["type"] == "missing":
            path = _at(path, part)
    if error["type"].startswith("union_tag"):
        path = _at(path, _discriminator(error))
    return path


def _expected(error: ErrorDetails) -> str:
    if error["type"].startswith("union_tag"):
        tags = error.get("ctx", {}).get("expected_tags", "")
        return f"expected {tags}" if tags else f"missing, expected the {_discriminator(error)} of this"
    if error["type"] == "missing":
        return "missing, expected a value"
    words = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return shown(words[:1].lower() + words[1:])


def _got(error: ErrorDetails) -> str:
    value: object = error["input"]
    if error["type"].startswith(("missing", "union_tag")) or not isinstance(value, str | int | float | None):
        return ""
    return f" is {shortened(json.dumps(value, ensure_ascii=False))}"


def _discriminator(error: ErrorDetails) -> str:
    return str(error.get("ctx", {}).get("discriminator", "type")).strip("'")


def _as_given(path: str, renamed: Mapping[str, str]) -> str:
    for now, given in renamed.items():
        if path == now or path.startswith((f"{now}.", f"{now}[")):
            return given + path[len(now) :]
    return path
