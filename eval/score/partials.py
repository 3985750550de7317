"""How steady the words are that are shown while somebody speaks. Pure.

A word that is shown and then taken back (or changed, or pushed along by an earlier change) is unstable: all words of a
text behind the beginning it shares with the next one. The last text is the final first reading.
"""

from __future__ import annotations

from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..metrics import Score
from .measure import Measure, is_scored, rows_where
from .words import NORMALISERS, readings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..replay.row import Row
    from ..statistics import Rows
    from .measure import ScoreSettings

NOT_SHOWN: Final = Score(value=None, reason="nothing was shown while it was said")
NO_WORDS: Final = Score(value=None, reason="no words were heard in the end")


def partials_measures(rows: Sequence[Row], settings: ScoreSettings) -> list[Measure]:
    """Return the unstable partial word ratio and the edit overhead, over all rows that count.

    The ratio (Shangguan et al. 2020) is unstable words per word of the finals; 0 is perfect, above 1 is possible. Edit
    overhead (Baumann et al. 2009) is the share of words put in or taken out that was not needed for the finals.
    """
    clean, style = NORMALISERS[settings.normaliser]
    told = rows_where([is_scored(row) for row in rows])
    # Words taken back, words of the final, whether anything was shown.
    table = np.array([_counts(row, clean) for row in rows]).reshape(len(rows), 3)
    case, punctuation = (part.partition(":")[2] for part in style.split("|"))
    how: dict[str, object] = {
        "norm": settings.normaliser,
        "case": case,
        "punct": punctuation,
        "unstable": "behind the common beginning",
        "final": "counts as the last partial",
    }

    def measure(name: str, of: Callable[[float, float], Score]) -> Measure:
        def on(picked: Rows) -> Score:
            unstable, final, shown = table[picked].sum(axis=0)
            return of(float(unstable), float(final)) if shown else NOT_SHOWN

        return Measure(name=name, rows=told, of=on, how=how, better="lower")

    return [measure("unstable partial words", _ratio), measure("edit overhead", _overhead)]


def n_unstable(texts: Sequence[Sequence[str]]) -> int:
    """Return how many words are taken back from each text to the next, in words."""
    return sum(len(before) - _n_shared(before, after) for before, after in pairwise(texts))


def _n_shared(before: Sequence[str], after: Sequence[str]) -> int:
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False))))


def _ratio(unstable: float, final: float) -> Score:
    return Score(value=unstable / final) if final else NO_WORDS


def _overhead(unstable: float, final: float) -> Score:
    # Each word taken back was put in once too often, and taken out.
    edits = final + 2 * unstable
    return Score(value=2 * unstable / edits) if edits else NO_WORDS


def _counts(row: Row, clean: Callable[[str], str]) -> list[float]:
    shown = [clean(_text(partial)).split() for partial in row.partials]
    final = clean(next(iter(readings(row)), "")).split()
    return [n_unstable([*shown, final]), len(final), float(any(shown))]


def _text(partial: dict[str, Any]) -> str:
    return str(partial.get("text") or "")
