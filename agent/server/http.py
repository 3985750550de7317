"""What a server answers to plain HTTP: health, readiness, metrics, the schema, and the page. Each answer ends its line.

Knows no session; what is ready or not it is told.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from websockets.datastructures import Headers
from websockets.http11 import Response

from ..hosting import RECORDED
from .closing import as_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from importlib.resources.abc import Traversable

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": JSON,
    ".map": JSON,
    ".md": TEXT,
    ".mjs": "text/javascript; charset=utf-8",
    ".ogg": "audio/ogg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": TEXT,
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""What a file of the page is. Others are not served."""

EXAMPLE: Final = "/example.ogg"
"""Where the page finds the recorded conversation of `attune demo`, for who has no microphone."""

UNRECORDED: Final = b"Your sound is heard, not stored."
"""What the page promises where it is so."""

SECURITY: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
PAGE_SECURITY: Final = {
    # Nothing but our own files; sound and worklets may also be made on the spot (blob:).
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; worker-src 'self' blob:; style-src 'self'; "
    "img-src 'self' data:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cache-Control": "no-cache",
}


def answer(
    status: int,
    body: str | bytes,
    *,
    content_type: str = TEXT,
    headers: Mapping[str, str] | None = None,
    is_head: bool = False,
) -> Response:
    """Return an HTTP answer, after which the connection is closed; to HEAD it goes without its body."""
    raw = body.encode() if isinstance(body, str) else body
    told = {
        "Connection": "close",
        "Content-Length": str(len(raw)),
        "Content-Type": content_type,
        "Cache-Control": "no-store",
        **SECURITY,
        **(headers or {}),
    }
    return Response(status, HTTPStatus(status).phrase, Headers(told), b"" if is_head else raw)


def answer_json(
    status: int, values: Mapping[str, Any], *, headers: Mapping[str, str] | None = None, is_head: bool = False
) -> Response:
    """Return an HTTP answer of plain values."""
    return answer(status, json.dumps(values) + "\n", content_type=JSON, headers=headers, is_head=is_head)


def refusal(
    status: int,
    code: str,
    message: str,
    *,
    headers: Mapping[str, str] | None = None,
    retry_after_s: float | None = None,
) -> Response:
    """Return an answer that says why not, in the shape in which clients of the protocol look for it."""
    values: dict[str, Any] = {"error": {"type": "invalid_request_error", "code": code, "message": message}}
    told = dict(headers or {})
    if retry_after_s is not None:
        values["error"] |= {"type": "server_error", "retry_after_s": retry_after_s}
        told["Retry-After"] = str(max(1, round(retry_after_s)))
    return answer_json(status, values, headers=told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file of the page."""

    body: bytes = field(repr=False)
    content_type: str
    etag: str


def page_assets(folder: Traversable | None = None, *, records: bool = False) -> dict[str, Asset]:
    """Read the page and its example into memory, by path (`/`, `/js/main.js`); nothing else can be asked for.

    `records`: the page tells, before anything is sent, that conversations are recorded.
    """
    assets: dict[str, Asset] = {}
    _collect(folder or files("agent") / "web", "", assets)
    if "/index.html" in assets:
        page = assets["/index.html"]
        if records:
            assert UNRECORDED in page.body, "the page promises what is not so here"
            page = _asset(page.body.replace(UNRECORDED, RECORDED.encode()), page.content_type)
        assets["/"] = assets["/index.html"] = page
    if folder is None:
        assets[EXAMPLE] = _asset((files("agent") / "demo" / "conversation.ogg").read_bytes(), TYPES[".ogg"])
    return assets


def _collect(folder: Traversable, prefix: str, assets: dict[str, Asset]) -> None:
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        path = f"{prefix}/{entry.name}"
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_dir():
            _collect(entry, path, assets)
            continue
        content_type = TYPES.get("." + entry.name.rpartition(".")[2].lower())
        if content_type is not None:
            assets[path] = _asset(entry.read_bytes(), content_type)


def _asset(body: bytes, content_type: str) -> Asset:
    return Asset(body=body, content_type=content_type, etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a server stands. `waits` says why no session can begin now ("draining", "full", ...), None: one can."""

    waits: str | None
    n_sessions: int
    retry_after_s: float = 5.0


class Desk:
    """Answers plain HTTP requests."""

    def __init__(
        self,
        *,
        standing: Callable[[], Standing],
        metrics: Callable[[], tuple[bytes, str]],
        schema: Callable[[], dict[str, Any]],
        assets: Mapping[str, Asset],
    ) -> None:
        """Answer for a server.

        Args:
            standing: how it stands at present.
            metrics: what it has counted, and the type of that text.
            schema: the JSON Schema of the protocol.
            assets: the files of the page by path, none to serve no page.
        """
        self._standing = standing
        self._metrics = metrics
        self._schema = schema
        self._assets = assets
        self._printed_schema: str | None = None

    def respond(self, path: str, headers: Headers, *, is_head: bool = False) -> Response | None:
        """Return the answer to a request for a path (without its query); None where there is nothing."""
        match path:
            case "/health" | "/ready":
                return self._about(path, is_head=is_head)
            case "/metrics":
                body, content_type = self._metrics()
                return answer(200, body, content_type=content_type, is_head=is_head)
            case "/schema":
                return answer(200, self._schema_text(), content_type=JSON, is_head=is_head)
            case _:
                asset = self._assets.get(path)
                return None if asset is None else _file(asset, headers, is_head=is_head)

    def _about(self, path: str, *, is_head: bool) -> Response:
        standing = self._standing()
        is_ready = standing.waits is None
        values = {"status": "ok", "ready": is_ready, "waits": standing.waits, "sessions": standing.n_sessions}
        if path == "/health" or is_ready:
            return answer_json(200, values, is_head=is_head)
        told = {"Retry-After": str(max(1, round(standing.retry_after_s)))}
        return answer_json(503, {**values, "status": "waiting"}, headers=told, is_head=is_head)

    def _schema_text(self) -> str:
        if self._printed_schema is None:
            self._printed_schema = json.dumps({**self._schema(), "x-close-codes": as_table()}, indent=1) + "\n"
        return self._printed_schema


def _file(asset: Asset, headers: Headers, *, is_head: bool) -> Response:
    told = {**PAGE_SECURITY, "ETag": asset.etag}
    known = [tag.strip().removeprefix("W/") for value in headers.get_all("If-None-Match") for tag in value.split(",")]
    if asset.etag in known:
        return answer(304, b"", content_type=asset.content_type, headers=told)
    return answer(200, asset.body, content_type=asset.content_type, headers=told, is_head=is_head)
