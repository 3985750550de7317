"""Any corpus, told by a plain table: a manifest in JSONL or CSV, one item a line, sound files beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from ..errors import CorpusUnreadable
from .gathering import gathered, labels_of, read_lines
from .item import Problem
from .manifest_row import FIELDS, RowInvalid, item_of
from .reading import read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from .item import Corpus, Item, Reader

NAMES: Final = ("manifest.jsonl", "manifest.csv")
_ENDINGS: Final = (".jsonl", ".csv")
_SHOWN: Final = 5


class Manifest:
    """Reads a manifest file, or the one called manifest.jsonl or manifest.csv in a folder."""

    name: str = "manifest"
    where_from: str = (
        f"your own recordings: manifest.jsonl or manifest.csv with the columns {', '.join(FIELDS)}; each optional, but "
        "every line needs audio, text or hypotheses; paths are relative to the manifest"
    )

    def missing(self, root: Path) -> Sequence[str]:
        """See `Reader`."""
        try:
            _file(root)
        except CorpusUnreadable as error:
            return [str(error)]
        return []

    def read(self, root: Path) -> Corpus:
        """See `Reader`.

        Lines that cannot be read, and ids that stand twice, are problems and no items; a field that cannot be used is
        a problem, and its item goes without it.
        """
        path = _file(root)
        rows, problems = _jsonl(path) if path.suffix.lower() == ".jsonl" else _csv(path)
        problems += _unknown(row for _, row in rows)
        items: list[Item] = []
        for line, row in rows:
            where = f"{path.name}:{line}"
            try:
                item, faults = item_of(row, line=line, folder=path.parent)
            except RowInvalid as error:
                problems.append(Problem(where=where, why=str(error)))
                continue
            items.append(item)
            problems += [Problem(where=where, why=why) for why in faults]
        problems += _untold(items)
        corpus = gathered(self.name, _placed(items), root=path, labels=labels_of(self.name), problems=problems)
        return _once_heard(corpus)


def _file(root: Path) -> Path:
    if root.is_dir():
        found = [root / name for name in NAMES if (root / name).is_file()]
        if len(found) != 1:
            raise CorpusUnreadable(
                f"{root} holds {len(found)} of {' and '.join(NAMES)}, expected one; name the file itself"
            )
        return found[0]
    if not root.is_file():
        raise CorpusUnreadable(
            f"{root} is not there; expected a manifest ({' or '.join(_ENDINGS)}) or a folder with one"
        )
    if root.suffix.lower() not in _ENDINGS:
        raise CorpusUnreadable(
            f"{root} ends in neither {' nor '.join(_ENDINGS)}, so its format is not known; rename it"
        )
    return root


def _jsonl(path: Path) -> tuple[list[tuple[int, Mapping[str, Any]]], list[Problem]]:
    rows: list[tuple[int, Mapping[str, Any]]] = []
    problems: list[Problem] = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(Problem(where=f"{path.name}:{number}", why=f"is not JSON: {error}"))
            continue
        if isinstance(row, dict):
            rows.append((number, cast("dict[str, Any]", row)))
        else:
            problems.append(Problem(where=f"{path.name}:{number}", why="is JSON, but no object with the item's fields"))
    return rows, problems


def _csv(path: Path) -> tuple[list[tuple[int, Mapping[str, Any]]], list[Problem]]:
    rows, problems = read_table(path, ())
    if rows and not {"audio", "text", "hypotheses"} & rows[0].cells.keys():
        raise CorpusUnreadable(
            f"{path} has no column audio, text or hypotheses in its first line; is the header there?"
        )
    return [(row.number, row.cells) for row in rows], problems


def _unknown(rows: Iterable[Mapping[str, Any]]) -> list[Problem]:
    """Return the fields that are none of a manifest's, each once."""
    names = dict.fromkeys(name for row in rows for name in row if name not in FIELDS)
    return [
        Problem(where=f"field {name!r}", why=f"is not known and left unread; expected {', '.join(FIELDS)}")
        for name in names
    ]


def _untold(items: Sequence[Item]) -> list[Problem]:
    """Return one problem where some items to be scored tell an emotion and others none: those cannot be scored."""
    scored = [item for item in items if item.is_to_be_scored]
    untold = [item.id for item in scored if item.emotion is None and not item.votes]
    if not untold or len(untold) == len(scored):
        return []
    shown = ", ".join(untold[:_SHOWN]) + (", …" if len(untold) > _SHOWN else "")
    return [Problem(where="emotion", why=f"{len(untold)} of {len(scored)} items tell none: {shown}")]


def _placed(items: Sequence[Item]) -> list[Item]:
    """Return the items with those of a dialogue that tell no order counted as they stand (none tells one)."""
    told = {item.dialogue for item in items if item.order}
    counts: dict[str, int] = {}
    placed: list[Item] = []
    for item in items:
        if item.dialogue is None or item.dialogue in told:
            placed.append(item)
        else:
            counts[item.dialogue] = counts.get(item.dialogue, -1) + 1
            placed.append(replace(item, order=counts[item.dialogue]))
    return placed


def _once_heard(corpus: Corpus) -> Corpus:
    """Return the corpus with a problem for each stretch of sound that stands in it twice: it leaks over splits."""
    seen: dict[tuple[Path, float, float | None], str] = {}
    problems: list[Problem] = []
    for item in corpus.items:
        if item.audio is None:
            continue
        first = seen.setdefault((item.audio, item.start_s, item.end_s), item.id)
        if first != item.id:
            problems.append(Problem(where=item.id, why=f"is the same stretch of sound as {first}"))
    return replace(corpus, problems=(*corpus.problems, *problems))


READER: Reader = Manifest()
