"""The real server on loopback, in a thread: real segmenter, session and protocol; engines by script.

with RealServer(spans=((0.3, 1.2),), tls=context) as server:
    ... server.url, server.tls_url
"""

from __future__ import annotations

import threading
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

import anyio
import anyio.from_thread

from agent.backends.reply.scripted import ScriptedResponder
from agent.backends.tts.scripted import ScriptedSpeech
from agent.server.app import serve
from agent.server.dialogue import HostedDialogues
from agent.server.settings import ServerSettings
from tests.agent.server.hosted import ScriptedListeners, scripted_host
from tests.clients.scripted_dialogue import SAID

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence
    from pathlib import Path

    from agent.ports import Responder

ANSWER = ("That sounds wonderful, ", "tell me all about it.")


class RealServer:
    """See the module. Every session hears voice in `spans` of its sound, and `SAID` in them."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext,
        spans: Sequence[tuple[float, float]] = ((0.5, 1.5),),
        database: Path | None = None,
        responder: Responder | None = None,
    ) -> None:
        self.url = self.tls_url = ""
        self._listeners = ScriptedListeners(spans=spans, words=SAID)
        self._tls = tls
        self._responder = responder or ScriptedResponder([ANSWER])
        self._database = database
        self._is_up = threading.Event()
        self._stop: anyio.Event | None = None
        self._portal = anyio.from_thread.start_blocking_portal()

    def __enter__(self) -> Self:
        portal = self._portal.__enter__()
        self._served = portal.start_task_soon(self._serve)
        while not self._is_up.wait(0.1):
            if self._served.done():
                self._served.result()
        self._call = portal.call
        return self

    def __exit__(self, *_: object) -> None:
        assert self._stop is not None
        self._call(self._stop.set)
        self._served.result(20)
        self._portal.__exit__(None, None, None)

    async def _serve(self) -> None:
        self._stop = anyio.Event()
        async with AsyncExitStack() as stack:
            host = await stack.enter_async_context(
                scripted_host(
                    self._database,
                    listeners=self._listeners,
                    responder=self._responder,
                    speech=ScriptedSpeech(s_per_character=0.06),
                )
            )
            dialogues = HostedDialogues(host)
            plain = await stack.enter_async_context(serve(ServerSettings(port=0, page=False), dialogues))
            secure = await stack.enter_async_context(
                serve(ServerSettings(port=0, page=False, tls=self._tls), dialogues)
            )
            self.url = f"http://127.0.0.1:{plain.port}/v1"
            self.tls_url = f"https://127.0.0.1:{secure.port}/v1"
            self._is_up.set()
            await self._stop.wait()
