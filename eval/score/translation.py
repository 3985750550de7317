"""How well translations match the reference: BLEU and chrF as sacrebleu counts them, on any selection of rows.

A row without an answer has the empty translation. COMET is a model of its own and is not run here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import numpy as np
import sacrebleu
from sacrebleu.metrics.helpers import extract_all_char_ngrams  # pyright: ignore[reportUnknownVariableType]

from ..metrics import Floats, Score
from .measure import Measure, is_scored, listed, rows_where

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from ..replay.row import Row
    from ..statistics import Rows

ORDER: Final = 4
CHAR_ORDER: Final = 6
BETA: Final = 2
TOKENIZERS: Final = {"zh": "zh", "ja": "char", "th": "char"}
"""By target language; 13a, sacrebleu's own default, for the others."""
NONE: Final = Score(value=None, reason="no row tells a reference translation")
NO_COMET: Final = Score(value=None, reason="its model is not run by `score`")


def translation_measures(rows: Sequence[Row]) -> list[Measure]:
    """Return BLEU, chrF and COMET over the rows that have a reference."""
    told = rows_where([is_scored(row) and isinstance(row.truth.get("translation"), str) for row in rows])
    targets = sorted({str(rows[at].truth.get("target") or "untold") for at in listed(told)})
    tokenizer = TOKENIZERS.get(targets[0].split("-")[0], "13a") if len(targets) == 1 else "13a"
    bleu = sacrebleu.BLEU(tokenize=tokenizer, effective_order=False)
    counts = np.zeros((len(rows), 2 * ORDER + 2))
    shared = np.zeros((len(rows), 3 * CHAR_ORDER))
    for at in listed(told):
        answer, reference = rows[at].answer or "", str(rows[at].truth["translation"])
        counts[at] = _bleu_counts(bleu, answer, reference)
        shared[at] = chrf_counts(answer, reference)
    how: dict[str, object] = {"target": "+".join(targets) or None, "missing": "empty"}
    version: dict[str, object] = {"sacrebleu": sacrebleu.__version__}
    one: dict[str, object] = {"nrefs": 1, "case": "mixed"}
    bleu_how = one | {"eff": "no", "tok": tokenizer, "smooth": "exp"} | how | version
    chrf_how = one | {"eff": "yes", "nc": CHAR_ORDER, "nw": 0, "space": "no"} | how | version
    return [
        _measure("BLEU", told, lambda picked: bleu_of(counts[picked].sum(axis=0)), bleu_how),
        _measure("chrF2", told, lambda picked: chrf_of(shared[picked].sum(axis=0)), chrf_how),
        Measure(name="COMET", rows=told, of=lambda picked: NO_COMET if picked.size else NONE, how=how),
    ]


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


def _measure(name: str, told: Rows, of: Callable[[Rows], float], how: dict[str, object]) -> Measure:
    return Measure(
        name=name,
        rows=told,
        of=lambda rows: Score(value=of(rows)) if rows.size else NONE,
        how=how,
        scale=1.0,
    )
