"""Rows of ledgers, read and checked: nothing of them is skipped, and what cannot be read is said in one line."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, Final, get_args

from ..replay.ledger import ROWS, TIMES
from ..replay.row import Row, Status
from .errors import LedgerInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_FIELDS: Final = {each.name: each for each in fields(Row)}
_NEEDED: Final = [name for name, each in _FIELDS.items() if each.default is MISSING and each.default_factory is MISSING]
_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "item": str,
    "corpus": str,
    "run": str,
    "dialogue": (str, type(None)),
    "speaker": (str, type(None)),
    "answer": (str, type(None)),
    "answer_in": (str, type(None)),
    "split": str,
    "order": int,
    "truth": dict,
    "nbest": list,
    "partials": list,
    "estimates": list,
    "model": list,
}
_LISTS_OF_OBJECTS: Final = ("nbest", "partials", "estimates", "model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What is scored: the rows of one run, in the order of the corpus, and how long things took.

    `times`: the lines of times.jsonl, one object each; empty where no such file lies beside the rows.
    """

    rows: tuple[Row, ...]
    times: tuple[Mapping[str, Any], ...] = ()

    @property
    def run(self) -> str:
        """The hash of the run; of several, how many."""
        runs = sorted({row.run for row in self.rows})
        return runs[0] if len(runs) == 1 else f"{len(runs)} runs"


def read_ledgers(paths: Sequence[Path]) -> Ledger:
    """Return the rows of ledgers (files, or folders that hold rows.jsonl) as one set: the folds of one run.

    Raises:
        LedgerInvalid: one is missing, empty or holds a line that is no row, or an item stands twice.
    """
    rows: list[Row] = []
    times: list[Mapping[str, Any]] = []
    places: dict[tuple[str, str], Path] = {}
    timed: set[Path] = set()
    for path in paths:
        file = path / ROWS if path.is_dir() else path
        for row in _rows(file):
            first = places.setdefault((row.corpus, row.item), file)
            if len(places) == len(rows):
                raise LedgerInvalid(
                    f"{file}: item {row.item!r} of {row.corpus} stands twice (first in {first}); "
                    "ledgers scored together hold each item once, two runs are compared with `compare`"
                )
            rows.append(row)
        beside = file.with_name(TIMES)
        if beside not in timed and beside.is_file():
            timed.add(beside)
            times += [record for _, record in _records(beside)]
    return Ledger(rows=tuple(rows), times=tuple(times))


def _rows(file: Path) -> list[Row]:
    rows = [_row(record, where=f"{file}:{at}") for at, record in _records(file)]
    if not rows:
        raise LedgerInvalid(f"{file}: holds no rows, expected one line of JSON per item")
    return rows


def _records(file: Path) -> Iterable[tuple[int, dict[str, Any]]]:
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerInvalid(f"{file}: cannot be read ({error}); expected a ledger written by `replay`") from error
    # Split at line ends only: a text may hold other marks that str.splitlines takes for one.
    for at, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record: object = json.loads(line, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise LedgerInvalid(f"{file}:{at}: no JSON ({error}); run `replay` again, it goes on") from error
        if not isinstance(record, dict):
            raise LedgerInvalid(f"{file}:{at}: expected an object, got {type(record).__name__}")
        yield at, record


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _row(record: dict[str, Any], *, where: str) -> Row:
    """Return the row of `record`; fields a later version may have added are left aside."""
    lacking = [name for name in _NEEDED if name not in record]
    if lacking:
        raise LedgerInvalid(f"{where}: no row, it lacks {', '.join(lacking)}")
    known = {name: value for name, value in record.items() if name in _FIELDS}
    for name, expected in _TYPES.items():
        if name in known and not isinstance(known[name], expected):
            raise LedgerInvalid(f"{where}: {name} has the wrong type, got {type(known[name]).__name__}")
    for name in _LISTS_OF_OBJECTS:
        if not all(isinstance(each, dict) for each in known.get(name, [])):
            raise LedgerInvalid(f"{where}: {name} must hold objects only")
    if known["status"] not in get_args(Status):
        raise LedgerInvalid(f"{where}: status must be one of {', '.join(get_args(Status))}, got {known['status']!r}")
    return Row(**known)
