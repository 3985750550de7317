"""`attune models`: which models there are, which are here; fetch, find, remove them."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from ..config import load_config
from ..errors import AgentError
from ..history import visible
from ..models import known_model, registry, user_store
from ..profiles import models_of, shipped_profiles
from .fetching import agreed, fetch, licence_text, offers, require_answer, size_text

app = typer.Typer(
    help="Models for stronger engines: list, pull, path, remove. `attune setup` does it all in one go.",
    no_args_is_help=True,
)

Names = Annotated[list[str], typer.Argument(metavar="NAME", help="Names as `attune models list` shows them.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command("list")
def list_models() -> None:
    """List all models: which are here, how large, under which licence, for what.

    Sizes and licences of models that are not here are approximate; `attune models pull` tells what the hub says.
    """
    store = user_store()
    used_by = _users()
    console = Console(highlight=False, soft_wrap=True)
    for model in registry().values():
        found = store.installed(model.name)
        size = f"~{size_text(model.megabytes * 1e6)}" if found is None else size_text(found.n_bytes)
        licence = licence_text(model.licence if found is None else found.licence, non_commercial=model.non_commercial)
        line = Text("here  " if found else "  -   ", style="green" if found else "dim")
        line.append(f"{model.name:<25}{size:>8}  ", style="not dim default")
        line.append(
            f"{visible(licence):<30} {', '.join(used_by.get(model.name, []))}".rstrip(), style="not dim default"
        )
        console.print(line)
        console.print(Text(f"      {model.about}", style="dim"))


@app.command("pull")
def pull_models(names: Names, yes: Yes = False) -> None:
    """Fetch models from the hub. True sizes and licences are told first, then it asks.

    Each file is checked against the hub's checksum. Ctrl-C loses nothing: the same command goes on where it stopped.

    Models behind a licence want your token in HF_TOKEN. HF_ENDPOINT names another hub. XDG_DATA_HOME names another
    disk. Models from elsewhere need no pull: name their path in a profile of your own.
    """
    store = user_store()
    wanted = [model for model in dict.fromkeys(map(known_model, names)) if store.installed(model.name) is None]
    for name in dict.fromkeys(names):
        if (found := store.installed(name)) is not None:
            print(f"{name}: {found.path}")
    if not wanted:
        return
    found = offers(wanted)
    require_answer(yes=yes, otherwise=f"type attune models pull --yes {' '.join(model.name for model in wanted)}")
    total = size_text(sum(offer.n_bytes for offer in found))
    if not agreed(f"Fetch {total} to {store.root}?", yes=yes):
        print("nothing done")
        return
    fetch(found, store=store)


@app.command("path")
def path_of(name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a model.")]) -> None:
    """Print where a model lies; it must be here."""
    print(user_store().require(known_model(name).name))


@app.command("remove")
def remove_models(names: Names, yes: Yes = False) -> None:
    """Remove models from this machine, also what an interrupted pull has left."""
    store = user_store()
    known = [known_model(name).name for name in dict.fromkeys(names)]
    require_answer(yes=yes, otherwise=f"type attune models remove --yes {' '.join(known)}")
    if not agreed(f"Remove {', '.join(known)}?", yes=yes):
        print("nothing done")
        return
    for name in known:
        freed = store.remove(name)
        print(f"{name}: {size_text(freed)} freed" if freed else f"{name} was not here")


def _users() -> dict[str, list[str]]:
    """Return which profiles use each model, the user's own among them where the settings make sense."""
    try:
        profiles = load_config().profiles
    except AgentError:
        profiles = shipped_profiles()
    users: dict[str, list[str]] = {}
    for profile in profiles.values():
        for model in models_of(profile):
            users.setdefault(model.name, []).append(profile.name)
    return users
