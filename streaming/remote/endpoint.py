"""Where a server is and how to treat it. Knows no sockets; keys are never shown."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import KW_ONLY, dataclass, field
from urllib.parse import SplitResult, urlsplit, urlunsplit

from ..errors import EngineFailed
from .breaker import BreakerSettings
from .retry import RetrySettings

_VERSION = re.compile(r"/v\d+[a-z0-9]*(?=/|$)")
_ROUTES = re.compile(r"/(?:(?:chat/)?completions|audio/(?:speech|transcriptions)|models|tokenize)/*$")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long and how much to wait for, seconds of wall clock and bytes.

    Attributes:
        connect_s: until the connection stands, and for each write.
        first_s: from the request until the first token, sound or (for an answer in one piece) its beginning.
        between_s: between two tokens or blocks of sound.
        total_s: for a whole answer.
        n_bytes: an answer that is longer is cut off as endless.
    """

    connect_s: float = 5.0
    first_s: float = 20.0
    between_s: float = 10.0
    total_s: float = 180.0
    n_bytes: int = 64 * 2**20

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("connect_s", "first_s", "between_s", "total_s", "n_bytes"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}, expected more than 0")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that speaks the OpenAI protocol.

    Attributes:
        url: as people write it: "localhost:8000", "http://host:8000/", "https://host/v1/chat/completions"; kept in one
            form, without the route and with "/v1" where no version is named.
        key: bearer token, never shown by `repr` or in errors.
        key_from: name of the environment variable that holds the key instead; read when the server is first used.
        patience, retry, breaker: see there.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    _: KW_ONLY
    key_from: str | None = None
    patience: Patience = field(default_factory=Patience)
    retry: RetrySettings = field(default_factory=RetrySettings)
    breaker: BreakerSettings = field(default_factory=BreakerSettings)

    def __post_init__(self) -> None:
        """Bring the url into one form; refuse one that makes no sense.

        Raises:
            ValueError: the url or the key cannot be used.
        """
        object.__setattr__(self, "url", _normalised(self.url))
        if self.key is not None:
            if self.key_from is not None:
                raise ValueError("both a key and key_from are given; give one")
            object.__setattr__(self, "key", _checked(self.key, "the key"))

    @property
    def root(self) -> str:
        """The url without its version: where servers keep what is not of the protocol (/props, /tokenize)."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc, _VERSION.split(parts.path, maxsplit=1)[0], "", ""))

    @property
    def is_loopback(self) -> bool:
        """Whether the server runs on this machine: no proxy is asked then."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")

    @property
    def key_setting(self) -> str:
        """Which setting holds the key, in words for an error message."""
        return "the key" if self.key_from is None else f"the environment variable {self.key_from}"

    def secret(self) -> str | None:
        """Return the key, from the environment if it is kept there.

        Raises:
            EngineFailed: the variable is not set, or holds what cannot be a key.
        """
        if self.key_from is None:
            return self.key
        value = os.environ.get(self.key_from, "").strip()
        if not value:
            raise EngineFailed(f"{self.url} needs a key: set the environment variable {self.key_from}")
        try:
            return _checked(value, self.key_setting)
        except ValueError as trouble:
            raise EngineFailed(str(trouble)) from None


def _checked(key: str, what: str) -> str | None:
    key = key.strip()
    if not key.isascii() or any(not character.isprintable() or character.isspace() for character in key):
        raise ValueError(f"{what} holds blanks or characters that no key has; copy it again")
    return key or None


def _normalised(url: str) -> str:
    url = url.strip()
    parts = _split(url if _SCHEME.match(url) else f"http://{url}")
    path = _ROUTES.sub("", re.sub(r"/{2,}", "/", parts.path).rstrip("/"))
    if not _VERSION.search(path):
        path += "/v1"
    return urlunsplit((parts.scheme.lower(), parts.netloc.lower(), path, "", ""))


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed on access, and then refused if it is no port
    except ValueError:
        parts = urlsplit("")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the url of a server must hold no user and password; give the key by its own setting")
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname or re.search(r"\s", url):
        shown = re.sub(r"//[^/@]*@", "//", url)
        raise ValueError(f"{shown!r} is no url of a server; expected one like http://localhost:8000/v1")
    if parts.query or parts.fragment:
        raise ValueError(f"the url of a server must end before '?' and '#', got {parts.hostname}{parts.path}?...")
    return parts
