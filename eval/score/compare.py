"""Two runs on the same items: each measure of both, the difference with its interval, and whether it is chance."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..bench.machine import VERSION
from ..signature import Signature, sign
from ..statistics import Interval, paired_bootstrap
from .errors import ScoreImpossible
from .measure import blocks_of
from .paired import TRIALS, holm, randomisation_p
from .report import ALL, Drawn, measures_of, signature_fields
from .said import label_set, said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..replay.row import Row
    from .ledger import Ledger
    from .measure import Better, Measure, ScoreSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One measure of two runs.

    Attributes:
        a, b: its values, not scaled; `reason` says why one is None.
        difference: b - a with its interval.
        p, p_holm: of approximate randomisation, and adjusted for all tests of the comparison; None: not tested.
        better: which way is better.
        n: items, the same for both.
    """

    name: str
    a: float | None
    b: float | None
    difference: Interval
    n: int
    signature: Signature
    p: float | None = None
    p_holm: float | None = None
    reason: str = ""
    better: Better = ""
    scale: float = 1.0
    decimals: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs compared; items that only one of them has are counted and left out of both."""

    labels: tuple[str, ...]
    differences: tuple[Difference, ...]
    n_items: int
    n_only_a: int
    n_only_b: int


def compare(a: Ledger, b: Ledger, settings: ScoreSettings, *, trials: int = TRIALS) -> Comparison:
    """Return what differs between two runs on the items that both have.

    Raises:
        ScoreImpossible: no item is in both, one has two truths, or their estimates are over different label sets.
    """
    pairs = _pairs(a.rows, b.rows)
    first = [one for one, _ in pairs]
    table = [*first, *(other for _, other in pairs)]
    labels = label_set(table, settings)
    measures = measures_of(table, said(table, labels=labels, settings=settings), settings)
    kind, blocks = blocks_of(first, settings.blocks)
    run = f"{a.run} vs {b.run}"
    drawn = Drawn(kind=kind, blocks=tuple(blocks), run=run, settings=settings)
    found = [_difference(each, n=len(pairs), drawn=drawn, trials=trials) for each in measures]
    return Comparison(
        labels=labels,
        differences=tuple(_adjusted(found)),
        n_items=len(pairs),
        n_only_a=len(a.rows) - len(pairs),
        n_only_b=len(b.rows) - len(pairs),
    )


def _pairs(one: Sequence[Row], other: Sequence[Row]) -> list[tuple[Row, Row]]:
    of = {(row.corpus, row.item): row for row in other}
    pairs = [(row, of[row.corpus, row.item]) for row in one if (row.corpus, row.item) in of]
    if not pairs:
        raise ScoreImpossible("the two ledgers have no item in common: compare two runs over one corpus")
    for left, right in pairs:
        if left.truth != right.truth:
            raise ScoreImpossible(
                f"the two ledgers tell different truths of item {left.item!r}: replay both from the same corpus"
            )
    return pairs


def _difference(measure: Measure, *, n: int, drawn: Drawn, trials: int) -> Difference:
    rows = measure.rows[measure.rows < n]
    a, b = measure.of(rows), measure.of(rows + n)
    blocks = drawn.of(rows)
    is_known = a.value is not None and b.value is not None
    reasons = dict.fromkeys(f"{name}: {score.reason}" for name, score in (("A", a), ("B", b)) if score.value is None)
    interval, p = Interval(value=None, low=None, high=None), None
    if is_known and len(set(blocks)) > 1:
        interval = paired_bootstrap(
            blocks,
            lambda at: measure.value(rows[at] + n),
            lambda at: measure.value(rows[at]),
            resampling=drawn.settings.resampling,
        )
        if measure.better:
            seed = drawn.settings.resampling.seed
            p = randomisation_p(blocks, measure.value, rows=rows, n=n, trials=trials, seed=seed)
    elif a.value is not None and b.value is not None:
        interval = Interval(value=b.value - a.value, low=None, high=None)
        reasons = {f"no interval and no test: all rows are of one {drawn.kind}": None}
    fields: dict[str, Any] = signature_fields(measure, rows, group=ALL, drawn=drawn)
    fields |= {"test": f"approximate randomisation by {drawn.kind}" if p is not None else None}
    fields |= {"trials": trials if p is not None else None}
    return Difference(
        name=measure.name,
        a=a.value,
        b=b.value,
        difference=interval,
        n=int(rows.size),
        signature=sign(fields, version=VERSION),
        p=p,
        reason="; ".join(reasons),
        better=measure.better,
        scale=measure.scale,
        decimals=measure.decimals,
    )


def _adjusted(found: Sequence[Difference]) -> list[Difference]:
    """The differences with p adjusted for as many tests as there are; the signature says how many."""
    tested = [each for each in found if each.p is not None]
    adjusted = dict(zip((each.name for each in tested), holm([each.p or 0.0 for each in tested]), strict=True))
    return [
        replace(each, p_holm=adjusted[each.name], signature=_with_holm(each.signature, len(tested)))
        if each.name in adjusted
        else each
        for each in found
    ]


def _with_holm(signature: Signature, n_tests: int) -> Signature:
    return Signature(fields=(*signature.fields, ("holm", str(n_tests))), version=signature.version)


def significant(difference: Difference, level: float) -> bool:
    """Tell whether the difference is beyond chance, all tests of the comparison considered."""
    return difference.p_holm is not None and difference.p_holm < 1 - level
