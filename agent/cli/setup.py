"""`attune setup`: looks at the machine, proposes a profile, fetches its models, writes it into the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streaming.backends.extras import INSTALL
from streaming.hardware import detect

from ..config import config_path, load_config
from ..config_file import set_profile
from ..models import known_model, user_store
from ..profiles import extras_of, models_of, propose, take
from ..profiles.engines import ENGINES
from ..profiles.read import is_path
from .fetching import agreed, fetch, licence_text, offers, require_answer, size_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streaming.hardware import Hardware

    from ..models import Model, ModelStore
    from ..models.hub import Offer
    from ..profiles import Choice, Profile

PORT_WORDS = {
    "transcriber": "words",
    "emotion": "emotion",
    "dimensions": "dimensions",
    "language_model": "language model",
    "reply": "answer",
    "voice": "voice",
}


def setup(
    profile: Annotated[
        str | None, typer.Option("--profile", metavar="NAME", help="Take this profile instead of the proposed one.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask: fetch and write.")] = False,
) -> None:
    """Find the best profile for this machine, fetch its models and use it from now on.

    Says first what would be fetched, how large it is and under which licences, and asks. Of your config.toml only the
    line `profile = "…"` is changed; how to undo it is said at the end.

    A profile of your own goes into config.toml, such as: [profiles.mine] extends = "cpu" voice = "none"
    """
    config, store, hardware = load_config(), user_store(), detect()
    print(f"this machine: {hardware}")
    if profile is None:
        proposed = propose(config.profiles, hardware)
    else:
        proposed = take(profile, profiles=config.profiles, store=store, hardware=detect).profile
    _explain(proposed, config.profiles, hardware)
    absent = [model for model in models_of(proposed) if store.installed(model.name) is None]
    extras = extras_of(proposed)
    for extra in extras:
        print(f"to install by hand, once: {INSTALL[extra]}")
    require_answer(yes=yes, otherwise=f"type attune setup --yes --profile {proposed.name}")
    found = offers(absent)
    if not agreed(_question(found, store), yes=yes):
        print("nothing done")
        return
    fetch(found, store=store)
    path = config_path()
    set_profile(path, proposed.name)
    print(f'wrote profile = "{proposed.name}" to {path}')
    print(f"undo: remove that line{_and_models(absent)}")
    for extra in extras:
        print(f"left to do: {INSTALL[extra]}")


def _explain(proposed: Profile, profiles: Mapping[str, Profile], hardware: Hardware) -> None:
    """Print what the profile is made of, and why no stronger one is proposed."""
    print(f"profile {proposed.name}: {proposed.about}")
    for lack in proposed.wants.lacking(hardware):
        print(f"  it may be slow here: {lack}")
    names = list(profiles)
    for stronger in names[names.index(proposed.name) + 1 :]:
        if profiles[stronger].is_automatic:
            print(f"  not {stronger}: {'; '.join(profiles[stronger].wants.lacking(hardware)) or 'you chose otherwise'}")
    table = Table("for", "engine", "size", "licence", box=None)
    for port, choice in proposed.parts():
        table.add_row(*(Text(cell) for cell in (PORT_WORDS[port], *_cells(choice, port=port))))
    Console().print(table)


def _cells(choice: Choice, *, port: str) -> tuple[str, str, str]:
    takes_files = ENGINES[port][choice.engine].kind is not None
    if not takes_files or choice.model is None or is_path(choice.model):
        return f"{choice}{f' at {choice.url}' if choice.url else ''}", "", ""
    model = known_model(choice.model)
    licence = licence_text(model.licence, non_commercial=model.non_commercial)
    return str(choice), f"~{size_text(model.megabytes * 1e6)}", licence


def _question(found: list[Offer], store: ModelStore) -> str:
    if not found:
        return "Use it from now on? Nothing has to be fetched."
    total = size_text(sum(offer.n_bytes for offer in found))
    return f"Fetch {total} to {store.root} and use this profile from now on?"


def _and_models(fetched: list[Model]) -> str:
    return f"; attune models remove {' '.join(model.name for model in fetched)}" if fetched else ""
