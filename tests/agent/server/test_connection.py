"""Connections: limits told and kept, readers that stop, connections that break, sessions that end (faults 27 to 63)."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from agent.server.tokens import parse_tokens
from tests.agent.server.edge import SECRET, bench, echo, eventually

pytestmark = pytest.mark.anyio

TEXT = 1


async def until_closed(client: Any) -> list[dict[str, Any]]:
    """Return the events up to the end of the connection."""
    events: list[dict[str, Any]] = []
    with anyio.fail_after(5):
        try:
            while True:
                events.append(json.loads(await client.recv()))
        except ConnectionClosed:
            return events


def codes(events: list[dict[str, Any]]) -> list[str]:
    return [event["error"]["code"] for event in events if event["type"] == "error"]


async def send(client: Any, **event: Any) -> None:
    await client.send(json.dumps(event))


async def received(client: Any, **values: Any) -> None:
    """Send a message that the session takes for this."""
    await send(client, type="received", values=values)


async def test_ten_times_too_much_sound_is_warned_of_then_closed():
    async with bench(audio_burst_s=2.0) as found, connect(found.server.url, proxy=None) as client:
        await received(client, sound_s=2.5)
        await received(client, sound_s=40)
        assert codes(await until_closed(client)) in (["audio_too_fast"], [])
        assert client.close_code == 4029
        assert found.counted("attune_faults_total", code="audio_too_fast") == 1
        assert found.counted("attune_audio_seconds_total") == 42.5


async def test_a_warning_is_an_event_and_the_session_goes_on():
    async with bench(audio_burst_s=2.0) as found, connect(found.server.url, proxy=None) as client:
        await received(client, sound_s=2.5)
        await client.recv()
        assert json.loads(await client.recv())["error"]["code"] == "audio_too_fast"
        await echo(client)


async def test_ten_messages_of_nonsense_are_answered_and_the_tenth_is_the_last():
    async with bench() as found, connect(found.server.url, proxy=None) as client:
        for _ in range(9):
            await client.send("{")
        await echo(client)
        for _ in range(10):
            await client.send("[nonsense")
        await until_closed(client)
        assert client.close_code == 1008
        assert found.counted("attune_faults_total", code="invalid_json") == 19


async def test_noise_instead_of_sound_is_closed_with_its_own_code():
    async with bench() as found, connect(found.server.url, proxy=None) as client:
        for _ in range(10):
            await received(client, fault="suspect_audio")
        await until_closed(client)
        assert client.close_code == 4000


async def test_a_client_ends_its_session():
    async with bench() as found, connect(found.server.url, proxy=None) as client:
        await received(client, ends="flush")
        assert (await until_closed(client))[-1]["type"] == "bye"
        assert client.close_code == 1000
        assert found.dialogues.opened[-1].ends == ["flush"]


async def test_a_session_that_fails_is_closed_and_says_nothing_of_why():
    async with bench() as found, connect(found.server.url, proxy=None) as client:
        await send(client, type="fail")
        events = await until_closed(client)
        assert codes(events) == ["server_error"]
        assert SECRET not in json.dumps(events)
        assert client.close_code == 1011


async def test_a_session_without_messages_is_closed_as_idle():
    async with bench(bystander=False, idle_s=0.3) as found, connect(found.server.url, proxy=None) as client:
        await until_closed(client)
        assert client.close_code == 4031


async def test_a_session_that_lasts_too_long_is_closed():
    async with bench(bystander=False, max_session_s=0.3) as found, connect(found.server.url, proxy=None) as client:
        await until_closed(client)
        assert client.close_code == 4033


async def test_a_token_that_ends_ends_the_connection():
    tokens = parse_tokens([SECRET, "brief-token-0123456789 until=2030-01-01T00:00Z"])
    moment = 1_893_456_000.0 - 0.2
    headers = {"Authorization": "Bearer brief-token-0123456789"}
    async with (
        bench(tokens=tokens, wall_clock=lambda: moment) as found,
        connect(found.server.url, additional_headers=headers, proxy=None) as client,
    ):
        await until_closed(client)
        assert client.close_code == 4008


async def test_the_same_session_on_two_connections_is_the_newer_ones():
    async with bench(resume_s=5) as found, connect(found.server.url, proxy=None) as older:
        token = json.loads(await older.recv())["resume_token"]
        async with connect(found.server.url, additional_headers={"Attune-Resume": token}, proxy=None) as newer:
            await until_closed(older)
            assert older.close_code == 4030
            await echo(newer)


@pytest.mark.parametrize("headers", [{"Attune-Resume": "x" * 43}, {"Attune-Resume": "../../x"}])
async def test_a_session_that_is_not_there_cannot_be_resumed(headers: dict[str, str]):
    async with bench() as found:
        raw = await found.raw()
        lines = [f"{name}: {value}" for name, value in headers.items()]
        assert await raw.upgrade(*lines, port=found.server.port) == 404
        origin: Any = f"http://127.0.0.1:{found.server.port}"
        subprotocols: Any = ["realtime", "attune-resume." + "x" * 43 + ".17"]
        async with connect(found.server.url, origin=origin, subprotocols=subprotocols, proxy=None) as page:
            assert codes(await until_closed(page)) == ["not_found"]
            assert page.close_code == 4044


async def test_a_connection_that_breaks_is_resumed_with_what_was_missed():
    async with bench(resume_s=5) as found:
        raw = await found.upgraded()
        session = found.dialogues.opened[-1]
        await raw.hang_up()
        await eventually(lambda: found.counted("attune_closes_total", code="abnormal") == 1)
        session.tell("missed")
        token = session.opening.resume_token
        headers = {"Attune-Resume": token or "", "Attune-Last-Event": "1"}
        async with connect(found.server.url, additional_headers=headers, proxy=None) as client:
            assert json.loads(await client.recv())["type"] == "missed"
            assert json.loads(await client.recv())["type"] == "attune.session.resumed"
            await echo(client)
        assert found.counted("attune_resumed_total") == 1


async def test_a_drained_server_tells_everybody_and_gives_no_new_sessions():
    async with bench(bystander=False, drain_s=1) as found, connect(found.server.url, proxy=None) as client:
        await found.server.seats.drain()
        events = await until_closed(client)
        assert "attune.session.ending" in [event["type"] for event in events]
        assert client.close_code == 1001
        assert (await found.get("/ready"))[0] == 503
        assert (await found.get("/health"))[0] == 200
        raw = await found.raw()
        assert await raw.upgrade(port=found.server.port) == 503
