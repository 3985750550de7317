"""How a client comes back to its session: the secret token, and how it says which event it saw last.

Two ways, for browsers and for everybody else:

- subprotocol `attune-resume.<token>.<last event number>`, offered beside `realtime` (which the server selects, so that
  the secret is not sent back);
- headers `Attune-Resume: <token>` and `Attune-Last-Event: <last event number>`.

The number is what the id of the last event seen ends in (`event_…_000017`: 17, also as `000017`). Without it only what
was being sent when the connection broke, and what came after, is sent again.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PROTOCOL: Final = "attune-resume."
RESUME_HEADER: Final = "attune-resume"
LAST_EVENT_HEADER: Final = "attune-last-event"

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
_NUMBER = re.compile(r"[0-9]{1,15}")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequest:
    """A client wants its session back.

    Attributes:
        token: as the client sent it, "" when it is none that was ever given.
        after: number of the last event it has seen; None: it does not say.
    """

    token: str = field(repr=False)
    after: int | None = None


def resume_request(*, protocols: Iterable[str] = (), headers: Mapping[str, str] | None = None) -> ResumeRequest | None:
    """Return what a client says of a session to resume, None when it wants a new one.

    What is said badly is a request with a token of nobody: it is answered as any other wrong one.

    Args:
        protocols: the subprotocols offered.
        headers: of the request, by names in lower case (or in any, where the mapping does not care).
    """
    for protocol in protocols:
        if protocol.startswith(PROTOCOL):
            token, _, after = protocol.removeprefix(PROTOCOL).partition(".")
            return _request(token, after)
    token = (headers or {}).get(RESUME_HEADER)
    return None if token is None else _request(token, (headers or {}).get(LAST_EVENT_HEADER, ""))


def new_token(*, worker: int | None = None) -> str:
    """Return a secret that nobody can guess (256 bits); with several workers it begins with the worker's number."""
    secret = secrets.token_urlsafe(32)
    return secret if worker is None else f"w{worker}-{secret}"


def worker_of(token: str) -> int | None:
    """Return the worker that a token names, None where it names none."""
    found = re.match(r"w([0-9]{1,4})-", token)
    return None if found is None else int(found[1])


class Secrets(Generic[T]):
    """Values behind secret tokens, of which it keeps hashes only."""

    def __init__(self) -> None:
        """Begin with none."""
        self._by_digest: dict[bytes, T] = {}

    def __len__(self) -> int:
        return len(self._by_digest)

    def put(self, token: str, value: T) -> None:
        """Keep a value behind a token."""
        self._by_digest[sha256(token.encode()).digest()] = value

    def drop(self, token: str) -> None:
        """Forget a token. Idempotent."""
        self._by_digest.pop(sha256(token.encode()).digest(), None)

    def get(self, token: str) -> T | None:
        """Return what is behind a token, None for a wrong one."""
        # Looked up by hash: how long it takes tells of the hash, which nobody can steer, and nothing of the token.
        return self._by_digest.get(sha256(token.encode("utf-8", "replace")).digest())


def _request(token: str, after: str) -> ResumeRequest:
    if not _TOKEN.fullmatch(token) or not (after == "" or _NUMBER.fullmatch(after)):
        return ResumeRequest(token="")
    return ResumeRequest(token=token, after=int(after) if after else None)
