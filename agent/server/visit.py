"""What a request to open a WebSocket was judged to be, from the handshake to the connection; and how refusals are told.

A browser is not told the status of a failed handshake: where a page may connect at all, its refusal comes as an `error`
event and a close code after the upgrade. Everybody else gets the HTTP status.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from .admission import Client
from .closing import Close
from .http import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from websockets.http11 import Response

    from .admission import RefusalCode, Refused
    from .handshake import Admitted, Rejected
    from .resume import ResumeRequest

CLOSE_OF: Final[Mapping[RefusalCode, Close]] = {
    "session_limit": Close.NO_SLOT,
    "address_limit": Close.TOO_MANY_SESSIONS,
    "token_limit": Close.TOO_MANY_SESSIONS,
    "overloaded": Close.TRY_AGAIN_LATER,
    "too_many_files": Close.TRY_AGAIN_LATER,
    "draining": Close.SERVICE_RESTART,
    "not_found": Close.NOT_FOUND,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class No:
    """A refusal: as HTTP before the upgrade, or as an event and a close code after it."""

    status: int
    close: Close
    code: str
    message: str
    headers: Mapping[str, str] | None = None
    retry_after_s: float | None = None

    @classmethod
    def rejected(cls, rejected: Rejected) -> Self:
        """Say no to a request that may not come in."""
        close = Close.AUTH_FAILED if rejected.status == 401 else Close.POLICY
        return cls(
            status=rejected.status,
            close=close,
            code=rejected.code,
            message=rejected.message,
            headers=rejected.headers,
        )

    @classmethod
    def refused(cls, refused: Refused) -> Self:
        """Say no to a client for which there is no session."""
        return cls(
            status=refused.http_status,
            close=CLOSE_OF[refused.code],
            code=refused.code,
            message=refused.message,
            retry_after_s=refused.retry_after_s,
        )

    def as_response(self) -> Response:
        """Return it as an HTTP answer."""
        return refusal(self.status, self.code, self.message, headers=self.headers, retry_after_s=self.retry_after_s)

    def as_event(self) -> str:
        """Return it as an `error` event, JSON."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error: dict[str, str | float | None] = {
            "type": kind,
            "code": self.code,
            "message": self.message,
            "param": None,
            "event_id": None,
        }
        if self.retry_after_s is not None:
            error["retry_after_s"] = self.retry_after_s
        return json.dumps({"type": "error", "event_id": "event_refused_000001", "error": error})


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request for a session.

    Attributes:
        address: where it comes from.
        admitted: what it asks for; None where it may not come in.
        resume: the session it wants back.
        owner: where the worker listens that has that session; None: it is this one.
        no: why there is no session for it.
        is_told_later: a page asks, which cannot see the status of a failed handshake: it is told after the upgrade.
    """

    address: str
    admitted: Admitted | None = None
    resume: ResumeRequest | None = None
    owner: str | None = None
    no: No | None = None
    is_told_later: bool = False

    def client(self, admitted: Admitted) -> Client:
        """Return whom a session of this visit counts for."""
        return Client(address=self.address, token="" if admitted.bearer is None else admitted.bearer.name)
