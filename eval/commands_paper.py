"""`attune-eval paper`: a table of one of the four papers, theirs beside ours, from a corpus and a model."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from agent.cli.boundary import ENGINE

from .corpora.choose import reader
from .errors import CorpusUnreadable
from .papers.cell import PaperRun
from .papers.choose import paper as module_of
from .papers.discrepancies import SettlementInvalid, discrepancy_table, settle
from .papers.fill import fill, forecast
from .papers.published import PAPERS, citation
from .papers.write import write

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from .corpora.item import Corpus
    from .papers.cell import Table

ALL = "all"
TYPED = "typed"
NOTHING = "nothing is to be run; without --dry-run it says why below the table"
FIGURE = "figure"
RUNS = "runs"
"""Folder in --out that replays are kept in: tables that need the same one share it."""

paper_app = typer.Typer(help="The four papers' tables, theirs beside ours.", no_args_is_help=True)

CorpusArgument = Annotated[str, typer.Argument(metavar="CORPUS", help="Its name; see `attune-eval corpora list`.")]
FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Where it lies.")]
OutOption = Annotated[Path, typer.Option(metavar="FOLDER", help="Tables, and runs; the same command goes on there.")]
TableOption = Annotated[list[str] | None, typer.Option("--table", metavar="N", help="Which table, or all. Repeatable.")]
FigureOption = Annotated[list[str] | None, typer.Option("--figure", metavar="N", help="Which figure. Repeatable.")]
ProfileOption = Annotated[
    list[str] | None, typer.Option("--profile", metavar="NAME", help="Whose models. Repeatable: a column for each.")
]
SettleOption = Annotated[
    list[str] | None,
    typer.Option("--settle", metavar="NAME=CHOICE", help="An open point; see `paper discrepancies`. Repeatable."),
]
LimitOption = Annotated[int | None, typer.Option(min=1, metavar="N", help="Only the first N items.")]
WorkersOption = Annotated[int, typer.Option(min=1, metavar="N", help="Processes of a replay.")]
AdaptersOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Fine-tuned adapters that are there already; none is trained.")
]
RelabelledOption = Annotated[
    list[Path] | None,
    typer.Option("--relabelled", metavar="FILE", help="Labels adjusted elsewhere, as CSV. Repeatable."),
]
UpstreamOption = Annotated[
    list[str] | None,
    typer.Option("--upstream", metavar="ROW=FOLDER", help="A model for a row of Table IV. Repeatable."),
]
CompareOption = Annotated[
    bool, typer.Option("--compare", help="Cells against those they vary, on the same items: intervals and p.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be run, and run nothing.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(paper_app, name="paper")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a command was given: which corpus, which tables, whose models, how open points are settled."""

    corpus: str
    folder: Path
    out: Path
    tables: Sequence[str]
    figures: Sequence[str]
    profiles: Sequence[str]
    settled: Sequence[str]
    limit: int | None
    workers: int
    dry_run: bool
    compares: bool = False
    adapters: Path | None = None
    given: Mapping[str, str] = field(default_factory=dict[str, str])


def _command(name: str) -> Callable[..., None]:
    """Return the command of a paper whose tables are replays."""

    def command(  # noqa: PLR0913 - a command's options are its parameters
        corpus: CorpusArgument,
        folder: FolderArgument,
        *,
        out: OutOption,
        table: TableOption = None,
        figure: FigureOption = None,
        profile: ProfileOption = None,
        settled: SettleOption = None,
        limit: LimitOption = None,
        workers: WorkersOption = 1,
        adapters: AdaptersOption = None,
        compare: CompareOption = False,
        dry_run: DryRunOption = False,
    ) -> None:
        asked = _Asked(
            corpus=corpus,
            folder=folder,
            out=out,
            tables=table or (),
            figures=figure or (),
            profiles=profile or (),
            settled=settled or (),
            limit=limit,
            workers=workers,
            dry_run=dry_run,
            adapters=adapters,
            compares=compare,
        )
        _make(name, asked)

    command.__doc__ = f"{citation(name)}."
    return command


for _name in PAPERS:
    if _name != TYPED:
        paper_app.command(_name)(_command(_name))


