"""One server, asked with retries and a breaker from any thread or event loop.

Coroutines that talk to it are written against `exchange` and `tried`, and run on the client's own courier: hand them to
`call`, `stream` or `submit`.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..errors import EngineFailed, ServerFailed
from .breaker import Breaker
from .courier import Courier
from .exchange import Ask, Exchange
from .faults import at, breaks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
    from concurrent.futures import Future

    from .endpoint import Endpoint
    from .reading import Json

T = TypeVar("T")


class Client:
    """Shared by all who talk to one server; `close` frees connections and thread.

    Args:
        endpoint: who.
        name: of the thread, and in errors after `close`.
        clock: for the breaker, seconds.
        sleep: waits between tries, seconds.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        name: str = "remote engine",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.endpoint = endpoint
        self.exchange = Exchange(endpoint)
        self._courier = Courier(name)
        self._breaker = Breaker(endpoint.breaker)
        self._lock = threading.Lock()
        self._clock = clock
        self._sleep = sleep

    def submit(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        """See `Courier.submit`."""
        return self._courier.submit(work)

    async def call(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """See `Courier.call`."""
        return await self._courier.call(work)

    def stream(self, work: Callable[[], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        """See `Courier.stream`."""
        return self._courier.stream(work)

    def closed(self) -> EngineFailed:
        """Return the error for work that `close` ended."""
        return self._courier.closed()

    def close(self) -> None:
        """Abort what is under way, close all connections, end the thread. Idempotent."""
        self._courier.close(self.exchange.aclose)

    async def tried(self, once: Callable[[], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        """Yield what `once` yields; it is run again when it fails before it yielded anything and trying may help.

        Raises:
            ServerFailed: it failed for good, or the server is being left alone after too many failures.
        """
        n_tried = 0
        while True:
            n_tried += 1
            began = False
            try:
                async with aclosing(self._guarded(once)) as items:
                    async for item in items:
                        began = True
                        yield item
            except ServerFailed as trouble:
                trouble.can_retry = trouble.can_retry and not began
                wait_s = self._wait_s(trouble, n_tried)
                if wait_s is None:
                    raise
            else:
                return
            await self._sleep(wait_s)

    async def json(self, ask: Ask) -> Json:
        """Return the answer to `ask`, an object; tried again if that may help.

        Raises:
            ContextOverflow, ServerFailed, EngineFailed: see `faults`.
        """

        async def once() -> AsyncGenerator[Json, None]:
            yield await self.exchange.json(ask)

        async with aclosing(self.tried(once)) as answers:
            return await anext(answers)

    def _wait_s(self, trouble: ServerFailed, n_tried: int) -> float | None:
        """Return how long to wait before the next try, None for no more."""
        if not trouble.can_retry:
            return None
        spread = random.random()  # noqa: S311 - spreads clients over time, guards nothing
        return self.endpoint.retry.wait_s(n_tried, retry_after_s=trouble.retry_after_s, spread=spread)

    async def _guarded(self, once: Callable[[], AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
        """Yield what `once` yields if the breaker lets it, and tell the breaker how it ended."""
        with self._lock:
            wait_s = self._breaker.wait_s(self._clock())
        if wait_s:
            message = f"failed too often and is left alone for another {wait_s:.1f} s"
            raise at(self.endpoint, ServerFailed(message, retry_after_s=wait_s))
        ended: Callable[[], None] = self._breaker.abandoned
        try:
            async with aclosing(once()) as items:
                async for item in items:
                    # An answer has come: that its reader then leaves tells nothing against the server.
                    ended = self._breaker.succeeded
                    yield item
            ended = self._breaker.succeeded
        except EngineFailed as trouble:
            ended = self._failed if breaks(trouble) else self._breaker.succeeded
            raise
        finally:
            with self._lock:
                ended()

    def _failed(self) -> None:
        self._breaker.failed(self._clock())


def offered(endpoint: Endpoint) -> tuple[str, ...]:
    """Return the names of the models a server offers, waiting for its answer.

    Raises:
        ServerFailed: it cannot be reached, or refuses.
    """
    client = Client(endpoint, name="look at a server")

    async def names() -> tuple[str, ...]:
        listed = (await client.json(Ask(path="/models"))).get("data")
        entries = cast("list[object]", listed) if isinstance(listed, list) else []
        return tuple(str(cast("Json", entry)["id"]) for entry in entries if isinstance(entry, dict) and "id" in entry)

    try:
        return client.submit(names).result()
    finally:
        client.close()
