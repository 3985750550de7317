"""How well translations match the reference: BLEU and chrF as sacrebleu counts them, on any selection of rows.

A row without a translation has the empty one; where no row has one, nothing was translated. COMET is run where its
package and its model are here, once for all rows, and only when it is asked for its value.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import sacrebleu
from sacrebleu.metrics.helpers import extract_all_char_ngrams  # pyright: ignore[reportUnknownVariableType]

from ..metrics import Floats, Score
from .backends.comet_model import CometMissing, Segment, find_comet
from .measure import Measure, is_scored, listed, rows_where

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ..replay.row import Row
    from ..statistics import Rows
    from .measure import ScoreSettings

ORDER: Final = 4
CHAR_ORDER: Final = 6
BETA: Final = 2
TOKENIZERS: Final = {"zh": "zh", "ja": "char", "th": "char"}
"""By target language; 13a, sacrebleu's own default, for the others."""
NONE: Final = Score(value=None, reason="no row tells a reference translation")
NOT_TRANSLATED: Final = Score(value=None, reason="no row has a translation, nothing was translated")


def translation_measures(rows: Sequence[Row], settings: ScoreSettings) -> list[Measure]:
    """Return BLEU, chrF and COMET over the rows that have a reference."""
    told = rows_where([is_scored(row) and isinstance(row.truth.get("translation"), str) for row in rows])
    targets = sorted({str(rows[at].truth.get("target") or "untold") for at in listed(told)})
    tokenizer = TOKENIZERS.get(targets[0].split("-")[0], "13a") if len(targets) == 1 else "13a"
    bleu = sacrebleu.BLEU(tokenize=tokenizer, effective_order=False)
    counts = np.zeros((len(rows), 2 * ORDER + 2))
    shared = np.zeros((len(rows), 3 * CHAR_ORDER))
    for at in listed(told):
        answer, reference = translated(rows[at]), str(rows[at].truth["translation"])
        counts[at] = _bleu_counts(bleu, answer, reference)
        shared[at] = chrf_counts(answer, reference)
    how: dict[str, object] = {"target": "+".join(targets) or None, "missing": "empty"}
    version: dict[str, object] = {"sacrebleu": sacrebleu.__version__}
    one: dict[str, object] = {"nrefs": 1, "case": "mixed"}
    bleu_how = one | {"eff": "no", "tok": tokenizer, "smooth": "exp"} | how | version
    chrf_how = one | {"eff": "yes", "nc": CHAR_ORDER, "nw": 0, "space": "no"} | how | version
    found = [
        _measure("BLEU", told, lambda picked: Score(value=bleu_of(counts[picked].sum(axis=0))), bleu_how),
        _measure("chrF2", told, lambda picked: Score(value=chrf_of(shared[picked].sum(axis=0))), chrf_how),
        _comet(rows, told, settings.comet, how),
    ]
    is_answered = np.array([row.answer is not None and row.answer_in is not None for row in rows], np.bool_)
    return [replace(each, of=_where_translated(each.of, is_answered)) for each in found]


def translated(row: Row) -> str:
    """Return the translation of a row, empty where there is none: an answer of the agent's is no translation."""
    return row.answer or "" if row.answer_in is not None else ""


def _where_translated(of: Callable[[Rows], Score], is_answered: NDArray[np.bool_]) -> Callable[[Rows], Score]:
    def on(rows: Rows) -> Score:
        if not rows.size:
            return NONE
        return of(rows) if is_answered[rows].any() else NOT_TRANSLATED

    return on


def _comet(rows: Sequence[Row], told: Rows, model: str, how: dict[str, object]) -> Measure:
    """Mean COMET times 100, as papers print it; without a model undefined, with the reason."""
    if not told.size:
        return Measure(name="COMET", rows=told, of=lambda _: NONE, how=how, scale=1.0)
    try:
        comet = find_comet(model)
    except CometMissing as why:
        missing = Score(value=None, reason=str(why))
        return Measure(name="COMET", rows=told, of=lambda _: missing, how=how, scale=1.0)

    @cache
    def scores() -> Floats | Score:
        segments = [_segment(rows[at]) for at in listed(told)]
        found = np.zeros(len(rows))
        try:
            found[told] = comet.scores(segments)
        except CometMissing as why:
            return Score(value=None, reason=str(why))
        return found

    def of(picked: Rows) -> Score:
        found = scores()
        return found if isinstance(found, Score) else Score(value=100 * float(found[picked].mean()))

    run_by = {"model": comet.name, "revision": comet.revision, "precision": "single", "comet": comet.package}
    return Measure(name="COMET", rows=told, of=of, how={**how, **run_by}, scale=1.0)


def _segment(row: Row) -> Segment:
    source, reference = str(row.truth.get("text") or ""), str(row.truth["translation"])
    return Segment(source=source, answer=translated(row), reference=reference)


def bleu_of(counts: Floats) -> float:
    """Return BLEU, in [0, 100], of summed counts: correct and total n-grams of orders 1 to 4, lengths of both."""
    whole: list[int] = counts.astype(np.int64).tolist()
    score = sacrebleu.BLEU.compute_bleu(  # pyright: ignore[reportUnknownMemberType]
        correct=whole[:ORDER],
        total=whole[ORDER : 2 * ORDER],
        sys_len=whole[-2],
        ref_len=whole[-1],
        smooth_method="exp",
    )
    return float(score.score)


def chrf_counts(answer: str, reference: str) -> list[int]:
    """Return n-grams of the answer, of the reference and shared, for each order of characters from 1 to 6."""
    ours = cast("list[Counter[str]]", extract_all_char_ngrams(answer, CHAR_ORDER))
    theirs = cast("list[Counter[str]]", extract_all_char_ngrams(reference, CHAR_ORDER))
    # As sacrebleu: n-grams count only where the reference has any of that order.
    return [
        count
        for one, other in zip(ours, theirs, strict=True)
        for count in (one.total() if other else 0, other.total(), (one & other).total())
    ]


def chrf_of(counts: Floats) -> float:
    """Return chrF2, in [0, 100], of summed counts: the F-score of mean precision and recall over orders that occur."""
    ours, theirs, both = counts.reshape(CHAR_ORDER, 3).T
    held = (ours > 0) & (theirs > 0)
    if not held.any():
        return 0.0
    precision = float((both[held] / ours[held]).mean())
    recall = float((both[held] / theirs[held]).mean())
    if not precision + recall:
        return 0.0
    return 100 * (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)


def _bleu_counts(bleu: sacrebleu.BLEU, answer: str, reference: str) -> list[int]:
    counted = bleu.corpus_score([answer], [[reference]])
    return [*counted.counts, *counted.totals, counted.sys_len, counted.ref_len]


def _measure(name: str, told: Rows, of: Callable[[Rows], Score], how: dict[str, object]) -> Measure:
    return Measure(name=name, rows=told, of=of, how=how, scale=1.0)