@paper_app.command(TYPED, help=f"{citation(TYPED)}.")
def typed(  # noqa: PLR0913 - a command's options are its parameters
    corpus: CorpusArgument,
    folder: FolderArgument,
    *,
    out: OutOption,
    table: TableOption = None,
    relabelled: RelabelledOption = None,
    upstream: UpstreamOption = None,
    profile: ProfileOption = None,
    settled: SettleOption = None,
    limit: LimitOption = None,
    workers: WorkersOption = 1,
    dry_run: DryRunOption = False,
) -> None:
    """Make the tables of paper 003, which trains light heads."""
    asked = _Asked(
        corpus=corpus,
        folder=folder,
        out=out,
        tables=table or (),
        figures=(),
        profiles=profile or (),
        settled=settled or (),
        limit=limit,
        workers=workers,
        dry_run=dry_run,
        given=_given(relabelled or (), upstream or ()),
    )
    _make(TYPED, asked)


@paper_app.command("discrepancies")
def discrepancies() -> None:
    """Where the papers contradict themselves or leave something open, and what can be chosen (--settle)."""
    typer.echo(discrepancy_table())


def _make(name: str, asked: _Asked) -> None:
    """Make the tables of a paper, or say what that would take."""
    settled = {**_settled(asked.settled, paper=name), **asked.given}
    wanted = _wanted(name, tables=asked.tables, figures=asked.figures)
    corpus = _read(asked.corpus, asked.folder)
    run = PaperRun(
        corpus=corpus,
        root=asked.folder,
        out=asked.out / RUNS,
        settled=settled,
        workers=asked.workers,
        limit=asked.limit,
        adapters=asked.adapters,
        note=lambda text: typer.echo(f"attune-eval: {text}", err=True),
    )
    whose = tuple(dict.fromkeys(asked.profiles)) or (None,)
    tables = [module_of(name).table(number, profiles=whose, settled=settled, corpus=corpus) for number in wanted]
    if asked.dry_run:
        typer.echo("\n".join(dict.fromkeys(line for one in tables for line in forecast(one, run))) or NOTHING)
        return
    n_failed = sum(_made(one, run, asked) for one in tables)
    if n_failed:
        typer.echo(f"attune-eval: {n_failed} cells could not be made, see below the table", err=True)
        raise typer.Exit(ENGINE)


def _made(table: Table, run: PaperRun, asked: _Asked) -> int:
    """Fill a table, print and write it; return how many cells could not be made."""
    with _shown(run) as shown:
        filled = fill(table, shown, compares=asked.compares)
    typer.echo(write(filled, asked.out))
    return filled.n_failed


def _settled(chosen: Sequence[str], *, paper: str) -> dict[str, str]:
    try:
        return settle(chosen, paper=paper)
    except SettlementInvalid as trouble:
        raise typer.BadParameter(str(trouble), param_hint="--settle") from trouble


def _given(relabelled: Sequence[Path], upstreams: Sequence[str]) -> dict[str, str]:
    """Return what paper typed takes instead of making it."""
    from .papers.typed import UpstreamUnknown, given  # noqa: PLC0415 - only where it is wanted

    try:
        return given(relabelled=relabelled, upstreams=upstreams)
    except UpstreamUnknown as trouble:
        raise typer.BadParameter(str(trouble), param_hint="--upstream") from trouble


def _wanted(paper: str, *, tables: Sequence[str], figures: Sequence[str]) -> tuple[str, ...]:
    there = module_of(paper).NUMBERS
    asked = [*tables, *(f"{FIGURE}{number}" for number in figures)]
    unknown = [_spoken(number) for number in asked if number not in {*there, ALL}]
    if unknown or not asked:
        wrong = f"no {', '.join(unknown)} here" if unknown else "no table named"
        raise typer.BadParameter(f"{wrong}: expected {' or '.join(map(_spoken, there))}, or --table {ALL}")
    return there if ALL in asked else tuple(dict.fromkeys(asked))


def _spoken(number: str) -> str:
    figure = number.removeprefix(FIGURE)
    return f"--table {number}" if figure == number else f"--figure {figure}"


def _read(corpus: str, folder: Path) -> Corpus:
    found = reader(corpus)
    if missing := found.missing(folder):
        raise CorpusUnreadable(f"{corpus} cannot be read from {folder}: {'; '.join(missing)}")
    return found.read(folder)


@contextmanager
def _shown(run: PaperRun) -> Generator[PaperRun]:
    """Give the run with a bar for the source at work, where somebody looks."""
    console = Console(stderr=True)
    columns = (TextColumn("paper"), BarColumn(), MofNCompleteColumn(), TextColumn("items"), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def show(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)

        yield replace(run, progress=show)
