"""How well words were heard: error rates of the first reading, of the best of all, and of the revised one.

Errors are counted by jiwer, reading by reading, and pooled over rows. A row where nothing was heard, or that could not
be read or run, has the empty reading: all its words count as deleted. An empty reference has only insertions. Words
that came from the transcript itself were not heard: such rows are left out, and where no others have words, there is
nothing to measure.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import jiwer
import numpy as np

from streaming.nbest import normalise

from ..metrics import Floats, Score
from ..replay.words import TRANSCRIPT
from .measure import Measure, final_of, is_scored, listed, rows_where

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..replay.row import Row
    from ..statistics import Rows
    from .measure import Normaliser, ScoreSettings

NORMALISERS: Final[dict[Normaliser, tuple[Callable[[str], str], str]]] = {
    "words": (normalise, "case:lc|punct:no"),
    "none": (lambda text: " ".join(text.split()), "case:mixed|punct:yes"),
}


def words_measures(rows: Sequence[Row], settings: ScoreSettings) -> list[Measure]:
    """Return the measures of words over `rows`; they are about those whose text is known."""
    told = rows_where([is_scored(row) and isinstance(row.truth.get("text"), str) for row in rows])
    clean, _ = NORMALISERS[settings.normaliser]
    table = np.zeros((len(rows), 9))
    for at in listed(told):
        table[at] = _errors(rows[at], clean)
    how = _how(rows, told, settings)
    return [
        _pooled("WER", told, table[:, [0, 4, 8]], how | {"unit": "word"}),
        _pooled("CER", told, table[:, [1, 5, 8]], how | {"unit": "char"}),
        _pooled("oracle WER", told, table[:, [2, 4, 8]], how | {"unit": "word", "reading": "best of the n-best"}),
        _revised(rows, told, table[:, [3, 4, 8]], how | {"unit": "word", "reading": "revised, else first"}),
        _pooled("sentence error rate", told, table[:, [6, 7, 8]], how | {"unit": "sentence"}),
    ]


def word_error_rate(row: Row, normaliser: Normaliser = "words") -> float | None:
    """Return the word error rate of one row's first reading; None without a text, or with one of no words."""
    if not isinstance(row.truth.get("text"), str):
        return None
    errors = _errors(row, NORMALISERS[normaliser][0])
    return errors[0] / errors[4] if errors[4] else None


def readings(row: Row) -> list[str]:
    """Return the readings of a row, best first."""
    return [str(each.get("text") or "") for each in row.nbest]


def _errors(row: Row, clean: Callable[[str], str]) -> list[float]:
    """Errors of words, characters, best reading, revised reading; words, characters; wrong, 1; 1 given, -1 heard."""
    truth = clean(row.truth["text"])
    heard = [clean(text) for text in readings(row)] or [""]
    revised = _revised_text(row)
    final = heard[0] if revised is None else clean(revised)
    words = [_wrong(jiwer.process_words(truth, text)) for text in dict.fromkeys([*heard, final])]
    by_text = dict(zip(dict.fromkeys([*heard, final]), words, strict=True))
    return [
        by_text[heard[0]],
        _wrong(jiwer.process_characters(truth, heard[0])),
        min(by_text[text] for text in heard),
        by_text[final],
        len(truth.split()),
        len(truth),
        float(heard[0] != truth),
        1,
        float(_is_given(row)) or -float(bool(row.nbest)),
    ]


def _is_given(row: Row) -> bool:
    return bool(row.nbest) and row.nbest[0].get("source") == TRANSCRIPT


def _wrong(counts: Any) -> int:  # noqa: ANN401 - jiwer's two kinds of output share these fields and no type
    return int(counts.substitutions + counts.deletions + counts.insertions)


def _revised_text(row: Row) -> str | None:
    text = final_of(row).get("revised_text")
    return text if isinstance(text, str) else None


def _how(rows: Sequence[Row], told: Rows, settings: ScoreSettings) -> dict[str, object]:
    _, style = NORMALISERS[settings.normaliser]
    case, punctuation = (part.partition(":")[2] for part in style.split("|"))
    sources = {str(each.get("source") or "untold") for at in listed(told) for each in rows[at].nbest[:1]}
    n_given = sum(_is_given(rows[at]) for at in listed(told))
    return {
        "norm": settings.normaliser,
        "case": case,
        "punct": punctuation,
        "empty_ref": "ins",
        "nothing_heard": "del",
        "asr": "+".join(sorted(sources)) or "none",
        "given": f"{n_given} left out" if 0 < n_given < told.size else None,
        "jiwer": version("jiwer"),
    }


def _pooled(name: str, told: Rows, table: Floats, how: dict[str, object]) -> Measure:
    """A rate; `table` holds errors, total and 1 where words were given, -1 where heard, shape (n, 3)."""

    def of(rows: Rows) -> Score:
        source = table[rows, 2]
        if (source > 0).any() and not (source < 0).any():
            return Score(value=None, reason="the words were given, not heard")
        wrong, total, _ = table[rows][source <= 0].sum(axis=0)
        if not total:
            return Score(value=None, reason="no words to be heard" if rows.size else "no row tells its text")
        return Score(value=float(wrong / total))

    return Measure(name=name, rows=told, of=of, how=how, better="lower")


def _revised(rows: Sequence[Row], told: Rows, table: Floats, how: dict[str, object]) -> Measure:
    """The revised rate; undefined where no row at all was revised: that it equals the first reading's says nothing."""
    plain = _pooled("revised WER", told, table, how)
    if any(_revised_text(rows[at]) is not None for at in listed(told)):
        return plain
    return Measure(
        name=plain.name,
        rows=told,
        of=lambda _: Score(value=None, reason="no row was revised"),
        how=how,
        better="lower",
    )
