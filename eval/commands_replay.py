"""`attune-eval replay`: a corpus through the same listener and session as live, into a ledger that can be scored."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agent.cli.boundary import INPUT
from agent.cli.translating import USUAL, translation_of

from .corpora.choose import reader
from .errors import CorpusUnreadable
from .replay.forecast import forecast
from .replay.plan import ReplaySettings
from .replay.run import Spread, plan_of
from .replay.run import replay as replay_all

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from .corpora.item import Corpus
    from .replay.run import Plan

Emotion = Literal["off", "text", "voice", "both"]
Whose = Literal["asr", "corpus", "text"]

OutOption = Annotated[Path, typer.Option(metavar="FOLDER", help="The ledger; the same command again goes on there.")]
ProfileOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Whose engines; the embedded ones unless named.")
]
ConditionOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Ask the language model alone, so; see `attune prompts`.")
]
HypothesesOption = Annotated[
    Whose, typer.Option(help="Words by our recogniser, by the corpus's own, or its transcript.")
]
ReadingOption = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Of the corpus's recognisers only this one. Repeatable.")
]
NBestOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Read the emotion from the best N readings only.")
]
ContextOption = Annotated[
    int | None, typer.Option(min=0, metavar="N", help="The last N turns are known; 0: each stands alone.")
]
AnswerOption = Annotated[bool, typer.Option("--answer", help="Answer what is said, too, in writing.")]
TranslateOption = Annotated[str | None, typer.Option(metavar="LANG", help="Translate it instead: fr, japanese.")]
TranslateAsOption = Annotated[str, typer.Option(metavar="HOW", help="How a translation is asked for: base-1.")]
AdapterOption = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="The profile's language model, fine-tuned; see `fit adapter`.")
]
LimitOption = Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the first N items.")]
WorkersOption = Annotated[int, typer.Option(min=1, metavar="N", help="Processes; changes no byte of the rows.")]
EngineOption = Annotated[
    Spread, typer.Option(help="What spreads the work; ray goes to the cluster of RAY_ADDRESS, or starts one here.")
]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Ask the language model all anew.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
EmotionOption = Annotated[Emotion, typer.Option(help="Read emotion from.")]


def register(app: typer.Typer) -> None:
    """Add the command to `attune-eval`."""
    app.command("replay")(replay)


def replay(  # noqa: PLR0913 - a command's options are its parameters
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="Its name; see `attune-eval corpora list`.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where it lies.")],
    *,
    out: OutOption,
    profile: ProfileOption = None,
    condition: ConditionOption = None,
    emotion: EmotionOption = "both",
    hypotheses: HypothesesOption = "asr",
    reading: ReadingOption = None,
    nbest: NBestOption = None,
    context: ContextOption = None,
    answer: AnswerOption = False,
    translate: TranslateOption = None,
    translate_as: TranslateAsOption = USUAL,
    adapter: AdapterOption = None,
    limit: LimitOption = None,
    workers: WorkersOption = 1,
    engine: EngineOption = "processes",
    no_cache: NoCacheOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Run a corpus through the live line, as fast as it goes, one row of JSON for each item."""
    translation = translation_of(translate, how=translate_as)
    with _as_usage():
        settings = ReplaySettings(
            emotion=emotion,
            hypotheses=hypotheses,
            profile=profile,
            condition=condition,
            readings=tuple(reading or ()),
            n_best=nbest,
            context=context,
            answers=answer,
            translate=None if translation is None else translation.target,
            translate_as=translate_as,
            adapter=None if adapter is None else str(adapter.resolve()),
        )
    plan = plan_of(_read(corpus, folder), settings, out=out, limit=limit, keeps_calls=not no_cache)
    if dry_run:
        typer.echo(forecast(plan, workers=workers))
        return
    summary = _with_progress(plan, workers=workers, spread=engine)
    typer.echo(_told(summary, out), err=True)
    if set(summary["statuses"]) <= {"unreadable", "failed"}:
        raise typer.Exit(INPUT)


@contextmanager
def _as_usage() -> Generator[None]:
    try:
        yield
    except ValueError as trouble:
        raise typer.BadParameter(str(trouble)) from trouble


def _read(corpus: str, folder: Path) -> Corpus:
    found = reader(corpus)
    missing = found.missing(folder)
    if missing:
        raise CorpusUnreadable(f"{corpus} cannot be read from {folder}: {'; '.join(missing)}")
    return found.read(folder)


def _with_progress(plan: Plan, *, workers: int, spread: Spread) -> dict[str, Any]:
    console = Console(stderr=True)
    columns = (TextColumn("replay"), BarColumn(), MofNCompleteColumn(), TextColumn("items"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=plan.n_items, completed=plan.n_items - plan.n_missing)
        return replay_all(
            plan,
            workers=workers,
            spread=spread,
            progress=lambda n: bar.advance(task, n),
            note=lambda text: typer.echo(f"attune-eval: {text}", err=True),
        )


def _told(summary: dict[str, Any], out: Path) -> str:
    statuses = ", ".join(f"{n} {status}" for status, n in summary["statuses"].items())
    problems = f"; {len(summary['problems'])} problems of the corpus, see summary.json" if summary["problems"] else ""
    return f"{summary['n_items']} rows in {out}: {statuses}{problems}"
