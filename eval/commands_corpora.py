"""`attune-eval corpora`: which corpora can be read, and whether one that was downloaded is whole."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path  # noqa: TC003 - typer reads the types of options when it runs
from typing import Annotated

import typer

from .corpora.choose import READERS, reader
from .corpora.examine import contents, heard
from .corpora.show import as_record, as_text, reader_table
from .errors import CorpusUnreadable

corpora_app = typer.Typer(help="Which corpora can be read, and whether one is whole.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(corpora_app, name="corpora")


@corpora_app.command("list")
def list_readers() -> None:
    """Corpora that can be read, from whom each can be had, and under which licence."""
    typer.echo(reader_table(READERS.values()))


@corpora_app.command("check")
def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `corpora list` gives it.")],
    where: Annotated[Path, typer.Argument(metavar="DIR", help="The folder, or file, as it was unpacked.")],
    *,
    audio: Annotated[
        bool, typer.Option("--audio", help="Decode every file, and look for sound in two splits.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Leave with 3 if there is any problem.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Whether a corpus can be read: what is missing, counts by split, label and speaker, everything wrong with it."""
    found = reader(name)
    if missing := found.missing(where):
        raise CorpusUnreadable(f"{'; '.join(missing)}: get it from {found.where_from}")
    corpus = found.read(where)
    problems = (*corpus.problems, *(heard(corpus) if audio else ()))
    if as_json:
        told = {"notes": [asdict(note) for note in corpus.notes], "problems": [asdict(each) for each in problems]}
        record = as_record(corpus.name, contents(corpus)) | told
        typer.echo(json.dumps(record, ensure_ascii=False))
    else:
        shown = as_text(corpus.name, contents(corpus), problems, where_from=found.where_from, notes=corpus.notes)
        typer.echo(shown)
    if strict and problems:
        raise CorpusUnreadable(f"{corpus.name} has problems ({len(problems)})")
