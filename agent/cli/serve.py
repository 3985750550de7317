"""`attune serve`: conversations over WebSocket, with the page, until it is asked to stop."""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
import webbrowser
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import anyio
import typer

from streaming.backends.embedded import EmbeddedEngines

from ..config import load_config, with_options
from ..errors import ConfigInvalid
from ..hosting import open_host
from ..server.dialogue import HostedDialogues
from ..server.handshake import is_origin
from ..server.running import metrics_of, run_server
from ..server.settings import ServerSettings, is_loopback
from ..server.tls import tls_context
from ..server.tokens import Tokens, parse_tokens, read_tokens
from ..server.workers import SHARES_PORTS, Place, WorkersSettings, command_again, supervise
from .engines import Fallback, ProfileName, chosen, loaded, note
from .recordings import Record, recordings_in

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine

    from streaming.backends.choose import Transcribers
    from streaming.listener import Listener, ListenerSettings

    from ..backends.choose import ProfileEngines
    from ..config import Config
    from ..server.app import Server

TOKENS = "ATTUNE_TOKENS"
"""Environment variable with tokens, one a line or with commas between."""

WHO = "Who may connect"
MUCH = "How much"
PANEL = "Settings (also in config.toml)"
Some: TypeAlias = dict[str, Any]


Host = Annotated[str, typer.Option(help="Address to listen on; others than loopback need TLS and tokens.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on, 0: any that is free.")]
Open = Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")]
NoPage = Annotated[bool, typer.Option("--no-page", help="Serve no page, only the protocol.")]
NoHistory = Annotated[bool, typer.Option("--no-history", help="Keep nothing of any conversation.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log connections, refusals, faults.")]
TokenFile = Annotated[
    Path | None, typer.Option(help=f"Tokens that may connect, one a line (else from {TOKENS}).", rich_help_panel=WHO)
]
Origins = Annotated[
    list[str] | None, typer.Option(help="Another page that may connect: https://app.example.", rich_help_panel=WHO)
]
HostNames = Annotated[
    list[str] | None, typer.Option(help="Name the server is asked for by; others are refused.", rich_help_panel=WHO)
]
Certificate = Annotated[Path | None, typer.Option(help="Certificate for wss: and https:, PEM.", rich_help_panel=WHO)]
Key = Annotated[Path | None, typer.Option(help="Its private key, PEM.", rich_help_panel=WHO)]
BehindProxy = Annotated[bool, typer.Option("--behind-proxy", help="Something in front does TLS.", rich_help_panel=WHO)]
QueryToken = Annotated[
    bool, typer.Option("--allow-query-token", help="?token=… too (logs may show it).", rich_help_panel=WHO)
]
SharedHistory = Annotated[
    bool,
    typer.Option("--shared-history", help="Every client may see and delete all that is kept.", rich_help_panel=WHO),
]
Workers = Annotated[int, typer.Option(min=1, help="Processes that share the port.", rich_help_panel=MUCH)]
MaxSessions = Annotated[int, typer.Option(min=1, help="Held at once, per process.", rich_help_panel=MUCH)]
PerClient = Annotated[
    int | None, typer.Option(min=1, help="Held at once per address and per token.", rich_help_panel=MUCH)
]
Idle = Annotated[float, typer.Option(min=1, help="Seconds without any message that end one.", rich_help_panel=MUCH)]
MaxSession = Annotated[float, typer.Option(min=1, help="Seconds that one may last.", rich_help_panel=MUCH)]
Emotion = Annotated[str | None, typer.Option(help="Read emotion from: off, text, voice, both.", rich_help_panel=PANEL)]
Voice = Annotated[str | None, typer.Option(help="auto, flite, espeak, none.", rich_help_panel=PANEL)]
Locale = Annotated[str | None, typer.Option(help="Place of the users, such as en-GB.", rich_help_panel=PANEL)]
Database = Annotated[Path | None, typer.Option(help="Where turns are kept.", rich_help_panel=PANEL)]


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8765,
    opens: Open = False,
    no_page: NoPage = False,
    no_history: NoHistory = False,
    record: Record = None,
    verbose: Verbose = False,
    token_file: TokenFile = None,
    origin: Origins = None,
    host_name: HostNames = None,
    tls_cert: Certificate = None,
    tls_key: Key = None,
    behind_proxy: BehindProxy = False,
    allow_query_token: QueryToken = False,
    shared_history: SharedHistory = False,
    workers: Workers = 1,
    max_sessions: MaxSessions = 300,
    max_per_client: PerClient = None,
    idle: Idle = 600,
    max_session: MaxSession = 3600,
    emotion: Emotion = None,
    voice: Voice = None,
    locale: Locale = None,
    database: Database = None,
    profile: ProfileName = None,
    fallback: Fallback = False,
) -> None:
    """Serve conversations over WebSocket, and a page to talk to. Stop with Ctrl-C (twice: at once).

    Programs speak the OpenAI Realtime protocol to ws://HOST:PORT/v1/realtime; stock clients take http://HOST:PORT/v1 as
    base URL. /schema describes all events. Others than this machine need --host, tokens, and TLS or --behind-proxy.
    """
    options = {"emotion": emotion, "voice": voice, "locale": locale, "profile": profile, "database": database}
    config = with_options(load_config(), options)
    who: Some = {"origins": _origins(origin), "hosts": _names(host_name), "tokens": _tokens(token_file)}
    how: Some = {"tls": _tls(tls_cert, tls_key), "behind_proxy": behind_proxy, "query_tokens": allow_query_token}
    much: Some = {"workers": _usable(workers), "idle_s": idle, "max_session_s": max_session}
    much |= _sessions(max_sessions, per_client=max_per_client)
    shows = not no_history and (shared_history or (is_loopback(host) and not behind_proxy))
    much |= {"page": not no_page, "history": shows, "records": record is not None}
    settings = ServerSettings(host=host, port=port, **who, **how, **much)
    plan = Plan(settings=settings, config=config, keeps=not no_history, opens=opens, records=record)
    _begin(plan, falls_back=fallback, logs=verbose)


