"""Who may come in: secrets, kept as hashes, compared in constant time, each with a name and perhaps a last moment."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ..errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MIN_LENGTH: Final = 16
MAX_LENGTH: Final = 4096
_ALLOWED = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""What fits into a header and, escaped by nobody, into a subprotocol (RFC 6750, "b64token")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """One who may come in: `name` is for limits and logs, `until` a POSIX time, None: for ever."""

    name: str
    until: float | None = None
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tokens:
    """All who may come in. False when nobody is named, which on loopback means everybody."""

    bearers: tuple[Bearer, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.bearers)

    def check(self, token: str, *, now: float) -> Bearer | None:
        """Return whose token it is, None for nobody's and for those of whom the time is over.

        Takes the same time whoever it is, and whether it is anybody.
        """
        digest = _digest(token[: MAX_LENGTH + 1])
        found: Bearer | None = None
        for bearer in self.bearers:
            if hmac.compare_digest(digest, bearer.digest):
                found = bearer
        if found is None or (found.until is not None and now >= found.until):
            return None
        return found


def parse_tokens(lines: Iterable[str]) -> Tokens:
    """Read tokens, one a line: the secret, then perhaps `name=…` and `until=2026-12-31T00:00Z`; `#` begins a comment.

    Raises:
        ConfigInvalid: a line is not that. No message ever shows a secret.
    """
    bearers: list[Bearer] = []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if words:
            bearers.append(_bearer(words, number=number))
    return Tokens(tuple(bearers))


def read_tokens(path: Path) -> Tokens:
    """Read a file of tokens.

    Raises:
        ConfigInvalid: it cannot be read, holds none, or not tokens.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as trouble:
        why = trouble.strerror if isinstance(trouble, OSError) else "not UTF-8 text"
        raise ConfigInvalid(f"token file {path} cannot be read: {why}") from None
    tokens = parse_tokens(text.splitlines())
    if not tokens:
        raise ConfigInvalid(f"token file {path} holds no token: write one a line, {MIN_LENGTH} characters or more")
    return tokens


def _bearer(words: list[str], *, number: int) -> Bearer:
    secret, *rest = words
    if not MIN_LENGTH <= len(secret) <= MAX_LENGTH or not _ALLOWED.fullmatch(secret):
        raise ConfigInvalid(
            f"token {number} must be {MIN_LENGTH} or more letters, digits or . _ ~ + / = - "
            '(python -c "import secrets; print(secrets.token_urlsafe())" makes one)'
        )
    name, until = f"token-{number}", None
    for word in rest:
        key, is_pair, value = word.partition("=")
        if is_pair and key == "name" and value:
            name = value
        elif is_pair and key == "until":
            until = _moment(value, number=number)
        else:
            raise ConfigInvalid(f"token {number}: what follows the secret must be name=… or until=2026-12-31T00:00Z")
    return Bearer(name=name, until=until, digest=_digest(secret))


def _moment(text: str, *, number: int) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigInvalid(f"token {number}: until must be a moment with its zone, such as 2026-12-31T00:00Z")
    return moment.timestamp()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
