"""Who may open a WebSocket (faults 1 to 15)."""

from __future__ import annotations

import asyncio
import json
from itertools import repeat
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.http11 import Request

from agent.server.handshake import Admitted, Rejected, is_origin, judge
from agent.server.settings import ServerSettings
from agent.server.tokens import parse_tokens
from tests.agent.server.edge import SECRET, bench, echo

pytestmark = pytest.mark.anyio

TOKENS = parse_tokens([f"{SECRET} name=me", "old-token-0123456789 until=2020-01-01T00:00Z"])
WITH_TOKENS = ServerSettings(port=9, tokens=TOKENS)
OPEN = ServerSettings(port=9, origins=("https://good.example",))
FIRST: Any = ["realtime", "attune-auth"]
NOW = 1_800_000_000.0


def asked(*lines: str, path: str = "/v1/realtime", settings: ServerSettings = OPEN) -> Admitted | Rejected:
    named = {line.split(": ", 1)[0].lower() for line in lines}
    headers = Headers([(name, value) for name, _, value in (line.partition(": ") for line in lines)])
    if "host" not in named:
        headers["Host"] = "127.0.0.1:9"
    return judge(Request(path, headers), settings=settings, port=9, now=NOW)


def refused(*lines: str, path: str = "/v1/realtime", settings: ServerSettings = OPEN) -> tuple[int, str]:
    judged = asked(*lines, path=path, settings=settings)
    assert isinstance(judged, Rejected)
    return judged.status, judged.code


@pytest.mark.parametrize(
    "origins",
    [
        ["https://evil.example"],
        ["null"],
        ["https://good.example.evil.com"],
        ["https://evil-good.example"],
        ["HTTPS://GOOD.EXAMPLE"],
        ["https://good.example."],
        ["https://good.example:443"],
        ["https://good.example/"],
        ["http://good.example"],
        ["https://good.example", "https://evil.example"],
        ["https://good.example", "https://good.example"],
        ["https://good.example, https://good.example"],
        ["http://localhost:10"],
        ["https://localhost:9"],
        [""],
    ],
)
def test_pages_of_others_may_not_connect(origins: list[str]):
    assert refused(*(f"Origin: {origin}" for origin in origins)) == (403, "wrong_origin")


