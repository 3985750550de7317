"""`attune talk`, `attune demo` and `attune start`: one conversation, by microphone or from files."""

from __future__ import annotations

import sys
from contextlib import nullcontext, suppress
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer
from rich.console import Console
from rich.live import Live

from streaming.audio import SAMPLE_RATE, Blocks, silence
from streaming.errors import DeviceUnavailable
from streaming.events import AudioDropped
from streaming.files import AudioFile
from streaming.microphone import input_devices, microphone
from streaming.sources import Pace, from_file

from ..assembly import Audience, Talk, converse, session_of_files
from ..config import load_config, with_options
from ..jsonl import to_line
from .view import TalkView

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Sequence

    from streaming.sources import Sound

    from ..config import Config
    from ..events import SessionEvent

NOTICE = "Attune is a program. It reads what your words and voice express, which may not be what you feel."
GAP_S = 1.0
"""Silence between two files: long enough for the first one's last utterance to end."""

PANEL = "Settings (also in config.toml)"


def start() -> None:
    """Talk by microphone where there is one; else play the recorded demo through the same loop."""
    try:
        devices = input_devices()
    except DeviceUnavailable as trouble:
        typer.echo(f"{trouble}", err=True)
        devices = []
    if devices:
        talk()
    else:
        typer.echo("no microphone here: playing a recorded conversation through the live loop instead", err=True)
        demo()


def talk(
    audio: Annotated[
        list[Path] | None, typer.Option("--audio", metavar="FILE", help="Listen to files instead (repeatable).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON event per line.")] = False,
    chunk_ms: Annotated[
        int, typer.Option(min=0, help="Feed files in chunks of this size, 0: in one piece. Changes no event.")
    ] = 20,
    paced: Annotated[
        bool, typer.Option("--paced", help="Feed files as fast as they were spoken. Changes no event.")
    ] = False,
    no_speech: Annotated[bool, typer.Option("--no-speech", help="Write answers, do not speak them.")] = False,
    no_history: Annotated[bool, typer.Option("--no-history", help="Keep nothing of this conversation.")] = False,
    device: Annotated[str | None, typer.Option(help="Microphone: number or part of its name.")] = None,
    duplex: Annotated[
        str | None, typer.Option(help="half: loudspeakers. full: headphones, you can barge in.", rich_help_panel=PANEL)
    ] = None,
    emotion: Annotated[
        str | None, typer.Option(help="Read emotion from: off, text, voice, both.", rich_help_panel=PANEL)
    ] = None,
    voice: Annotated[str | None, typer.Option(help="auto, flite, espeak, none.", rich_help_panel=PANEL)] = None,
    locale: Annotated[str | None, typer.Option(help="Your place, such as en-GB.", rich_help_panel=PANEL)] = None,
    database: Annotated[Path | None, typer.Option(help="Where turns are kept.", rich_help_panel=PANEL)] = None,
    helplines: Annotated[
        Path | None, typer.Option(help="Your own crisis lines (TOML), over the shipped ones.", rich_help_panel=PANEL)
    ] = None,
) -> None:
    """Talk, and see your words, the feeling in them and an answer. Stop with Ctrl-C."""
    given = {"duplex": duplex, "emotion": emotion, "voice": voice, "locale": locale}
    given |= {"database": database, "helplines": helplines}
    config = with_options(load_config(), given)
    if audio:
        for path in audio:
            # A file that cannot be read is told of before anything is started or kept.
            AudioFile(path).close()
        plan = Talk(is_live=False, speaks=not no_speech, keeps=not no_history, session=session_of_files(audio))
        source = _rechunked(_files(audio, paced=paced), chunk_ms=chunk_ms)
        anyio.run(lambda: _converse_on_screen(source, config=config, talk=plan, as_json=as_json))
    else:
        plan = Talk(is_live=True, speaks=not no_speech, keeps=not no_history)
        # Ctrl-C is how a conversation ends; the session has saved what there was.
        with suppress(KeyboardInterrupt):
            anyio.run(lambda: _by_microphone(device, config=config, talk=plan, as_json=as_json))


def demo(
    paced: Annotated[bool, typer.Option(help="As fast as it was spoken, or at once.")] = True,
) -> None:
    """Play a recorded conversation through the live loop; nothing of it is kept."""
    with as_file(files("agent") / "demo" / "conversation.ogg") as recording:
        plan = Talk(is_live=False, keeps=False, session="demo")
        source = _files([recording], paced=paced)
        anyio.run(lambda: _converse_on_screen(source, config=load_config(), talk=plan, as_json=False))


async def _by_microphone(device: str | None, *, config: Config, talk: Talk, as_json: bool) -> None:
    chosen = int(device) if device is not None and device.isdigit() else device
    async with microphone(chosen) as source:
        await _converse_on_screen(source, config=config, talk=talk, as_json=as_json)


async def _converse_on_screen(source: AsyncIterable[Sound], *, config: Config, talk: Talk, as_json: bool) -> None:
    if as_json:
        await converse(source, config=config, talk=talk, audience=_json_audience())
        return
    console = Console(highlight=False)
    console.print(NOTICE, style="dim")
    view = TalkView(console.print, hint=_hint(config, talk))
    live = Live(get_renderable=view.render, console=console, refresh_per_second=12, transient=True)

    async def tell(event: SessionEvent) -> None:
        view.show(event)

    def level(level_db: float) -> None:
        view.level_db = level_db

    with live if console.is_terminal else nullcontext():
        await converse(source, config=config, talk=talk, audience=Audience(tell=tell, level=level, note=_note))


def _hint(config: Config, talk: Talk) -> str:
    if not talk.is_live:
        return "playing"
    return "say something" + (" (not listening while I speak: --duplex half)" if config.duplex == "half" else "")


def _json_audience() -> Audience:
    async def tell(event: SessionEvent) -> None:
        sys.stdout.write(to_line(event) + "\n")
        sys.stdout.flush()

    return Audience(tell=tell, level=lambda _: None, note=_note)


def _note(text: str) -> None:
    typer.echo(f"attune: {text}", err=True)


async def _files(paths: Sequence[Path], *, paced: bool) -> AsyncIterator[Sound]:
    """Yield the files one after another, as one stream."""
    pace = Pace() if paced else None
    for index, path in enumerate(paths):
        if index:
            yield silence(round(GAP_S * SAMPLE_RATE))
        async for sound in from_file(path, pace=pace, warn=_note):
            yield sound


async def _rechunked(source: AsyncIterator[Sound], *, chunk_ms: int) -> AsyncIterator[Sound]:
    """Yield the same sound cut otherwise; 0 gives it in one piece."""
    blocks = Blocks(chunk_ms * SAMPLE_RATE // 1000 if chunk_ms else sys.maxsize)
    async for sound in source:
        if isinstance(sound, AudioDropped):
            yield sound
            continue
        for block in blocks.feed(sound):
            yield block
    rest = blocks.flush()
    if rest.size:
        yield rest
