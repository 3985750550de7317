"""What a server answers to plain HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from websockets.datastructures import Headers

from agent.hosting import RECORDED
from agent.server.closing import Close
from agent.server.http import UNRECORDED, Desk, Standing, page_assets
from agent.server.metrics import ServerMetrics
from agent.server.tokens import parse_tokens
from tests.agent.server.edge import SECRET, bench

if TYPE_CHECKING:
    from pathlib import Path

    from websockets.http11 import Response

pytestmark = pytest.mark.anyio

CANARY = "canary-of-a-file-outside"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "outside.js").write_text(CANARY)
    web = tmp_path / "web"
    (web / "parts").mkdir(parents=True)
    (web / "index.html").write_text("<!doctype html><title>Attune</title>")
    (web / "parts" / "mic.js").write_text("export const rate = 24000;")
    (web / "style.css").write_text("body { margin: 0 }")
    (web / ".hidden.js").write_text(CANARY)
    (web / "_draft.js").write_text(CANARY)
    (web / "notes.py").write_text(CANARY)
    return web


def desk(page: Path, *, waits: str | None = None) -> Desk:
    metrics = ServerMetrics()
    return Desk(
        standing=lambda: Standing(waits=waits, n_sessions=3),
        metrics=lambda: (metrics.exposition(), metrics.content_type),
        schema=lambda: {"title": "events"},
        assets=page_assets(page),
    )


def got(desk: Desk, path: str, *, is_head: bool = False, **headers: str) -> Response | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return desk.respond(path, Headers(named), is_head=is_head)


@pytest.mark.parametrize(
    ("path", "content_type", "begins"),
    [
        ("/", "text/html; charset=utf-8", b"<!doctype"),
        ("/index.html", "text/html; charset=utf-8", b"<!doctype"),
        ("/parts/mic.js", "text/javascript; charset=utf-8", b"export"),
        ("/style.css", "text/css; charset=utf-8", b"body"),
    ],
)
def test_the_page_is_served_as_what_it_is(page: Path, path: str, content_type: str, begins: bytes):
    response = got(desk(page), path)
    assert response is not None
    assert response.status_code == 200
    assert response.headers["Content-Type"] == content_type
    assert response.body.startswith(begins)
    assert response.headers["Content-Length"] == str(len(response.body))
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/../outside.js",
        "/%2e%2e/outside.js",
        "/parts/../../outside.js",
        "/parts/..%2f..%2foutside.js",
        "//outside.js",
        "/.hidden.js",
        "/_draft.js",
        "/notes.py",
        "/parts",
        "/parts/",
        "/etc/passwd",
        "",
        "/\0",
    ],
)
def test_nothing_but_the_page_is_served(page: Path, path: str):
    assert got(desk(page), path) is None


def test_what_a_browser_has_already_is_not_sent_again(page: Path):
    first = got(desk(page), "/style.css")
    assert first is not None
    again = got(desk(page), "/style.css", If_None_Match=f'"other", W/{first.headers["ETag"]}')
    assert again is not None
    assert (again.status_code, again.body) == (304, b"")


def test_head_is_answered_without_a_body(page: Path):
    response = got(desk(page), "/style.css", is_head=True)
    assert response is not None
    assert response.body == b""
    assert response.headers["Content-Length"] == str(len("body { margin: 0 }"))


def test_health_is_always_well_and_ready_is_not(page: Path):
    full = desk(page, waits="session_limit")
    health, ready = got(full, "/health"), got(full, "/ready")
    assert health is not None
    assert ready is not None
    assert (health.status_code, ready.status_code) == (200, 503)
    assert json.loads(health.body) == {"status": "ok", "ready": False, "waits": "session_limit", "sessions": 3}
    assert ready.headers["Retry-After"] == "5"
    well = got(desk(page), "/ready")
    assert well is not None
    assert well.status_code == 200


def test_the_schema_comes_with_all_close_codes(page: Path):
    response = got(desk(page), "/schema")
    assert response is not None
    schema = json.loads(response.body)
    assert schema["title"] == "events"
    assert {row["code"] for row in schema["x-close-codes"]} == {int(code) for code in Close}


def test_the_page_that_is_shipped_can_be_read():
    assets = page_assets()
    assert all(asset.body for asset in assets.values() if not asset.content_type.startswith("image"))
    assert assets["/example.ogg"].content_type == "audio/ogg"
    assert assets["/example.ogg"].body.startswith(b"OggS")


def test_a_page_never_promises_that_sound_is_not_stored_where_it_is():
    promised, told = page_assets(), page_assets(records=True)
    for path in ("/", "/index.html"):
        assert UNRECORDED in promised[path].body
        assert UNRECORDED not in told[path].body
        assert RECORDED.encode() in told[path].body
        assert promised[path].etag != told[path].etag


# Over the wire


async def test_metrics_are_numbers_and_need_a_token_where_there_are_any():
    async with bench() as found:
        status, headers, body = await found.get("/metrics")
        assert status == 200
        assert headers["content-type"].startswith("text/plain")
        assert b"attune_sessions_open 1.0" in body
    async with bench(tokens=parse_tokens([SECRET])) as found:
        assert (await found.get("/metrics"))[0] == 401
        assert (await found.get("/metrics", f"Authorization: Bearer {SECRET}"))[0] == 200
        assert (await found.get("/health"))[0] == 200


async def test_under_another_name_only_health_is_answered():
    async with bench() as found:
        for path, status in (("/health", 200), ("/ready", 200), ("/metrics", 403), ("/", 403)):
            raw = await found.raw()
            assert (await raw.request(f"GET {path} HTTP/1.1\nHost: evil.example\n\n"))[0] == status


async def test_where_an_engine_is_down_the_server_is_up_but_not_ready():
    async with bench() as found:
        found.dialogues.is_degraded = "the language model does not answer"
        status, _, body = await found.get("/ready")
        assert (status, json.loads(body)["waits"]) == (503, "the language model does not answer")
        assert (await found.get("/health"))[0] == 200


async def test_http_1_0_and_head_are_answered():
    async with bench() as found:
        raw = await found.raw()
        assert (await raw.request("GET /health HTTP/1.0\n\n"))[0] == 200
        status, headers, body = await found.get("/health", method="HEAD")
        assert (status, body) == (200, b"")
        assert int(headers["content-length"]) > 0


async def test_a_fault_of_ours_is_an_answer_and_shows_no_secret(caplog: pytest.LogCaptureFixture):
    async with bench() as found:
        found.server.__dict__["_dialogues"] = SECRET  # which has no attribute that is asked for
        assert (await found.get("/ready"))[0] == 500
    assert "AttributeError" in caplog.text
    assert SECRET not in caplog.text
