"""Reading the body of an answer, block by block, with deadlines and a limit; what it means is for others."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import httpx

from ..errors import ServerFailed
from .complaints import complaint_in, one_line
from .faults import at, lost, overflow

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .endpoint import Endpoint

Json: TypeAlias = dict[str, Any]

_REST = 4096
_REST_S = 0.2


class Reader:
    """Reads one answer. `progressed` says that something that counts has come: the next may take its time again.

    Args:
        endpoint: whose patience holds.
        response: its headers are there, its body is not.
        due_s: loop time by which something that counts must have come.
    """

    def __init__(self, endpoint: Endpoint, response: httpx.Response, *, due_s: float) -> None:
        self._endpoint = endpoint
        self._response = response
        self._due_s = due_s
        self._last_s = asyncio.get_running_loop().time() + endpoint.patience.total_s
        self._began = False
        self._n_bytes = 0
        self._source = cast("AsyncGenerator[bytes, None]", response.aiter_raw())

    @property
    def kind(self) -> str:
        """The content type, lower case."""
        return self._response.headers.get("content-type", "").lower()

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name."""
        return {name.lower(): value for name, value in self._response.headers.items()}

    def progressed(self) -> None:
        """Note that something that counts has come."""
        self._began = True
        self._due_s = asyncio.get_running_loop().time() + self._endpoint.patience.between_s

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it comes, or what of it has not been read yet.

        Raises:
            ServerFailed: too slow, too long, or broken off.
        """
        while block := await self._next():
            self._n_bytes += len(block)
            if self._n_bytes > self._endpoint.patience.n_bytes:
                message = f"sent more than {self._endpoint.patience.n_bytes} bytes in one answer; it seems endless"
                raise at(self._endpoint, ServerFailed(message))
            yield block

    async def whole(self, *, longest: int | None = None) -> bytes:
        """Return the whole body, or its first `longest` bytes.

        Raises:
            ServerFailed: see `blocks`.
        """
        body = bytearray()
        async with aclosing(self.blocks()) as blocks:
            async for block in blocks:
                self.progressed()
                body += block
                if longest is not None and len(body) >= longest:
                    break
        return bytes(body[:longest])

    async def rest(self) -> None:
        """Read what little may be left of an answer whose end is known, so that its connection can be used again."""
        self._due_s = asyncio.get_running_loop().time() + _REST_S
        with suppress(ServerFailed):
            await self.whole(longest=_REST)

    async def aclose(self) -> None:
        """Close the connection, or give it back if the whole answer has been read."""
        with suppress(httpx.HTTPError):
            await self._source.aclose()
            await self._response.aclose()

    async def _next(self) -> bytes:
        """Return the next block, empty at the end."""
        try:
            async with asyncio.timeout_at(min(self._due_s, self._last_s)):
                return await anext(self._source, b"")
        except TimeoutError:
            raise self._late() from None
        except httpx.HTTPError as trouble:
            raise lost(self._endpoint, trouble, began=self._n_bytes > 0) from trouble

    def _late(self) -> ServerFailed:
        patience = self._endpoint.patience
        if self._last_s <= self._due_s:
            return at(self._endpoint, ServerFailed(f"did not end its answer within {patience.total_s:g} s"))
        if self._began:
            return slow(self._endpoint, "go on with its answer", within_s=patience.between_s)
        return slow(self._endpoint, "begin its answer", within_s=patience.first_s)


def slow(endpoint: Endpoint, what: str, *, within_s: float) -> ServerFailed:
    """Return the error for a server that did not do `what` in time."""
    return at(endpoint, ServerFailed(f"did not {what} within {within_s:g} s; is it overloaded?"))


def object_of(endpoint: Endpoint, body: bytes, *, what: str) -> Json:
    """Return the JSON object in `body`.

    Raises:
        ServerFailed, ContextOverflow: it holds none, or an error.
    """
    try:
        value = json.loads(body.decode("utf-8"))
    except UnicodeDecodeError:
        message = f"sent bytes that are no UTF-8; the {what} cannot be read"
        raise at(endpoint, ServerFailed(message)) from None
    except (ValueError, RecursionError):
        shown = body[:60].decode("utf-8", "replace")
        message = f"sent {shown!r} where JSON was expected" if body else f"sent an empty {what}"
        raise at(endpoint, ServerFailed(message)) from None
    if not isinstance(value, dict):
        raise at(endpoint, ServerFailed(f"sent a JSON {type(value).__name__} where an object was expected"))
    fields = cast("Json", value)
    if fields.get("error") or fields.get("object") == "error":
        complaint = complaint_in(fields)
        if complaint.is_overflow:
            raise overflow(endpoint, complaint)
        said = one_line(complaint.text, secret=endpoint.secret()) or "no reason given"
        raise at(endpoint, ServerFailed(f"gave up on the answer: {said}"))
    return fields
