"""A host on engines by script, and a client that sits right in front of a dialogue: no socket, no sleeping."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np

from agent.backends.choose import ProfileEngines
from agent.backends.emotion.scripted import ScriptedRecognizer, scripted_estimate
from agent.backends.reply.scripted import ScriptedResponder
from agent.backends.tts.scripted import ScriptedSpeech
from agent.config import Config
from agent.hosting import open_host
from agent.server.dialogue import HostedDialogues
from agent.server.ports import Opening
from streaming.audio import to_pcm16
from streaming.backends.scripted import ScriptedTranscriber
from streaming.backends.scripted_activity import ScriptedActivity
from streaming.listener import Listener, Stages
from streaming.prosody import ProsodyTracker
from streaming.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from pathlib import Path

    from agent.hosting import Host
    from agent.server.dialogue import HostedDialogue
    from agent.server.ports import Endpoint
    from agent.wire.dialect import ServerEvent
    from streaming.listener import ListenerSettings

WIRE_HZ = 24_000
SPANS = ((0.5, 1.5), (4.0, 5.0), (8.0, 9.0))
WORDS = ("i am so happy today", "tell me more about it", "that is all")


@dataclass(kw_only=True)
class ScriptedListeners:
    """Hears voice in `spans` of each stream, and `words` in them."""

    spans: Sequence[tuple[float, float]] = SPANS
    words: Sequence[str] = WORDS
    fails: Exception | None = None

    def listener(self, settings: ListenerSettings) -> Listener:
        if self.fails is not None:
            raise self.fails
        stages = Stages(
            segmenter=Segmenter(ScriptedActivity(self.spans)),
            transcriber=ScriptedTranscriber(self.words),
            prosody=ProsodyTracker(),
        )
        return Listener(stages, settings)


def scripted_engines(**given: Any) -> ProfileEngines:
    told: dict[str, Any] = {
        "profile": "scripted",
        "recognizer": ScriptedRecognizer([scripted_estimate("happy")]),
        "responder": ScriptedResponder([["That is ", "good to hear."]]),
        "speech": ScriptedSpeech(s_per_character=0.001),
    }
    return ProfileEngines(**told | given)


@asynccontextmanager
async def scripted_host(
    database: Path | None = None, *, listeners: ScriptedListeners | None = None, **engines: Any
) -> AsyncGenerator[Host]:
    config = Config() if database is None else Config(database=database)
    async with open_host(
        scripted_engines(**engines),
        config=config,
        listeners=listeners or ScriptedListeners(),
        keeps=database is not None,
        note=lambda _: None,
    ) as host:
        yield host


@dataclass
class Client:
    """What a client would see; `until` waits for an event."""

    dialogue: HostedDialogue
    events: list[ServerEvent] = field(default_factory=list[Any])
    _news: anyio.Event = field(default_factory=anyio.Event)

    def post(self, events: Sequence[ServerEvent]) -> None:
        self.events += events
        self._news.set()

    def asks(self, kind: str, **values: Any) -> None:
        self.dialogue.receive(json.dumps({"type": kind, **values}))

    def says(self, seconds: float) -> None:
        """So much sound; where the voice is in it the script says."""
        n = round(seconds * WIRE_HZ)
        tone = (0.1 * np.sin(2 * np.pi * 220 / WIRE_HZ * np.arange(n))).astype(np.float32)
        step = WIRE_HZ // 10
        for at in range(0, n, step):
            self.asks("input_audio_buffer.append", audio=b64encode(to_pcm16(tone[at : at + step])).decode())

    async def until(self, kind: str, *, n: int = 1) -> ServerEvent:
        """Return the `n`th event of a kind, waiting for it."""
        with anyio.fail_after(20):
            while len(found := self.of(kind)) < n:
                self._news = anyio.Event()
                await self._news.wait()
        return found[n - 1]

    def of(self, kind: str) -> list[ServerEvent]:
        return [event for event in self.events if event["type"] == kind]

    def kinds(self, *but: str) -> list[str]:
        return [event["type"] for event in self.events if event["type"] not in but]


@asynccontextmanager
async def client_of(
    host: Host, *, endpoint: Endpoint = "realtime", query: dict[str, str] | None = None, **dialogues: Any
) -> AsyncGenerator[Client]:
    """A client of a new session, that is over when the block ends."""
    opening = Opening(endpoint=endpoint, session="s1", query=query or {}, resume_token="secret")
    client = Client(HostedDialogues(host, **dialogues).open(opening))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.dialogue.run, client.post)
        await client.until("session.created")
        yield client
        client.dialogue.end("now")
