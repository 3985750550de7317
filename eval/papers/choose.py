"""Which module makes a paper's tables, by the paper's short name; imported when it is wanted."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from .published import PAPERS, TableUnknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..corpora.item import Corpus
    from .cell import Table


class Paper(Protocol):
    """A paper's module."""

    NUMBERS: tuple[str, ...]
    """Of its tables: "1", "figure3"."""

    def table(
        self, number: str, *, profiles: Sequence[str | None], settled: Mapping[str, str], corpus: Corpus
    ) -> Table:
        """Return a table. Raises EvalError where there is none of that number."""
        ...


def paper(name: str) -> Paper:
    """Return the module of a paper.

    Raises:
        TableUnknown: there is none of that name.
    """
    if name not in PAPERS:
        raise TableUnknown(f"no paper is called {name!r}, expected one of {', '.join(PAPERS)}")
    return cast("Paper", import_module(f".{name}", __package__))
