"""`attune-eval recording`: recorded conversations happen again, and what is said is compared, event by event."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from agent.cli.engines import chosen, loaded
from agent.cli.serve import ProfileListeners
from agent.recording.reader import read_recording
from agent.recording.writer import HEADER
from streaming.errors import AudioUnreadable

from .replay.recorded import config_of, replay_recording

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from agent.backends.choose import ProfileEngines
    from agent.config import Config
    from agent.recording.reader import Recording

    from .replay.recorded import Difference, Replayed

DIFFERENT = 1
"""Exit code where a conversation did not happen again."""

SHOWN = 5
"""Differences that are told of each."""


FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="One recording, or a folder of them.")]


def register(app: typer.Typer) -> None:
    """Add the command to `attune-eval`."""
    app.command("recording")(recording)


def recording(
    folder: FolderArgument,
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the events of each replay here, as JSON lines.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="Other engines than it was held with; then it may differ.")
    ] = None,
    patience: Annotated[float, typer.Option(min=0.1, help="Seconds without an event after which a replay is lost.")] = (
        60.0
    ),
) -> None:
    """Have recorded conversations happen again (`--record` of `attune talk` and `attune serve`), as fast as it goes.

    The same listener and session hear the same; all they say has to be the same, but for clocks and disks. 0: it is, 1:
    it is not, 3: one of several cannot be read, of which the others happen again all the same.
    """
    is_same, unread = True, list[AudioUnreadable]()
    folders = recordings_below(folder)
    with ExitStack() as stack:
        engines = Loaded(stack)
        for path in folders:
            name = path.resolve().name
            try:
                held = read_recording(path)
            except AudioUnreadable as trouble:
                typer.echo(f"{name}: cannot be read")
                unread.append(trouble)
                continue
            replayed = again(held, config=config_of(held, profile=profile), engines=engines, patience_s=patience)
            if out is not None:
                _write(out, name, replayed)
            for line in told(name, held, replayed):
                typer.echo(line)
            is_same = is_same and replayed.is_same
    if unread:
        which = f"{len(unread)} of {len(folders)} recordings cannot be read: " if len(folders) > 1 else ""
        raise AudioUnreadable(f"{which}{unread[0]}")
    if not is_same:
        raise typer.Exit(DIFFERENT)


def again(held: Recording, *, config: Config, engines: Loaded, patience_s: float) -> Replayed:
    """Have one conversation happen again."""
    used, listeners = engines.of(held, config)
    return anyio.run(
        lambda: replay_recording(held, engines=used, config=config, listeners=listeners, patience_s=patience_s)
    )


def recordings_below(folder: Path) -> list[Path]:
    """Return the folders of recordings: this one, or those in it.

    Raises:
        AudioUnreadable: there is none.
    """
    if (folder / HEADER).is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"*/{HEADER}"))
    if not found:
        raise AudioUnreadable(f"{folder} holds no recording: give a folder that --record was given, or one in it")
    return found


def told(name: str, held: Recording, replayed: Replayed) -> list[str]:
    """Return what a user is told of a replay, line by line."""
    broken = "" if held.has_ended else " (the recording breaks off)"
    if replayed.is_same:
        return [f"{name}: {replayed.n_compared} events, all the same{broken}"]
    n = len(replayed.differences)
    lines = [f"{name}: {n} of {replayed.n_compared} events are not the same{broken}"]
    if replayed.lost is not None:
        lines.append(f"  it lost its way {replayed.lost}")
    lines += [f"  {_difference(each)}" for each in replayed.differences[:SHOWN]]
    return lines + ([f"  and {n - SHOWN} more"] if n > SHOWN else [])


def _difference(difference: Difference) -> str:
    def shown(event: Mapping[str, Any] | None) -> str:
        if event is None:
            return "nothing"
        names = ("type", "utterance", *difference.fields) if difference.fields else tuple(event)
        return json.dumps({name: event.get(name) for name in dict.fromkeys(names)}, ensure_ascii=False)[:300]

    return f"event {difference.n}: {shown(difference.recorded)} became {shown(difference.replayed)}"


class Loaded:
    """The engines of profiles, each loaded once, until `stack` is closed."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._held: dict[tuple[str | None, str, bool, bool], tuple[ProfileEngines, ProfileListeners]] = {}

    def of(self, held: Recording, config: Config) -> tuple[ProfileEngines, ProfileListeners]:
        """Return the engines that a conversation was held with.

        Raises:
            EngineFailed: something they need is not here.
        """
        talk = held.about.get("talk")
        is_live = talk is None or bool(talk["is_live"])
        # All that decides which engines are loaded (`agent.cli.engines.chosen`).
        key = (config.profile, config.emotion, config.voice == "auto", is_live)
        if key not in self._held:
            engines = self._stack.enter_context(loaded(chosen(config), is_live=is_live))
            listeners = self._stack.enter_context(closing(ProfileListeners(engines.transcribers)))
            self._held[key] = engines, listeners
        return self._held[key]


def _write(out: Path, name: str, replayed: Replayed) -> None:
    out.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in replayed.events)
    (out / f"{name}.jsonl").write_text(lines, "utf-8")
