"""Faults of frames: each has its close code, others go on, nothing is left (faults 16 to 29)."""

from __future__ import annotations

import asyncio
import json
import struct
import zlib
from itertools import repeat

import anyio
import pytest
from websockets.asyncio.client import connect

from tests.agent.server.edge import bench, echo, frame

pytestmark = pytest.mark.anyio

TEXT, BINARY, CONT, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10
TOO_BIG = 1 << 16


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        pytest.param([frame(BINARY, bytes(70_000))], 1009, id="16-message-too-big"),
        pytest.param([frame(BINARY, size=1 << 62)], 1009, id="17-declares-2-to-the-62"),
        pytest.param(
            [frame(BINARY, bytes(1000), fin=False), *repeat(frame(CONT, bytes(1000), fin=False), 69)],
            1009,
            id="18-fragments-too-big",
        ),
        pytest.param([frame(TEXT, zlib.compress(bytes(50_000)), rsv=4)], 1002, id="19-deflated-was-not-agreed"),
        pytest.param([frame(TEXT, b"\xff\xfe{}")], 1007, id="20-not-utf8"),
        pytest.param([frame(TEXT, b"{}", masked=False)], 1002, id="21-not-masked"),
        pytest.param([frame(3, b"x")], 1002, id="22-reserved-opcode"),
        pytest.param([frame(TEXT, b"x", rsv=1)], 1002, id="22-reserved-bit"),
        pytest.param([frame(PING, bytes(126))], 1002, id="23-long-ping"),
        pytest.param([frame(PING, b"x", fin=False)], 1002, id="23-ping-in-pieces"),
        pytest.param([frame(CONT, b"x")], 1002, id="24-continuation-first"),
        pytest.param([frame(CLOSE, struct.pack("!H", 1005))], 1002, id="25-close-1005"),
        pytest.param([frame(CLOSE, b"x")], 1002, id="25-one-byte-close"),
        pytest.param(
            [frame(TEXT, fin=False), *repeat(frame(CONT, fin=False), 120)], 1008, id="29-empty-pieces-for-ever"
        ),
    ],
)
async def test_a_bad_frame_has_its_close_code(frames: list[bytes], code: int):
    async with bench(max_message_bytes=TOO_BIG, max_fragments=100) as found:
        raw = await found.upgraded()
        raw.send(*frames)
        assert await raw.close_code() == code


async def test_a_message_in_pieces_has_so_long_to_come():
    async with bench(message_s=0.05) as found:
        raw = await found.upgraded()
        raw.send(frame(TEXT, b"{", fin=False))
        await asyncio.sleep(0.1)
        raw.send(frame(CONT, b" ", fin=False))
        assert await raw.close_code() == 1008


async def test_a_message_in_a_few_pieces_is_a_message():
    async with bench() as found:
        raw = await found.upgraded()
        text = json.dumps({"type": "echo", "text": "in pieces"}).encode()
        raw.send(frame(TEXT, text[:9], fin=False), frame(PING), frame(CONT, text[9:]))
        with anyio.fail_after(5):
            await raw.reader.readuntil(b'in pieces"}')
        raw.send(frame(CLOSE, struct.pack("!H", 1000)))
        assert await raw.close_code() == 1000


@pytest.mark.parametrize("opcode", [PING, PONG])
async def test_a_flood_of_pings_is_closed_and_hardly_delays_others(opcode: int):
    late_s: list[float] = []

    async def watch() -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.001)
            late_s.append(loop.time() - before - 0.001)

    async with bench() as found, anyio.create_task_group() as tasks:
        raw = await found.upgraded()
        tasks.start_soon(watch)
        await asyncio.sleep(0)
        raw.send(frame(opcode) * 100_000)
        assert await raw.close_code() == 1008
        tasks.cancel_scope.cancel()
    assert found.counted("attune_closes_total", code="policy") == 1
    assert sorted(late_s)[-1] < 0.5


async def test_one_byte_frames_at_full_speed_are_closed():
    async with bench() as found:
        raw = await found.upgraded()
        raw.send(frame(BINARY, b"x") * 10_000)
        assert await raw.close_code() == 4029
        # Not all of them were taken in before it was noticed.
        assert len(found.dialogues.opened[-1].messages) <= 81


async def test_an_empty_binary_message_says_nothing_and_is_counted():
    async with bench() as found, connect(found.server.url, proxy=None) as client:
        before = found.counted("attune_messages_total", direction="in")
        await client.send(b"")
        await echo(client)
        assert found.counted("attune_messages_total", direction="in") == before + 2
        assert b"" not in found.dialogues.opened[-1].messages


async def test_compression_is_never_agreed():
    async with bench(bystander=False) as found:
        raw = await found.raw()
        status = await raw.upgrade("Sec-WebSocket-Extensions: permessage-deflate", port=found.server.port)
        assert status == 101
        async with connect(found.server.url, proxy=None) as client:
            assert client.protocol.extensions == []
