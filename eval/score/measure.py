"""What a figure is made of: a function of any selection of rows, so that it can be drawn again, split and compared.

Which rows a measure is about depends on their truth alone, never on what was predicted: two systems are measured on the
same rows, and one that fails on hard ones gains nothing by it. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

from ..statistics import Resampling, Rows
from .errors import ScoreImpossible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..metrics import Score
    from ..replay.row import Row

Blocks: TypeAlias = Literal["auto", "speaker", "dialogue", "item"]
Decide: TypeAlias = Literal["top", "argmax"]
Fallback: TypeAlias = Literal["neutral", "wrong"]
Normaliser: TypeAlias = Literal["words", "none"]
Better: TypeAlias = Literal["higher", "lower", ""]

PERCENT: Final = 100.0
MIN_BLOCKS: Final = 5
"""Fewer speakers (or dialogues) than this say little about others: "auto" goes on to smaller blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSettings:
    """How rows are scored; all of it stands in the signatures.

    Attributes:
        labels: the fixed label set; None: that of the estimates.
        mapping: labels that are called otherwise, in truths and in estimates.
        decide: "top": what was said, abstaining included; "argmax": the most likely label, however unsure.
        fallback: what counts where no label of the set was said: "neutral" (paper 000), or "wrong" whatever is true.
        normaliser: "words": lower case, words only; "none": only white space is made even.
        blocks: what is drawn again.
        figures: names of those wanted, all where it is empty; what is compared is adjusted for as many tests.
        comet: the COMET model that translations are scored with, by name or path; it is run only where it is here.
        resampling: how often, from which seed, at which level.
    """

    labels: tuple[str, ...] | None = None
    mapping: Mapping[str, str] = field(default_factory=dict[str, str])
    decide: Decide = "top"
    fallback: Fallback = "neutral"
    normaliser: Normaliser = "words"
    blocks: Blocks = "auto"
    figures: tuple[str, ...] = ()
    comet: str = "Unbabel/wmt22-comet-da"
    resampling: Resampling = field(default_factory=Resampling)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A figure of some rows of a table.

    Attributes:
        name: as printed.
        rows: indices of the rows it is about, ascending.
        of: its value on a selection of `rows` (repeated, in any order).
        how: what it depends on, for its signature.
        scale: what the value is multiplied by to be printed.
        decimals: how many are printed.
        better: which way is better; "" neither: it is no quality, and is not tested.
    """

    name: str
    rows: Rows
    of: Callable[[Rows], Score]
    how: Mapping[str, object]
    scale: float = PERCENT
    decimals: int = 1
    better: Better = "higher"

    def value(self, rows: Rows) -> float | None:
        """Return its value on `rows`, None where it is undefined."""
        return self.of(rows).value


def rows_where(chosen: Sequence[bool]) -> Rows:
    """Return the indices of what is true."""
    return np.flatnonzero(np.array(chosen, dtype=np.bool_))


def listed(rows: Rows) -> list[int]:
    """Return indices as whole numbers of Python."""
    found: list[int] = rows.tolist()
    return found


def is_scored(row: Row) -> bool:
    """Tell whether the row counts; one that was only context for others does not."""
    return row.truth.get("is_to_be_scored") is not False


def final_of(row: Row) -> dict[str, Any]:
    """Return the final estimate of a row, empty where there is none."""
    final = row.estimates[-1] if row.estimates else {}
    return final if "top" in final or "distribution" in final else {}


def blocks_of(rows: Sequence[Row], blocks: Blocks) -> tuple[str, list[str]]:
    """Return what is drawn again ("speaker", "dialogue" or "item") and the block of each row.

    Raises:
        ScoreImpossible: that block is asked for and no row tells it.
    """
    if blocks == "auto":
        for kind in ("speaker", "dialogue"):
            names = {_told(row, kind) for row in rows}
            if None not in names and len(names) >= MIN_BLOCKS:
                return kind, [_block(row, kind) for row in rows]
        return "item", [_block(row, "item") for row in rows]
    if blocks != "item" and all(_told(row, blocks) is None for row in rows):
        raise ScoreImpossible(f"no row tells its {blocks}: choose other blocks (--blocks item)")
    return blocks, [_block(row, blocks) for row in rows]


def _told(row: Row, kind: str) -> str | None:
    return row.speaker if kind == "speaker" else row.dialogue


def _block(row: Row, kind: str) -> str:
    """The block's name, the corpus in front: "A" of one corpus is not "A" of another. Not told: the row by itself."""
    name = None if kind == "item" else _told(row, kind)
    return f"{row.corpus}\n{kind}\n{name}" if name is not None else f"{row.corpus}\nitem\n{row.item}"
