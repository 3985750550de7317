"""A token that comes in the first message, for clients that can set no headers and want it in no subprotocol."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

import anyio
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import Callable

    from .link import Link
    from .settings import ServerSettings
    from .tokens import Bearer

EVENT: Final = "attune.auth"
MAX_BYTES: Final = 8192


async def first_token(link: Link, *, settings: ServerSettings, now: Callable[[], float]) -> Bearer | None:
    """Wait for `{"type": "attune.auth", "token": "…"}`; return whose it is, None for nobody's, another message or none.

    Args:
        link: the client's socket, open.
        settings: the tokens, and how long to wait.
        now: POSIX time.
    """
    message: str | bytes | None = None
    try:
        with anyio.move_on_after(settings.auth_s):
            message = await link.recv()
    except ConnectionClosed:
        return None
    token = None if message is None or len(message) > MAX_BYTES else _token(message)
    return None if token is None else settings.tokens.check(token, now=now())


def _token(message: str | bytes) -> str | None:
    try:
        event: Any = json.loads(message)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict):
        return None
    values = cast("dict[str, Any]", event)
    token = values.get("token")
    return token if values.get("type") == EVENT and isinstance(token, str) else None
