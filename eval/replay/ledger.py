"""The folder of a run: a part for each piece, whole or not there at all, and the rows in corpus order at the end.

    run.json       what was replayed and all that its rows depend on
    parts/         one file of rows, and one of times, for each piece; named by the hash of what they depend on
    calls/         answers of language models (`eval.replay.calls`)
    rows.jsonl     all rows, in the order of the corpus
    times.jsonl    wall-clock times, item by item: never the same twice
    summary.json   how many rows are of which status, hashes of sound and rows, problems of the corpus

Whatever is killed at whatever moment leaves parts that are whole; the next run makes those that are missing.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from ..errors import EvalError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence
    from pathlib import Path

    from .plan import Piece

RUN: Final = "run.json"
ROWS: Final = "rows.jsonl"
TIMES: Final = "times.jsonl"
SUMMARY: Final = "summary.json"


class RunRefused(EvalError):
    """A folder cannot take this run: another one lies there, or is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What came of a piece, as it is written: its rows, and their times; a line for each item."""

    rows: bytes
    times: bytes


def part_of(rows: Iterable[str], *, times: Iterable[Mapping[str, Any]]) -> Part:
    """Return the part that holds these rows, each a line of JSON, and these times."""
    return Part(
        rows="".join(f"{line}\n" for line in rows).encode("utf-8", "replace"),
        times="".join(f"{json.dumps(one)}\n" for one in times).encode(),
    )


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where a run is written."""

    root: Path

    @contextmanager
    def taken(self, header: Mapping[str, Any]) -> Generator[None]:
        """Have the folder for this run alone, made where it is missing.

        Raises:
            RunRefused: it holds another run, or another process writes to it.
            OSError: it cannot be written.
        """
        (self.root / "parts").mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunRefused(
                    f"{self.root} is being written by another run: wait for it, or choose another folder"
                ) from None
            self._begin(header)
            yield

    @property
    def calls(self) -> Path:
        """Where answers of language models are kept."""
        return self.root / "calls"

    def has_run(self, run: str) -> bool:
        """Tell whether it is the folder of that run, seen from here."""
        try:
            return json.loads((self.root / RUN).read_bytes())["run"] == run
        except (OSError, ValueError, TypeError, KeyError):
            return False

    def has(self, piece: Piece) -> bool:
        """Tell whether the part of a piece is there, whole."""
        try:
            return self._part(piece).read_bytes().count(b"\n") == len(piece.items)
        except OSError:
            return False

    def keep(self, piece: Piece, part: Part) -> None:
        """Write the part of a piece: when its rows are there, all of it is.

        Raises:
            OSError: it cannot be written.
        """
        write_whole(self._times(piece), part.times)
        write_whole(self._part(piece), part.rows)

    def finish(self, pieces: Sequence[Piece], *, problems: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Put the parts together; return the summary.

        Raises:
            OSError: it cannot be written, or a part is gone.
        """
        rows = [line for piece in pieces for line in self._part(piece).read_bytes().splitlines(keepends=True)]
        statuses: Counter[str] = Counter()
        sound = sha256()
        for line in rows:
            row = json.loads(line)
            statuses[row["status"]] += 1
            sound.update(f"{row['audio_sha256']}\n".encode())
        content = b"".join(rows)
        write_whole(self.root / TIMES, b"".join(self._read_times(piece) for piece in pieces))
        summary: dict[str, Any] = {
            "n_items": len(rows),
            "statuses": dict(sorted(statuses.items())),
            "audio_sha256": sound.hexdigest(),
            "rows_sha256": sha256(content).hexdigest(),
            "problems": [{"where": where, "why": why} for where, why in problems],
        }
        write_whole(self.root / SUMMARY, _pretty(summary))
        write_whole(self.root / ROWS, content)
        return summary

    def times(self, pieces: Iterable[Piece]) -> list[dict[str, Any]]:
        """Return the times of the items of those pieces that are there, in order."""
        return [json.loads(line) for piece in pieces for line in self._read_times(piece).splitlines()]

    def _begin(self, header: Mapping[str, Any]) -> None:
        place = self.root / RUN
        wanted = _pretty(header)
        if place.exists() and (before := place.read_bytes()) != wanted:
            changed = ", ".join(_changed(before, header)) or "its header"
            raise RunRefused(
                f"{self.root} holds another run ({changed} differs): choose another folder, or remove this one"
            )
        write_whole(place, wanted)

    def _part(self, piece: Piece) -> Path:
        return self.root / "parts" / f"{piece.key}.jsonl"

    def _times(self, piece: Piece) -> Path:
        return self.root / "parts" / f"{piece.key}.times.jsonl"

    def _read_times(self, piece: Piece) -> bytes:
        try:
            return self._times(piece).read_bytes()
        except OSError:
            return b""


def write_whole(place: Path, content: bytes) -> None:
    """Write a file so that it is there whole, and on disk, or as it was before.

    Raises:
        OSError: it cannot be written.
    """
    part = place.with_name(f".{place.name}.{os.getpid()}")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(place)


def _pretty(value: Mapping[str, Any]) -> bytes:
    # Half a surrogate pair, as an id may hold, is no UTF-8: it becomes "?" here as in the rows.
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "replace")


def _changed(before: bytes, header: Mapping[str, Any]) -> list[str]:
    """Return which parts of the header are not what they were; nothing where it was none."""
    try:
        old: dict[str, Any] = dict(json.loads(before))
        was: dict[str, Any] = dict(old["provenance"])
    except (ValueError, TypeError, KeyError):
        return []
    now: dict[str, Any] = json.loads(_pretty(header))
    changed = [name for name in {**was, **now["provenance"]} if was.get(name) != now["provenance"].get(name)]
    return changed + [name for name in ("corpus", "labels", "items_sha256") if old.get(name) != now.get(name)]
