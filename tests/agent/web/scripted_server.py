"""A server for the page that says what a test tells it to say, and keeps what the page says.

with ScriptedServer() as server:
    ... open server.url in a browser ...
    server.say(*events)  # every event gets the next event id, as the real server gives them
    server.wait_for("response.create")

A thread runs its own event loop. Files and their headers are the real server's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from agent.server.http import Desk, Standing, page_assets
from agent.wire.faults import WireFault
from agent.wire.inbound import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from websockets.http11 import Request, Response
    from websockets.typing import Subprotocol

TOKEN = "token-of-the-session-0001"
INFO = {
    "type": "attune.session.info",
    "session": "live-0001",
    "resume_token": TOKEN,
    "notice": "Emotion is read from words and voice: what is expressed, not what is felt.",
    "emotion": "both",
    "profile": "embedded",
}

Message = dict[str, Any]


class ScriptedServer:
    """See the module. All methods may be called from any thread."""

    def __init__(self) -> None:
        """Serve on any free port of loopback."""
        self.offered: list[Sequence[str]] = []
        """Subprotocols of each connection."""
        self.paths: list[str] = []
        self.heard: list[Message] = []
        self.sent: list[Message] = []
        self.faults: list[str] = []
        """What a real server would refuse of what the page says."""
        self.refuses_to_resume = False
        self.answers: dict[str, Callable[[Message], list[Message]]] = {
            "session.update": lambda message: [{"type": "session.updated", "session": message["session"]}]
        }
        """What is said at once to a message of a type."""
        self._n_events = 0
        self._changed = threading.Condition()
        self._socket: ServerConnection | None = None
        standing = Standing(waits=None, n_sessions=1)
        self._desk = Desk(
            standing=lambda: standing, metrics=lambda: (b"", "text/plain"), schema=dict, assets=page_assets()
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted server", daemon=True)
        self._thread.start()
        self._stack = contextlib.AsyncExitStack()
        self._server: Server = self._run(self._serve())
        self.port: int = next(iter(self._server.sockets)).getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the thread and every connection."""
        self._run(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def say(self, *events: Message) -> None:
        """Tell the page these events, in order."""
        self._run(self._say(events))

    def cut(self, code: int = 1012) -> None:
        """Close the page's connection with a code."""
        self._run(self._cut(code))

    def wait_for(self, kind: str, *, n: int = 1) -> list[Message]:
        """Return the first messages of a type, when `n` of them are there."""
        found: list[Message] = []

        def enough() -> bool:
            found[:] = [message for message in self.heard if message["type"] == kind]
            return len(found) >= n

        with self._changed:
            told = [message["type"] for message in self.heard][-20:]
            assert self._changed.wait_for(enough, timeout=20), f"no {kind} came, only {told}"
        return found

    def wait_for_connections(self, n: int) -> None:
        """Return when the page has connected so many times."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.paths) >= n and self._socket is not None, timeout=20)

    def n_heard(self, kind: str) -> int:
        """Return how many messages of a type the page has sent."""
        return sum(message["type"] == kind for message in list(self.heard))

    async def _serve(self) -> Server:
        serving = serve(
            self._talk,
            "127.0.0.1",
            0,
            process_request=self._page,
            select_subprotocol=self._choose,
            compression=None,
            ping_interval=None,
            close_timeout=0.2,
        )
        return await self._stack.enter_async_context(serving)

    def _page(self, connection: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path.startswith("/v1/"):
            is_resuming = "attune-resume." in request.headers.get("Sec-WebSocket-Protocol", "")
            return connection.respond(404, "no such session\n") if is_resuming and self.refuses_to_resume else None
        return self._desk.respond(path, request.headers) or connection.respond(404, "nothing here\n")

    def _choose(self, _: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        self.offered.append(offered)
        return next((each for each in offered if each == "realtime"), None)

    async def _talk(self, socket: ServerConnection) -> None:
        request = socket.request
        assert request is not None
        self._socket = socket
        resumed = next((each for each in self.offered[-1] if each.startswith("attune-resume.")), None)
        if resumed is None:
            await self._say([{"type": "session.created", "session": {"type": "realtime", "id": "live-0001"}}, INFO])
        else:
            await self._replay(int(resumed.rpartition(".")[2]))
        with self._changed:
            self.paths.append(request.path)
            self._changed.notify_all()
        try:
            async for text in socket:
                self._check(text, is_translation="translations" in request.path)
                await self._take(json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            if self._socket is socket:
                self._socket = None

    def _check(self, text: str | bytes, *, is_translation: bool) -> None:
        try:
            parse(text, endpoint="translations" if is_translation else "realtime")
        except WireFault as fault:
            self.faults.append(f"{fault.code}: {fault.message} in {text[:200]!r}")

    async def _take(self, message: Message) -> None:
        with self._changed:
            self.heard.append(message)
            self._changed.notify_all()
        answer = self.answers.get(message["type"])
        if answer is not None:
            await self._say(answer(message))

    async def _say(self, events: Sequence[Message]) -> None:
        for event in events:
            self._n_events += 1
            told = {"type": event["type"], "event_id": f"event_live-0001_{self._n_events:06d}", **event}
            self.sent.append(told)
            if self._socket is not None:
                await self._socket.send(json.dumps(told))

    async def _replay(self, after: int) -> None:
        missed = [event for event in self.sent if int(event["event_id"][-6:]) > after]
        assert self._socket is not None
        for event in missed:
            await self._socket.send(json.dumps(event))
        await self._say([{"type": "attune.session.resumed", "n_replayed": len(missed)}])

    async def _cut(self, code: int) -> None:
        if self._socket is not None:
            await self._socket.close(code)

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=20)
