"""The figures of a ledger, whole and by group, each with its interval and signature; and what was left out of which."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bench.machine import VERSION
from ..signature import Signature, sign
from ..statistics import Interval, bootstrap_blocks
from .affect import affect_measures
from .emotion import confusion_of, decision_measures, distribution_measures
from .errors import ScoreImpossible
from .groups import group_of
from .measure import blocks_of, is_scored, listed
from .partials import partials_measures
from .said import label_set, own_label, said, true_label
from .spent import cost, latencies
from .translation import translation_measures
from .words import words_measures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..replay.row import Row
    from ..statistics import Rows
    from .ledger import Ledger
    from .measure import Measure, ScoreSettings
    from .said import Said

ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of one group of rows.

    Attributes:
        name, group: what of which rows; "all" are all.
        value, low, high: as `Measure.of` gives them, not scaled; None where undefined, `reason` then says why.
        n, n_undefined: rows, and draws in which it was undefined (they are left out of the interval).
        scale, decimals: how it is printed.
        signature: how it was made.
    """

    name: str
    group: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    signature: Signature
    reason: str = ""
    n_undefined: int = 0
    scale: float = 1.0
    decimals: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreReport:
    """All that a ledger says.

    Attributes:
        labels: the fixed label set; `confusion`: true labels by said ones, the last column being none of the set.
        counts: rows by status, context only, labels that are none of the set, rows without an answer.
        latency: by field of times.jsonl; `cost`: of language models.
    """

    labels: tuple[str, ...]
    figures: tuple[Figure, ...]
    counts: Mapping[str, int]
    confusion: list[list[int]] = field(default_factory=list[list[int]])
    latency: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, dict[str, float]])
    cost: Mapping[str, float] = field(default_factory=dict[str, float])


def score(ledger: Ledger, settings: ScoreSettings, *, by: Sequence[str] = ()) -> ScoreReport:
    """Return the figures of a ledger.

    `by`: what rows are grouped by, one after the other, as `groups.GROUPS` names it.

    Raises:
        ScoreImpossible: no one label set, no such group, block or figure.
    """
    rows = ledger.rows
    labels = label_set(rows, settings)
    heard = said(rows, labels=labels, settings=settings)
    measures = measures_of(rows, heard, settings)
    kind, blocks = blocks_of(rows, settings.blocks)
    drawn = Drawn(kind=kind, blocks=tuple(blocks), run=ledger.run, settings=settings)
    groups: dict[str, Rows] = {ALL: np.arange(len(rows))}
    for name in by:
        groups |= _groups(rows, name, settings)
    figures = [figure(each, picked, group=group, drawn=drawn) for group, picked in groups.items() for each in measures]
    return ScoreReport(
        labels=labels,
        figures=tuple(figures),
        counts=counts_of(rows, heard, settings),
        confusion=confusion_of(heard),
        latency=latencies(ledger.times),
        cost=cost(rows, ledger.times),
    )


def measures_of(rows: Sequence[Row], heard: Said, settings: ScoreSettings) -> list[Measure]:
    """Return every measure asked for over `rows`, those that are undefined on them too.

    Raises:
        ScoreImpossible: one is asked for that is not known.
    """
    found = [
        *words_measures(rows, settings),
        *partials_measures(rows, settings),
        *decision_measures(heard, settings),
        *distribution_measures(heard, settings),
        *affect_measures(rows),
        *translation_measures(rows, settings),
    ]
    unknown = set(settings.figures) - {each.name for each in found}
    if unknown:
        known = ", ".join(each.name for each in found)
        raise ScoreImpossible(f"there is no figure {', '.join(sorted(unknown))}, only {known}")
    return [each for each in found if not settings.figures or each.name in settings.figures]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """How figures are drawn again: the kind of block, each row's block, and what stands in every signature."""

    kind: str
    blocks: tuple[str, ...]
    run: str
    settings: ScoreSettings

    def of(self, rows: Rows) -> list[str]:
        """Return the blocks of `rows`."""
        return [self.blocks[at] for at in listed(rows)]


def figure(measure: Measure, picked: Rows, *, group: str, drawn: Drawn) -> Figure:
    """Return a measure on those of `picked` that it is about."""
    rows = np.intersect1d(measure.rows, picked)
    found = measure.of(rows)
    blocks = drawn.of(rows)
    interval = Interval(value=found.value, low=None, high=None)
    reason = found.reason
    if found.value is not None and len(set(blocks)) > 1:
        interval = bootstrap_blocks(blocks, lambda at: measure.value(rows[at]), resampling=drawn.settings.resampling)
    elif found.value is not None:
        reason = f"no interval: all rows are of one {drawn.kind}"
    return Figure(
        name=measure.name,
        group=group,
        value=found.value,
        low=interval.low,
        high=interval.high,
        n=int(rows.size),
        signature=sign(signature_fields(measure, rows, group=group, drawn=drawn), version=VERSION),
        reason=reason,
        n_undefined=interval.n_undefined,
        scale=measure.scale,
        decimals=measure.decimals,
    )


def signature_fields(measure: Measure, rows: Rows, *, group: str, drawn: Drawn) -> dict[str, Any]:
    """Return what the figure depends on, in the order it is told; what would end a field is written otherwise."""
    resampling = drawn.settings.resampling
    told = {
        "metric": measure.name,
        "rows": None if group == ALL else group,
        **measure.how,
        "n": int(rows.size),
        "blocks": f"{drawn.kind}:{len(set(drawn.of(rows)))}",
        "bs": resampling.draws,
        "seed": resampling.seed,
        "level": resampling.level,
        "ci": None if resampling.ends == "percentile" else resampling.ends,
        "run": drawn.run,
    }
    known = {name: str(value) for name, value in told.items() if value is not None}
    return {name: " ".join(value.replace("|", "/").split()) for name, value in known.items()}


def counts_of(rows: Sequence[Row], heard: Said, settings: ScoreSettings) -> dict[str, int]:
    """Return how many rows there are of which kind: what no figure is about is counted here."""
    status = Counter(row.status for row in rows)
    told = [true_label(row, settings) or own_label(row) for row in rows if is_scored(row)]
    others = Counter(label for label in told if label is not None and label not in heard.labels)
    return {
        "rows": len(rows),
        **{f"status {name}": status[name] for name in ("ok", "no_speech", "unreadable", "failed")},
        "context only": sum(not is_scored(row) for row in rows),
        "without a label": sum(label is None for label in told),
        **{f"left out, {label} is none of the labels": n for label, n in sorted(others.items())},
        "without a label said": int((~heard.is_answered[heard.truth >= 0]).sum()),
        "without a distribution": int((~heard.has_distribution[heard.truth >= 0]).sum()),
    }


def _groups(rows: Sequence[Row], name: str, settings: ScoreSettings) -> dict[str, Rows]:
    found: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        if is_scored(row):
            found.setdefault(group_of(row, name, settings), []).append(at)
    return {f"{name}={value}": np.array(members, np.intp) for value, members in sorted(found.items())}
