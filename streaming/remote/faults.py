"""Everything that can go wrong with a server, as one typed error with one clear line."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from ..errors import ContextOverflow, EngineFailed, ServerFailed
from .complaints import complaint_of, one_line, retry_after_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .complaints import Complaint
    from .endpoint import Endpoint

_MANY = 8


class Refused(ServerFailed):
    """The server refused the request and said why.

    Attributes:
        complaint: what it said, read.
        is_for_good: the request is not understood; the same one will never be.
    """

    def __init__(self, message: str, *, complaint: Complaint, status: int, retry_after_s: float | None = None) -> None:
        self.is_for_good = status in {400, 404, 405, 422, 501} or (status == 500 and complaint.is_about_request)
        can_retry = status in {408, 425, 429} or (status >= 500 and not self.is_for_good)
        super().__init__(message, status=status, can_retry=can_retry, retry_after_s=retry_after_s)
        self.complaint = complaint


def breaks(trouble: BaseException) -> bool:
    """Return whether a failure speaks against the server as such, and not against one request."""
    if not isinstance(trouble, ServerFailed) or (isinstance(trouble, Refused) and trouble.is_for_good):
        return False
    return trouble.status is None or trouble.status >= 500


def at(endpoint: Endpoint, trouble: ServerFailed) -> ServerFailed:
    """Return an error that also says which server; `trouble`'s message is a predicate ("sent no answer")."""
    return ServerFailed(
        f"the server at {endpoint.url} {trouble}",
        status=trouble.status,
        can_retry=trouble.can_retry,
        retry_after_s=trouble.retry_after_s,
    )


def refusal(
    endpoint: Endpoint, *, status: int, headers: Mapping[str, str], body: bytes, path: str, model: str | None = None
) -> EngineFailed:
    """Return the error for an answer whose status is not 200.

    Args:
        endpoint: who was asked.
        status: of the answer.
        headers: of the answer, by lower-case name.
        body: of the answer, or its beginning.
        path: what was asked for, below the url.
        model: which model was asked for, if any.
    """
    complaint = complaint_of(body)
    said = one_line(complaint.text, secret=endpoint.secret())
    if status in {400, 413, 422, 500} and complaint.is_overflow:
        return overflow(endpoint, complaint)
    where = f"the server at {endpoint.url}"
    message = _meaning(endpoint, status=status, headers=headers, complaint=complaint, path=path, model=model)
    because = f": {said}" if said and status not in {401, 403} else ""
    return Refused(
        f"{where} {message}{because}", complaint=complaint, status=status, retry_after_s=retry_after_of(headers)
    )


def overflow(endpoint: Endpoint, complaint: Complaint) -> ContextOverflow:
    """Return the error for a prompt that the server finds too long."""
    n, limit = complaint.n_tokens, complaint.limit
    length = "the prompt" if n is None else f"the prompt, {n} tokens,"
    window = "the model's window" if limit is None else f"the model's window of {limit} tokens"
    message = f"{length} does not fit into {window} at {endpoint.url}; send less or serve the model with a larger one"
    return ContextOverflow(message, n_tokens=n, limit=limit)


def _meaning(
    endpoint: Endpoint, *, status: int, headers: Mapping[str, str], complaint: Complaint, path: str, model: str | None
) -> str:
    if status in {401, 403}:
        had = "none was given" if endpoint.secret() is None else "the one given was not accepted"
        return f"refuses access ({status}): it wants a key and {had}; check {endpoint.key_setting} in its settings"
    if 300 <= status < 400:
        to = headers.get("location", "nowhere").partition("?")[0]
        return f"redirects to {one_line(to)} ({status}), which is not followed; give that url if it is right"
    if status in {400, 404} and complaint.lacks_model:
        return f"does not have the model {model!r} ({status})" if model else f"does not have the model ({status})"
    if status >= 500 and not complaint.is_about_request:
        return f"is out of order or still loading ({status})"
    wait_s = retry_after_of(headers)
    when = "later" if wait_s is None else f"in {wait_s:g} s"
    meanings = {
        404: f"does not offer {path} (404); check the url and what this server can do",
        413: "finds the request too large (413); send less at a time",
        429: f"has too many requests or no quota left (429); try again {when}",
    }
    return meanings.get(status, f"does not take the request ({status})")


def with_offer(trouble: ServerFailed, models: Sequence[str]) -> ServerFailed:
    """Return the error for a missing model, with what the server offers instead."""
    names = ", ".join(one_line(name) for name in models[:_MANY]) + (", ..." if len(models) > _MANY else "")
    message = f"{trouble}; it offers: {names}" if models else f"{trouble}; it lists no models"
    return ServerFailed(message, status=trouble.status)


def page(endpoint: Endpoint, *, kind: str, status: int = 200) -> ServerFailed:
    """Return the error for an answer that is a web page, or else not of the kind asked for."""
    what = one_line(kind.partition(";")[0]) or "something else"
    message = f"answered {what} instead of JSON; does the url point to the API (it often ends in /v1)?"
    return at(endpoint, ServerFailed(message, status=status))


def lost(endpoint: Endpoint, trouble: Exception, *, began: bool) -> ServerFailed:
    """Return the error for a connection that could not be made, or broke.

    Args:
        endpoint: who was asked.
        trouble: what the network said.
        began: whether some of the answer had come already.
    """
    import httpx  # noqa: PLC0415 - only when a server is talked to

    if isinstance(trouble, httpx.ConnectTimeout | httpx.PoolTimeout):
        limit_s = endpoint.patience.connect_s
        return at(endpoint, ServerFailed(f"took no connection within {limit_s:g} s; is it overloaded?", can_retry=True))
    if isinstance(trouble, httpx.WriteTimeout):
        limit_s = endpoint.patience.connect_s
        return at(endpoint, ServerFailed(f"did not read the request within {limit_s:g} s; is it overloaded?"))
    if isinstance(trouble, httpx.ConnectError):
        return _unreachable(endpoint, trouble)
    if isinstance(trouble, httpx.ProxyError):
        return at(endpoint, ServerFailed(f"cannot be reached through the proxy ({one_line(str(trouble))})"))
    said = one_line(str(trouble)) or type(trouble).__name__
    if isinstance(trouble, httpx.RemoteProtocolError) and "disconnect" not in said and "peer closed" not in said:
        return at(endpoint, ServerFailed(f"does not speak HTTP as it should ({said})"))
    message = "broke off in the middle of its answer" if began else f"closed the connection without an answer ({said})"
    return at(endpoint, ServerFailed(message, can_retry=True))


def _unreachable(endpoint: Endpoint, trouble: Exception) -> ServerFailed:
    causes = tuple(_causes(trouble))
    said = one_line(str(trouble))
    if any(isinstance(cause, ssl.SSLError) for cause in causes) or "SSL" in said or "CERTIFICATE" in said:
        return at(endpoint, ServerFailed(f"cannot be trusted or speaks no TLS ({said}); check certificate and url"))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return at(endpoint, ServerFailed("cannot be found: its host name is unknown; check the url", can_retry=True))
    message = f"cannot be reached ({said or 'no connection'}); start it or correct the url"
    return at(endpoint, ServerFailed(message, can_retry=True))


def _causes(trouble: BaseException | None) -> Iterator[BaseException]:
    while trouble is not None:
        yield trouble
        trouble = trouble.__cause__ or trouble.__context__
