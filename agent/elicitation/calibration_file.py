"""Calibrations on disk: a TOML or JSON file with the names of `Calibration`, and what it was fitted on.

per_token = true              # for length-normalised scores; optional, as is all but what is fitted
temperature = 1.73            # above 0
labels = ["angry", "happy", "neutral", "sad"]    # only with scale or bias
scale = [1.0, 0.9, 1.1, 1.0]
bias = [0.2, -0.1, 0.0, -0.1]

[fitted_on]                   # for people: model, prompt, number of utterances, figures
model = "..."
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from ..errors import ConfigInvalid
from .calibration import Calibration

if TYPE_CHECKING:
    from pathlib import Path

_NUMBER: Final = (int, float)
_KNOWN: Final = ("temperature", "labels", "scale", "bias", "per_token", "fitted_on")
_HINT: Final = "make it anew with fit_temperature or fit_vector"


def read_calibration(path: Path) -> Calibration:
    """Return the calibration in a file; JSON when its name ends so, else TOML.

    Raises:
        ConfigInvalid: the file cannot be read, or is no calibration.
    """
    try:
        text = path.read_text("utf-8")
        table = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as trouble:
        raise ConfigInvalid(
            f"cannot read calibration {path}: {(trouble.strerror or str(trouble)).lower()}"
        ) from trouble
    except ValueError as trouble:
        raise ConfigInvalid(f"{path} is no calibration ({trouble}); {_HINT}") from trouble
    try:
        return _calibration(table)
    except ValueError as trouble:
        raise ConfigInvalid(f"{path} is no calibration: {trouble}; {_HINT}") from trouble


def written(calibration: Calibration) -> str:
    """Return the file's text, TOML: what `read_calibration` gives back."""
    lines = [
        f"per_token = {json.dumps(calibration.per_token)}",
        f"temperature = {calibration.temperature!r}",
        *(
            f"{name} = {json.dumps(values, ensure_ascii=False)}"
            for name in ("labels", "scale", "bias")
            if (values := list(getattr(calibration, name)))
        ),
    ]
    if calibration.fitted_on:
        lines += ["", "[fitted_on]", *(f"{_quoted(name)} = {_quoted(value)}" for name, value in calibration.fitted_on)]
    return "\n".join(lines) + "\n"


def _calibration(table: object) -> Calibration:
    if not isinstance(table, Mapping):
        raise ValueError("expected a table")  # noqa: TRY004 - one kind of error for all that is wrong with a file
    known = cast("Mapping[str, Any]", table)
    if strange := sorted(set(known) - set(_KNOWN)):
        raise ValueError(f"expected {', '.join(_KNOWN)}, got {', '.join(strange)}")
    per_token = known.get("per_token", True)
    temperature = known.get("temperature", 1.0)
    if not isinstance(per_token, bool) or not _is_number(temperature):
        raise ValueError("expected per_token to be true or false and temperature a number")
    fitted_on = known.get("fitted_on", {})
    if not isinstance(fitted_on, Mapping):
        raise ValueError("expected fitted_on to be a table")  # noqa: TRY004 - as above
    return Calibration(
        temperature=float(temperature),
        labels=tuple(_listed(known, "labels", str)),
        scale=tuple(map(float, _listed(known, "scale", _NUMBER))),
        bias=tuple(map(float, _listed(known, "bias", _NUMBER))),
        per_token=per_token,
        fitted_on=tuple((str(name), str(value)) for name, value in cast("Mapping[str, Any]", fitted_on).items()),
    )


def _listed(table: Mapping[str, Any], name: str, kind: type | tuple[type, ...]) -> list[Any]:
    values = table.get(name, [])
    if not isinstance(values, list):
        raise ValueError(f"expected {name} to be a list")  # noqa: TRY004 - as above
    items = cast("list[Any]", values)
    if not all(isinstance(item, kind) and not isinstance(item, bool) for item in items):
        raise ValueError(f"expected {name} to hold {'words' if kind is str else 'numbers'}")
    return items


def _is_number(value: object) -> bool:
    return isinstance(value, _NUMBER) and not isinstance(value, bool)


def _quoted(text: str) -> str:
    """Return a TOML basic string, whose escapes are JSON's (but for DEL, which JSON leaves as it is)."""
    return json.dumps(text).replace("\x7f", "\\u007f")
