"""`attune talk` and `attune demo`: one conversation, by microphone or from files."""

from __future__ import annotations

import sys
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import anyio
import numpy as np
import typer
from rich.console import Console
from rich.live import Live

from streaming.audio import SAMPLE_RATE, Blocks, silence
from streaming.files import AudioFile
from streaming.microphone import microphone
from streaming.sources import Pace, from_file

from ..assembly import Audience, Talk, converse, session_of_files
from ..config import load_config, with_options
from ..events import EmotionEstimate
from ..hosting import NOTICE, RECORDED
from ..jsonl import to_line
from ..profiles import PORTS
from .engines import Fallback, ProfileName, chosen, loaded, note
from .estimating import Calls, Explain, explainer
from .explain import explanation
from .recordings import Record, about_talk, recordings_in
from .translating import USUAL, Translate, TranslateAs, translation_of
from .view import TalkView

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence

    from rich.console import RenderableType

    from streaming.sources import Sound

    from ..backends.choose import ProfileEngines
    from ..config import Config
    from ..events import SessionEvent

GAP_S = 1.0
"""Silence between two files: long enough for the first one's last utterance to end."""

PANEL = "Settings (also in config.toml)"

Memory = Annotated[
    str | None,
    typer.Option(help="May come to mind: session, log (also earlier ones that are kept).", rich_help_panel=PANEL),
]
Helplines = Annotated[
    Path | None, typer.Option(help="Your own crisis lines (TOML), over the shipped ones.", rich_help_panel=PANEL)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """How a conversation is shown, recorded (`records`) and what stands behind it; `calls` explain each estimate."""

    engines: ProfileEngines
    line: str
    as_json: bool = False
    calls: Calls | None = None
    records: Path | None = None


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
    record: Record = None,
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
    memory: Memory = None,
    helplines: Helplines = None,
    profile: ProfileName = None,
    fallback: Fallback = False,
    explain: Explain = False,
    translate: Translate = None,
    translate_as: TranslateAs = USUAL,
) -> None:
    """Talk, and see your words, the feeling in them and an answer. Stop with Ctrl-C."""
    translation = translation_of(translate, how=translate_as)
    given = {"duplex": duplex, "emotion": emotion, "voice": voice, "locale": locale, "profile": profile}
    config = with_options(load_config(), given | {"database": database, "helplines": helplines, "memory": memory})
    use = chosen(config, falls_back=fallback, only=set(PORTS) - ({"voice"} if no_speech else set()))
    session = _session_of(audio) if audio else None
    plan = Talk(is_live=not audio, speaks=not no_speech, keeps=not no_history, session=session, translation=translation)
    calls = Calls() if explain else None
    with loaded(use, overhear=calls and calls.hear, is_live=plan.is_live) as engines:
        screen = Screen(engines=engines, line=use.line, as_json=as_json, calls=calls, records=record)
        source = _rechunked(_files(audio, paced=paced), chunk_ms=chunk_ms) if audio else None
        _hold(source, device=device, config=config, talk=plan, screen=screen)


def _hold(
    source: AsyncIterable[Sound] | None, *, device: str | None, config: Config, talk: Talk, screen: Screen
) -> None:
    """Hold a conversation with what `source` gives, or by microphone."""
    if source is not None:
        anyio.run(lambda: _converse_on_screen(source, config=config, talk=talk, screen=screen))
        return
    # Ctrl-C is how a conversation ends; the session has saved what there was.
    with suppress(KeyboardInterrupt):
        anyio.run(lambda: _by_microphone(device, config=config, talk=talk, screen=screen))


def _session_of(audio: Sequence[Path]) -> str:
    for path in audio:
        # A file that cannot be read is told of before anything is started or kept.
        AudioFile(path).close()
    return session_of_files(audio)


