"""A whole service on loopback: real sessions behind real sockets, beside a bystander, and nothing left afterwards."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import anyio
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

import agent.server.admission
from agent.server.app import Server, serve
from agent.server.dialogue import HostedDialogues
from agent.server.settings import ServerSettings
from streaming.audio import SAMPLE_RATE, Resampler, to_pcm16
from tests.agent.server.edge import eventually, open_files
from tests.agent.server.hosted import scripted_host
from tests.agent.wire.stock_types import checked

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from agent.hosting import Host
    from agent.recording.recorder import Recordings
    from agent.server.dialogue import HostedDialogue
    from agent.server.ports import Opening
    from streaming.events import Samples

RATE = 24_000
PIECE = RATE // 10 * 2
"""Bytes of 100 ms."""

FREE: dict[str, Any] = {"audio_burst_s": 1e6, "control_burst": 10_000, "close_s": 0.2, "page": False, "resume_s": 0}
"""Settings of a server that has all the time of the world, and keeps nobody's place."""

TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


def _no_number(text: str) -> NoReturn:
    raise AssertionError(f"{text} reached a client")


class Talker:
    """A client; `until` waits for an event, `events` holds all that were told so far."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []
        self.is_over = False
        self._news = anyio.Event()

    @property
    def session(self) -> str:
        return self.events[0]["session"]["id"]

    @property
    def last(self) -> int:
        """Number of the last event told."""
        return int(self.events[-1]["event_id"].rpartition("_")[2])

    async def listen(self) -> None:
        with suppress(ConnectionClosed):
            async for text in self.socket:
                self.events.append(json.loads(text, parse_constant=_no_number))
                self._news.set()
        self.is_over = True
        self._news.set()

    async def asks(self, kind: str, **values: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, **values}))

    async def sends(self, pcm: bytes, *, piece: int = PIECE) -> None:
        """Bytes of sound, in pieces."""
        with suppress(ConnectionClosed):
            for at in range(0, len(pcm), piece):
                await self.asks("input_audio_buffer.append", audio=b64encode(pcm[at : at + piece]).decode())

    async def says(self, seconds: float) -> None:
        """So much sound; where the voice is in it the script says."""
        await self.sends(hum(seconds))

    async def types(self, text: str) -> dict[str, Any]:
        """Write something, and return the response to it."""
        n = len(self.of("response.done"))
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await self.asks("conversation.item.create", item=item)
        await self.asks("response.create", response={"output_modalities": ["text"]})
        return (await self.until("response.done", n=n + 1))["response"]

    async def until(self, kind: str, *, n: int = 1, within_s: float = 20) -> dict[str, Any]:
        """Return the `n`th event of a kind, waiting for it."""
        with anyio.fail_after(within_s):
            while len(found := self.of(kind)) < n:
                assert not self.is_over, f"closed ({self.socket.close_code}) without {kind}: {self.kinds()[-5:]}"
                self._news = anyio.Event()
                await self._news.wait()
        return found[n - 1]

    async def closed(self, *, within_s: float = 10) -> int | None:
        """Wait for the server's close and return its code."""
        with anyio.fail_after(within_s):
            await self.socket.wait_closed()
        return self.socket.close_code

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    def codes(self) -> list[str]:
        """Codes of the errors told."""
        return [event["error"]["code"] for event in self.of("error")]

    def transcripts(self) -> list[str]:
        return [event["transcript"] for event in self.of(TRANSCRIBED)]


class Watched:
    """Dialogues, and those that were opened."""

    is_degraded = None

    def __init__(self, dialogues: HostedDialogues) -> None:
        self._dialogues = dialogues
        self.opened: list[HostedDialogue] = []

    def open(self, opening: Opening) -> HostedDialogue:
        self.opened.append(self._dialogues.open(opening))
        return self.opened[-1]