@pytest.mark.parametrize(
    "lines",
    [[], *(["Origin: " + origin] for origin in ("https://good.example", "http://localhost:9", "http://[::1]:9"))],
)
def test_native_clients_and_known_pages_may_connect(lines: list[str]):
    assert isinstance(asked(*lines), Admitted)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:9", "", "[::1", "10.0.0.1:9"])
def test_on_loopback_other_names_are_refused(host: str):
    assert refused(f"Host: {host}") == (403, "wrong_host")


def test_two_hosts_are_refused():
    assert refused("Host: localhost:9", "Host: localhost:9") == (403, "wrong_host")


@pytest.mark.parametrize("host", ["localhost:9", "LOCALHOST", "127.0.0.1:9", "127.1.2.3", "[::1]:9"])
def test_on_loopback_its_own_names_are_taken(host: str):
    assert isinstance(asked(f"Host: {host}"), Admitted)


def test_elsewhere_any_name_is_taken_unless_names_are_given():
    anywhere: dict[str, Any] = {"host": "0.0.0.0", "behind_proxy": True, "tokens": TOKENS}
    bearer = f"Authorization: Bearer {SECRET}"
    settings = ServerSettings(**anywhere)
    assert isinstance(asked("Host: voice.example", bearer, settings=settings), Admitted)
    named = ServerSettings(**anywhere, hosts=("voice.example",))
    assert isinstance(asked("Host: Voice.example:443", bearer, settings=named), Admitted)
    assert refused("Host: evil.example", bearer, settings=named) == (403, "wrong_host")


@pytest.mark.parametrize(
    ("lines", "path", "code"),
    [
        ([], "/v1/realtime", "missing_token"),
        (["Authorization: Bearer "], "/v1/realtime", "missing_token"),
        ([f"Authorization: Basic {SECRET}"], "/v1/realtime", "missing_token"),
        ([f"Authorization: Bearer {SECRET}", f"Authorization: Bearer {SECRET}"], "/v1/realtime", "missing_token"),
        (["Authorization: Bearer wrong-token-0123456789"], "/v1/realtime", "invalid_token"),
        ([f"Authorization: Bearer {SECRET}x"], "/v1/realtime", "invalid_token"),
        (["Authorization: Bearer old-token-0123456789"], "/v1/realtime", "invalid_token"),
        (["Authorization: Bearer " + "x" * 100_000], "/v1/realtime", "invalid_token"),
        (["Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.nope"], "/v1/realtime", "invalid_token"),
        ([], f"/v1/realtime?token={SECRET}", "token_in_query"),
    ],
)
def test_without_a_good_token_nobody_comes_in(lines: list[str], path: str, code: str):
    assert refused(*lines, path=path, settings=WITH_TOKENS) == (401, code)


@pytest.mark.parametrize(
    "line",
    [
        f"Authorization: Bearer {SECRET}",
        f"authorization: bearer  {SECRET} ",
        f"Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.{SECRET}, openai-beta.realtime-v1",
    ],
)
def test_a_token_comes_in_a_header_or_a_subprotocol(line: str):
    judged = asked(line, settings=WITH_TOKENS)
    assert isinstance(judged, Admitted)
    assert judged.bearer is not None
    assert judged.bearer.name == "me"
    assert SECRET not in repr(judged)


def test_a_token_in_the_address_is_taken_only_where_that_was_agreed_and_never_kept():
    settings = ServerSettings(tokens=TOKENS, query_tokens=True)
    judged = asked(path=f"/v1/realtime?model=attune&token={SECRET}&model=other", settings=settings)
    assert isinstance(judged, Admitted)
    assert judged.query == {"model": "other"}
    assert SECRET not in repr(judged)


def test_a_token_may_be_promised_for_the_first_message():
    judged = asked("Sec-WebSocket-Protocol: realtime, attune-auth", settings=WITH_TOKENS)
    assert isinstance(judged, Admitted)
    assert judged.sends_token
    assert judged.bearer is None


@pytest.mark.parametrize(
    ("lines", "path", "status"),
    [
        ([], "/v2/realtime", 404),
        ([], "/v1/realtime/", 404),
        ([], "/v1/../v1/realtime", 404),
        (["Sec-WebSocket-Version: 12"], "/v1/realtime", 426),
        (["Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"], "/v1/realtime", 426),
        (["Sec-WebSocket-Protocol: graphql-ws"], "/v1/realtime", 400),
        ([], "/v1/realtime?" + "&".join(f"a{n}=b" for n in range(100)), 400),
    ],
)
def test_what_is_not_served_here_has_its_status(lines: list[str], path: str, status: int):
    assert refused(*lines, path=path)[0] == status


@given(st.text(alphabet="htps:/.[]0189aA-@?# ", max_size=24))
def test_an_origin_is_one_or_not_and_never_an_error(text: str):
    assert is_origin(text) == (is_origin(text) and "://" in text and text == text.lower())


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("https://a.example", True),
        ("http://localhost:8765", True),
        ("http://[::1]:1", True),
        ("https://a.example/", False),
        ("https://a.example:443", False),
        ("a.example", False),
        ("*", False),
        ("null", False),
        ("https://a.example:x", False),
        ("https://a@b.example", False),
    ],
)
def test_origins_are_told_from_what_looks_like_them(text: str, is_one: bool):
    assert is_origin(text) is is_one


# Over the wire


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Origin: https://evil.example"], 403),
        (["Origin: null"], 403),
        ([], 401),
        (["Authorization: Bearer wrong-token-0123456789"], 401),
        ([f"X-Long: {'x' * 9000}"], 431),
        ([*repeat("X: y", 200)], 431),
    ],
)
async def test_a_request_that_may_not_come_in_has_its_status(lines: list[str], status: int):
    async with bench(tokens=TOKENS) as found:
        raw = await found.raw()
        assert await raw.upgrade(*lines, port=found.server.port) == status
        assert len(found.dialogues.opened) == 1


@pytest.mark.parametrize(
    ("request_line", "more", "status"),
    [
        ("POST /v1/realtime HTTP/1.1", [], 405),
        ("POST /v1/realtime HTTP/1.1", ["Content-Length: 2"], 405),
        ("DELETE / HTTP/1.1", [], 405),
        ("HEAD /v1/realtime HTTP/1.1", [], 405),
        ("GET /v1/realtime HTTP/1.1", [], 426),
        ("GET /v1/realtimes HTTP/1.1", [], 404),
    ],
)
async def test_what_is_no_upgrade_has_its_status(request_line: str, more: list[str], status: int):
    async with bench() as found:
        raw = await found.raw()
        lines = [request_line, f"Host: 127.0.0.1:{found.server.port}", *more, "", ""]
        assert (await raw.request("\n".join(lines)))[0] == status


async def test_a_request_that_never_comes_whole_is_closed():
    async with bench(handshake_s=0.1) as found:
        raw = await found.raw()
        raw.writer.write(b"GET /v1/realtime HTTP/1.1\r\nHost: a")
        with anyio.fail_after(5):
            assert await raw.reader.read() == b""


