"""`attune client`: talk to a server, by microphone or from a file."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from streaming.errors import DeviceUnavailable
from streaming.files import AudioFile
from streaming.microphone import microphone
from streaming.sources import Pace, from_file

from ..client.address import realtime_url
from ..client.connection import Connection
from ..client.hearing import Hearing
from ..client.playing import Player, Recording
from ..client.talk import Client, ClientSettings, shown
from ..errors import ConfigInvalid
from ..history import visible
from ..loudspeaker import Loudspeaker, SilentSink, output_devices
from .engines import note
from .view import TalkView

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..client.connection import Event
    from ..loudspeaker import Sink

MICROPHONE = "mic"
ENDS = {
    "draining": "the server stops",
    "idle": "nothing was said for a long time",
    "too_long": "it reaches its longest time",
}
"""Why a conversation is about to end, by the reason the server gives."""
URL = "ws://127.0.0.1:8765"


seconds = anyio.current_time
"""The clock replies are played by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """What to hold a conversation with, and how to show it; `audio` None is the microphone."""

    connection: Connection
    audio: Path | None
    device: int | str | None
    speaks: bool
    save: Path | None
    half_duplex: bool
    as_json: bool


def client(
    audio: Annotated[str, typer.Argument(metavar="FILE|mic", help="A sound file, or mic for the microphone.")],
    url: Annotated[str, typer.Option(help="Where the server is.")] = URL,
    token_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment variable that holds the token.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the server's events, one per line.")] = False,
    save: Annotated[Path | None, typer.Option(metavar="WAV", help="Keep the sound of the answers.")] = None,
    no_speech: Annotated[bool, typer.Option("--no-speech", help="Do not play the answers.")] = False,
    device: Annotated[str | None, typer.Option(help="Microphone: number or part of its name.")] = None,
    duplex: Annotated[str, typer.Option(help="half: loudspeakers. full: headphones, you can barge in.")] = "half",
) -> None:
    """Talk to a server: see your words, the feeling in them, and hear its answers. Stop with Ctrl-C.

    A lost connection comes back to the same conversation. Works with any server of the OpenAI Realtime protocol.
    """
    if duplex not in {"half", "full"}:
        raise ConfigInvalid(f"--duplex is {duplex!r}, expected half or full")
    path = None if audio == MICROPHONE else Path(audio)
    if path is not None:
        AudioFile(path).close()  # one that cannot be read is told of before anybody is called
    call = _Call(
        connection=Connection(realtime_url(url), token=_token(token_env), note=note),
        audio=path,
        device=int(device) if device is not None and device.isdigit() else device,
        speaks=not no_speech,
        save=save,
        half_duplex=path is None and duplex == "half",
        as_json=as_json,
    )
    # Ctrl-C is how a conversation by microphone ends.
    with suppress(KeyboardInterrupt) if path is None else nullcontext():
        anyio.run(_hold, call)


def _token(name: str | None) -> str | None:
    if name is None:
        return None
    token = os.environ.get(name, "").strip()
    if not token:
        raise ConfigInvalid(f"--token-env names {name}, but no such environment variable is set")
    return token


async def _hold(call: _Call) -> None:
    with ExitStack() as stack:
        sink = _sink(call)
        stack.callback(sink.close)
        recording = stack.enter_context(_recording(call.save)) if call.save is not None else None
        player = Player(sink, recording=recording, clock=seconds)
        view = None if call.as_json else _view(stack, call)
        talk = Client(
            connection=call.connection,
            player=player,
            tell=_printed if view is None else _drawn(view),
            settings=ClientSettings(half_duplex=call.half_duplex),
        )
        if view is not None:
            talk.level = lambda level_db: setattr(view, "level_db", level_db)
        if call.audio is None:
            async with microphone(call.device) as source:
                await talk.hold(source)
        else:
            pace = Pace()
            await talk.hold(from_file(call.audio, pace=pace, warn=note), pace=pace)


def _sink(call: _Call) -> Sink:
    """Return the loudspeaker; where there is none a file is talked about in silence."""
    if not call.speaks:
        return SilentSink()
    try:
        if call.audio is None or output_devices():
            return Loudspeaker()
    except DeviceUnavailable as trouble:
        if call.audio is None:
            raise
        note(f"{trouble}")
    return SilentSink()


def _recording(path: Path) -> Recording:
    try:
        return Recording(path)
    except OSError as trouble:
        raise ConfigInvalid(f"--save {path} cannot be written: {trouble.strerror or trouble}") from trouble


def _view(stack: ExitStack, call: _Call) -> TalkView:
    console = Console(highlight=False)
    hint = "say something" + (" (not listening while I speak: --duplex half)" if call.half_duplex else "")
    view = TalkView(console.print, hint="playing" if call.audio is not None else hint)
    if console.is_terminal:
        stack.enter_context(Live(get_renderable=view.render, console=console, refresh_per_second=12, transient=True))
    return view


def _printed(event: Event) -> None:
    sys.stdout.write(json.dumps(shown(event), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _drawn(view: TalkView) -> Callable[[Event], None]:
    hearing = Hearing()

    def draw(event: Event) -> None:
        match event["type"]:
            case "attune.session.info":
                view.print_above(Text(visible(str(event.get("notice", ""))), style="dim"))
            case "attune.session.ending":
                reason = str(event.get("reason"))
                text = f"the conversation ends in {event.get('in_s')} s: {ENDS.get(reason, reason)}"
                view.print_above(Text(visible(text), style="red"))
            case _:
                for heard in hearing.feed(event):
                    view.show(heard)

    return draw
