"""Retries, breaker, cancelling, closing and keys: how a client behaves over several requests."""

from __future__ import annotations

import asyncio
import logging
import threading
import traceback
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from streaming.errors import EngineFailed, ServerFailed
from streaming.remote import Endpoint, Patience
from streaming.remote.client import offered
from tests.openai_server import OpenAiServer, Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

from tests.remote_talk import (
    CALM,
    CHAT,
    HASTY,
    SECRET,
    STREAMED,
    client_of,
    error,
    fetch,
    has_token,
    stream,
    with_patience,
)


def test_it_is_tried_again_only_before_the_first_token(openai_server: OpenAiServer):
    client = client_of(openai_server.url, tries=3)
    openai_server.next("hang_up", "truncated_before_token")
    assert "".join(stream(client, STREAMED)) == openai_server.manners.reply
    assert len(openai_server.seen) == 2 + 1
    openai_server.next("truncated_stream")
    with pytest.raises(ServerFailed, match="broke off"):
        stream(client)
    assert len(openai_server.seen) == 4
    client.close()


def test_waits_grow_and_retry_after_is_kept(openai_server: OpenAiServer):
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    client = client_of(openai_server.url, tries=4, sleep=sleep)
    openai_server.next("hang_up", Refusal(status=503), Refusal(status=429, headers={"retry-after": "1.5"}))
    assert fetch(client)["choices"]
    assert 0.125 <= slept[0] <= 0.25 < slept[1] <= 0.5
    assert slept[2] == 1.5
    openai_server.next(Refusal(status=429, headers={"retry-after": "60"}))
    with pytest.raises(ServerFailed) as told:
        fetch(client)
    assert told.value.retry_after_s == 60
    assert len(slept) == 3
    client.close()


def test_a_request_that_can_never_go_well_is_sent_once(openai_server: OpenAiServer):
    client = client_of(openai_server.url, tries=3)
    openai_server.next(Refusal(status=400, body=error("no")))
    with pytest.raises(ServerFailed):
        fetch(client)
    assert len(openai_server.seen) == 1
    client.close()


def test_a_server_that_fails_again_and_again_is_left_alone_for_a_while(openai_server: OpenAiServer):
    now = [0.0]
    client = client_of(openai_server.url, n_failures=2, clock=lambda: now[0])
    openai_server.next("hang_up", "html_502")
    for _ in range(2):
        with pytest.raises(ServerFailed):
            fetch(client)
    with pytest.raises(ServerFailed, match=r"left alone for another 10\.0 s"):
        fetch(client)
    assert len(openai_server.seen) == 2
    now[0] = 11.0
    openai_server.next("hang_up")
    with pytest.raises(ServerFailed, match="closed the connection"):
        fetch(client)
    with pytest.raises(ServerFailed, match="left alone"):
        fetch(client)
    now[0] = 22.0
    assert fetch(client)["choices"]
    assert fetch(client)["choices"]
    client.close()


def test_a_refused_request_does_not_open_the_breaker(openai_server: OpenAiServer):
    client = client_of(openai_server.url, n_failures=1)
    invalid = Refusal(status=500, body=error("1 validation error: field required"))
    openai_server.next(Refusal(status=400, body=error("no")), Refusal(status=429), invalid)
    for _ in range(3):
        with pytest.raises(ServerFailed):
            fetch(client)
    assert fetch(client)["choices"]
    client.close()


@pytest.mark.anyio
async def test_leaving_a_stream_closes_the_connection(openai_server: OpenAiServer):
    client = client_of(openai_server.url, patience=Patience(n_bytes=2**40))
    openai_server.next("endless")
    events = client.stream(lambda: client.exchange.events(STREAMED, counts=has_token))
    async with aclosing(events):
        async for event in events:
            if has_token(event):
                break
    assert await asyncio.to_thread(openai_server.wait_until, lambda: openai_server.n_left == 1)
    assert await client.call(lambda: client.json(CHAT))
    client.close()
    assert await asyncio.to_thread(openai_server.wait_until, lambda: openai_server.n_open == 0)


