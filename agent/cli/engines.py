"""Takes the profile of a command, says in one line which it is, and loads its engines."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from streaming.errors import EngineFailed
from streaming.hardware import detect

from ..backends.choose import Loading, load_engines, load_transcribers
from ..models import user_store
from ..profiles import DEFAULT, PORTS, gaps, shipped_profiles, take

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from streaming.backends.choose import Transcribers

    from ..backends.choose import ProfileEngines
    from ..backends.llm.overheard import Overheard
    from ..config import Config
    from ..profiles import Profile

ProfileName = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="Engines to use: embedded, cpu, gpu, server, or yours.")
]
Fallback = Annotated[
    bool, typer.Option("--fallback", help="Where an engine cannot be had, go on with the embedded one.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Which engines a command uses: the profile, and whether embedded ones may stand in for what is missing."""

    profile: Profile
    falls_back: bool = False

    @property
    def line(self) -> str:
        """What the first screen says of it."""
        if self.profile.name == DEFAULT:
            return "profile embedded, nothing downloaded; for a better one: attune setup"
        heard = [str(choice) for port, choice in self.profile.choices() if port in {"transcriber", "language_model"}]
        return f"profile {self.profile.name} ({', '.join(heard)}); to change it: attune setup"


def chosen(config: Config, *, falls_back: bool = False, only: Iterable[str] = PORTS) -> Use:
    """Return what the settings ask for, else the best that is here as a whole.

    Args:
        config: the settings.
        falls_back: embedded engines may stand in for what is missing.
        only: the ports that are needed; of the others the embedded engine is taken, which costs nothing.

    Raises:
        EngineFailed: something the profile needs is missing, and nothing may stand in for it.
    """
    store = user_store()
    profile = take(config.profile, profiles=config.profiles, store=store, hardware=detect).profile
    needed = set(only) - _not_needed(config)
    embedded = shipped_profiles()[DEFAULT]
    profile = replace(profile, **{port: getattr(embedded, port) for port in PORTS if port not in needed})
    missing = [] if falls_back else gaps(profile, store=store, hardware=detect)
    if missing:
        told = "; ".join(str(gap) for gap in missing)
        raise EngineFailed(f"profile {profile.name} needs what is not here: {told} (or go on without: --fallback)")
    return Use(profile=profile, falls_back=falls_back)


def _not_needed(config: Config) -> set[str]:
    """Return the ports that the settings leave nothing to do for."""
    unneeded: set[str] = {"voice"} if config.voice != "auto" else set()
    if config.emotion == "off":
        unneeded |= {"emotion", "dimensions"}
    if config.emotion == "text":
        unneeded.add("dimensions")
    return unneeded


@contextmanager
def loaded(
    use: Use, *, overhear: Callable[[Overheard], None] | None = None, is_live: bool = False
) -> Generator[ProfileEngines]:
    """Give the engines, loaded; a terminal is told that it takes a while. `overhear`, `is_live`: see `Loading`."""
    with Console(stderr=True).status(f"loading profile {use.profile.name}"):
        engines = load_engines(use.profile, replace(_loading(use), overhear=overhear, is_live=is_live))
    with closing(engines):
        yield engines


@contextmanager
def loaded_transcribers(use: Use) -> Generator[Transcribers | None]:
    """Give only what hears; None is the embedded engine."""
    transcribers = load_transcribers(use.profile, _loading(use))
    if transcribers is None:
        yield None
        return
    with closing(transcribers):
        yield transcribers


def _loading(use: Use) -> Loading:
    return Loading(store=user_store(), note=note, falls_back=use.falls_back)


def note(text: str) -> None:
    """Tell the user something in passing."""
    typer.echo(f"attune: {text}", err=True)
