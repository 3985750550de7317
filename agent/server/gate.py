"""What happens to a request before there is a connection: plain HTTP is answered, sessions are refused in time."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from .admission import Refused
from .blame import blame
from .handshake import ENDPOINTS, Admitted, Rejected, address_of, judge, token_of, wrong_host
from .http import refusal
from .resume import LAST_EVENT_HEADER, RESUME_HEADER, resume_request
from .seats import not_found
from .visit import No, Visit

if TYPE_CHECKING:
    from collections.abc import Callable

    from websockets.datastructures import Headers
    from websockets.http11 import Request, Response

    from .http import Desk
    from .link import Link
    from .metrics import ServerMetrics
    from .relay import Relay
    from .seats import Seats
    from .settings import ServerSettings

_LOG = logging.getLogger(__name__)

OPEN_TO_ALL: Final = frozenset({"/health", "/ready"})
"""Asked by what watches over servers, under any name."""


class Gate:
    """Answers requests, or lets them pass to become connections."""

    def __init__(
        self,
        settings: ServerSettings,
        *,
        seats: Seats,
        metrics: ServerMetrics,
        desk: Desk,
        relay: Relay | None = None,
        wall_clock: Callable[[], float],
    ) -> None:
        """Watch over a server; `wall_clock` gives POSIX time, for tokens that end. `relay`: see `serve`."""
        self._relay = relay
        self._settings = settings
        self._seats = seats
        self._metrics = metrics
        self._desk = desk
        self._wall_clock = wall_clock

    def answer(self, link: Link, request: Request, *, port: int) -> Response | None:
        """Return the HTTP answer to a request, None where it may go on to be a WebSocket (`link.visit` then says how).

        A fault of ours in here is answered too, and logged by its kind only: what is in a request may be a secret.
        """
        try:
            response = self._answer(link, request, port=port)
        except Exception as trouble:  # noqa: BLE001 - the boundary of one request: it must not reach the library's log
            _LOG.error("a request failed: %s", blame(trouble))
            response = refusal(500, "server_error", "the server failed at this request")
        if response is not None:
            self._metrics.http.labels(str(response.status_code)).inc()
        return response

    def refuse(self, refused: Refused, *, address: str) -> No:
        """Count, log and phrase that there is no session for a client."""
        _LOG.info("refused %s: %s", address, refused.code)
        self._metrics.refused.labels(refused.code).inc()
        return No.refused(refused)

    def _answer(self, link: Link, request: Request, *, port: int) -> Response | None:
        path = request.path.partition("?")[0]
        if path not in ENDPOINTS:
            return self._plain(path, request)
        visit = link.visit = self._visit(link, request, port=port)
        return None if visit.no is None or visit.is_told_later else visit.no.as_response()

    def _visit(self, link: Link, request: Request, *, port: int) -> Visit:
        headers = request.headers
        address = address_of(headers, peer=link.peer, settings=self._settings)
        judged = judge(request, settings=self._settings, port=port, now=self._wall_clock())
        is_page = "Origin" in headers and "Sec-WebSocket-Key" in headers
        if isinstance(judged, Rejected):
            _LOG.info("refused %s: %d %s", address, judged.status, judged.code)
            self._metrics.refused.labels(judged.code).inc()
            # Pages that may not connect at all learn nothing; to the others it is said that the token is wrong.
            return Visit(address=address, no=No.rejected(judged), is_told_later=is_page and judged.status == 401)
        resume = resume_request(protocols=judged.offers, headers=_resume_headers(headers))
        visit = Visit(address=address, admitted=judged, resume=resume)
        if resume is not None and self._relay is not None and (owner := self._relay.owner(resume.token)) is not None:
            # A token that is still to come is looked at there.
            return replace(visit, owner=owner)
        if judged.sends_token:
            return visit
        refused = self._refusal(visit, judged)
        if refused is None:
            return visit
        return replace(visit, no=self.refuse(refused, address=address), is_told_later=is_page)

    def _refusal(self, visit: Visit, admitted: Admitted) -> Refused | None:
        """Return why there is no session for a client, as far as that is known now."""
        client = visit.client(admitted)
        if visit.resume is not None:
            return None if self._seats.find(visit.resume, client) is not None else not_found()
        try:
            self._seats.check(client)
        except Refused as refused:
            return refused
        return None

    def _plain(self, path: str, request: Request) -> Response:
        wrong = None if path in OPEN_TO_ALL else wrong_host(request.headers, settings=self._settings)
        if wrong is not None:
            return No.rejected(wrong).as_response()
        if path == "/metrics" and not self._may_read_metrics(request):
            return refusal(401, "missing_token", "a token is needed", headers={"WWW-Authenticate": "Bearer"})
        response = self._desk.respond(path, request.headers, is_head=request.method == "HEAD")
        return response or refusal(404, "not_found", "nothing is here: the page is at /, sessions at /v1/realtime")

    def _may_read_metrics(self, request: Request) -> bool:
        tokens = self._settings.tokens
        token = token_of(request.headers)
        return not tokens or (token is not None and tokens.check(token, now=self._wall_clock()) is not None)


def _resume_headers(headers: Headers) -> dict[str, str]:
    """Return the headers that ask for a session back, the last of several."""
    return {name: values[-1] for name in (RESUME_HEADER, LAST_EVENT_HEADER) if (values := headers.get_all(name))}
