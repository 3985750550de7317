"""Reading prompts from their files. A released version never changes: `index.toml` holds what it must hash to."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

PARTS = ("system.txt", "user.txt", "items.toml", "answer.schema.json")
"""What a version may consist of, besides its `meta.toml`; at least one of the first three is there."""


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
        items: further templates by name: stimuli to choose from, lines of a list, words for labels.
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
    items: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def places(self) -> frozenset[str]:
        """The names of all places, those of items included."""
        return _places(self.system, self.user, *self.items.values())

    def render(self, **values: str) -> Rendered:
        """Return the prompt with every `$place` filled once: a `$` inside a value stays as it is.

        Raises:
            PromptInvalid: a value is missing, or one has no place in `system` and `user`.
        """
        self._check(_places(self.system, self.user), values)
        return Rendered(
            system=Template(self.system).substitute(values),
            user=Template(self.user).substitute(values),
        )

    def item(self, name: str, /, **values: str) -> str:
        """Return one of the items with its places filled, as `render` does.

        Raises:
            PromptInvalid: there is no such item, a value is missing, or one has no place in it.
        """
        if name not in self.items:
            raise PromptInvalid(f"{self.id} has no item {name!r}, expected one of {', '.join(self.items)}")
        self._check(_places(self.items[name]), values)
        return Template(self.items[name]).substitute(values)

    def _check(self, places: frozenset[str], values: Mapping[str, str]) -> None:
        if missing := sorted(places - values.keys()):
            raise PromptInvalid(f"{self.id} needs a value for {', '.join(missing)}")
        if unused := sorted(values.keys() - places):
            raise PromptInvalid(f"{self.id} has no place for {', '.join(unused)}, only for {sorted(places)}")


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
    schema, items = folder / "answer.schema.json", folder / "items.toml"
    return Prompt(
        name=name,
        version=chosen,
        id=f"{name}@{chosen}#{digest(name, chosen)[:6]}",
        system=_text(folder / "system.txt"),
        user=_text(folder / "user.txt"),
        schema=json.loads(schema.read_text("utf-8")) if schema.is_file() else None,
        meta=tomllib.loads((folder / "meta.toml").read_text("utf-8")),
        items=tomllib.loads(items.read_text("utf-8")) if items.is_file() else {},
    )


def digest(name: str, version: int) -> str:
    """Return the SHA-256 over a version's parts, names included; line ends are those of the files."""
    return digest_of(_folder(name, version))


def digest_of(folder: Traversable) -> str:
    """Return the SHA-256 over the parts in `folder`, as `digest` does."""
    total = hashlib.sha256()
    for part in PARTS:
        file = folder / part
        if file.is_file():
            total.update(f"{part}\0".encode() + file.read_bytes() + b"\0")
    return total.hexdigest()


def _places(*templates: str) -> frozenset[str]:
    return frozenset(place for template in templates for place in Template(template).get_identifiers())


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
