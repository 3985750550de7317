"""Asks the hub, tells sizes and licences, asks the user, fetches: what `models pull` and `setup` share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ..history import visible
from ..models.hub import ask
from ..models.pull import Told, pull
from .boundary import USAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..models import Model, ModelStore
    from ..models.hub import Offer

MEGA = 10**6


def size_text(n_bytes: float) -> str:
    """Return a size as people read it."""
    return f"{n_bytes / 1000 / MEGA:.1f} GB" if n_bytes >= 1000 * MEGA else f"{max(n_bytes / MEGA, 0.1):.3g} MB"


def licence_text(licence: str, *, non_commercial: bool) -> str:
    """Return a licence with the warning that belongs to it."""
    return f"{licence} (not for commercial use)" if non_commercial else licence


def offers(models: Iterable[Model]) -> list[Offer]:
    """Ask the hub about each model, and print what it says."""
    found = [ask(model) for model in models]
    if not found:
        return []
    table = Table("model", "size", "licence", "from", box=None)
    for offer in found:
        licence = licence_text(offer.licence, non_commercial=_is_non_commercial(offer))
        row = (offer.model.name, size_text(offer.n_bytes), visible(licence), offer.model.repository)
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
    return found


def _is_non_commercial(offer: Offer) -> bool:
    words = offer.licence.lower().replace("_", "-").replace(" ", "-").split("-")
    return offer.model.non_commercial or "nc" in words


def is_interactive() -> bool:
    """Return whether somebody can be asked."""
    return sys.stdin.isatty()


def require_answer(*, yes: bool, otherwise: str) -> None:
    """Where a question would come and nobody can be asked, say what to type and leave with code 2."""
    if not yes and not is_interactive():
        typer.echo(f"attune: nothing done, nobody to ask: {otherwise}", err=True)
        raise typer.Exit(USAGE)


def agreed(question: str, *, yes: bool) -> bool:
    """Return whether the user wants it."""
    return yes or typer.confirm(question)


def fetch(found: Sequence[Offer], *, store: ModelStore) -> None:
    """Fetch what was offered, each with a bar where there is a terminal, and print where it lies."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    for offer in found:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
            bar = bars.add_task(offer.model.name, total=offer.n_bytes)
            told = Told(progress=lambda _, n, bar=bar, bars=bars: bars.update(bar, advance=n))
            path = pull(offer, store=store, told=told)
        print(f"{offer.model.name}: {path}", flush=True)
