"""Talking to the test server through a client, for tests of both."""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from streaming.remote import BreakerSettings, Endpoint, Patience, RetrySettings
from streaming.remote.client import Client
from streaming.remote.exchange import Ask

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

SECRET = "sk-very-secret-0123456789"
CALM = Patience(n_bytes=300_000)
HASTY = {name: replace(CALM, first_s=0.05) for name in ("mute", "mute_after_headers", "pings", "roles")} | {
    "stall": replace(CALM, between_s=0.05)
}
"""Patience for the faults that would use up more; a good request may take its time on a busy machine."""
BODY = {"model": "toy", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 32}
CHAT = Ask(path="/chat/completions", body=BODY, model="toy")
STREAMED = Ask(path="/chat/completions", body={**BODY, "stream": True}, model="toy")


async def no_sleep(seconds: float) -> None:
    del seconds


def client_of(
    url: str,
    *,
    tries: int = 1,
    patience: Patience = CALM,
    n_failures: int = 100,
    sleep: Callable[[float], Awaitable[object]] = no_sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Client:
    retry = RetrySettings(n_tries=tries)
    breaker = BreakerSettings(n_failures=n_failures)
    return Client(Endpoint(url, SECRET, patience=patience, retry=retry, breaker=breaker), sleep=sleep, clock=clock)


def with_patience(client: Client, patience: Patience) -> None:
    """Change the patience of a client that is in use."""
    object.__setattr__(client.endpoint, "patience", patience)


def has_token(event: dict[str, Any]) -> bool:
    return any(choice["delta"].get("content") for choice in event.get("choices", ()))


def fetch(client: Client, ask: Ask = CHAT) -> dict[str, Any]:
    return client.submit(lambda: client.json(ask)).result(timeout=60)


def stream(client: Client, ask: Ask = STREAMED) -> list[str]:
    """The texts of a streamed answer."""

    async def once() -> AsyncGenerator[str, None]:
        async with aclosing(client.exchange.events(ask, counts=has_token)) as events:
            async for event in events:
                if has_token(event):
                    yield event["choices"][0]["delta"]["content"]

    async def texts() -> list[str]:
        return [text async for text in client.tried(once)]

    return client.submit(texts).result(timeout=60)


def error(message: str, **more: object) -> dict[str, object]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}}
