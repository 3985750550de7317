"""What the readers by name and by table look over besides `assemble`: doubled places, corpora without an item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import CorpusUnreadable
from .assemble import assemble
from .item import Problem
from .labels import LabelTable, label_table
from .reading import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from .item import Corpus, Item

LABELS: Final = "labels_more.toml"
UNLABELLED: Final = LabelTable(to={})


def labels_of(corpus: str) -> LabelTable:
    """Return the labels of the corpus a reader is named after."""
    return label_table(corpus.replace("-", "_"), file=LABELS)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file, cut at line ends only: text may hold other separators.

    Raises:
        CorpusUnreadable: it is missing, or not UTF-8.
    """
    lines = read_text(path).split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def gathered(
    name: str, items: Sequence[Item], *, root: Path, labels: LabelTable = UNLABELLED, problems: Iterable[Problem] = ()
) -> Corpus:
    """Return the corpus of `items`, looked over.

    Raises:
        CorpusUnreadable: not one item.
    """
    found = list(problems)
    if not items:
        why = f" ({found[0].where}: {found[0].why})" if found else ""
        raise CorpusUnreadable(f"{root} holds not one item of {name}{why}")
    return assemble(name, items, table=labels, problems=(*found, *doubled_places(items)))


def doubled_places(items: Iterable[Item]) -> Iterator[Problem]:
    """Yield the items whose place in their dialogue another one has already; they come in the order found."""
    places: dict[tuple[str, int], str] = {}
    for item in items:
        if item.dialogue is None:
            continue
        first = places.setdefault((item.dialogue, item.order), item.id)
        if first != item.id:
            yield Problem(where=item.id, why=f"has place {item.order} of dialogue {item.dialogue}, as {first} has")
