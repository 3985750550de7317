"""What a server may be told: where it listens, who may come in, and how much of everything it gives to one client."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from ..errors import ConfigInvalid
from .tokens import Tokens

if TYPE_CHECKING:
    import ssl

LOOPBACK_NAMES = frozenset({"localhost"})
POSITIVE = frozenset({
    "max_message_bytes", "max_queued_frames", "audio_rate", "audio_burst_s", "control_rate", "control_burst",
    "ping_rate", "ping_burst", "max_faults_in_row", "max_fragments", "max_sessions", "max_sessions_per_address",
    "max_sessions_per_token", "handshake_s", "auth_s", "send_s", "message_s", "close_s", "idle_s", "max_session_s",
    "warn_s", "ping_interval_s", "ping_timeout_s", "workers", "send_buffer_bytes",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ServerSettings:
    """How a server runs. Times are wall-clock seconds.

    Attributes:
        host, port: where it listens; port 0 takes any that is free.
        origins: browser pages that may connect besides the server's own, as a browser writes them in `Origin`.
        hosts: names under which the server may be asked for, besides loopback ones; checked on loopback always, and
            elsewhere where any are given.
        tokens: who may come in; without any, only loopback is served, to everybody there.
        query_tokens: a token may stand in the address (`?token=`), where logs of proxies keep it.
        tls: certificate and key for wss:, from `agent.server.tls`.
        behind_proxy: something in front of the server ends TLS; its `X-Forwarded-For` names the client.
        page, history: the page is served; clients may list, export and delete what is kept.
        records: conversations are recorded, and the page says so.
        workers: processes that share the port.
        max_message_bytes: of one message of a client. Stock clients send up to 1 MiB of sound at once.
        max_queued_frames: frames taken off the socket before the session has taken them.
        max_fragments, message_s: pieces of one message, and time for all of them.
        audio_rate: sound per second of wall time, in seconds, once `audio_burst_s` are used up; beyond that the client
            is warned, and `audio_excess_s` further on closed.
        control_rate, control_burst: messages with (nearly) no sound, per second and at once; warned and closed alike.
        ping_rate, ping_burst: pings and pongs of a client, per second and at once.
        max_faults_in_row: messages that make no sense, one after another, until the client is closed.
        max_sessions, max_sessions_per_address, max_sessions_per_token: held at once, lost ones that may resume too.
        handshake_s: for the request to arrive whole. auth_s: for the token, where the client sends it as a message.
        send_s: in which a client that is being written to must have read something.
        send_buffer_bytes: kept by the system for a client that does not read; small, so that it is noticed soon.
        close_s: for the client's answer to a close.
        idle_s: without any message. max_session_s: of one session. warn_s: how long before either it is told.
        resume_s: a session outlives its lost connection by so much.
        drain_s: in which sessions end once the server is asked to stop.
        ping_interval_s, ping_timeout_s: how often a client is asked whether it is there, and how long it may take.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    tokens: Tokens = field(default_factory=Tokens)
    query_tokens: bool = False
    tls: ssl.SSLContext | None = None
    behind_proxy: bool = False
    page: bool = True
    history: bool = True
    records: bool = False
    workers: int = 1
    max_message_bytes: int = 1 << 20
    max_queued_frames: int = 16
    max_fragments: int = 1000
    message_s: float = 20.0
    audio_rate: float = 1.25
    audio_burst_s: float = 10.0
    audio_excess_s: float = 18.0
    control_rate: float = 10.0
    control_burst: int = 40
    ping_rate: float = 10.0
    ping_burst: int = 40
    max_faults_in_row: int = 10
    max_sessions: int = 300
    max_sessions_per_address: int = 300
    max_sessions_per_token: int = 300
    handshake_s: float = 10.0
    auth_s: float = 5.0
    send_s: float = 5.0
    send_buffer_bytes: int = 128 << 10
    close_s: float = 2.0
    idle_s: float = 600.0
    max_session_s: float = 3600.0
    warn_s: float = 60.0
    resume_s: float = 60.0
    drain_s: float = 8.0
    ping_interval_s: float = 20.0
    ping_timeout_s: float = 20.0

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigInvalid: a number makes no sense, or strangers could come in or listen.
        """
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name in POSITIVE and not 0 < value < float("inf"):
                raise ConfigInvalid(f"{each.name} is {value!r}, must be above 0")
            if each.name in {"resume_s", "drain_s", "audio_excess_s"} and not 0 <= value < float("inf"):
                raise ConfigInvalid(f"{each.name} is {value!r}, must be 0 or more")
        if not 0 <= self.port <= 65535:
            raise ConfigInvalid(f"port {self.port} is not one: 0 (any that is free) to 65535")
        if not self.is_loopback:
            self._require_safety()

    def _require_safety(self) -> None:
        where = f"listening on {self.host or 'every address'}"
        if self.tls is None and not self.behind_proxy:
            raise ConfigInvalid(
                f"{where} would send voices unencrypted: give --tls-cert and --tls-key, "
                "or --behind-proxy if something in front of it does TLS"
            )
        if not self.tokens:
            raise ConfigInvalid(
                f"{where} lets everybody in: set tokens in ATTUNE_TOKENS or give --token-file, or listen on 127.0.0.1"
            )

    @property
    def is_loopback(self) -> bool:
        """Only this machine can reach the server."""
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this machine only."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
