"""A model hub on this machine, well or badly behaved on command; it speaks as much of the true one as we use."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Self

LARGE = 1000
"""Files from this size on are kept by SHA-256, elsewhere, as the hub keeps large files."""


@dataclass(slots=True)
class Repository:
    """A repository: its files, and what is said of it."""

    files: dict[str, bytes]
    licence: str = "mit"
    status: int = 200
    file_status: int = 200
    error_code: str = ""

    @property
    def commit(self) -> str:
        content = b"".join(name.encode() + self.files[name] for name in sorted(self.files))
        return hashlib.sha1(content).hexdigest()

    def told(self, name: str) -> dict[str, Any]:
        siblings = [_sibling(path, content) for path, content in self.files.items()]
        return {"id": name, "sha": self.commit, "siblings": siblings, "cardData": {"license": self.licence}, "tags": []}


def _sibling(path: str, content: bytes) -> dict[str, Any]:
    if len(content) < LARGE:
        blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
        return {"rfilename": path, "size": len(content), "blobId": blob}
    lfs = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return {"rfilename": path, "size": len(content), "blobId": "0" * 40, "lfs": lfs}


@dataclass(slots=True)
class FakeHub:
    """Serves while it is entered.

    `cuts` says after how many bytes each of the next transfers breaks off; `damages` changes content on the way;
    `ignores_ranges` sends files from their beginning whatever was asked; as many of the next questions as `mutes` says
    are not answered before the hub closes. Files lie on another host than the hub's, as far as names go.
    """

    repositories: dict[str, Repository] = field(default_factory=dict[str, Repository])
    cuts: list[int] = field(default_factory=list[int])
    damages: bool = False
    ignores_ranges: bool = False
    answers_html: bool = False
    mutes: int = 0
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list[tuple[str, dict[str, str]]])
    _server: ThreadingHTTPServer | None = None
    _closing: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def sent(self) -> list[str]:
        """The ranges of the files asked for, "" where all of a file was."""
        return [headers.get("range", "") for path, headers in self.asked if path.startswith("/cdn/")]

    def __enter__(self) -> Self:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub._answer(self)

            def log_message(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        self.asked.append((path, {name.lower(): value for name, value in request.headers.items()}))
        if self.mutes:
            self.mutes -= 1
            self._closing.wait()
            request.close_connection = True
        elif self.answers_html:
            _send(request, b"<html>log in to the network</html>", kind="text/html")
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/[^/]+", path):
            self._tell(request, found[1])
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[0-9a-f]{40}/(.+)", path):
            self._redirect(request, found[1], found[2])
        elif found := re.fullmatch(r"/cdn/([^/]+/[^/]+)/(.+)", path):
            self._give(request, self.repositories[found[1]].files[found[2]])
        else:
            _send(request, b"", status=404)

    def _tell(self, request: BaseHTTPRequestHandler, name: str) -> None:
        repository = self.repositories.get(name)
        if repository is None:
            _send(request, b'{"error":"Repository not found"}', status=404, code="RepoNotFound")
        elif repository.status != 200:
            _send(request, b'{"error":"no"}', status=repository.status, code=repository.error_code)
        else:
            _send(request, json.dumps(repository.told(name)).encode())

    def _redirect(self, request: BaseHTTPRequestHandler, name: str, path: str) -> None:
        repository = self.repositories[name]
        if repository.file_status != 200:
            _send(request, b"", status=repository.file_status, code=repository.error_code)
            return
        request.send_response(302)
        request.send_header("Location", f"{self.url.replace('127.0.0.1', 'localhost')}/cdn/{name}/{path}")
        request.send_header("Content-Length", "0")
        request.end_headers()

    def _give(self, request: BaseHTTPRequestHandler, content: bytes) -> None:
        start = 0
        if (asked := re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))) and not self.ignores_ranges:
            start = int(asked[1])
        body = content[start:]
        if self.damages:
            body = bytes(byte ^ 1 for byte in body)
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if self.cuts:
            request.wfile.write(body[: self.cuts.pop(0)])
            request.close_connection = True
            return
        request.wfile.write(body)


def _send(
    request: BaseHTTPRequestHandler, body: bytes, *, status: int = 200, code: str = "", kind: str = "application/json"
) -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    if code:
        request.send_header("X-Error-Code", code)
    request.end_headers()
    request.wfile.write(body)
