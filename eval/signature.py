"""The line beside a figure that says how it was made, like sacreBLEU's: `key:value|key:value|version:0.1.0`. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import SignatureInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERSION_KEY = "version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a figure depends on: fields in the order they were given, then the version of Attune, always last."""

    fields: tuple[tuple[str, str], ...]
    version: str

    def __post_init__(self) -> None:
        """Refuse what could not be parsed back.

        Raises:
            SignatureInvalid: a key twice, an empty key or value, or one that holds a separator.
        """
        keys = [key for key, _ in self.fields]
        if VERSION_KEY in keys or len(set(keys)) < len(keys):
            raise SignatureInvalid(f"each key may stand once and {VERSION_KEY} is added last, got {', '.join(keys)}")
        for key, value in (*self.fields, (VERSION_KEY, self.version)):
            if not key or not value or set(key) & set("|:\n") or set(value) & set("|\n"):
                raise SignatureInvalid(f"keys and values must be one line without '|', got {key!r}: {value!r}")

    def __str__(self) -> str:
        return "|".join(f"{key}:{value}" for key, value in (*self.fields, (VERSION_KEY, self.version)))

    def get(self, key: str) -> str | None:
        """Return the value of `key`, None when it is not there."""
        return dict(self.fields).get(key)


def sign(fields: Mapping[str, object], *, version: str) -> Signature:
    """Return the signature of `fields`, values as `str` writes them, None left out."""
    told = tuple((key, str(value)) for key, value in fields.items() if value is not None)
    return Signature(fields=told, version=version)


def parse_signature(text: str) -> Signature:
    """Return the signature written in `text`.

    Raises:
        SignatureInvalid: it is no list of key:value, or does not end with the version.
    """
    parts = [part.partition(":") for part in text.strip().split("|")]
    if any(not colon for _, colon, _ in parts):
        raise SignatureInvalid(f"expected key:value|key:value|{VERSION_KEY}:..., got {text!r}")
    *fields, (last, _, version) = parts
    if last != VERSION_KEY:
        raise SignatureInvalid(f"expected {VERSION_KEY} at the end, got {text!r}")
    return Signature(fields=tuple((key, value) for key, _, value in fields), version=version)


def fingerprint(parts: Sequence[bytes]) -> str:
    """Return eight hexadecimal digits that change with the content or the order of `parts`."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:8]
