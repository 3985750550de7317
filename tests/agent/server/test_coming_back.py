"""Clients that lose their connection and come back, over real sockets (faults 37, 38 and 64 to 66)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.agent.server.edge import Bench, bench, echo

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.anyio


async def told(client: ClientConnection) -> dict[str, Any]:
    with anyio.fail_after(5):
        return json.loads(await client.recv())


def number(event: dict[str, Any]) -> str:
    return event["event_id"].rpartition("_")[2]


def back(here: Bench, token: str, after: str = "", *, by_header: bool = False) -> connect:
    if by_header:
        headers = {"Attune-Resume": token, "Attune-Last-Event": after}
        return connect(here.server.url, additional_headers=headers, proxy=None)
    offers = [Subprotocol("realtime"), Subprotocol(f"attune-resume.{token}.{after}".removesuffix("."))]
    return connect(here.server.url, subprotocols=offers, proxy=None)


async def ended(here: Bench) -> None:
    """Wait until only the bystander has a session."""
    with anyio.fail_after(5):
        while len(here.server.seats) > 1:  # noqa: ASYNC110 - as below
            await anyio.sleep(0.005)


async def lost(client: ClientConnection, here: Bench, *, n_left: int) -> None:
    client.transport.abort()
    with anyio.fail_after(5):
        while here.counted("attune_connections_open") > n_left:  # noqa: ASYNC110 - the server notices in its own time
            await anyio.sleep(0.001)


@pytest.mark.parametrize("by_header", [False, True])
async def test_a_lost_client_comes_back_and_misses_nothing(by_header: bool):
    async with bench(resume_s=60) as here:
        async with connect(here.server.url, proxy=None) as client:
            created = await told(client)
            await echo(client, "before")
            await lost(client, here, n_left=1)
        here.dialogues.opened[-1].tell("said meanwhile", text="a")
        here.dialogues.opened[-1].tell("said meanwhile", text="b")

        async with back(here, created["resume_token"], number(created), by_header=by_header) as client:
            events = [await told(client) for _ in range(4)]
            kinds = [event["type"] for event in events]
            assert kinds == ["echoed", "said meanwhile", "said meanwhile", "attune.session.resumed"]
            assert [int(number(event)) for event in events] == [2, 3, 4, 5]
            assert client.subprotocol == (None if by_header else "realtime")
            await echo(client, "after")
        await ended(here)
        assert len(here.dialogues.opened) == 2  # of the bystander and of the client: one session, however many sockets
        assert here.counted("attune_resumed_total") == 1
        assert here.dialogues.opened[-1].ends == ["now"]


async def test_a_second_socket_takes_the_session_and_the_first_is_told_so():
    async with bench(resume_s=60) as here, connect(here.server.url, proxy=None) as first:
        created = await told(first)
        async with back(here, created["resume_token"], number(created)) as second:
            assert (await told(second))["type"] == "attune.session.resumed"
            with pytest.raises(ConnectionClosed):
                await told(first)
            assert first.close_code == 4030
            await echo(second)


@pytest.mark.parametrize("token", ["x" * 43, "../../etc/passwd", "", "w3-" + "x" * 43])
async def test_guessed_tokens_find_nothing_and_are_all_told_the_same(token: str):
    async with bench(resume_s=60) as here:
        with pytest.raises(InvalidStatus) as refused:
            await back(here, token, "1", by_header=True)

        assert refused.value.response.status_code == 404
        error = json.loads(refused.value.response.body)["error"]
        assert (error["code"], error["message"]) == (
            "not_found",
            "there is no such session to resume: begin a new one",
        )


@pytest.mark.parametrize("after", ["0", "99", "1e3", "-1"])
async def test_an_event_that_was_never_told_is_no_way_back_and_the_session_stays(after: str):
    async with bench(resume_s=60) as here:
        async with connect(here.server.url, proxy=None) as client:
            created = await told(client)
            await lost(client, here, n_left=1)
        if after != "0":
            with pytest.raises(InvalidStatus):
                await back(here, created["resume_token"], after, by_header=True)
        async with back(here, created["resume_token"], "0") as client:
            assert [(await told(client))["type"] for _ in range(2)] == ["session.created", "attune.session.resumed"]


async def test_whoever_slept_too_long_is_not_found_and_nothing_is_left():
    async with bench(resume_s=0.05) as here:
        async with connect(here.server.url, proxy=None) as client:
            created = await told(client)
            await lost(client, here, n_left=1)
        await ended(here)
        with pytest.raises(InvalidStatus) as refused:
            await back(here, created["resume_token"], number(created))
        assert refused.value.response.status_code == 404


async def test_a_client_that_closed_in_good_order_cannot_come_back():
    async with bench(resume_s=60) as here:
        async with connect(here.server.url, proxy=None) as client:
            created = await told(client)
        await ended(here)
        with pytest.raises(InvalidStatus):
            await back(here, created["resume_token"], number(created))


async def test_a_lost_session_makes_room_for_a_client_that_is_there():
    async with bench(resume_s=60, max_sessions=2) as here:
        async with connect(here.server.url, proxy=None) as client:
            with pytest.raises(InvalidStatus) as refused:
                await connect(here.server.url, proxy=None)
            assert refused.value.response.status_code == 503
            created = await told(client)
            await lost(client, here, n_left=1)
        async with connect(here.server.url, proxy=None) as other:
            await echo(other)
            with pytest.raises(InvalidStatus):
                await back(here, created["resume_token"], number(created))


async def test_idle_and_long_sessions_are_warned_and_closed_with_their_own_codes():
    cases: Sequence[tuple[dict[str, Any], str, int]] = [
        ({"idle_s": 0.6}, "idle", 4031),
        ({"max_session_s": 0.6}, "too_long", 4033),
    ]
    for settings, reason, code in cases:
        async with bench(bystander=False, **settings) as here, connect(here.server.url, proxy=None) as client:
            await told(client)
            ending = await told(client)
            assert (ending["type"], ending["reason"]) == ("attune.session.ending", reason)
            assert (await told(client))["type"] == "bye"
            with pytest.raises(ConnectionClosed):
                await told(client)
            assert client.close_code == code