@pytest.mark.anyio
@pytest.mark.parametrize("fault", ["mute", "mute_after_headers"])
async def test_a_cancelled_call_closes_the_connection(openai_server: OpenAiServer, fault: str):
    client = client_of(openai_server.url, patience=Patience())
    openai_server.next(fault)
    task = asyncio.ensure_future(client.call(lambda: client.json(CHAT)))
    assert await asyncio.to_thread(openai_server.wait_until, lambda: len(openai_server.seen) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(openai_server.wait_until, lambda: openai_server.n_open == 0)
    client.close()


@pytest.mark.anyio
async def test_closing_fails_what_is_under_way_and_what_comes_later(openai_server: OpenAiServer):
    client = client_of(openai_server.url, patience=Patience())
    openai_server.next("mute", "mute")
    call = asyncio.ensure_future(client.call(lambda: client.json(CHAT)))

    async def read() -> None:
        async for _ in client.stream(lambda: client.exchange.events(STREAMED, counts=has_token)):
            pass

    reading = asyncio.ensure_future(read())
    assert await asyncio.to_thread(openai_server.wait_until, lambda: len(openai_server.seen) == 2)
    client.close()
    client.close()
    for task in (call, reading):
        with pytest.raises(EngineFailed, match="was closed"):
            await task
    with pytest.raises(EngineFailed, match="was closed"):
        await client.call(lambda: client.json(CHAT))
    assert await asyncio.to_thread(openai_server.wait_until, lambda: openai_server.n_open == 0)


def test_threads_and_connections_end_with_close(openai_server: OpenAiServer):
    before = set(threading.enumerate())
    client = client_of(openai_server.url)
    assert set(threading.enumerate()) == before
    for _ in range(3):
        fetch(client)
        stream(client)
    assert openai_server.n_open == 1, "one connection serves requests that come one after another"
    client.close()
    assert set(threading.enumerate()) == before
    assert openai_server.wait_until(lambda: openai_server.n_open == 0)


def test_the_key_is_sent_and_never_shown(openai_server: OpenAiServer, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    client = client_of(openai_server.url)
    fetch(client)
    assert openai_server.seen[0].headers["authorization"] == f"Bearer {SECRET}"
    shown = [repr(client.endpoint), str(client.endpoint), caplog.text]
    for fault in ("hang_up", "mute", "redirect", "not_http", Refusal(status=401, body=error(f"bad {SECRET}"))):
        openai_server.next(fault)
        with_patience(client, HASTY["mute"] if fault == "mute" else CALM)
        with pytest.raises(ServerFailed) as told:
            fetch(client)
        openai_server.behave()
        shown += ["".join(traceback.format_exception(told.value)), repr(told.value), caplog.text]
    assert not any(SECRET in text for text in shown)
    client.close()


def test_a_key_may_come_from_the_environment(openai_server: OpenAiServer, monkeypatch: pytest.MonkeyPatch):
    endpoint = Endpoint(openai_server.url, key_from="SOME_KEY")
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(EngineFailed, match="set the environment variable SOME_KEY"):
        offered(endpoint)
    monkeypatch.setenv("SOME_KEY", f" {SECRET}\n")
    assert offered(endpoint) == ("toy", "other")
    assert openai_server.seen[-1].headers["authorization"] == f"Bearer {SECRET}"
    openai_server.next(Refusal(status=401))
    with pytest.raises(ServerFailed, match="check the environment variable SOME_KEY"):
        offered(endpoint)


@pytest.mark.anyio
async def test_what_a_stream_yields_comes_in_order_from_the_courier():
    client = client_of("http://127.0.0.1:9")

    async def numbers() -> AsyncGenerator[int, None]:
        for number in range(500):
            yield number

    assert [number async for number in client.stream(numbers)] == list(range(500))
    client.close()


def test_the_budget_of_a_mute_server_is_kept(openai_server: OpenAiServer, monkeypatch: pytest.MonkeyPatch):
    """The deadline is the loop's own: nothing waits for longer than asked, whatever the server sends."""
    client = client_of(openai_server.url, patience=HASTY["pings"])
    asked: list[float] = []
    timeout_at: Callable[[float | None], asyncio.Timeout] = asyncio.timeout_at

    def noted(when: float | None) -> asyncio.Timeout:
        assert when is not None
        asked.append(when - asyncio.get_running_loop().time())
        return timeout_at(when)

    monkeypatch.setattr(asyncio, "timeout_at", noted)
    with_patience(client, CALM)
    stream(client)
    asked.clear()
    with_patience(client, HASTY["pings"])
    openai_server.next("pings")
    with pytest.raises(ServerFailed, match="did not begin"):
        stream(client)
    assert max(asked) <= 0.05
    assert len(asked) >= 1
    client.close()
