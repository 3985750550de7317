"""Languages by code and by name. Pure but for its table."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN: Final = "the language spoken"
"""What prompts call a language whose code is no code."""

_TAG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    names: Mapping[str, str]
    same: Mapping[str, str]


def language_name(code: str) -> str:
    """Return the English name of a language code or BCP 47 tag ("fr", "pt-BR"); an unknown code stands for itself."""
    tag = _tag(code)
    names = _table().names
    known = names.get(tag) or names.get(_language(tag))
    return known or (tag if _TAG.fullmatch(tag) else UNKNOWN)


def language_code(named: str) -> str | None:
    """Return the tag of a language that is named by tag or in English ("FR", "pt_BR", "french"); None for neither."""
    tag = _tag(named)
    by_name = {name.casefold(): code for code, name in _table().names.items() if code not in _table().same}
    if tag not in _table().names and named.strip().casefold() in by_name:
        return by_name[named.strip().casefold()]
    # Three letters and more may be a word: "eng" is a code, "english" was looked up above.
    return tag if _TAG.fullmatch(tag) else None


def is_same_language(one: str, other: str) -> bool:
    """Return whether two codes mean one language, wherever it is spoken: "en-GB" and "en" do."""
    return _one_code(one) == _one_code(other)


def _one_code(code: str) -> str:
    language = _language(_tag(code))
    return _table().same.get(language, language)


def _tag(code: str) -> str:
    return code.strip().lower().replace("_", "-")


def _language(tag: str) -> str:
    return tag.partition("-")[0]


@cache
def _table() -> _Table:
    held: dict[str, Any] = tomllib.loads(files(__package__ or "").joinpath("languages.toml").read_text("utf-8"))
    same: dict[str, str] = held.pop("same")
    return _Table(names=held, same=same)
