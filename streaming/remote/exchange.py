"""One request to a server and its answer over HTTP/1.1, tried once; every failure is a typed error."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast

import httpx

from ..errors import EngineFailed, ServerFailed
from .faults import Refused, at, lost, page, refusal, with_offer
from .reading import Json, Reader, object_of, slow
from .sse import EventDecoder

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from .endpoint import Endpoint

_KEEP_S = 30.0
_MOST_CONNECTIONS = 512
_LONGEST_COMPLAINT = 64 * 2**10
_DONE = "[DONE]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A form with a file in it, as transcription routes take; `fields` may repeat a name."""

    file: bytes
    name: str
    kind: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request.

    Attributes:
        path: below the endpoint's url, or below its root when `at_root`.
        body: sent as JSON, or an upload; None for GET.
        model: which model it is about, for the error when the server does not have it.
    """

    path: str
    body: Json | Upload | None = None
    at_root: bool = False
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Bytes of a streamed answer, and its headers by lower-case name."""

    data: bytes
    headers: Mapping[str, str]


class Exchange:
    """The connections to one server; used on one event loop.

    All methods raise:
        ContextOverflow, ServerFailed, EngineFailed: see `faults`.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._http: httpx.AsyncClient | None = None

    async def aclose(self) -> None:
        """Close all connections."""
        if self._http is not None:
            await self._http.aclose()

    async def json(self, ask: Ask) -> Json:
        """Return the answer, an object."""
        async with self._opened(ask) as reader:
            body = await reader.whole()
            if "html" in reader.kind or body.lstrip()[:1] == b"<":
                raise page(self._endpoint, kind="a web page")
            return object_of(self._endpoint, body, what="answer")

    async def events(self, ask: Ask, *, counts: Callable[[Json], bool]) -> AsyncGenerator[Json, None]:
        """Yield the events of a streamed answer, until "[DONE]" or its end.

        Args:
            ask: what.
            counts: tells events that show progress (a token) from those that do not: a server that sends none of the
                former within the endpoint's patience is mute, whatever else it sends.
        """
        decoder = EventDecoder()
        async with self._opened(ask) as reader:
            if "event-stream" not in reader.kind:
                raise await self._no_events(reader)
            async with aclosing(_with_end(reader)) as blocks:
                async for block in blocks:
                    for payload in self._payloads(decoder, block):
                        if payload == _DONE:
                            await reader.rest()
                            return
                        event = object_of(self._endpoint, payload.encode(), what="event")
                        if counts(event):
                            reader.progressed()
                        yield event

    async def chunks(self, ask: Ask) -> AsyncGenerator[Chunk, None]:
        """Yield the bytes of a streamed answer as they come."""
        async with self._opened(ask) as reader, aclosing(reader.blocks()) as blocks:
            headers = reader.headers
            async for block in blocks:
                reader.progressed()
                yield Chunk(data=block, headers=headers)

    async def models(self) -> list[Json]:
        """Return what /models lists, one object a model; empty when the server does not say."""
        try:
            listed = (await self.json(Ask(path="/models"))).get("data")
        except Refused:
            return []
        entries = cast("list[object]", listed) if isinstance(listed, list) else []
        return [cast("Json", entry) for entry in entries if isinstance(entry, dict)]

    @asynccontextmanager
    async def _opened(self, ask: Ask) -> AsyncGenerator[Reader, None]:
        """Send `ask`; give a reader of its answer, which is no refusal."""
        first_s = self._endpoint.patience.first_s
        due_s = asyncio.get_running_loop().time() + first_s
        http = self._connections()
        try:
            async with asyncio.timeout_at(due_s):
                response = await http.send(self._request(http, ask), stream=True)
        except TimeoutError:
            raise slow(self._endpoint, "begin to answer", within_s=first_s) from None
        except (httpx.HTTPError, httpx.InvalidURL) as trouble:
            raise lost(self._endpoint, trouble, began=False) from trouble
        reader = Reader(self._endpoint, response, due_s=due_s)
        try:
            if response.headers.get("content-encoding", "identity") not in {"identity", ""}:
                raise at(self._endpoint, ServerFailed("sent a compressed answer, which it was asked not to"))
            if response.status_code != 200:
                raise await self._refused(ask, reader, response.status_code)
            yield reader
        finally:
            await reader.aclose()

    def _request(self, http: httpx.AsyncClient, ask: Ask) -> httpx.Request:
        url = (self._endpoint.root if ask.at_root else self._endpoint.url) + ask.path
        if not isinstance(ask.body, Upload):
            return http.build_request("GET" if ask.body is None else "POST", url, json=ask.body)
        fields: dict[str, list[str]] = {}
        for name, value in ask.body.fields:
            fields.setdefault(name, []).append(value)
        file = (ask.body.name, ask.body.file, ask.body.kind)
        return http.build_request("POST", url, data=fields, files={"file": file})

    async def _refused(self, ask: Ask, reader: Reader, status: int) -> EngineFailed:
        try:
            body = await reader.whole(longest=_LONGEST_COMPLAINT)
        except ServerFailed:
            body = b""  # the status alone tells enough
        trouble = refusal(
            self._endpoint, status=status, headers=reader.headers, body=body, path=ask.path, model=ask.model
        )
        if isinstance(trouble, Refused) and trouble.complaint.lacks_model and status in {400, 404}:
            with suppress(ServerFailed):
                return with_offer(trouble, [str(entry.get("id", "?")) for entry in await self.models()])
        return trouble

    async def _no_events(self, reader: Reader) -> EngineFailed:
        """Return the error for a 200 that is no event stream."""
        body = await reader.whole(longest=_LONGEST_COMPLAINT)
        if "html" in reader.kind or body.lstrip()[:1] == b"<":
            return page(self._endpoint, kind="a web page")
        if "json" in reader.kind:
            object_of(self._endpoint, body, what="answer")  # raises what the server complains of
        said = body[:80].decode("utf-8", "replace").strip()
        message = f"sent no stream of events but {reader.kind or 'nothing named'}: {said!r}"
        return at(self._endpoint, ServerFailed(message))

    def _payloads(self, decoder: EventDecoder, block: bytes) -> Sequence[str]:
        try:
            return decoder.feed(block) if block else decoder.flush()
        except ServerFailed as trouble:
            raise at(self._endpoint, trouble) from None

    def _connections(self) -> httpx.AsyncClient:
        """Return the pool; made here because here the loop runs."""
        if self._http is None:
            secret = self._endpoint.secret()
            self._http = httpx.AsyncClient(
                headers={"accept-encoding": "identity"} | ({"authorization": f"Bearer {secret}"} if secret else {}),
                timeout=httpx.Timeout(self._endpoint.patience.connect_s, read=None),
                limits=httpx.Limits(max_connections=_MOST_CONNECTIONS, keepalive_expiry=_KEEP_S),
                verify=_trusted(),
                trust_env=not self._endpoint.is_loopback,
                follow_redirects=False,
            )
        return self._http


async def _with_end(reader: Reader) -> AsyncGenerator[bytes, None]:
    """Yield the blocks, then an empty one."""
    async with aclosing(reader.blocks()) as blocks:
        async for block in blocks:
            yield block
    yield b""


@cache
def _trusted() -> ssl.SSLContext:
    """Return the usual certificates, read once: that takes some 20 ms."""
    return httpx.create_ssl_context()
