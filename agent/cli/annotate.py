"""`attune emotion`: what a text expresses, or estimates for many texts and recordings; the annotation tool."""

from __future__ import annotations

import json
import sys
from codecs import BOM_UTF8
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.progress import track
from rich.text import Text

from streaming.errors import StreamingError

from ..annotation import Row, RowInvalid, parse_row
from ..errors import AgentError, ConfigInvalid
from ..history import visible
from .boundary import INPUT, InputInvalid
from .engines import Fallback, ProfileName, note
from .estimating import Calls, Explain, Wanted, annotator_of, explainer
from .explain import explanation, headline, sources_table
from .view import ambiguity_line, evidence_line, reason_line

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from ..annotation import Annotator

ConditionName = Annotated[
    str | None,
    typer.Option(
        "--condition",
        metavar="NAME",
        help="Ask the profile's language model, and it alone, in one of the ways of `attune prompts conditions`.",
    ),
]


def emotion(
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="Something that was said.")] = None,
    rows: Annotated[
        Path | None,
        typer.Option("--jsonl", metavar="IN", help='Rows {"id", "text"?, "audio"?}; "-" reads standard input.'),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write here instead of standard output.")] = None,
    source: Annotated[str, typer.Option("--emotion", help="Read emotion from: text, voice, both.")] = "both",
    profile: ProfileName = None,
    condition: ConditionName = None,
    explain: Explain = False,
    fallback: Fallback = False,
) -> None:
    """Estimate what a text expresses; or, with --jsonl, each of many texts and recordings.

    Without --profile and --condition the embedded engine estimates, on every machine alike. Rows come out with
    distribution, top, confidence, arousal, valence, dominance, evidence. A recording without a text is transcribed
    first. A row that cannot be read gets an "error" in its place, so that as many rows come out as went in;
    exit code 3 tells of it.
    """
    if (text is None) == (rows is None):
        raise typer.BadParameter("give one text, or many rows with --jsonl", param_hint="TEXT")
    if rows is not None and out is not None and out.exists() and rows.exists() and out.samefile(rows):
        raise ConfigInvalid(f"--out is {out}, the rows themselves, expected another file")
    folder = Path() if rows is None or str(rows) == "-" else rows.parent
    wanted = Wanted(source=source, profile=profile, condition=condition, falls_back=fallback, folder=folder)
    if rows is None:
        _print_one(text or "", wanted=wanted, explain=explain)
        return
    calls = Calls()
    told = {"tell": explainer(calls, out=sys.stderr)} if explain else {}
    lines = list(_lines(rows))
    n_bad = 0
    with annotator_of(wanted, calls=calls, **told) as annotator, _sink(out) as sink:
        quiet = out is None or explain or not sys.stderr.isatty()
        for number, line in track(lines, description="estimating", disable=quiet):
            record = _record(annotator, line, number=number)
            n_bad += "error" in record
            sink.write(json.dumps(record, ensure_ascii=False) + "\n")
    if n_bad:
        note(f'{n_bad} of {len(lines)} rows could not be read (see their "error")')
        raise typer.Exit(INPUT)


def _print_one(text: str, *, wanted: Wanted, explain: bool) -> None:
    """Print one estimate for a person."""
    calls = Calls()
    with annotator_of(wanted, calls=calls) as annotator:
        _, estimate = annotator.estimate(Row(id=None, text=text))
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    console.print(headline(estimate))
    console.print(explanation(estimate, calls.take()) if explain else sources_table(estimate))
    for line in (ambiguity_line(estimate), evidence_line(estimate), reason_line(estimate)):
        if line is not None:
            console.print(line)
    console.print(Text(f"by {visible(estimate.method)}", style="dim"))


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
