"""Who may open a WebSocket: path, version, Host, Origin and token of a request, judged before the upgrade.

Decides and says why; it neither answers nor logs. No judgement ever holds a secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from .settings import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from websockets.datastructures import Headers
    from websockets.http11 import Request

    from .ports import Endpoint
    from .settings import ServerSettings
    from .tokens import Bearer

ENDPOINTS: Final[Mapping[str, Endpoint]] = {"/v1/realtime": "realtime", "/v1/realtime/translations": "translations"}
PROTOCOL: Final = "realtime"
KEY_PREFIX: Final = "openai-insecure-api-key."
"""A browser can set no headers: it offers its key as a subprotocol beside `realtime` (OpenAI's convention)."""
AUTH_FIRST: Final = "attune-auth"
"""Offered beside `realtime`: the token comes in the first message, `{"type": "attune.auth", "token": "…"}`."""
MAX_QUERY_FIELDS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A request that may become a session.

    Attributes:
        query: the last of several, without secrets.
        bearer: whose token it was; None: nobody's, none is needed.
        offers: subprotocols offered, without keys.
        sends_token: the token is to come in the first message.
    """

    endpoint: Endpoint
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    bearer: Bearer | None = None
    offers: tuple[str, ...] = ()
    sends_token: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A request that is refused: the HTTP status, a code for metrics and programs, and words for people."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def judge(request: Request, *, settings: ServerSettings, port: int, now: float) -> Admitted | Rejected:
    """Say whether a WebSocket may be opened.

    Args:
        request: of the client.
        settings: who may come in.
        port: that the server listens on, for its own origins.
        now: POSIX time, for tokens that end.
    """
    path, _, raw_query = request.path.partition("?")
    endpoint = ENDPOINTS.get(path)
    if endpoint is None:
        return Rejected(status=404, code="not_found", message=f"nothing is here: try {' or '.join(ENDPOINTS)}")
    headers = request.headers
    trouble = (
        wrong_version(headers)
        or wrong_host(headers, settings=settings)
        or wrong_origin(headers, settings=settings, port=port)
    )
    if trouble is not None:
        return trouble
    offers = offered(headers)
    if offers and PROTOCOL not in offers:
        return Rejected(status=400, code="unknown_subprotocol", message=f"offer the subprotocol {PROTOCOL}, or none")
    try:
        query = dict(parse_qsl(raw_query, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS))
    except ValueError:
        return Rejected(status=400, code="invalid_query", message="too many fields in the query")
    return _with_token(endpoint, headers=headers, query=query, settings=settings, now=now)


def _with_token(
    endpoint: Endpoint, *, headers: Headers, query: dict[str, str], settings: ServerSettings, now: float
) -> Admitted | Rejected:
    in_query = query.pop("token", None)
    if in_query is not None and not settings.query_tokens:
        return _unauthorized("token_in_query", "a token in the address ends up in logs: send it in a header instead")
    offers = offered(headers)
    plain = tuple(offer for offer in offers if not offer.startswith(KEY_PREFIX))
    token = token_of(headers) or in_query
    if not settings.tokens:
        return Admitted(endpoint=endpoint, query=query, offers=plain)
    if token is None and AUTH_FIRST in offers:
        return Admitted(endpoint=endpoint, query=query, offers=plain, sends_token=True)
    if token is None:
        return _unauthorized("missing_token", "a token is needed: send the header Authorization: Bearer TOKEN")
    bearer = settings.tokens.check(token, now=now)
    if bearer is None:
        return _unauthorized("invalid_token", "the token is unknown, or its time is over")
    return Admitted(endpoint=endpoint, query=query, bearer=bearer, offers=plain)


def _unauthorized(code: str, message: str) -> Rejected:
    return Rejected(status=401, code=code, message=message, headers={"WWW-Authenticate": 'Bearer realm="attune"'})


def offered(headers: Headers) -> Sequence[str]:
    """Return the subprotocols that a client offers."""
    return [
        name.strip() for value in headers.get_all("Sec-WebSocket-Protocol") for name in value.split(",") if name.strip()
    ]


def token_of(headers: Headers) -> str | None:
    """Return the token of a request: its one `Authorization: Bearer`, else its one key among the subprotocols."""
    bearers = [
        value.split(None, 1)[1].strip()
        for value in headers.get_all("Authorization")
        if value[:7].lower() == "bearer " and value[7:].strip()
    ]
    keys = [name.removeprefix(KEY_PREFIX) for name in offered(headers) if name.startswith(KEY_PREFIX)]
    found = bearers or keys
    return found[0] if len(found) == 1 else None


def wrong_version(headers: Headers) -> Rejected | None:
    """Refuse WebSocket versions other than 13. What is no upgrade at all is refused elsewhere."""
    versions = headers.get_all("Sec-WebSocket-Version")
    if not versions or versions == ["13"]:
        return None
    return Rejected(
        status=426,
        code="wrong_version",
        message="WebSocket version 13 is spoken here",
        headers={"Sec-WebSocket-Version": "13", "Upgrade": "websocket"},
    )


def wrong_host(headers: Headers, *, settings: ServerSettings) -> Rejected | None:
    """Refuse names of the server that are not its own: so pages of others reach loopback by DNS rebinding."""
    if not settings.hosts and (settings.behind_proxy or not settings.is_loopback):
        return None
    hosts = headers.get_all("Host")
    name = _host_name(hosts[0]) if len(hosts) == 1 else None
    if name is not None and (name in settings.hosts or (settings.is_loopback and is_loopback(name))):
        return None
    return Rejected(status=403, code="wrong_host", message="this server has another name: see --host-name")


def wrong_origin(headers: Headers, *, settings: ServerSettings, port: int) -> Rejected | None:
    """Refuse pages of others. No Origin is a native client; those come in by their token, or on loopback."""
    origins = headers.get_all("Origin")
    allowed = {*settings.origins, *own_origins(settings, port=port)}
    if not origins or (len(origins) == 1 and origins[0] in allowed):
        return None
    return Rejected(status=403, code="wrong_origin", message="pages from there may not connect: see --origin")


def own_origins(settings: ServerSettings, *, port: int) -> set[str]:
    """Return the origins of the server's own page, where the server knows them: on loopback."""
    if not settings.is_loopback:
        return set()
    scheme, default = ("https", 443) if settings.tls is not None else ("http", 80)
    suffix = "" if port == default else f":{port}"
    names = {"localhost", "127.0.0.1", "[::1]", f"[{settings.host}]" if ":" in settings.host else settings.host}
    return {f"{scheme}://{name}{suffix}" for name in names}


def is_origin(text: str) -> bool:
    """Tell whether a text is an origin as browsers write them: scheme, host in lower case, perhaps a port."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return False
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    written = f"{parts.scheme}://{host}" + ("" if port is None else f":{port}")
    return text == written and not host.endswith(".") and port != {"http": 80, "https": 443}[parts.scheme]


def address_of(headers: Headers, *, peer: str, settings: ServerSettings) -> str:
    """Return where a client is, for limits; behind a proxy as the proxy says (the last it added)."""
    if settings.behind_proxy:
        hops = [hop.strip() for value in headers.get_all("X-Forwarded-For") for hop in value.split(",")]
        if hops and hops[-1]:
            return hops[-1][:64]
    return peer


def _host_name(host: str) -> str | None:
    """Return the name in a Host header in lower case, without its port; None where it makes no sense."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
