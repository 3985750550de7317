"""Files of corpora as they lie about: UTF-8 with or without BOM, any line ends, tables with holes, sound cut short.

An edge: it opens files. Text comes out in Unicode's composed form (NFC), so that equal words compare equal.
"""

from __future__ import annotations

import csv
import io
import json
import struct
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from ..errors import CorpusUnreadable
from .item import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

UNKNOWN_SIZE = 2**31 - 2**16
"""Headers of WAV files written by a program that could not know their length claim about this much."""

_FORMATS: Final = ((b"fLaC", "FLAC"), (b"OggS", "Ogg"), (b"ID3", "MP3"), (b"\xff\xfb", "MP3"), (b"FORM", "AIFF"))
"""How files of other formats begin, as they lie about under the name of a WAV (Libri-trans: FLAC)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row of a table: the line of the file it ends on, from 1 with the header, and its cells, stripped."""

    number: int
    cells: Mapping[str, str]


def read_text(path: Path) -> str:
    r"""Return a file's text, composed, with `\n` as its only line end and no BOM.

    Raises:
        CorpusUnreadable: missing, a directory, not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusUnreadable(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8") from error
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise CorpusUnreadable(f"{path} cannot be read: {_reason(error)}") from error
    return unicodedata.normalize("NFC", text)


def read_json(path: Path) -> object:
    """Return what a JSON file holds.

    Raises:
        CorpusUnreadable: it cannot be read, or is not JSON.
    """
    try:
        return _composed(json.loads(read_text(path)))
    except (ValueError, RecursionError) as error:
        raise CorpusUnreadable(f"{path} is not JSON: {error}") from error


def _composed(told: object) -> object:
    """Return what JSON holds with its text composed: escapes hide from whoever composes the file."""
    if isinstance(told, str):
        return unicodedata.normalize("NFC", told)
    if isinstance(told, list):
        return [_composed(each) for each in cast("list[object]", told)]
    if isinstance(told, dict):
        return {key: _composed(each) for key, each in cast("dict[str, object]", told).items()}
    return told


def read_table(path: Path, columns: Sequence[str]) -> tuple[list[Line], list[Problem]]:
    """Return the rows of a CSV file with a header, and those that lack one of `columns`.

    Raises:
        CorpusUnreadable: it cannot be read, is no CSV, or its header lacks a column.
    """
    table = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    rows: list[Line] = []
    problems: list[Problem] = []
    try:
        absent = [name for name in columns if name not in (table.fieldnames or ())]
        if absent:
            raise CorpusUnreadable(f"{path} lacks the column {', '.join(absent)}: expected {', '.join(columns)}")
        for row in table:
            if None in row or any(row[name] is None for name in columns):
                found = "more" if None in row else sum(cell is not None for cell in row.values())
                why = f"line {table.line_num} has not the header's {len(table.fieldnames or ())} columns but {found}"
                problems.append(Problem(where=path.name, why=why))
                continue
            cells = {name: (cell or "").strip() for name, cell in row.items()}
            rows.append(Line(number=table.line_num, cells=cells))
    except csv.Error as error:
        raise CorpusUnreadable(f"{path} is no CSV, at line {table.line_num}: {error}") from error
    return rows, problems


def scaled(value: str | float | None, *, low: float, high: float) -> float | None:
    """Return a rating from [low, high] moved to [0, 1]; None where there is none. Not finite: as it is.

    Raises:
        ValueError: it is no number.
    """
    if value is None or value == "":
        return None
    return (float(value) - low) / (high - low)


def audio_fault(path: Path) -> str | None:
    """Return what can be seen to be wrong with a sound file without decoding it, None while it looks well."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            return f"{path.name} is not a file"
        with path.open("rb") as held:
            head = held.read(12)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        return f"{path.name} cannot be heard: {_reason(error)}"
    if size == 0:
        return f"{path.name} is empty (0 bytes)"
    return _wav_fault(path.name, head, size) if path.suffix.lower() == ".wav" else None


def other_format(path: Path) -> str | None:
    """Return what a file named .wav holds instead, of the formats that are heard under any name; None: no other."""
    if path.suffix.lower() != ".wav":
        return None
    try:
        with path.open("rb") as held:
            return _format(held.read(12))
    except (OSError, ValueError):
        return None


def _format(head: bytes) -> str | None:
    return "MP4" if head[4:8] == b"ftyp" else next((name for mark, name in _FORMATS if head.startswith(mark)), None)


def _reason(error: OSError | ValueError) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()


def _wav_fault(name: str, head: bytes, size: int) -> str | None:
    if _format(head) is not None:
        return None
    if head[:4] not in {b"RIFF", b"RF64", b"RIFX"} or head[8:] != b"WAVE":
        return f"{name} does not begin like the WAV file its name says it is"
    told = struct.unpack("<I", head[4:8])[0] + 8
    if head[:4] == b"RIFF" and size < told < UNKNOWN_SIZE:
        return f"{name} is truncated: {size} of {told} bytes"
    return None
