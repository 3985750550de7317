"""Server-sent events, as streamed answers come in: bytes to payloads. Pure; see the WHATWG HTML standard, §9.2."""

from __future__ import annotations

from ..errors import ServerFailed

LONGEST_LINE = 2**20
"""Bytes in a line; a token with its likeliest alternatives takes some kilobytes."""

_FIELDS = ("data", "event", "id", "retry")


class EventDecoder:
    """Gives the data of each event; however the bytes were cut, the same comes out.

    Raises:
        ServerFailed: this is no event stream, holds bytes that are no UTF-8, or a line without end.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []

    def feed(self, data: bytes) -> list[str]:
        """Return the payloads that `data` completes, in order."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            raise ServerFailed(f"sent a line of more than {LONGEST_LINE} bytes instead of events")
        events = [event for line in lines if (event := self._line(line.removesuffix(b"\r"))) is not None]
        if self._rest[:1] in {b"<", b"{", b"["}:
            raise _no_events(self._rest)
        return events

    def flush(self) -> list[str]:
        """Return the last payload of a stream that ended without the blank line after it."""
        ends = (self._line(self._rest.removesuffix(b"\r")), self._line(b""))
        self._rest = b""
        return [event for event in ends if event is not None]

    def _line(self, line: bytes) -> str | None:
        if not line:
            event, self._data = self._data, []
            return "\n".join(event) if event else None
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            raise ServerFailed("sent bytes that are no UTF-8; the answer cannot be read") from None
        name, _, value = text.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
        elif name == "error":  # llama.cpp before 2025 said so instead of an event's data
            self._data.append(f'{{"error": {value}}}')
        elif name and name not in _FIELDS:
            raise _no_events(line)
        return None


def _no_events(line: bytes) -> ServerFailed:
    shown = line[:40].decode("utf-8", "replace")
    return ServerFailed(f"sent {shown!r} where a stream of events was expected")
