"""Ways to ask by name: every cell of the papers' tables, and what is asked live (`conditions.toml`)."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from functools import cache
from importlib.resources import files
from typing import Any, cast

from ..errors import ConfigInvalid
from .condition import R3Condition

_FIELDS = {field.name for field in fields(R3Condition)}
_NOTES = {"like", "cells"}


def condition(name: str) -> R3Condition:
    """Return the condition of that name.

    Raises:
        ConfigInvalid: there is none.
    """
    if name not in _conditions():
        raise ConfigInvalid(f"there is no condition {name!r}, expected one of {', '.join(names())}")
    return _conditions()[name]


def names() -> tuple[str, ...]:
    """Return the names of all conditions, in the order of the file: live ones first, then by paper and table."""
    return tuple(_conditions())


def cells(name: str) -> str:
    """Return which cells of which table a condition stands for; empty where it is ours.

    Raises:
        ConfigInvalid: there is no such condition.
    """
    condition(name)
    return str(_tables()["conditions"][name].get("cells", ""))


def ensemble(name: str) -> tuple[str, ...]:
    """Return the conditions whose answers are put together under that name ("majority-voting").

    Raises:
        ConfigInvalid: there is no such ensemble.
    """
    found = _tables()["ensembles"]
    if name not in found:
        raise ConfigInvalid(f"there is no ensemble {name!r}, expected one of {', '.join(found)}")
    return tuple(found[name]["conditions"])


def ensembles() -> tuple[str, ...]:
    """Return the names of all ensembles."""
    return tuple(_tables()["ensembles"])


@cache
def _conditions() -> dict[str, R3Condition]:
    tables: dict[str, dict[str, Any]] = _tables()["conditions"]
    return {name: read(name, tables) for name in tables}


def read(name: str, tables: dict[str, dict[str, Any]]) -> R3Condition:
    """Return the condition `name` of a file's tables; `like` names the one whose fields hold where it sets none.

    Raises:
        ConfigInvalid: a field is unknown, or has a value that cannot be asked.
    """
    settings = _settings(name, tables, ())
    if unknown := sorted(settings.keys() - _FIELDS):
        raise ConfigInvalid(f"condition {name!r} sets {', '.join(unknown)}, expected some of {sorted(_FIELDS)}")
    try:
        return R3Condition(**{key: _frozen(value) for key, value in settings.items()})
    except ValueError as problem:
        raise ConfigInvalid(f"condition {name!r}: {problem}") from problem


def _frozen(value: Any) -> Any:  # noqa: ANN401 - whatever TOML holds
    return tuple(cast("list[Any]", value)) if isinstance(value, list) else value


def _settings(name: str, tables: dict[str, dict[str, Any]], seen: tuple[str, ...]) -> dict[str, Any]:
    if name not in tables or name in seen:
        raise ConfigInvalid(f"condition {[*seen, name][0]!r} is like {name!r}, which is not there or is like itself")
    table = tables[name]
    below = _settings(table["like"], tables, (*seen, name)) if "like" in table else {}
    return below | {key: value for key, value in table.items() if key not in _NOTES}


@cache
def _tables() -> dict[str, dict[str, Any]]:
    return tomllib.loads((files(__package__ or "agent.r3") / "conditions.toml").read_text("utf-8"))
