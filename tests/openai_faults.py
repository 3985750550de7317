"""Ways in which a server answers badly, by name; used by `openai_server`."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from .openai_answers import Manners


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, list[str]]:
        """The text fields of an upload."""
        found = re.findall(rb'form-data; name="([^"]+)"\r\n(?:[^\r\n]+\r\n)*\r\n(.*?)\r\n--', self.body, re.DOTALL)
        fields: dict[str, list[str]] = {}
        for name, value in found:
            fields.setdefault(name.decode(), []).append(value.decode())
        return fields

    @property
    def file(self) -> bytes:
        """The file of an upload."""
        head = re.search(rb'name="file"[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n', self.body)
        assert head is not None
        return self.body[head.end() : self.body.rindex(b"\r\n--")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A fault: this status and body."""

    status: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Talk:
    """One request and the ways to answer it."""

    def __init__(self, seen: Seen, writer: asyncio.StreamWriter, manners: Manners) -> None:
        self.seen = seen
        self.writer = writer
        self.manners = manners

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, kind: str, *, status: int = 200, length: int | None = None, **more: str) -> None:
        size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        server = "llama.cpp" if self.manners.kind == "llama.cpp" else "test"
        lines = [f"HTTP/1.1 {status} Whatever", f"content-type: {kind}", size, f"server: {server}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
        await self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def chunk(self, data: bytes) -> None:
        await self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    async def end(self) -> None:
        await self.send(b"0\r\n\r\n")

    async def whole(self, body: object, *, status: int = 200, kind: str = "application/json", **more: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        await self.head(kind, status=status, length=len(data), **more)
        await self.send(data)

    async def event(self, value: object) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        await self.chunk(f"data: {text}\n\n".encode())

    async def token(self, text: str, *, finish: str | None = None) -> None:
        await self.event(chat_chunk({"content": text}, finish=finish))

    async def events(self) -> None:
        await self.head("text/event-stream; charset=utf-8")

    async def never(self) -> None:
        """Say nothing more; the connection's watcher ends this when the client leaves."""
        await asyncio.Event().wait()


def chat_chunk(delta: dict[str, Any], *, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "toy", "choices": [choice]}


async def mute(talk: Talk) -> None:
    await talk.never()


async def mute_after_headers(talk: Talk) -> None:
    await talk.events()
    await talk.never()


async def pings(talk: Talk) -> None:
    await talk.events()
    while True:
        await talk.chunk(b": ping\n\n")
        await asyncio.sleep(0.005)


async def roles(talk: Talk) -> None:
    await talk.events()
    while True:
        await talk.event(chat_chunk({"role": "assistant", "content": ""}))
        await asyncio.sleep(0.005)


async def stall(talk: Talk) -> None:
    await talk.events()
    await talk.token("I ")
    await talk.token("hear ")
    await talk.never()


async def endless(talk: Talk) -> None:
    await talk.events()
    while True:
        await talk.token("on and ")
        await asyncio.sleep(0)


async def endless_body(talk: Talk) -> None:
    await talk.head("application/json")
    while True:
        await talk.chunk(b" " * 65536)
        await asyncio.sleep(0)


async def long_line(talk: Talk) -> None:
    await talk.events()
    while True:
        await talk.chunk(b"data: " + b"x" * 65536)
        await asyncio.sleep(0)


async def html(talk: Talk) -> None:
    await talk.whole(b"<!doctype html><title>Router</title>", kind="text/html; charset=utf-8")


async def html_502(talk: Talk) -> None:
    await talk.whole(b"<html><h1>502 Bad Gateway</h1></html>", status=502, kind="text/html")


async def hang_up(talk: Talk) -> None:
    talk.writer.close()


async def reset(talk: Talk) -> None:
    sock = talk.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.writer.transport.abort()


async def truncated_body(talk: Talk) -> None:
    await talk.head("application/json", length=1000)
    await talk.send(b'{"choices": [')
    talk.writer.close()


async def truncated_stream(talk: Talk) -> None:
    await talk.events()
    await talk.token("I ")
    talk.writer.close()


async def truncated_before_token(talk: Talk) -> None:
    await talk.events()
    await talk.event(chat_chunk({"role": "assistant", "content": ""}))
    talk.writer.close()


async def no_end(talk: Talk) -> None:
    await talk.events()
    await talk.token("I ")
    await talk.end()


async def invalid_utf8(talk: Talk) -> None:
    await talk.events()
    await talk.chunk(b'data: {"choices": [{"delta": {"content": "\xff\xfe"}}]}\n\n')
    await talk.never()


async def invalid_utf8_body(talk: Talk) -> None:
    await talk.whole(b'{"text": "\xff\xfe"}')


async def garbage_events(talk: Talk) -> None:
    await talk.events()
    await talk.chunk(b"\x00\x01 nothing: that\n anybody\n\nexpects\n\n")
    await talk.never()


async def broken_event(talk: Talk) -> None:
    await talk.events()
    await talk.event('{"choices": [{')
    await talk.never()


async def list_event(talk: Talk) -> None:
    await talk.events()
    await talk.event("[1, 2]")
    await talk.never()


async def no_choices(talk: Talk) -> None:
    await talk.events()
    await talk.event({"choices": []})
    await talk.event("[DONE]")
    await talk.end()


async def empty_stream(talk: Talk) -> None:
    await talk.events()
    await talk.end()


async def json_list(talk: Talk) -> None:
    await talk.whole([1, 2, 3])


async def empty(talk: Talk) -> None:
    await talk.whole(b"")


async def compressed(talk: Talk) -> None:
    await talk.whole(b"\x1f\x8b" + bytes(50), content_encoding="gzip")


async def redirect(talk: Talk) -> None:
    await talk.whole(b"", status=307, location="http://elsewhere.example/v1?token=1")


async def not_http(talk: Talk) -> None:
    await talk.send(b"220 mail.example ESMTP ready\r\n\r\n")
    await talk.never()


async def error_event(talk: Talk) -> None:
    await talk.events()
    await talk.token("I ")
    await talk.event({"error": {"message": "CUDA is out of memory", "type": "InternalServerError", "code": 500}})
    await talk.event("[DONE]")
    await talk.end()


async def error_line(talk: Talk) -> None:
    await talk.events()
    await talk.chunk(b'error: {"code":500,"message":"slot unavailable","type":"server_error"}\n\n')
    await talk.end()


async def error_in_200(talk: Talk) -> None:
    await talk.whole({"error": "the model runner has stopped"})


Fault: TypeAlias = Callable[[Talk], Awaitable[None]]

FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        *(mute, mute_after_headers, pings, roles, stall, endless, endless_body, long_line, html, html_502, hang_up),
        *(reset, truncated_body, truncated_stream, truncated_before_token, no_end, invalid_utf8, invalid_utf8_body),
        *(
            garbage_events,
            broken_event,
            list_event,
            no_choices,
            empty_stream,
            json_list,
            empty,
            compressed,
            redirect,
            not_http,
        ),
        *(error_event, error_line, error_in_200),
    )
}
