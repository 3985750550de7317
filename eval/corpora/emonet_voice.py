"""EmoNet-Voice Bench: synthetic voices in forty categories, judged by experts one category at a time (LAION 2025).

An expert says how strongly a clip's category is heard: 0 not at all, 1 mildly, 2 strongly.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote

from .gathering import gathered, labels_of
from .item import Item, Problem
from .reading import read_table
from .sounds import located, nfc

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .item import Corpus, Reader

TABLE: Final = "labels.csv"
_COLUMNS: Final = ("file", "label")
_LEVELS: Final = (0, 1, 2)


class EmoNetVoice:
    """A category is agreed on when every expert heard it; the votes are those who did. Voices are not told apart."""

    name: str = "emonet-voice"
    where_from: str = (
        "huggingface.co/datasets/laion/emonet-voice-bench, CC BY 4.0; Parquet with the columns audioId and label: "
        "write the sounds into one folder, beside them labels.csv with the columns file and label, the latter as it is"
    )

    def missing(self, root: Path) -> Sequence[str]:
        """See `Reader`."""
        return [] if (root / TABLE).is_file() else [f"{root / TABLE} is not there: the file and label of each clip"]

    def read(self, root: Path) -> Corpus:
        """See `Reader`."""
        items: list[Item] = []
        rows, problems = read_table(root / TABLE, _COLUMNS)
        for row in rows:
            try:
                items.append(_item(root, row.cells["file"], label=row.cells["label"]))
            except (ValueError, SyntaxError, TypeError, AttributeError, RecursionError, MemoryError):
                why = "expected a file, and the scores 0 to 2 of each expert for one and the same category"
                problems.append(Problem(where=f"{TABLE}:{row.number}", why=why))
        return gathered(self.name, items, root=root, labels=labels_of(self.name), problems=problems)


def _item(root: Path, file: str, *, label: str) -> Item:
    category, scores = judgements(label)
    n_heard = sum(score > 0 for score in scores)
    if not file:
        raise ValueError(file)
    return Item(
        id=file,
        audio=located(root / file),
        emotion=category if n_heard == len(scores) else None,
        votes=((category, n_heard),) if n_heard else (),
    )


def judgements(label: str) -> tuple[str, tuple[int, ...]]:
    """Return the category and each expert's score, from a list of {expert: {category: score}} written as Python does.

    Raises:
        ValueError: no expert, several categories, or a score that is not 0, 1 or 2; or what `ast.literal_eval` raises.
    """
    experts = cast("list[dict[str, dict[str, Any]]]", ast.literal_eval(label))
    told = [
        (nfc(unquote(category)), score)
        for expert in experts
        for of in expert.values()
        for category, score in of.items()
    ]
    scores = tuple(score for _, score in told)
    if len({category for category, _ in told}) != 1 or any(
        type(score) is not int or score not in _LEVELS for score in scores
    ):
        raise ValueError(label)
    return told[0][0], scores


READER: Reader = EmoNetVoice()
