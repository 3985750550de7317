"""The models that Attune knows by name (`models.toml`)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from ..errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What is known of a model before the hub is asked.

    Attributes:
        name: what users call it.
        kind: what is in its files; an engine takes one kind.
        repository: owner and name on the hub.
        files: patterns of the paths that are needed.
        megabytes: about how much that is (10^6 bytes).
        licence: of the weights, as commonly stated.
        about: what it is for, one line.
        revision: branch, tag or commit.
        non_commercial: the licence forbids commercial use.
        plain: no licence has to be accepted at the hub first.
    """

    name: str
    kind: str
    repository: str
    files: tuple[str, ...]
    megabytes: int
    licence: str
    about: str
    revision: str = "main"
    non_commercial: bool = False
    plain: bool = True


@cache
def registry() -> Mapping[str, Model]:
    """Return all known models by name, in the order of the file."""
    tables = tomllib.loads((files("agent") / "models" / "models.toml").read_text("utf-8"))
    return {name: Model(name=name, **(table | {"files": tuple(table["files"])})) for name, table in tables.items()}


def known_model(name: str) -> Model:
    """Return the model called `name`.

    Raises:
        ConfigInvalid: there is none; the message names those there are.
    """
    known = registry()
    if name not in known:
        raise ConfigInvalid(f"there is no model {name!r}, expected one of {', '.join(known)}")
    return known[name]
