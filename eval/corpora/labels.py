"""Label mappings, kept as data: what a corpus calls a feeling, and what `agent.labels` calls it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE: Final = "labels.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelTable:
    """How the labels of one corpus are read.

    Attributes:
        to: its own label and ours; a label that is not there is not scored.
        left_out: labels it is known to have beside those; any other is a fault of the data.
        none: labels that say that none was agreed on.
    """

    to: Mapping[str, str]
    left_out: frozenset[str] = frozenset()
    none: frozenset[str] = frozenset()

    def knows(self, label: str) -> bool:
        """Return whether the corpus is known to have this label."""
        return label in self.to or label in self.left_out or label in self.none


def label_table(corpus: str, *, scheme: str = "to", file: str = FILE) -> LabelTable:
    """Return the labels of `corpus` as `file` beside this module tells them.

    Args:
        corpus: the table's name, the reader's with underscores.
        scheme: "to", or another way to read the same labels ("aer_llm": votes as paper 001's baseline counts them).
        file: which of the files.

    Raises:
        KeyError: there is no such corpus or scheme.
    """
    told = _tables(file)[corpus]
    to: dict[str, str] = told[scheme]
    return LabelTable(
        to=to,
        left_out=frozenset(told["left_out"]) | (frozenset(told["to"]) - frozenset(to)),
        none=frozenset(told["none"]),
    )


@cache
def _tables(file: str) -> dict[str, dict[str, Any]]:
    return tomllib.loads((files("eval.corpora") / file).read_text(encoding="utf-8"))
