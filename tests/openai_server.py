"""A server on loopback that speaks the OpenAI protocol well, and badly on command.

    with OpenAiServer() as server:
        server.next("mute", "html")      # the next two requests meet these faults, then it behaves again
        server.manners.reply = "Hello."  # what it answers when it behaves (see `openai_answers.Manners`)
        ... server.url, server.seen, server.wait_until(lambda: server.n_open == 0)

A thread runs its own event loop; HTTP/1.1 over asyncio streams, no dependency.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from . import openai_answers as answers
from .openai_faults import FAULTS, Fault, Refusal, Seen, Talk
from .openai_routes import well

if TYPE_CHECKING:
    from collections.abc import Callable


class OpenAiServer:
    """See the module. All attributes may be read from any thread."""

    def __init__(self, kind: answers.Kind = "plain") -> None:
        self.manners = answers.Manners(kind=kind)
        self.seen: list[Seen] = []
        self.n_open = 0
        self.n_left = 0
        """Requests whose client closed the connection before the answer was over."""
        self._faults: list[str | Refusal | Fault] = []
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test server", daemon=True)
        self._thread.start()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        ).result()
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.root = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.root}/v1"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def next(self, *faults: str | Refusal | Fault) -> None:
        """The next requests, one each, meet these; "well" is no fault."""
        self._faults.extend(faults)

    def behave(self) -> None:
        """Forget the faults that no request has met yet: a hasty client may give up before its request gets here."""
        self._faults.clear()

    def wait_until(self, holds: Callable[[], bool], *, within_s: float = 10.0) -> bool:
        """Wait until `holds`, looked at whenever something changes here; return whether it did in time."""
        with self._changed:
            return self._changed.wait_for(holds, within_s)

    def asked(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path == path]

    def close(self) -> None:
        """End all connections and the thread."""
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _finish(self) -> None:
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _note(self, **changes: int) -> None:
        with self._changed:
            for name, change in changes.items():
                setattr(self, name, getattr(self, name) + change)
            self._changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._note(n_open=1)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._one(reader, writer):
                    pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()
            self._tasks.discard(task)
            self._note(n_open=-1)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take one request and answer it; return whether the connection lives on."""
        seen = await self._read(reader)
        with self._changed:
            self.seen.append(seen)
            fault = self._faults.pop(0) if self._faults else "well"
            self._changed.notify_all()
        talk = Talk(seen, writer, self.manners)
        answer = asyncio.ensure_future(self._answer(fault)(talk))
        left = asyncio.ensure_future(reader.read(1))  # nothing comes while we answer, but the client's leaving
        try:
            await asyncio.wait({answer, left}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() or isinstance(answer.exception(), ConnectionError):
                self._note(n_left=1)
                return False
            answer.result()
            return not writer.is_closing()
        finally:
            for task in (answer, left):
                task.cancel()
            await asyncio.gather(answer, left, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader) -> Seen:
        first = await reader.readexactly(1)
        if not first.isalpha():
            raise ConnectionError("this is no HTTP: TLS, most likely")
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Seen(method=method, path=path, headers=headers, body=body)

    def _answer(self, fault: str | Refusal | Fault) -> Callable[[Talk], Any]:
        if isinstance(fault, Refusal):
            return lambda talk: talk.whole(
                {} if fault.body is None else fault.body,
                status=fault.status,
                **{name.replace("-", "_"): value for name, value in fault.headers.items()},
            )
        if not isinstance(fault, str):
            return fault
        return partial(well, n_calls=len(self.seen) - 1) if fault == "well" else FAULTS[fault]
