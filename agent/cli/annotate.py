"""`attune emotion`: estimates for many texts and recordings; the annotation tool."""

from __future__ import annotations

import json
import sys
from codecs import BOM_UTF8
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from rich.progress import track

from streaming.errors import StreamingError

from ..annotation import Annotator, RowInvalid, parse_row
from ..errors import AgentError
from .boundary import INPUT, InputInvalid

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


def emotion(
    rows: Annotated[
        Path, typer.Option("--jsonl", metavar="IN", help='Rows {"id", "text"?, "audio"?}; "-" reads standard input.')
    ],
    out: Annotated[Path | None, typer.Option("--out", help="Write here instead of standard output.")] = None,
    source: Annotated[str, typer.Option("--emotion", help="Read emotion from: text, voice, both.")] = "both",
) -> None:
    """Estimate the emotion of each row: distribution, top, confidence, arousal, valence, dominance, evidence.

    A row with a recording and no text is transcribed first. A row that cannot be read gets an "error" in its place, so
    that as many rows come out as went in; the exit code is then 3.
    """
    lines = list(_lines(rows))
    n_bad = 0
    folder = Path() if str(rows) == "-" else rows.parent
    with Annotator(source=source, folder=folder) as annotator, _sink(out) as sink:
        quiet = out is None or not sys.stderr.isatty()
        for number, line in track(lines, description="estimating", disable=quiet):
            record = _record(annotator, line, number=number)
            n_bad += "error" in record
            sink.write(json.dumps(record, ensure_ascii=False) + "\n")
    if n_bad:
        typer.echo(f'attune: {n_bad} of {len(lines)} rows could not be read (see their "error")', err=True)
        raise typer.Exit(INPUT)


@contextmanager
def _sink(out: Path | None) -> Generator[TextIO]:
    """Give standard output or the file `out`; a half surrogate pair in a row is written as it was escaped."""
    if out is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    try:
        file = out.open("w", encoding="utf-8", errors="backslashreplace")
    except OSError as trouble:
        raise InputInvalid(f"cannot write {out}: {trouble.strerror}") from trouble
    with file:
        yield file


def _record(annotator: Annotator, line: bytes, *, number: int) -> dict[str, Any]:
    try:
        row = parse_row(line.decode("utf-8"))
    except UnicodeDecodeError as trouble:
        return {"id": None, "error": f"line {number}: not UTF-8: {trouble.reason}"}
    except RowInvalid as trouble:
        return {"id": trouble.row_id, "error": f"line {number}: {trouble}"}
    try:
        return {"id": row.id} | annotator.annotate(row)
    except (AgentError, StreamingError) as trouble:
        return {"id": row.id, "error": f"line {number}: {trouble}"}


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Return the lines that hold a row, with their numbers."""
    try:
        text = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as trouble:
        raise InputInvalid(f"cannot read {path}: {trouble.strerror}") from trouble
    # Only a line feed ends a row: JSON texts may hold the other characters that `splitlines` cuts at.
    return (
        (number, line) for number, line in enumerate(text.removeprefix(BOM_UTF8).split(b"\n"), start=1) if line.strip()
    )
