"""`attune-eval replay`: a corpus through the same listener and session as live, into a ledger that can be scored."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads it when it runs
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agent.cli.boundary import INPUT

from .corpora.choose import reader
from .errors import CorpusUnreadable
from .replay.forecast import forecast
from .replay.plan import ReplaySettings
from .replay.run import plan_of
from .replay.run import replay as replay_all

if TYPE_CHECKING:
    from typing import Any

    from .corpora.item import Corpus
    from .replay.run import Plan

Emotion = Literal["off", "text", "voice", "both"]
Whose = Literal["asr", "corpus", "text"]


def register(app: typer.Typer) -> None:
    """Add the command to `attune-eval`."""
    app.command("replay")(replay)


def replay(  # noqa: PLR0913 - a command's options are its parameters
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="Its name; see `attune-eval corpora list`.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where it lies.")],
    *,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="The ledger; the same command again goes on there.")],
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose engines; the embedded ones unless named.")
    ] = None,
    condition: Annotated[
        str | None, typer.Option(metavar="NAME", help="Ask the language model alone, so; see `attune prompts`.")
    ] = None,
    emotion: Annotated[Emotion, typer.Option(help="Read emotion from.")] = "both",
    hypotheses: Annotated[
        Whose, typer.Option(help="Words by our recogniser, by the corpus's own, or its transcript.")
    ] = "asr",
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the first N items.")] = None,
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="Processes; changes no byte of the rows.")] = 1,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Ask the language model all anew.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Run a corpus through the live line, as fast as it goes, one row of JSON for each item."""
    settings = ReplaySettings(emotion=emotion, hypotheses=hypotheses, profile=profile, condition=condition)
    plan = plan_of(_read(corpus, folder), settings, out=out, limit=limit, keeps_calls=not no_cache)
    if dry_run:
        typer.echo(forecast(plan, workers=workers))
        return
    summary = _with_progress(plan, workers=workers)
    typer.echo(_told(summary, out), err=True)
    if set(summary["statuses"]) <= {"unreadable", "failed"}:
        raise typer.Exit(INPUT)


def _read(corpus: str, folder: Path) -> Corpus:
    found = reader(corpus)
    missing = found.missing(folder)
    if missing:
        raise CorpusUnreadable(f"{corpus} cannot be read from {folder}: {'; '.join(missing)}")
    return found.read(folder)


def _with_progress(plan: Plan, *, workers: int) -> dict[str, Any]:
    console = Console(stderr=True)
    columns = (TextColumn("replay"), BarColumn(), MofNCompleteColumn(), TextColumn("items"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=plan.n_items, completed=plan.n_items - plan.n_missing)
        return replay_all(
            plan,
            workers=workers,
            progress=lambda n: bar.advance(task, n),
            note=lambda text: typer.echo(f"attune-eval: {text}", err=True),
        )


def _told(summary: dict[str, Any], out: Path) -> str:
    statuses = ", ".join(f"{n} {status}" for status, n in summary["statuses"].items())
    problems = f"; {len(summary['problems'])} problems of the corpus, see summary.json" if summary["problems"] else ""
    return f"{summary['n_items']} rows in {out}: {statuses}{problems}"