def demo(
    paced: Annotated[bool, typer.Option(help="As fast as it was spoken, or at once.")] = True,
    profile: ProfileName = None,
    fallback: Fallback = False,
) -> None:
    """Play a recorded conversation through the live loop; nothing of it is kept."""
    config = with_options(load_config(), {"profile": profile})
    use = chosen(config, falls_back=fallback)
    with as_file(files("agent") / "demo" / "conversation.ogg") as recording, loaded(use) as engines:
        plan = Talk(is_live=False, keeps=False, session="demo")
        source = _files([recording], paced=paced)
        screen = Screen(engines=engines, line=use.line)
        anyio.run(lambda: _converse_on_screen(source, config=config, talk=plan, screen=screen))


async def _by_microphone(device: str | None, *, config: Config, talk: Talk, screen: Screen) -> None:
    named = int(device) if device is not None and device.isdigit() else device
    async with microphone(named) as source:
        await _converse_on_screen(source, config=config, talk=talk, screen=screen)


async def _converse_on_screen(source: AsyncIterable[Sound], *, config: Config, talk: Talk, screen: Screen) -> None:
    if screen.as_json:
        await _converse(source, config=config, talk=talk, screen=screen, audience=_json_audience(screen.calls))
        return
    console = Console(highlight=False)
    console.print(NOTICE, style="dim")
    if screen.records is not None:
        console.print(RECORDED, style="dim")
    console.print(screen.line, style="dim")
    view = TalkView(console.print, hint=_hint(config, talk), explain=_explaining(screen.calls))
    live = Live(get_renderable=view.render, console=console, refresh_per_second=12, transient=True)

    async def tell(event: SessionEvent) -> None:
        view.show(event)

    def level(level_db: float) -> None:
        view.level_db = level_db

    audience = Audience(tell=tell, level=level, note=note)
    with live if console.is_terminal else nullcontext():
        await _converse(source, config=config, talk=talk, screen=screen, audience=audience)


async def _converse(
    source: AsyncIterable[Sound], *, config: Config, talk: Talk, screen: Screen, audience: Audience
) -> None:
    """Hold the conversation, recorded where that was asked for."""
    recordings = recordings_in(screen.records, profile=screen.engines.profile, config=config)
    if recordings is None:
        await converse(source, engines=screen.engines, config=config, talk=talk, audience=audience)
        return
    session = talk.session or uuid4().hex[:12]
    named = replace(talk, session=session)
    async with recordings.witness(session, talk=about_talk(named)) as witness:
        await converse(source, engines=screen.engines, config=config, talk=named, audience=audience, witness=witness)


def _hint(config: Config, talk: Talk) -> str:
    if not talk.is_live:
        return "playing"
    return "say something" + (" (not listening while I speak: --duplex half)" if config.duplex == "half" else "")


def _explaining(calls: Calls | None) -> Callable[[EmotionEstimate], RenderableType] | None:
    return None if calls is None else lambda estimate: explanation(estimate, calls.take())


def _json_audience(calls: Calls | None) -> Audience:
    """Tell of events as JSON on standard output; estimates are explained, if at all, on standard error."""
    explain = None if calls is None else explainer(calls, out=sys.stderr)

    async def tell(event: SessionEvent) -> None:
        sys.stdout.write(to_line(event) + "\n")
        sys.stdout.flush()
        if explain is not None and isinstance(event, EmotionEstimate) and event.is_final:
            explain(event)

    return Audience(tell=tell, level=lambda _: None, note=note)


async def _files(paths: Sequence[Path], *, paced: bool) -> AsyncIterator[Sound]:
    """Yield the files one after another, as one stream."""
    pace = Pace() if paced else None
    for index, path in enumerate(paths):
        if index:
            yield silence(round(GAP_S * SAMPLE_RATE))
        async for sound in from_file(path, pace=pace, warn=note):
            yield sound


async def _rechunked(source: AsyncIterator[Sound], *, chunk_ms: int) -> AsyncIterator[Sound]:
    """Yield the same sound cut otherwise; 0 gives it in one piece."""
    blocks = Blocks(chunk_ms * SAMPLE_RATE // 1000 if chunk_ms else sys.maxsize)
    async for sound in source:
        if not isinstance(sound, np.ndarray):
            yield sound
            continue
        for block in blocks.feed(sound):
            yield block
    rest = blocks.flush()
    if rest.size:
        yield rest