@dataclass
class Service:
    server: Server
    host: Host
    dialogues: Watched
    talkers: list[Talker] = field(default_factory=list[Talker])

    @asynccontextmanager
    async def talker(self, *, url: str | None = None, **query: str) -> AsyncGenerator[Talker]:
        """A client of a new session, told everything unless it asks for less; all it is told has to be valid."""
        asked = {"attune": "all"} | query
        text = "&".join(f"{name}={value}" for name, value in asked.items())
        options: dict[str, Any] = {"proxy": None, "max_size": None, "compression": None}
        async with connect(f"{url or self.server.url}?{text}", **options) as socket, listening(socket) as talker:
            yield talker
        checked(talker.events)

    @asynccontextmanager
    async def back(self, token: str, last: int) -> AsyncGenerator[Talker]:
        """A client that comes back to its session."""
        headers = {"Attune-Resume": token, "Attune-Last-Event": str(last)}
        async with connect(self.server.url, additional_headers=headers, proxy=None) as socket:
            talker = Talker(socket)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(talker.listen)
                yield talker
                await socket.close()

    async def caught_up(self, talker: Talker) -> None:
        """Wait until the server has heard what was said so far."""
        n = len(talker.of("session.updated"))
        await talker.asks("session.update", session={"type": "realtime"})
        await talker.until("session.updated", n=n + 1)
        await eventually(lambda: not any(each._source.waiting_s for each in self.dialogues.opened), within_s=20)


@asynccontextmanager
async def listening(socket: ClientConnection) -> AsyncGenerator[Talker]:
    talker = Talker(socket)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(talker.listen)
        await talker.until("session.created")
        yield talker
        await socket.close()


@asynccontextmanager
async def service(
    database: Path | None = None,
    *,
    settings: dict[str, Any] | None = None,
    bystander: bool = True,
    recordings: Recordings | None = None,
    **host: Any,
) -> AsyncGenerator[Service]:
    """Serve; another session gets answers before and after, and no task, file or seat is left."""
    tasks_before, files_before = len(asyncio.all_tasks()), open_files()
    with pytest.MonkeyPatch.context() as patch:
        # Whatever else this machine does, the server is not too busy for a few clients.
        patch.setattr(agent.server.admission, "MAX_LATENESS", float("inf"))
        async with scripted_host(database, **host) as opened:
            dialogues = Watched(HostedDialogues(opened, has_history=database is not None, recordings=recordings))
            limits = ServerSettings(port=0, **{**FREE, **(settings or {})})
            async with serve(limits, dialogues) as server:
                here = Service(server, opened, dialogues)
                async with _bystander(here) if bystander else nullcontext():
                    yield here
                if limits.resume_s == 0:
                    await eventually(lambda: not len(server.seats))
    with suppress(TimeoutError):
        await eventually(lambda: open_files() <= files_before and len(asyncio.all_tasks()) <= tasks_before, within_s=2)
    assert open_files() <= files_before
    assert len(asyncio.all_tasks()) <= tasks_before


@asynccontextmanager
async def _bystander(here: Service) -> AsyncGenerator[None]:
    """Hold a session that gets an answer before and after."""
    async with here.talker() as other:
        for text in ("hello there", "are you still there"):
            assert (await other.types(text))["status"] == "completed"
            if text == "hello there":
                yield
        assert set(other.codes()) <= {"engine_failed"}


def hum(seconds: float) -> bytes:
    n = round(seconds * RATE)
    return to_pcm16((0.1 * np.sin(2 * np.pi * 220 / RATE * np.arange(n))).astype(np.float32))


def wire(sound: Samples, *, rate: int = RATE) -> bytes:
    """Return 16 kHz sound as a client sends it."""
    if rate == SAMPLE_RATE:
        return to_pcm16(sound)
    resampler = Resampler(source_hz=SAMPLE_RATE, target_hz=rate)
    return to_pcm16(np.clip(np.concatenate([resampler.feed(sound), resampler.flush()]), -1.0, 1.0))


def same(events: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    """Return events without what differs between two sessions that hear the same."""
    session = events[0]["session"]["id"]
    # How many estimates came before is a matter of time: of rolling ones the newest wins.
    chosen = [{**event, "event_id": "", "revision": 0} for event in events if event["type"] in kinds]
    return json.loads(json.dumps(chosen).replace(session, "s1"))