def start(profile: ProfileName = None, fallback: Fallback = False) -> None:
    """Open a page to talk to in your browser. Only this machine can reach it. Stop with Ctrl-C.

    Uses the profile of your settings, else the best one of which all is here; `attune setup` gets a better one.
    `attune talk` talks in the terminal instead, `attune serve` takes more settings.
    """
    config = with_options(load_config(), {"profile": profile})
    settings = ServerSettings()
    try:
        knock(settings)
    except ConfigInvalid as taken:
        note(f"{taken}; taking another port")
        settings = ServerSettings(port=0)
    _begin(Plan(settings=settings, config=config, keeps=True, opens=True), falls_back=fallback, logs=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is served, by which of several processes, what is kept and recorded, and whether the page is opened."""

    settings: ServerSettings
    config: Config
    keeps: bool
    opens: bool
    records: Path | None = None
    place: Place | None = field(default_factory=Place.of_this_process)

    @property
    def is_first(self) -> bool:
        """Whether this process speaks for all workers."""
        return self.place is None or not self.place.number


def _begin(plan: Plan, *, falls_back: bool, logs: bool) -> None:
    """Be the server, or the supervisor of several."""
    # Never what is said; the frames of the WebSocket library are not logged at any level.
    logging.basicConfig(level=logging.WARNING, format="attune: %(levelname)s %(message)s")
    if logs:
        logging.getLogger("agent.server").setLevel(logging.INFO)
    if plan.place is None:
        knock(plan.settings)
        if plan.settings.workers > 1:
            _supervise(plan.settings)
    use = chosen(plan.config, falls_back=falls_back)
    if plan.is_first:
        typer.echo(use.line)
    with loaded(use, is_live=True) as engines, closing(ProfileListeners(engines.transcribers)) as listeners:
        _run(lambda: _serve(engines, listeners, plan=plan))


class ProfileListeners:
    """Opens listeners with the recogniser of a profile; voices are measured by processes that all share."""

    def __init__(self, transcribers: Transcribers | None) -> None:
        self._embedded = EmbeddedEngines(transcribes=transcribers is None)
        self._open = None if transcribers is None else transcribers.open

    def listener(self, settings: ListenerSettings) -> Listener:
        """Return a listener for one speaker.

        Raises:
            EngineFailed: an engine does not start.
        """
        return self._embedded.listener(settings, transcriber=self._open)

    def close(self) -> None:
        """Free what is shared."""
        self._embedded.close()


async def _serve(engines: ProfileEngines, listeners: ProfileListeners, *, plan: Plan) -> None:
    async with open_host(engines, config=plan.config, listeners=listeners, keeps=plan.keeps, note=note) as host:
        metrics = metrics_of(plan.place)
        dialogues = HostedDialogues(
            host,
            has_history=plan.settings.history,
            in_danger=metrics.crises.inc,
            recordings=recordings_in(plan.records, profile=engines.profile, config=plan.config),
        )
        tell = partial(announce, plan=plan)
        await run_server(plan.settings, dialogues, announce=tell, place=plan.place, metrics=metrics)


def announce(server: Server, *, plan: Plan) -> None:
    """Say where the server is, once for all workers, and open the page if that was asked for."""
    if not plan.is_first:
        return
    if plan.records is not None:
        told = "the page says so, programs are told by attune.session.info: tell their users"
        note(f"conversations are recorded in {plan.records}; {told}")
    if plan.settings.page:
        typer.echo(f"the page:  {server.page_url}")
    typer.echo(f"programs:  {server.url}  (stop with Ctrl-C)")
    sys.stdout.flush()
    if plan.opens and plan.settings.page:
        webbrowser.open(server.page_url)


def knock(settings: ServerSettings) -> None:
    """Find out whether the port can be had, before engines are loaded for it.

    Raises:
        ConfigInvalid: it cannot.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host or None, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as trouble:
        raise cannot_listen(trouble, settings) from None


def cannot_listen(trouble: OSError, settings: ServerSettings) -> ConfigInvalid:
    """Return in one line why a port cannot be had, and what to do."""
    where = f"{settings.host or '*'}:{settings.port}"
    if isinstance(trouble, PermissionError):
        return ConfigInvalid(f"{where} may only be listened on by the system: take a port above 1023 (--port)")
    if trouble.errno == errno.EADDRINUSE:
        return ConfigInvalid(f"{where} is in use: stop what listens there, or take another (--port 0: any)")
    why = trouble.strerror or str(trouble)
    return ConfigInvalid(f"{where} cannot be listened on: {why[:1].lower()}{why[1:]}")


def _supervise(settings: ServerSettings) -> None:
    plan = WorkersSettings(n=settings.workers, host=settings.host, port=settings.port)
    raise typer.Exit(anyio.run(lambda: supervise(command_again(), plan, note=note)))


def _run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run on uvloop where it is: it saves a third of the processor below saturation."""
    try:
        import uvloop  # noqa: PLC0415 - not there on Windows
    except ImportError:
        anyio.run(work)
        return
    del uvloop
    anyio.run(work, backend_options={"use_uvloop": True})


def _sessions(n: int, *, per_client: int | None) -> Some:
    of_one = n if per_client is None else min(n, per_client)
    return {"max_sessions": n, "max_sessions_per_address": of_one, "max_sessions_per_token": of_one}


def _usable(workers: int) -> int:
    if workers > 1 and not SHARES_PORTS:
        note("processes share a port on Linux only: serving from one")
        return 1
    return workers


def _names(names: list[str] | None) -> tuple[str, ...]:
    return tuple(name.lower() for name in names or ())


def _origins(origins: list[str] | None) -> tuple[str, ...]:
    for origin in origins or ():
        if not is_origin(origin):
            raise ConfigInvalid(f"origin {origin!r} is none: write it as browsers do, https://app.example[:PORT]")
    return tuple(origins or ())


def _tokens(path: Path | None) -> Tokens:
    if path is not None:
        return read_tokens(path)
    return parse_tokens(os.environ.get(TOKENS, "").replace(",", "\n").splitlines())


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None:
        if key is not None:
            raise ConfigInvalid("--tls-key needs --tls-cert: give both")
        return None
    return tls_context(certificate, key)
