"""`attune-eval voice`: a corpus of written dialogues, spoken."""

from __future__ import annotations

from collections import Counter
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from .corpora.casting import cast
from .corpora.choose import reader
from .corpora.stock import AUTO, stock_of
from .corpora.voice import chosen, speak

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .corpora.item import Corpus, Item
    from .corpora.stock import Stock

_EVERY = 50


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("voice")(voice)


def voice(  # noqa: PLR0913 - a command's options are its parameters
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="A corpus with words, such as meld.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where it lies.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where WAVs and manifest.jsonl go.")],
    *,
    split: Annotated[str | None, typer.Option(help="Only this split.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the first N dialogues, each whole.")
    ] = None,
    engine: Annotated[str, typer.Option(help="auto, flite, espeak or piper.")] = AUTO,
    voices: Annotated[
        list[Path] | None, typer.Option("--voice", metavar="FILE", help="A voice of piper (ONNX). Repeatable.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say who would speak how much, and with which voice.")
    ] = False,
) -> None:
    """Speak a written corpus: a voice for each speaker, pace, pitch and level by the feeling. Run again to go on."""
    read = reader(corpus).read(folder)
    items = chosen(read, split=split, limit=limit)
    if not items:
        raise typer.BadParameter(f"{corpus} has no split {split!r}: {', '.join(sorted({i.split for i in read.items}))}")
    stock = stock_of(engine, files=voices or ())
    if dry_run:
        typer.echo(_plan(read, items, stock=stock))
        return

    def note(n_done: int) -> None:
        if n_done % _EVERY == 0 or n_done == len(items):
            typer.echo(f"{n_done} of {len(items)} lines", err=True)

    async def run() -> None:
        spoken = await speak(read, items, out=out, stock=stock, note=note)
        for problem in spoken.problems:
            typer.echo(f"{problem.where}: {problem.why}", err=True)
        told = f"{spoken.n_made} lines spoken by {stock.engine}, {spoken.n_there} were there"
        typer.echo(f"{told}, {len(spoken.problems)} words only: {spoken.manifest}")

    anyio.run(run)


def _plan(corpus: Corpus, items: Sequence[Item], *, stock: Stock) -> str:
    voices, lines = cast(corpus.items, stock.engine, stock.names), Counter(item.speaker for item in items)
    shown = [
        f"{speaker or '-'}: {n} lines, {voices[speaker].name} {voices[speaker].shift_st:+g} st"
        for speaker, n in lines.most_common()
    ]
    n_dialogues = len({item.dialogue or item.id for item in items})
    return "\n".join([*shown, f"{len(items)} lines in {n_dialogues} dialogues by {stock.engine}"])
