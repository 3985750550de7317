"""Who answers: a name, a manner and traits, from a TOML file. Knows no engine and no prompt."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, fields
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, cast

from .errors import ConfigInvalid

if TYPE_CHECKING:
    from pathlib import Path

MAX_MANNERS: Final = 8
_WORDS = re.compile(r"[^\W_]+(?:[ '-][^\W_]+)*")
_LONGEST = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """The Big Five, each in [0, 1], 0.5 in the middle; `stability` is the opposite of neuroticism."""

    openness: float = 0.5
    conscientiousness: float = 0.5
    extraversion: float = 0.5
    agreeableness: float = 0.5
    stability: float = 0.5

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigInvalid: one lies outside [0, 1].
        """
        for trait in fields(self):
            value: object = getattr(self, trait.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ConfigInvalid(f"the trait {trait.name} is {value!r}, expected a number from 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """A persona; name and manner are words only, for they stand in a prompt.

    `manner` says how it talks ("calm", "plain-spoken"), `traits` move its tone (`agent.affect`).
    """

    name: str
    manner: tuple[str, ...]
    traits: Traits = field(default_factory=Traits)

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ConfigInvalid: a text is no plain words or too long, or there are no manners or too many.
        """
        if not 1 <= len(self.manner) <= MAX_MANNERS:
            raise ConfigInvalid(f"a persona has {len(self.manner)} manners, expected 1 to {MAX_MANNERS}")
        for text in (self.name, *self.manner):
            if len(text) > _LONGEST or not _WORDS.fullmatch(text):
                raise ConfigInvalid(
                    f"a persona says {text[:60]!r}, expected plain words, at most {_LONGEST} characters"
                )


def read_persona(path: Path | None = None) -> Persona:
    """Return the persona of a file, the shipped one without.

    Raises:
        ConfigInvalid: the file cannot be read, is not TOML, or says something else than a persona's name, manner
            (a list of words) and traits.
    """
    if path is None:
        return _shipped()
    try:
        return _persona_of(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as trouble:
        raise ConfigInvalid(f"cannot read the persona in {path}: {trouble}") from trouble
    except (KeyError, TypeError) as trouble:
        message = f"the persona in {path} needs name, manner (a list of words) and may have traits: {trouble}"
        raise ConfigInvalid(message) from trouble
    except ConfigInvalid as trouble:
        raise ConfigInvalid(f"the persona in {path} cannot be used: {trouble}") from trouble


@cache
def _shipped() -> Persona:
    return _persona_of(tomllib.loads(files("agent").joinpath("persona.toml").read_text(encoding="utf-8")))


def _persona_of(table: dict[str, Any]) -> Persona:
    if unknown := sorted(table.keys() - {"name", "manner", "traits"}):
        raise TypeError(f"{', '.join(unknown)} is not known")
    name, manner = table["name"], table["manner"]
    if not isinstance(name, str) or not isinstance(manner, list):
        raise TypeError("name is a text and manner a list")
    manners = cast("list[object]", manner)
    return Persona(name=name, manner=tuple(map(str, manners)), traits=Traits(**table.get("traits", {})))
