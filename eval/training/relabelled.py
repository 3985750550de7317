"""Tables of relabelled utterances as paper 003's repository has them: name, eight shares, and a reason or the words.

`output_train.csv` and `output_dev.csv` hold what GPT-4 made of `input_train.csv` and `input_dev.csv`. Both can be read,
and what is relabelled here is written in the same form.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from agent.distribution import normalise
from agent.labels import EIGHT

from ..corpora.reading import read_text
from ..errors import CorpusUnreadable
from ..replay.ledger import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ..metrics import Floats

COLUMNS: Final = ("angry", "sad", "disgust", "contempt", "fear", "neutral", "surprise", "happy")
"""What the tables call EIGHT, in its order."""
SUM_TOLERANCE: Final = 0.005
_SAME: Final = 1e-6
_ROUNDED: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Relabelled:
    """An utterance's soft label as an annotator, human or not, has it.

    Attributes:
        shares: over EIGHT, summing to 1.
        words: what was typed, or why the label was changed.
        total: what the shares summed to as they were read.
    """

    shares: Floats
    words: str = ""
    total: float = 1.0


def read_relabelled(paths: Sequence[Path]) -> dict[str, Relabelled]:
    """Return the rows of tables by the utterance's name without ".wav"; shares that do not sum to 1 are made to.

    Raises:
        CorpusUnreadable: one cannot be read or is no such table, or an utterance stands twice.
    """
    found: dict[str, Relabelled] = {}
    for path in paths:
        for number, cells in _lines(path):
            name = cells[0].strip().removesuffix(".wav")
            if name in found:
                raise CorpusUnreadable(f"{path}:{number}: {name} stands twice, expected each utterance once")
            found[name] = _row(cells, where=f"{path}:{number}")
    return found


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    lines = csv.reader(io.StringIO(read_text(path), newline=""))
    head = next(lines, list[str]())
    if tuple(cell.strip().lower() for cell in head[1:9]) != COLUMNS:
        raise CorpusUnreadable(
            f"{path}: expected a name and then {', '.join(COLUMNS)}, got {', '.join(head) or 'none'}"
        )
    return [(lines.line_num, cells) for cells in lines if any(cell.strip() for cell in cells)]


def _row(cells: list[str], *, where: str) -> Relabelled:
    try:
        shares = np.array([float(cell) for cell in cells[1:9]])
    except ValueError as error:
        raise CorpusUnreadable(f"{where}: {error}; expected eight numbers after the name") from error
    if shares.size < len(EIGHT) or not np.isfinite(shares).all() or shares.min() < 0 or not shares.sum():
        raise CorpusUnreadable(f"{where}: expected eight numbers from 0, not all of them 0, got {cells[1:9]}")
    words = cells[9].strip() if len(cells) > len(EIGHT) + 1 else ""
    total = float(shares.sum())
    # Dividing again by a sum that is 1 but for rounding would change what was written here.
    return Relabelled(shares=shares if abs(total - 1) < _ROUNDED else normalise(shares), words=words, total=total)


def write_relabelled(path: Path, rows: Mapping[str, Relabelled], *, words: str = "reason") -> None:
    """Write a table that is read again as it was, whole or not at all; `words`: what its last column is called.

    Raises:
        OSError: it cannot be written.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["", *COLUMNS, words])
    for name, row in rows.items():
        table.writerow([f"{name}.wav", *map(repr, row.shares.tolist()), row.words])
    write_whole(path, text.getvalue().encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What an annotator made of soft labels (papers_spec 6.3 tells the published figures).

    Attributes:
        n, n_changed: utterances, and those whose label is another now.
        mean_l1: sum of the absolute changes, averaged over utterances.
        n_unsummed: labels that did not sum to 1 as they were read, within SUM_TOLERANCE.
        mean_reason_words: how long reasons are (asked for are 15 to 20 words).
        before, after: mean share of each class of EIGHT.
    """

    n: int
    n_changed: int
    mean_l1: float
    n_unsummed: int
    mean_reason_words: float
    before: tuple[float, ...]
    after: tuple[float, ...]

    @property
    def line(self) -> str:
        """In a line, for people."""
        most = max(zip(EIGHT, self.before, self.after, strict=True), key=lambda one: abs(one[2] - one[1]))
        return (
            f"{self.n} soft labels adjusted, {self.n_changed} of them changed, by {self.mean_l1:.4f} in sum on "
            f"average, most of all {most[0]}, {most[1]:.4f} to {most[2]:.4f}; "
            f"reasons have {self.mean_reason_words:.1f} words"
        )


def changes(before: Mapping[str, Floats], after: Mapping[str, Relabelled]) -> Changes | None:
    """Return what changed from `before` to `after`, over the utterances of both; None where there are none."""
    names = [name for name in before if name in after]
    if not names:
        return None
    old, new = np.stack([before[name] for name in names]), np.stack([after[name].shares for name in names])
    moved = np.abs(new - old).sum(axis=1)
    return Changes(
        n=len(names),
        n_changed=int((moved > _SAME).sum()),
        mean_l1=float(moved.mean()),
        n_unsummed=sum(abs(after[name].total - 1) > SUM_TOLERANCE for name in names),
        mean_reason_words=float(np.mean([len(after[name].words.split()) for name in names])),
        before=tuple(old.mean(axis=0).tolist()),
        after=tuple(new.mean(axis=0).tolist()),
    )
