"""What tests of the server's edge share: dialogues that do as they are told, a server with a bystander, raw sockets."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import struct
import time
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from websockets.asyncio.client import connect

from agent.server.app import Server, serve
from agent.server.ports import Received
from agent.server.settings import ServerSettings
from streaming.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from agent.server.ports import Opening
    from agent.wire.dialect import ServerEvent, Stop

SECRET = "canary-token-0123456789"
KEY = base64.b64encode(b"0123456789abcdef").decode()


class ObedientDialogue:
    """Echoes; on command floods, fails, or takes so many seconds of sound."""

    def __init__(self, opening: Opening) -> None:
        self.opening = opening
        self.ends: list[Stop] = []
        self.messages: list[str | bytes] = []
        self._n = 0
        self._over = anyio.Event()
        self._failure: Exception | None = None
        self._post: Callable[[Sequence[ServerEvent]], None] = lambda _: None

    def tell(self, kind: str, **values: Any) -> None:
        self._n += 1
        event = {"type": kind, "event_id": f"event_{self.opening.session}_{self._n:06d}", **values}
        self._post([event])

    async def run(self, post: Callable[[Sequence[ServerEvent]], None]) -> None:
        self._post = post
        self.tell("session.created", resume_token=self.opening.resume_token, query=dict(self.opening.query))
        await self._over.wait()
        if self._failure is not None:
            raise self._failure
        self.tell("bye")

    def receive(self, message: str | bytes) -> Received:
        self.messages.append(message)
        if isinstance(message, bytes):
            return Received(sound_s=len(message) // 2 / 24_000)
        try:
            event = json.loads(message)
        except ValueError:
            self.fault("invalid_json", "not JSON")
            return Received(fault="invalid_json")
        return self._obey(event)

    def _obey(self, event: dict[str, Any]) -> Received:
        match event:
            case {"type": "echo"}:
                self.tell("echoed", text=event.get("text", ""))
            case {"type": "flood", "n": n, "bytes": size}:
                for _ in range(n):
                    self.tell("piece", delta="x" * size)
            case {"type": "fail"}:
                self._failure = RuntimeError(SECRET)
                self._over.set()
            case {"type": "received"}:
                return Received(**event["values"])
            case _:
                self.fault("unknown_event", "unknown")
                return Received(fault="unknown_event")
        return Received()

    def fault(self, code: str, message: str) -> None:
        self.tell("error", error={"type": "invalid_request_error", "code": code, "message": message})

    def ending(self, *, in_s: float, reason: str) -> None:
        self.tell("attune.session.ending", in_s=in_s, reason=reason)

    def resumed(self, *, n_replayed: int) -> None:
        self.tell("attune.session.resumed", n_replayed=n_replayed)

    def end(self, how: Stop) -> None:
        self.ends.append(how)
        self._over.set()


@dataclass
class ObedientDialogues:
    opened: list[ObedientDialogue] = field(default_factory=list[ObedientDialogue])
    is_degraded: str | None = None

    def open(self, opening: Opening) -> ObedientDialogue:
        if opening.endpoint == "translations":
            raise EngineFailed("no language model is here to translate")
        self.opened.append(ObedientDialogue(opening))
        return self.opened[-1]


class Raw:
    """A client that may do anything: bytes on a socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def request(self, text: str) -> tuple[int, dict[str, str], bytes]:
        """Send a request and return status, headers and body."""
        self.writer.write(text.replace("\n", "\r\n").encode())
        return await self.answer()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        with anyio.fail_after(5):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            status = int(head[0].split()[1])
            if status == 101:
                return status, headers, b""
            return status, headers, await self.reader.read()

    async def upgrade(self, *extra: str, path: str = "/v1/realtime", port: int = 0) -> int:
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: Upgrade", "Upgrade: websocket"]
        lines += [f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13", *extra, "", ""]
        return (await self.request("\n".join(lines)))[0]

    def send(self, *frames: bytes) -> None:
        for frame in frames:
            self.writer.write(frame)

    async def frames(self, *, within_s: float = 5) -> list[tuple[int, bytes]]:
        """Return all frames (opcode, payload) until the server closes the socket."""
        found: list[tuple[int, bytes]] = []
        with anyio.fail_after(within_s), suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                first, second = await self.reader.readexactly(2)
                size = second & 0x7F
                if size == 126:
                    (size,) = struct.unpack("!H", await self.reader.readexactly(2))
                elif size == 127:
                    (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
                found.append((first & 0x0F, await self.reader.readexactly(size)))
        return found

    async def close_code(self, *, within_s: float = 5) -> int | None:
        """Return the code of the server's close, None where the socket just ended."""
        closes = [payload for opcode, payload in await self.frames(within_s=within_s) if opcode == 8]
        return struct.unpack("!H", closes[0][:2])[0] if closes else None

    async def hang_up(self) -> None:
        self.writer.transport.abort()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True, size: int | None = None
) -> bytes:
    """Return a client's frame, right or wrong; `size` is what it says of itself."""
    said = len(payload) if size is None else size
    head = bytes([(0x80 if fin else 0) | (rsv << 4) | opcode])
    mask = 0x80 if masked else 0
    if said < 126:
        head += bytes([mask | said])
    elif said < 1 << 16:
        head += bytes([mask | 126]) + struct.pack("!H", said)
    else:
        head += bytes([mask | 127]) + struct.pack("!Q", said)
    return head + (b"\0\0\0\0" if masked else b"") + payload


@dataclass
class Bench:
    """A server under test, and what stands behind it."""

    server: Server
    dialogues: ObedientDialogues
    raws: list[Raw] = field(default_factory=list[Raw])

    async def raw(self) -> Raw:
        self.raws.append(Raw(*await asyncio.open_connection("127.0.0.1", self.server.port)))
        return self.raws[-1]

    async def upgraded(self, *extra: str) -> Raw:
        raw = await self.raw()
        assert await raw.upgrade(*extra, port=self.server.port) == 101
        return raw

    async def get(self, path: str, *extra: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        raw = await self.raw()
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.server.port}", *extra, "", ""]
        return await raw.request("\n".join(lines))

    def counted(self, name: str, **labels: str) -> float:
        return self.server.metrics.registry.get_sample_value(name, labels) or 0.0


async def echo(client: Any, text: str = "still there") -> None:
    """Assert that a session answers."""
    await client.send(json.dumps({"type": "echo", "text": text}))
    with anyio.fail_after(5):
        while True:
            event = json.loads(await client.recv())
            if event["type"] == "echoed":
                assert event["text"] == text
                return


async def eventually(condition: Callable[[], bool], *, within_s: float = 5) -> None:
    """Wait until something that another side does is done."""
    with anyio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110 - the other side tells nobody
            await anyio.sleep(0.005)


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


@asynccontextmanager
async def bench(
    *, bystander: bool = True, wall_clock: Callable[[], float] = time.time, **settings: Any
) -> AsyncGenerator[Bench]:
    """Serve; afterwards another session has gone on, and no task, file or seat is left."""
    gc.collect()
    tasks_before, files_before = len(asyncio.all_tasks()), open_files()
    quick: dict[str, Any] = {"close_s": 0.2, "page": False, "resume_s": 0}
    dialogues = ObedientDialogues()
    async with serve(ServerSettings(port=0, **{**quick, **settings}), dialogues, wall_clock=wall_clock) as server:
        found = Bench(server=server, dialogues=dialogues)
        try:
            async with _bystander(server) if bystander else nullcontext():
                yield found
        finally:
            for raw in found.raws:
                await raw.hang_up()
        await eventually(lambda: not len(server.seats))
    # uvloop opens one file of its own when it is first used.
    spare = "uvloop" in type(asyncio.get_running_loop()).__module__
    with suppress(TimeoutError):
        await eventually(lambda: open_files() <= files_before + spare, within_s=2)
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks_before, within_s=2)
    assert open_files() <= files_before + spare
    assert len(asyncio.all_tasks()) <= tasks_before


@asynccontextmanager
async def _bystander(server: Server) -> AsyncGenerator[None]:
    """Hold a session that has to answer before and after."""
    headers = {"Authorization": f"Bearer {SECRET}"} if server.settings.tokens else {}
    async with connect(server.url, additional_headers=headers, proxy=None) as other:
        await echo(other)
        yield
        await echo(other)
