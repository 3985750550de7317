"""Why a connection ends: every close code there is, what it means, and what a client should do then."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Close(IntEnum):
    """Close codes of a server. Those below 3000 are of RFC 6455; the others are ours."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_CODE = 1005
    ABNORMAL = 1006
    INVALID_TEXT = 1007
    POLICY = 1008
    TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_AUDIO = 4000
    AUTH_FAILED = 4001
    SESSION_EXPIRED = 4008
    TOO_FAST = 4029
    TAKEN_OVER = 4030
    IDLE = 4031
    TOO_LONG = 4033
    NOT_FOUND = 4044
    SCHEMA = 4101
    TOO_MANY_SESSIONS = 4102
    NOT_AVAILABLE = 4501
    NO_SLOT = 4503


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """One close code: when it is sent, and what a client should do."""

    when: str
    then: str


CLOSINGS: Mapping[Close, Closing] = {
    Close.NORMAL: Closing(when="the session ended as asked", then="nothing"),
    Close.GOING_AWAY: Closing(when="the server stops", then="connect again, to another server or later"),
    Close.PROTOCOL_ERROR: Closing(
        when="frames break RFC 6455: not masked, reserved bits, long pings, a stray continuation",
        then="mend the client",
    ),
    Close.UNSUPPORTED_DATA: Closing(when="ten binary messages in a row; only text is taken", then="send JSON as text"),
    Close.NO_CODE: Closing(when="the client closed and gave no code; never sent", then="nothing"),
    Close.ABNORMAL: Closing(
        when="the connection broke: cable, sleep, or the client did not read for 5 s; never sent",
        then="connect again with the resume token, read all the time",
    ),
    Close.INVALID_TEXT: Closing(when="text that is not UTF-8", then="mend the client"),
    Close.POLICY: Closing(
        when="ten messages in a row were no JSON or wrong in several ways; pieces too many or slow; too many pings",
        then="mend the client",
    ),
    Close.TOO_BIG: Closing(when="a message of more than 1 MiB", then="send sound in smaller pieces"),
    Close.INTERNAL_ERROR: Closing(
        when="a fault of the server, or no answer to a ping for 20 s",
        then="connect again with the resume token; if it happens again, tell us",
    ),
    Close.SERVICE_RESTART: Closing(when="the server restarts", then="connect again, after a random 0 to 5 s"),
    Close.TRY_AGAIN_LATER: Closing(when="the server has more to do than it can", then="connect again, ever later"),
    Close.BAD_AUDIO: Closing(
        when="ten messages in a row with sound in no format that can be heard", then="send PCM16 or G.711"
    ),
    Close.AUTH_FAILED: Closing(when="no token came within 5 s, or a wrong one", then="get a token"),
    Close.SESSION_EXPIRED: Closing(when="the token's time is over", then="get a new token, begin a new session"),
    Close.TOO_FAST: Closing(
        when="more sound than was spoken, or too many messages, also after a warning",
        then="send sound as it is spoken",
    ),
    Close.TAKEN_OVER: Closing(
        when="the same session was resumed on another connection", then="nothing: the other one has it"
    ),
    Close.IDLE: Closing(when="no message for 10 minutes", then="begin a new session; silence counts as a message"),
    Close.TOO_LONG: Closing(when="the session lasted an hour", then="begin a new session"),
    Close.NOT_FOUND: Closing(
        when="there is no such session to resume: ended, unknown, or never yours", then="begin a new session"
    ),
    Close.SCHEMA: Closing(when="ten events in a row that do not exist, or with wrong fields", then="read /schema"),
    Close.TOO_MANY_SESSIONS: Closing(
        when="as many sessions of this token or address as may be", then="end one, or wait"
    ),
    Close.NOT_AVAILABLE: Closing(
        when="what is asked for is not here: a translation without a language model", then="ask another server"
    ),
    Close.NO_SLOT: Closing(when="the server is full", then="wait for `retry_after_s`, connect again"),
}

MAX_REASON_BYTES = 123
"""Of a reason in a close frame (RFC 6455, 5.5)."""


def name_of(code: int) -> str:
    """Return the name of a close code for logs and metrics; one that clients made up is "other"."""
    try:
        return Close(code).name.lower()
    except ValueError:
        return "other"


def reason_of(code: Close, *, detail: str = "") -> str:
    """Return the reason that goes with a code into the close frame, cut to what fits."""
    text = detail or CLOSINGS[code].when
    return text.encode()[:MAX_REASON_BYTES].decode(errors="ignore")


def as_table() -> list[dict[str, str | int]]:
    """Return all codes as plain values, for `/schema` and documentation."""
    return [
        {"code": int(code), "name": code.name.lower(), "when": closing.when, "then": closing.then}
        for code, closing in CLOSINGS.items()
    ]


def as_markdown() -> str:
    """Return all codes as the table that the documentation shows."""
    rows = [f"| {code:d} | {closing.when} | {closing.then} |" for code, closing in CLOSINGS.items()]
    return "\n".join(["| code | when | what a client does |", "|---|---|---|", *rows])
