"""Where a server is, as people write it. Pure."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ..errors import ConfigInvalid

PATH: Final = "/v1/realtime"
_SCHEMES: Final = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


def realtime_url(text: str, *, model: str = "attune", events: str = "all") -> str:
    """Return the whole address of a realtime session.

    Args:
        text: `ws://host:port`, with or without the path, or a base URL as other clients take it (`https://host/v1`).
        model: asked for, where the address names none.
        events: attune events that are asked for, where the address asks for none; empty for none at all.

    Raises:
        ConfigInvalid: this is no address of a server, or there is a password in it.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as trouble:
        raise ConfigInvalid(f"{text!r} is no address of a server: {trouble}") from trouble
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ConfigInvalid(f"{text!r} is no address of a server, expected one like ws://127.0.0.1:8765")
    if parts.username or parts.password:
        raise ConfigInvalid("the address holds a name or password: give the token by --token-env")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = parts.path.rstrip("/").removesuffix(PATH).removesuffix("/v1") + PATH
    asked = {"model": model, **({"attune": events} if events else {})}
    query = urlencode(asked | dict(parse_qsl(parts.query, keep_blank_values=True)), safe=",")
    return urlunsplit((_SCHEMES[parts.scheme], host if port is None else f"{host}:{port}", path, query, ""))


def is_local(url: str) -> bool:
    """Tell whether an address is of this very machine, where no proxy stands between."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
