"""`attune-eval report`: a run, or two compared, as one HTML file that needs nothing else."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import commands_score as scoring
from .replay.ledger import write_whole
from .report.facts import about
from .report.pair import pair_page
from .report.render import render
from .report.run import WORST, Showing, run_page
from .report.sound import Sounds, silent
from .score.ledger import read_ledgers
from .score.measure import ScoreSettings
from .score.paired import TRIALS
from .statistics import DRAWS, LEVEL, SEED, Resampling

if TYPE_CHECKING:
    from .report.pair import PairPage
    from .report.run import RunPage

DEFAULTS = ScoreSettings()

LedgersArgument = Annotated[
    list[Path], typer.Argument(metavar="LEDGER...", help="Rows of one run: files, or their folders.")
]
AgainstOption = Annotated[
    list[Path] | None,
    typer.Option(metavar="LEDGER", help="Compare with this run, as B. Repeatable: the folds of one run."),
]
AudioOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where the corpus lies: its cases can be listened to.")
]


def register(app: typer.Typer) -> None:
    """Add `report` to `app`."""
    app.command("report")(_report)


def _report(  # noqa: PLR0913 - a command's options are its parameters
    ledgers: LedgersArgument,
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The page, one HTML file.")] = Path("report.html"),
    against: AgainstOption = None,
    worst: Annotated[int, typer.Option(min=0, metavar="N", help="Items in each list of cases.")] = WORST,
    audio: AudioOption = None,
    title: Annotated[str, typer.Option(help="Instead of the name of the corpus.")] = "",
    labels: scoring.LabelsOption = None,
    mapping: scoring.MapOption = None,
    decide: scoring.DecideOption = DEFAULTS.decide,
    fallback: scoring.FallbackOption = DEFAULTS.fallback,
    normaliser: scoring.NormaliserOption = DEFAULTS.normaliser,
    blocks: scoring.BlocksOption = DEFAULTS.blocks,
    draws: scoring.DrawsOption = DRAWS,
    trials: Annotated[int, typer.Option(min=1, help="Of approximate randomisation, with --against.")] = TRIALS,
    seed: scoring.SeedOption = SEED,
    level: scoring.LevelOption = LEVEL,
    interval: scoring.IntervalOption = "percentile",
    comet: scoring.CometOption = DEFAULTS.comet,
) -> None:
    """Write a page of a run, or of two compared: figures with intervals, pictures, cases to listen to."""
    settings = ScoreSettings(
        labels=scoring.labels_of(labels),
        mapping=scoring.mapping_of(mapping),
        decide=decide,
        fallback=fallback,
        normaliser=normaliser,
        blocks=blocks,
        comet=comet,
        resampling=Resampling(draws=draws, seed=seed, level=level, ends=interval),
    )
    _refuse(out)
    first = read_ledgers(ledgers)
    sounding = silent if audio is None else Sounds(audio, {row.corpus for row in first.rows})
    showing = Showing(title=title, worst=worst, sounding=sounding)
    if not against:
        _write(run_page(first, settings, about=about(ledgers), showing=showing), out)
        return
    typer.echo(f"comparing, {trials} exchanges for each figure", err=True)
    abouts = about(ledgers), about(against)
    _write(pair_page(first, read_ledgers(against), settings, abouts=abouts, trials=trials, showing=showing), out)


def _refuse(out: Path) -> None:
    """Refuse a place that no file can be written to, before minutes are spent on what would stand in it.

    Raises:
        OSError: it is a folder, or lies in none.
    """
    if out.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(out))
    if not out.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(out.parent))


def _write(page: RunPage | PairPage, out: Path) -> None:
    html = render(page).encode("utf-8", "replace")
    write_whole(out, html)
    n_heard = sum(bool(case.sound) for case in page.cases)
    typer.echo(f"{out}: {len(html) / 2**20:.1f} MiB, {len(page.cases)} cases, {n_heard} with sound", err=True)