async def test_tls_on_the_plain_port_is_closed_quietly(caplog: pytest.LogCaptureFixture):
    async with bench() as found:
        raw = await found.raw()
        raw.writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\n")
        with anyio.fail_after(5):
            assert await raw.reader.read() == b""
    assert not [record for record in caplog.records if record.exc_info]


async def test_only_realtime_is_selected_so_that_no_key_comes_back():
    async with bench(tokens=TOKENS) as found:
        raw = await found.raw()
        offer = f"Sec-WebSocket-Protocol: openai-insecure-api-key.{SECRET}, realtime"
        lines = ["GET /v1/realtime HTTP/1.1", f"Host: localhost:{found.server.port}", "Connection: Upgrade"]
        lines += ["Upgrade: websocket", "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", "Sec-WebSocket-Version: 13"]
        status, headers, _ = await raw.request("\n".join([*lines, offer, "", ""]))
        assert status == 101
        assert headers["sec-websocket-protocol"] == "realtime"


@pytest.mark.parametrize(
    "first",
    [json.dumps({"type": "attune.auth", "token": "wrong-token-0123456789"}), "[" * 5000, "[]", "{}", "x" * 9000, b"\0"],
)
async def test_a_first_message_without_a_good_token_is_closed(first: str | bytes):
    async with (
        bench(tokens=TOKENS) as found,
        connect(found.server.url, subprotocols=FIRST, proxy=None) as client,
    ):
        await client.send(first)
        assert json.loads(await client.recv())["error"]["code"] == "invalid_token"
        with pytest.raises(ConnectionClosedError):
            await client.recv()
        assert client.close_code == 4001
        assert len(found.dialogues.opened) == 1


async def test_a_first_message_has_so_long_to_come():
    async with (
        bench(tokens=TOKENS, auth_s=0.05) as found,
        connect(found.server.url, subprotocols=FIRST, proxy=None) as client,
    ):
        with anyio.fail_after(5):
            await client.wait_closed()
        assert client.close_code == 4001


async def test_a_token_in_the_first_message_opens_a_session():
    async with (
        bench(tokens=TOKENS) as found,
        connect(found.server.url, subprotocols=FIRST, proxy=None) as client,
    ):
        await client.send(json.dumps({"type": "attune.auth", "token": SECRET}))
        await echo(client)


async def test_a_page_is_told_by_close_code_what_it_could_not_see_as_a_status():
    async with bench(tokens=TOKENS) as found:
        origin: Any = f"http://localhost:{found.server.port}"
        async with connect(found.server.url, origin=origin, subprotocols=FIRST[:1], proxy=None) as client:
            assert json.loads(await client.recv())["error"]["code"] == "missing_token"
            with pytest.raises(ConnectionClosedError):
                await client.recv()
            assert client.close_code == 4001
        with pytest.raises(InvalidStatus) as caught:
            await connect(found.server.url, additional_headers={"Origin": "https://evil.example"}, proxy=None)
        assert caught.value.response.status_code == 403


async def test_one_session_too_many_is_refused_at_once_and_health_still_answers():
    async with bench(max_sessions=1) as found:
        with anyio.fail_after(1), pytest.raises(InvalidStatus) as caught:
            await connect(found.server.url, proxy=None)
        assert caught.value.response.status_code == 503
        assert int(caught.value.response.headers["Retry-After"]) >= 1
        error = json.loads(caught.value.response.body or b"")["error"]
        assert error["code"] == "session_limit"
        assert error["retry_after_s"] > 0
        status, _, body = await found.get("/health")
        assert (status, json.loads(body)["ready"]) == (200, False)
        assert (await found.get("/ready"))[0] == 503
        assert found.counted("attune_refused_total", reason="session_limit") == 1


async def test_many_at_once_get_a_session_or_a_refusal_and_never_wait():
    async def attempt() -> int:
        raw = await found.raw()
        return await raw.upgrade(port=found.server.port)

    async with bench(max_sessions=20) as found:
        with anyio.fail_after(10):
            statuses = await asyncio.gather(*(attempt() for _ in range(100)))
        assert statuses.count(101) + statuses.count(503) == 100
        assert len(found.dialogues.opened) <= 20


async def test_a_translation_that_nobody_can_make_is_said_so():
    async with bench() as found, connect(f"{found.server.url}/translations", proxy=None) as client:
        error = json.loads(await client.recv())["error"]
        assert (error["code"], error["message"]) == ("not_available", "no language model is here to translate")
        with pytest.raises(ConnectionClosedError):
            await client.recv()
        assert client.close_code == 4501
