"""A client comes back to the wrong worker."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

import anyio
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve, unix_serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from agent.server.admission import Refused
from agent.server.relay import Relay
from agent.server.resume import new_token
from agent.server.workers import Place

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from websockets.http11 import Request, Response

pytestmark = pytest.mark.anyio

REALTIME = Subprotocol("realtime")


@dataclass
class Pair:
    """Two workers: the clients come to the first, the sessions are at the second."""

    url: str
    folder: Path
    requests: list[Request] = field(default_factory=list["Request"])
    ends: list[int | None] = field(default_factory=list["int | None"])
    refusals: list[str] = field(default_factory=list[str])
    has_session: bool = True

    @property
    def relay(self) -> Relay:
        return Relay(Place(number=0, n_workers=2, port=1, folder=str(self.folder)))

    async def hold(self, connection: ServerConnection) -> None:
        """The second worker: echoes, closes as told."""
        try:
            while True:
                message = await connection.recv()
                if isinstance(message, str) and message.startswith("close "):
                    await connection.close(int(message[6:]), "as told")
                await connection.send(message)
        except ConnectionClosed:
            self.ends.append(connection.close_code)

    def judge(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        return None if self.has_session else connection.respond(HTTPStatus.NOT_FOUND, "no")

    async def pass_on(self, connection: ServerConnection) -> None:
        """The first worker."""
        owner = self.relay.owner(new_token(worker=1))
        assert owner is not None
        try:
            await self.relay.carry(connection, owner=owner)
        except Refused as refused:
            self.refusals.append(refused.code)
            await connection.close(4044, refused.code)


@asynccontextmanager
async def two_workers(tmp_path: Path) -> AsyncGenerator[Pair]:
    pair = Pair(url="", folder=tmp_path)
    path = Relay(Place(number=1, n_workers=2, port=1, folder=str(tmp_path))).path
    async with (
        unix_serve(pair.hold, path, process_request=pair.judge, subprotocols=[REALTIME], compression=None),
        serve(pair.pass_on, "127.0.0.1", 0, subprotocols=[REALTIME], compression=None) as first,
    ):
        pair.url = f"ws://127.0.0.1:{first.sockets[0].getsockname()[1]}/v1/realtime?model=attune"
        yield pair


async def true_soon(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110 - two servers away
            await anyio.sleep(0.001)


async def test_messages_go_both_ways_and_the_request_is_judged_where_the_session_is(tmp_path: Path):
    token = new_token(worker=1)
    async with two_workers(tmp_path) as pair:
        offers = [REALTIME, Subprotocol(f"attune-resume.{token}.17")]
        headers = {"Authorization": "Bearer secret", "X-Else": "stays"}
        async with connect(pair.url, subprotocols=offers, additional_headers=headers, proxy=None) as client:
            for message in ("text", b"\x00sound", "", "x" * 900_000):
                await client.send(message)
                assert await client.recv() == message
            assert client.subprotocol == REALTIME
            (request,) = pair.requests
            assert request.path == "/v1/realtime?model=attune"
            assert request.headers["Authorization"] == "Bearer secret"
            assert request.headers["Host"] == pair.url.split("/")[2]
            assert token in request.headers["Sec-WebSocket-Protocol"]
            assert "X-Else" not in request.headers
        await true_soon(lambda: pair.ends == [1000])


@pytest.mark.parametrize("code", [1000, 1001, 4030, 4031])
async def test_the_client_is_closed_as_the_session_closes(tmp_path: Path, code: int):
    async with two_workers(tmp_path) as pair, connect(pair.url, subprotocols=[REALTIME], proxy=None) as client:
        await client.send(f"close {code}")
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert (client.close_code, client.close_reason) == (code, "as told")


@pytest.mark.parametrize("code", [1000, 1001, 4321])
async def test_the_session_sees_the_client_close(tmp_path: Path, code: int):
    async with two_workers(tmp_path) as pair, connect(pair.url, subprotocols=[REALTIME], proxy=None) as client:
        await client.send("hello")
        await client.recv()
        await client.close(code)
        await true_soon(lambda: pair.ends == [code])


async def test_a_lost_client_is_a_lost_client_to_the_session(tmp_path: Path):
    async with two_workers(tmp_path) as pair, connect(pair.url, subprotocols=[REALTIME], proxy=None) as client:
        await client.send("hello")
        await client.recv()
        client.transport.abort()
        await true_soon(lambda: pair.ends == [1006])


async def test_a_session_that_is_not_there_either_is_refused_and_so_is_a_worker_that_is_gone(tmp_path: Path):
    async with two_workers(tmp_path) as pair:
        pair.has_session = False
        async with connect(pair.url, subprotocols=[REALTIME], proxy=None) as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()
        dead = tmp_path / "dead"
        dead.mkdir()
        (dead / "worker-1.sock").touch()
        pair.folder = dead
        async with connect(pair.url, subprotocols=[REALTIME], proxy=None) as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()

        assert pair.refusals == ["not_found", "not_found"]
        assert client.close_code == 4044


def test_a_token_leads_to_its_worker_and_no_other_name_leads_anywhere(tmp_path: Path):
    relay = Relay(Place(number=0, n_workers=2, port=1, folder=str(tmp_path)))
    assert relay.owner(new_token(worker=1)) is None  # it does not listen yet
    (tmp_path / "worker-1.sock").touch()
    (tmp_path / "worker-7.sock").touch()

    assert relay.owner(new_token(worker=1)) == str(tmp_path / "worker-1.sock")
    names = ["", "x", "w1", "w0-" + "x" * 43, "w7-" + "x" * 43, "w-1-x", "w../x-", json.dumps({"w": 1})]
    assert [relay.owner(name) for name in names] == [None] * len(names)
