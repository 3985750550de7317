"""Reading prompts from their files. A released version never changes: `index.toml` holds what it must hash to."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

PARTS = ("system.txt", "user.txt", "answer.schema.json")
"""What a version may consist of, besides its `meta.toml`; `user.txt` is always there."""


class PromptInvalid(ValueError):
    """There is no such prompt or version, or the values given are not those it has places for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A prompt with its values in place; `system` is empty where the prompt has no such part."""

    system: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One version of a prompt.

    Attributes:
        id: name, version and the beginning of its hash ("reply@1#9f3c1a"); goes into every log line and signature.
        system, user: templates with `$places`; the last line end of a file is not part of it.
        schema: JSON Schema of the answer, None where the answer is plain text.
        meta: purpose, source and what was reconstructed.
    """

    name: str
    version: int
    id: str
    system: str
    user: str
    schema: Mapping[str, Any] | None
    meta: Mapping[str, Any]

    @property
    def places(self) -> frozenset[str]:
        """The names that `render` needs a value for."""
        return frozenset(Template(self.system).get_identifiers()) | frozenset(Template(self.user).get_identifiers())

    def render(self, **values: str) -> Rendered:
        """Return the prompt with every `$place` filled once: a `$` inside a value stays as it is.

        Raises:
            PromptInvalid: a value is missing, or one has no place.
        """
        if missing := sorted(self.places - values.keys()):
            raise PromptInvalid(f"{self.id} needs a value for {', '.join(missing)}")
        if unused := sorted(values.keys() - self.places):
            raise PromptInvalid(f"{self.id} has no place for {', '.join(unused)}, only for {sorted(self.places)}")
        return Rendered(
            system=Template(self.system).substitute(values),
            user=Template(self.user).substitute(values),
        )


def names() -> tuple[str, ...]:
    """Return the names of all prompts, sorted."""
    return tuple(sorted(_index()))


def versions(name: str) -> tuple[int, ...]:
    """Return the released versions of a prompt, rising.

    Raises:
        PromptInvalid: there is no such prompt.
    """
    return tuple(sorted(int(version) for version in _entry(name)["sha256"]))


@cache
def load(name: str, version: int | None = None) -> Prompt:
    """Return a prompt; without a version the current one.

    Raises:
        PromptInvalid: there is no such prompt or version.
    """
    chosen = int(_entry(name)["current"]) if version is None else version
    if chosen not in versions(name):
        raise PromptInvalid(f"there is no version {chosen} of the prompt {name}, expected one of {versions(name)}")
    folder = _folder(name, chosen)
    schema = folder / "answer.schema.json"
    return Prompt(
        name=name,
        version=chosen,
        id=f"{name}@{chosen}#{digest(name, chosen)[:6]}",
        system=_text(folder / "system.txt"),
        user=_text(folder / "user.txt"),
        schema=json.loads(schema.read_text("utf-8")) if schema.is_file() else None,
        meta=tomllib.loads((folder / "meta.toml").read_text("utf-8")),
    )


def digest(name: str, version: int) -> str:
    """Return the SHA-256 over a version's parts, names included; line ends are those of the files."""
    folder = _folder(name, version)
    total = hashlib.sha256()
    for part in PARTS:
        file = folder / part
        if file.is_file():
            total.update(f"{part}\0".encode() + file.read_bytes() + b"\0")
    return total.hexdigest()


def _text(file: Traversable) -> str:
    return file.read_text("utf-8").removesuffix("\n") if file.is_file() else ""


def _folder(name: str, version: int) -> Traversable:
    return files(__name__.rpartition(".")[0]) / name / f"v{version}"


def _entry(name: str) -> dict[str, Any]:
    if name not in _index():
        raise PromptInvalid(f"there is no prompt {name!r}, expected one of {', '.join(names())}")
    return _index()[name]


@cache
def _index() -> dict[str, dict[str, Any]]:
    return tomllib.loads((files(__name__.rpartition(".")[0]) / "index.toml").read_text("utf-8"))
