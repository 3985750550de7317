"""A server that is asked to stop."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import time
from base64 import b64encode
from contextlib import AsyncExitStack, closing
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from agent.server.draining import Stopping
from tests.agent.server.edge import KEY, echo, frame
from tests.agent.server.processes import came_true, said_until_closed, started

if TYPE_CHECKING:
    from pathlib import Path

    from websockets.asyncio.client import ClientConnection

pytestmark = pytest.mark.anyio


def never_reads(port: int) -> socket.socket:
    """A client that asks for much and reads nothing."""
    deaf = socket.create_connection(("127.0.0.1", port))
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lines = ["GET /v1/realtime HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: Upgrade", "Upgrade: websocket"]
    lines += [f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13", "", ""]
    deaf.sendall("\r\n".join(lines).encode())
    deaf.recv(64)
    deaf.sendall(frame(1, json.dumps({"type": "flood", "n": 200, "bytes": 100_000}).encode()))
    return deaf


async def test_a_hundred_sessions_are_told_and_heard_out_and_nothing_acknowledged_is_lost(tmp_path: Path):
    kept = tmp_path / "kept.txt"
    ends: list[tuple[list[dict[str, str]], int | None]] = []

    async def listen(client: ClientConnection) -> None:
        ends.append(await said_until_closed(client))

    with started("serve", kept) as server:
        async with AsyncExitStack() as stack:
            deaf = never_reads(server.port)
            stack.callback(deaf.close)
            clients = [await stack.enter_async_context(connect(server.url, proxy=None)) for _ in range(100)]
            for number, client in enumerate(clients):
                await client.send(json.dumps({"type": "say", "text": f"turn {number}"}))
            await echo(clients[-1])
            began_s = time.monotonic()
            async with anyio.create_task_group() as tasks:
                for client in clients:
                    tasks.start_soon(listen, client)
                server.signal(signal.SIGTERM)
            assert await server.left(within_s=10) == 0
            assert time.monotonic() - began_s < 10

    saved = set(kept.read_text("utf-8").splitlines())
    assert len(ends) == 100
    for events, close_code in ends:
        kinds = [event["type"] for event in events if event["type"] not in {"session.created", "echoed"}]
        assert kinds == ["attune.session.ending", "attune.turn.saved", "bye"]
        assert close_code == 1001
        assert {event["text"] for event in events if event["type"] == "attune.turn.saved"} <= saved
    assert saved == {f"turn {number}" for number in range(100)}


async def test_turns_of_real_sessions_that_were_acknowledged_are_in_the_log(tmp_path: Path):
    database = tmp_path / "turns.db"
    ends: list[tuple[list[dict[str, str]], int | None]] = []
    sound = json.dumps({"type": "input_audio_buffer.append", "audio": b64encode(bytes(2 * 2_400)).decode()})

    async def converse(client: ClientConnection, *, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            await client.send(sound)
        ends.append(await said_until_closed(client))

    with started("hosted", database) as server:
        async with AsyncExitStack() as stack:
            url = f"{server.url}?attune=turns"
            clients = [await stack.enter_async_context(connect(url, proxy=None)) for _ in range(100)]
            async with anyio.create_task_group() as tasks:
                for number, client in enumerate(clients):
                    # Some are in the middle of their first utterance, some have been answered, some are in between.
                    tasks.start_soon(lambda client=client, n=number: converse(client, seconds=1.0 + n % 5 * 0.7))
                await anyio.sleep(1.0)
                server.signal(signal.SIGTERM)
            began_s = time.monotonic()
            assert await server.left(within_s=10) == 0
            assert time.monotonic() - began_s < 10

    with closing(sqlite3.connect(database)) as log:
        kept = {f"{session}-{utterance}" for session, utterance in log.execute("SELECT session, utterance FROM turns")}
    saved = [event for events, _ in ends for event in events if event["type"] == "attune.turn.saved"]
    assert {code for _, code in ends} == {1001}
    assert len(saved) == len({event["turn_id"] for event in saved}) > 50
    assert {event["turn_id"] for event in saved} <= kept


async def test_while_it_drains_nobody_new_comes_in_and_a_second_signal_ends_it_at_once(tmp_path: Path):
    with started("serve", tmp_path / "kept", "stubborn") as server:
        async with connect(server.url, proxy=None) as client, httpx.AsyncClient(trust_env=False) as http:
            base = f"http://127.0.0.1:{server.port}"
            await echo(client)
            assert (await http.get(f"{base}/ready")).status_code == 200

            server.signal(signal.SIGINT)
            await came_true(lambda: httpx.get(f"{base}/ready", trust_env=False).status_code != 200)
            ready = await http.get(f"{base}/ready")
            assert (ready.status_code, ready.json()["waits"]) == (503, "draining")
            assert (await http.get(f"{base}/health")).status_code == 200
            with pytest.raises(InvalidStatus) as refused:
                await connect(server.url, proxy=None)
            assert refused.value.response.status_code == 503
            assert int(refused.value.response.headers["Retry-After"]) >= 1
            await echo(client, "those inside go on")

            server.signal(signal.SIGTERM)
            began_s = time.monotonic()
            events, code = await said_until_closed(client)
            assert await server.left(within_s=3) == 0
            assert time.monotonic() - began_s < 2
        assert code == 1001
        assert [event["type"] for event in events] == []


async def test_a_hang_up_changes_nothing(tmp_path: Path):
    with started("serve", tmp_path / "kept") as server:
        async with connect(server.url, proxy=None) as client:
            server.signal(signal.SIGHUP)
            await echo(client)
            await anyio.sleep(0.05)
            await echo(client)
        server.signal(signal.SIGTERM)
        assert await server.left(within_s=5) == 0


async def test_a_process_short_of_files_sheds_new_sessions_and_keeps_the_old(tmp_path: Path):
    with started("serve", tmp_path / "kept", "files=64") as server:
        async with AsyncExitStack() as stack:
            clients: list[ClientConnection] = []

            async def fill() -> None:
                while len(clients) < 64:
                    clients.append(await stack.enter_async_context(connect(server.url, proxy=None)))

            with pytest.raises(InvalidStatus) as refused:
                await fill()
            assert refused.value.response.status_code == 503
            assert json.loads(refused.value.response.body)["error"]["code"] == "too_many_files"
            assert len(clients) > 5
            for client in (clients[0], clients[-1]):
                await echo(client)
            await clients.pop().close()
            await came_true(lambda: httpx.get(f"http://127.0.0.1:{server.port}/ready").status_code == 200)


async def test_the_last_work_is_done_unless_somebody_asks_again():
    stopping = Stopping()
    done: list[str] = []

    async def work() -> None:
        await anyio.wait_all_tasks_blocked()
        done.append("done")

    async def asks_again() -> None:
        stopping.ask()
        await anyio.sleep_forever()

    assert not stopping.is_asked
    stopping.ask()
    assert stopping.is_asked
    await stopping.asked()
    assert await stopping.unless_urged(work)
    with anyio.fail_after(5):
        assert not await stopping.unless_urged(asks_again)
    assert done == ["done"]
