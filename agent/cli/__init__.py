"""The `attune` command. One module per command; this one only puts them together."""

from __future__ import annotations

import typer

from . import annotate, client, doctor, history, listen, models, prompts, serve, setup, talk
from .boundary import run_command

app = typer.Typer(
    name="attune",
    help="A voice agent that hears how you feel. `attune start` opens a page to talk to, `attune talk` talks right "
    "here, `attune demo` shows it without a microphone. For programs: `attune serve`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("start")(serve.start)
app.command("serve")(serve.serve)
app.command("talk")(talk.talk)
app.command("client")(client.client)
app.command("demo")(talk.demo)
app.command("segment")(listen.segment)
app.command("transcribe")(listen.transcribe)
app.command("emotion")(annotate.emotion)
app.add_typer(prompts.app, name="prompts")
app.command("setup")(setup.setup)
app.add_typer(models.app, name="models")
app.command("doctor")(doctor.doctor)
app.add_typer(history.app, name="history")


def main() -> None:
    """Run `attune`."""
    run_command(app, program="attune")


__all__ = ["app", "main"]
