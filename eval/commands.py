"""What `attune-eval` can do: train the embedded emotion model, measure."""

from __future__ import annotations

import importlib.resources
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.boundary import run_command

from . import (
    commands_adapter,
    commands_bench,
    commands_corpora,
    commands_paper,
    commands_recording,
    commands_replay,
    commands_report,
    commands_score,
    commands_voice,
)
from .errors import EvalError
from .training.fit import fit_emotion

app = typer.Typer(
    name="attune-eval",
    help="Train and measure Attune. Every figure prints with a signature that says how it was made.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
fit_app = typer.Typer(help="Train: what ships in the package, adapters of language models.", no_args_is_help=True)
for commands in (
    commands_corpora,
    commands_voice,
    commands_replay,
    commands_score,
    commands_report,
    commands_paper,
    commands_recording,
    commands_bench,
):
    commands.register(app)
commands_adapter.register(fit_app)
app.add_typer(fit_app, name="fit")

Folder = Path | None
WEIGHTS = Path(str(importlib.resources.files("agent"))) / "backends" / "emotion" / "weights"


@fit_app.callback()
def _fit() -> None:
    """Keep `emotion` a command of its own: there will be more to fit."""


@fit_app.command()
def emotion(
    goemotions: Annotated[
        Path, typer.Option(metavar="DIR", help="GoEmotions: train.tsv, dev.tsv (test.tsv), labels.txt.")
    ],
    emodb: Annotated[Path, typer.Option(metavar="DIR", help="EmoDB: recordings and labels.csv.")],
    meld: Annotated[
        Folder, typer.Option(metavar="DIR", help="MELD, for zero-shot figures only; never trained on.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the weights go; the package by default.")] = WEIGHTS,
) -> None:
    """Train the embedded emotion model and print its figures with 95 % intervals. Same data, same bytes."""
    report = fit_emotion(goemotions, emodb, out, meld_dir=meld, progress=lambda told: typer.echo(told, err=True))
    typer.echo(report.table())


def run() -> None:
    """Run `attune-eval`."""
    run_command(app, program="attune-eval", input_errors=(EvalError,))
