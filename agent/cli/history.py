"""`attune history`: what the turn log holds; export, delete, retention."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..config import load_config, with_options
from ..errors import ConfigInvalid
from ..history import csv_lines, delete_everything, delete_session, jsonl, prune, reading, visible
from ..jsonl import UNCLEAR

app = typer.Typer(help="List, show, export and delete past conversations.", no_args_is_help=True)

Database = Annotated[
    Path | None, typer.Option("--database", help="The turn log (default: ATTUNE_DATABASE or the user's data folder).")
]
SessionId = Annotated[
    str, typer.Argument(metavar="SESSION", help="Id of a session, as `attune history list` shows it.")
]


@app.command("list")
def list_sessions(database: Database = None) -> None:
    """List all sessions: when, how many turns, the last words."""
    with reading(_path(database)) as log:
        sessions = log.sessions()
    if not sessions:
        print("no sessions yet")
        return
    table = Table("session", "started (UTC)", "turns", "last words", box=None)
    for summary in sessions:
        row = (summary.session.id, summary.session.started[:19], str(summary.n_turns), visible(summary.last_text))
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


@app.command()
def show(session: SessionId, database: Database = None) -> None:
    """Show one session, turn by turn."""
    with reading(_path(database)) as log:
        turns = log.turns(session)
    console = Console(highlight=False)
    for logged in turns:
        turn = logged.turn
        feeling = (turn.estimate.top or UNCLEAR) if turn.estimate else "-"
        if logged.corrections:
            feeling += f", corrected by you: {logged.corrections[-1].estimate.top or UNCLEAR}"
        console.print(Text(f"{turn.seq:>3}  you     ", style="bold green").append(visible(turn.text), style="default"))
        console.print(Text(f"     {feeling}", style="dim"))
        reply = visible(turn.reply) + (" …" if turn.interrupted else "")
        console.print(Text("     attune  ", style="bold cyan").append(reply, style="default"))


@app.command()
def export(
    session: Annotated[
        str | None, typer.Argument(metavar="[SESSION]", help="One session; all of them if left out.")
    ] = None,
    form: Annotated[
        Literal["jsonl", "csv"], typer.Option("--format", help="One JSON object per line, or CSV.")
    ] = "jsonl",
    database: Database = None,
) -> None:
    """Print turns for other programs."""
    lines = jsonl if form == "jsonl" else csv_lines
    with reading(_path(database)) as log:
        for line in lines(log.turns(session) if session else log.all_turns()):
            typer.echo(line.rstrip("\r\n"))


@app.command()
def delete(
    session: Annotated[str | None, typer.Argument(metavar="[SESSION]", help="The session to delete.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Delete every session.")] = False,
    database: Database = None,
) -> None:
    """Delete a session, or everything. What is deleted is overwritten, not only forgotten."""
    if (session is None) == (not everything):
        raise ConfigInvalid("attune history delete needs either a session or --all")
    path = _path(database)
    n_turns = delete_everything(path) if session is None else delete_session(path, session)
    print(f"deleted {n_turns} turns")


@app.command("prune")
def prune_old(
    days: Annotated[
        float, typer.Option("--older-than", min=0, metavar="DAYS", help="Keep sessions younger than this.")
    ],
    database: Database = None,
) -> None:
    """Delete sessions whose last turn is older than some days."""
    print(f"deleted {prune(_path(database), older_than_days=days, now=datetime.now(UTC))} sessions")


def _path(database: Path | None) -> Path:
    return with_options(load_config(), {"database": database}).database
