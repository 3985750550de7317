"""Clients that stop reading, read too slowly, or vanish (faults 60 to 63), on both event loops."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from websockets.asyncio.client import connect

from tests.agent.server.edge import Bench, Raw, bench, echo, eventually, frame

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

pytestmark = pytest.mark.anyio

TEXT = 1
FLOOD = {"type": "flood", "n": 200, "bytes": 20_000}
SMALL: dict[str, Any] = {"send_s": 0.2, "send_buffer_bytes": 4096}


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    if request.param:
        pytest.importorskip("uvloop")
    return "asyncio", {"use_uvloop": request.param}


async def deaf(found: Bench, *, flood: dict[str, Any] = FLOOD) -> Raw:
    """Return a client that asked for a lot, and reads nothing of it."""
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plug.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", found.server.port))
    found.raws.append(raw := Raw(*await asyncio.open_connection(sock=plug, limit=1024)))
    assert await raw.upgrade(port=found.server.port) == 101
    raw.writer.transport.pause_reading()  # pyright: ignore[reportAttributeAccessIssue]
    raw.send(frame(TEXT, json.dumps(flood).encode()))
    return raw


@asynccontextmanager
async def measured(found: Bench) -> AsyncGenerator[list[float]]:
    """Measure how long another session waits for its answers meanwhile."""
    waited_s: list[float] = []
    loop = asyncio.get_running_loop()

    async def ask() -> None:
        async with connect(found.server.url, proxy=None) as other:
            while True:
                began_s = loop.time()
                await echo(other)
                waited_s.append(loop.time() - began_s)
                await asyncio.sleep(0.005)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        yield waited_s
        tasks.cancel_scope.cancel()


async def gone(found: Bench, *, n: int) -> None:
    await eventually(lambda: found.counted("attune_slow_readers_total") >= n)


async def test_clients_that_never_read_are_dropped_and_others_notice_nothing():
    async with bench(**SMALL, control_burst=10_000) as found, measured(found) as waited_s:
        for _ in range(5):
            await deaf(found)
        began_s = asyncio.get_running_loop().time()
        await gone(found, n=5)
        assert asyncio.get_running_loop().time() - began_s < 2
        await eventually(lambda: len(waited_s) >= 30)
    assert sorted(waited_s)[len(waited_s) // 2] < 0.1
    assert found.counted("attune_closes_total", code="abnormal") >= 5


async def test_a_client_that_reads_a_byte_now_and_then_is_dropped_too():
    async with bench(**SMALL) as found:
        raw = await deaf(found)
        plug = raw.writer.get_extra_info("socket").fileno()
        with anyio.fail_after(5):
            while not found.counted("attune_slow_readers_total"):
                with suppress(BlockingIOError):
                    os.read(plug, 1)
                await anyio.sleep(0.02)


async def test_a_client_that_reads_slowly_but_reads_is_kept():
    async with bench(send_s=0.3, send_buffer_bytes=4096) as found:
        raw = await deaf(found, flood={"type": "flood", "n": 20, "bytes": 20_000})
        raw.writer.transport.resume_reading()  # pyright: ignore[reportAttributeAccessIssue]
        n_read = 0
        with anyio.fail_after(10):
            while n_read < 350_000:
                n_read += len(await raw.reader.read(16_384))
                await anyio.sleep(0.01)
        assert not found.counted("attune_slow_readers_total")


async def test_the_server_stops_while_clients_do_not_read():
    with anyio.fail_after(5):
        async with bench(bystander=False, **SMALL) as found:
            await deaf(found)
            await deaf(found)


async def test_a_pong_that_nobody_reads_has_its_deadline_too():
    async with bench(**SMALL, ping_burst=10**9) as found:
        raw = await deaf(found, flood={"type": "echo"})
        raw.writer.write(frame(9, bytes(125)) * 20_000)
        await gone(found, n=1)


async def test_a_cable_that_is_pulled_is_noticed_by_pings():
    async with bench(bystander=False, ping_interval_s=0.1, ping_timeout_s=0.1, close_s=0.1) as found:
        raw = await found.upgraded()
        raw.writer.transport.pause_reading()  # pyright: ignore[reportAttributeAccessIssue]
        await eventually(lambda: not len(found.server.seats))
        assert found.counted("attune_closes_total", code="internal_error") == 1


async def test_a_reset_in_the_middle_of_a_reply_ends_the_session():
    async with bench() as found:
        raw = await found.upgraded()
        raw.send(frame(TEXT, json.dumps(FLOOD).encode()))
        await raw.reader.readexactly(1000)
        plug = raw.writer.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await raw.hang_up()
        await eventually(lambda: len(found.server.seats) == 1, within_s=1)
        assert found.dialogues.opened[-1].ends == ["now"]
