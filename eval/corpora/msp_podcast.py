"""MSP-Podcast 1.11: segments of podcasts, rated by a crowd, eight classes and three dimensions (Lotfian & Busso 2019).

Segments are picked, not turns in a row: each stands alone. Labels come as consensus and, where the second file is
there, rater by rater: first choices become votes, and what raters typed after "Other" becomes the description.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, cast

from ..errors import CorpusUnreadable
from .assemble import assemble
from .item import Item, Problem
from .labels import label_table
from .reading import read_json, read_table, read_text, scaled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from .item import Corpus

SPLITS: Final = {
    "Train": "train",
    "Development": "dev",
    "Validation": "dev",
    "Test": "test",
    "Test1": "test1",
    "Test2": "test2",
    "Test3": "test3",
}
COLUMNS: Final = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")
UNKNOWN: Final = ("", "Unknown")
"""How speakers and genders that nobody knows are written."""
MAJOR: Final = "EmoClass_Major"
OTHER: Final = re.compile(r"Other\s*(?:-|\(|:)?\s*(.*?)\s*\)?")
"""A choice outside the list, with what the rater typed, if anything."""


@dataclass(slots=True, kw_only=True)
class _Choices:
    """What the raters of one segment chose first, and typed."""

    votes: Counter[str] = field(default_factory=Counter[str])
    typed: list[str] = field(default_factory=list[str])

    def add(self, choice: str) -> None:
        other = OTHER.fullmatch(choice)
        self.votes[choice if other is None else "Other"] += 1
        self.typed.extend([] if other is None or not other[1] else [other[1]])


class MspPodcast:
    """Reads Labels, Audios and Transcripts of the release; only Labels must be there."""

    def __init__(self) -> None:
        self.name = "msp-podcast"
        self.where_from = (
            "MSP lab of Carlos Busso (UT Dallas when the corpus was made): free for academic research under a signed "
            "licence, otherwise for a fee; not to be passed on: Labels, Audios, Transcripts of release 1.11"
        )

    def missing(self, root: Path) -> Sequence[str]:
        """Return what the folder lacks: the consensus labels."""
        return [] if _consensus(root) else [f"{root}: no Labels/labels_consensus.csv or .json"]

    def read(self, root: Path) -> Corpus:
        """Return the corpus; sound without labels (Test3's are withheld) is told of as one problem."""
        if missing := self.missing(root):
            raise CorpusUnreadable(f"MSP-Podcast cannot be read: {missing[0]}")
        problems: list[Problem] = []
        rows = list(_rows(_consensus(root)[0], problems=problems))
        choices = _detailed(root, problems=problems)
        audios, transcripts = root / "Audios", root / "Transcripts"
        problems.extend(
            Problem(where=folder.name, why=f"not there: {what}")
            for folder, what in ((audios, "nothing to be heard"), (transcripts, "no words"))
            if not folder.is_dir()
        )
        items: list[Item] = []
        for row in rows:
            try:
                items.append(_item(row, audios=audios, transcripts=transcripts, choices=choices, problems=problems))
            except (ValueError, TypeError) as error:
                problems.append(Problem(where=row.get("FileName", "?"), why=f"left out: {error}"))
        problems.extend(_unlabelled(audios, {row["FileName"] for row in rows}))
        return assemble(self.name, items, table=label_table("msp_podcast"), problems=problems)


def _consensus(root: Path) -> list[Path]:
    """Return the files of consensus labels; early releases misspell them."""
    found = (root / "Labels").glob("labels_con[sc]ensus.*")
    return sorted((path for path in found if path.suffix in {".csv", ".json"}), key=lambda path: path.suffix)


def _rows(path: Path, *, problems: list[Problem]) -> Iterator[dict[str, str]]:
    if path.suffix == ".csv":
        lines, broken = read_table(path, COLUMNS)
        problems.extend(broken)
        yield from (dict(line.cells) for line in lines)
        return
    for name, told in _object(path).items():
        entry = _inner(told)
        absent = [key for key in COLUMNS[1:] if key not in entry]
        if absent:
            problems.append(Problem(where=name, why=f"left out: no {', '.join(absent)}"))
        else:
            yield {"FileName": name} | {key: str(entry[key]).strip() for key in COLUMNS[1:]}


def _item(
    row: Mapping[str, str], *, audios: Path, transcripts: Path, choices: Mapping[str, _Choices], problems: list[Problem]
) -> Item:
    name = row["FileName"]
    if not name or PurePath(name).name != name:
        raise ValueError(f"{name!r} is no name of a file")
    if row["Split_Set"] not in SPLITS:
        raise ValueError(f"split {row['Split_Set']!r}, expected one of {', '.join(SPLITS)}")
    stem = _stem(name)
    chosen = choices.get(stem, _Choices())
    arousal, valence, dominance = (scaled(row[key], low=1, high=7) for key in ("EmoAct", "EmoVal", "EmoDom"))
    return Item(
        id=stem,
        speaker=_known(row["SpkrID"]),
        gender=_known(row["Gender"]),
        audio=audios / f"{stem}.wav" if audios.is_dir() else None,
        text=_words(transcripts / f"{stem}.txt", item=stem, problems=problems) if transcripts.is_dir() else None,
        emotion=row["EmoClass"],
        votes=tuple(sorted(chosen.votes.items())),
        description="; ".join(chosen.typed) or None,
        arousal=arousal,
        dominance=dominance,
        valence=valence,
        split=SPLITS[row["Split_Set"]],
    )


def _stem(name: str) -> str:
    return name.removesuffix(".wav")


def _known(told: str) -> str | None:
    return None if told in UNKNOWN else told


def _words(path: Path, *, item: str, problems: list[Problem]) -> str | None:
    try:
        return " ".join(read_text(path).split())
    except CorpusUnreadable:
        problems.append(Problem(where=item, why=f"no words: Transcripts/{path.name} is missing or not UTF-8"))
        return None


def _detailed(root: Path, *, problems: list[Problem]) -> dict[str, _Choices]:
    """Return the choices by segment, from whichever layout is there; none: consensus alone."""
    paths = [path for end in ("csv", "json") if (path := root / "Labels" / f"labels_detailed.{end}").is_file()]
    found: dict[str, _Choices] = {}
    if not paths:
        problems.append(Problem(where="Labels", why="no labels_detailed.csv or .json: no votes"))
        return found
    read = _from_csv if paths[0].suffix == ".csv" else _from_json
    for where, name, choice in read(paths[0]):
        if choice:
            found.setdefault(_stem(name), _Choices()).add(choice)
        else:
            problems.append(Problem(where=where, why=f"a rating of {name} without a first choice"))
    return found


def _from_csv(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield where it stands, the segment and the first choice of each rating.

    Either columns with names, or after the segment's name cells of the form "worker; first; second,…; A:4; V:4; D:4;".
    """
    try:
        lines = [line for line in csv.reader(io.StringIO(read_text(path), newline="")) if line]
    except csv.Error as error:
        raise CorpusUnreadable(f"{path} is no CSV: {error}") from error
    header = lines[0] if lines and lines[0][0] == "FileName" else []
    for number, cells in enumerate(lines[1:] if header else lines, start=1):
        where = f"{path.name}, rating {number}"
        if MAJOR in header:
            told = dict(zip(header, cells, strict=False))
            yield where, told.get("FileName", ""), told.get(MAJOR, "").strip()
        else:
            yield from ((where, cells[0], _first(cell)) for cell in cells[1:] if cell.strip())


def _first(cell: str) -> str:
    """Return the first choice in "worker; first; …": what stands second, unless that is already a dimension."""
    _, _, rest = cell.partition(";")
    choice = rest.partition(";")[0].strip()
    return "" if choice.startswith(("A:", "V:", "D:")) else choice


def _from_json(path: Path) -> Iterator[tuple[str, str, str]]:
    for name, workers in _object(path).items():
        for worker, told in _inner(workers).items():
            choice = _inner(told).get(MAJOR)
            yield f"{path.name}, {worker}", name, choice.strip() if isinstance(choice, str) else ""


def _inner(told: object) -> dict[str, Any]:
    """Return the object inside an entry, which some releases put in a list of one; empty if there is none."""
    entries = cast("list[object]", told) if isinstance(told, list) else [told]
    first = entries[0] if entries else None
    return cast("dict[str, Any]", first) if isinstance(first, dict) else {}


def _object(path: Path) -> dict[str, Any]:
    told = read_json(path)
    if not isinstance(told, dict):
        raise CorpusUnreadable(f"{path} is not MSP-Podcast's: expected an object by file name")
    return cast("dict[str, Any]", told)


def _unlabelled(audios: Path, labelled: Iterable[str]) -> list[Problem]:
    if not audios.is_dir():
        return []
    told = {_stem(name) for name in labelled}
    without = sorted(path.stem for path in audios.glob("*.wav") if path.stem not in told)
    if not without:
        return []
    why = f"files without labels are left out (those of Test3 are withheld): {len(without)}, {without[0]} the first"
    return [Problem(where="Audios", why=why)]


READER: Final = MspPodcast()
