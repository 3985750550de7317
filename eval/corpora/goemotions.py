"""GoEmotions as a corpus: labels agreed on, and the votes of its raters where the raw files are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..training.goemotions import LABELS
from .gathering import gathered, labels_of, read_lines
from .item import Item, Problem
from .reading import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .item import Corpus, Reader

SPLITS: Final = ("train", "dev", "test")
RAW: Final = "goemotions_*.csv"


class GoEmotions:
    """A comment with several labels keeps the first if all mean the same of ours, and else has none agreed on."""

    name: str = "goemotions"
    where_from: str = (
        "github.com/google-research/google-research/tree/master/goemotions, Apache-2.0; data/{train,dev,test}.tsv, and "
        "for votes data/full_dataset/goemotions_{1,2,3}.csv into the same folder"
    )

    def missing(self, root: Path) -> Sequence[str]:
        """See `Reader`; any of the splits will do, the raw files are not needed."""
        return [] if _present(root) else [f"{root} holds none of {', '.join(f'{split}.tsv' for split in SPLITS)}"]

    def read(self, root: Path) -> Corpus:
        """See `Reader`."""
        labels = labels_of(self.name)
        items: list[Item] = []
        votes, problems = _votes(root)
        for path in _present(root):
            for at, line in enumerate(read_lines(path), start=1):
                try:
                    items.append(_item(line, split=path.stem, labels=labels.to, votes=votes))
                except (ValueError, IndexError):
                    problems.append(
                        Problem(
                            where=f"{path.name}:{at}", why="is not text, label ids and comment id separated by tabs"
                        )
                    )
        return gathered(self.name, items, root=root, labels=labels, problems=problems)


def _present(root: Path) -> list[Path]:
    return [path for split in SPLITS if (path := root / f"{split}.tsv").is_file()]


def _item(
    line: str, *, split: str, labels: Mapping[str, str], votes: Mapping[str, tuple[tuple[str, int], ...]]
) -> Item:
    text, ids, comment = line.split("\t")
    told = [LABELS[_label_id(part)] for part in ids.split(",")]
    meant = {labels.get(label) for label in told}
    return Item(
        id=comment,
        text=text,
        emotion=told[0] if len(told) == 1 or (len(meant) == 1 and None not in meant) else None,
        votes=votes.get(comment, ()),
        split=split,
    )


def _label_id(part: str) -> int:
    number = int(part)
    if number < 0:
        raise ValueError(part)
    return number


def _votes(root: Path) -> tuple[dict[str, tuple[tuple[str, int], ...]], list[Problem]]:
    """Return how many raters chose each label, by comment."""
    counts: dict[str, dict[str, int]] = {}
    problems: list[Problem] = []
    for path in sorted({*root.glob(RAW), *(root / "full_dataset").glob(RAW)}):
        rows, lacking = read_table(path, ("id", *LABELS))
        problems += lacking
        for row in rows:
            of_comment = counts.setdefault(row.cells["id"], {})
            for label in LABELS:
                if row.cells[label] == "1":
                    of_comment[label] = of_comment.get(label, 0) + 1
    votes = {
        comment: tuple((label, found[label]) for label in LABELS if label in found) for comment, found in counts.items()
    }
    return votes, problems


READER: Reader = GoEmotions()
