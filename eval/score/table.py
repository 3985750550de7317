"""Scores and comparisons as Markdown and as JSON. Pure; the same figures give the same bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .compare import significant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..signature import Signature
    from ..statistics import Interval
    from .compare import Comparison, Difference
    from .report import Figure, ScoreReport

DIGITS = 6
NONE = "-"
METRIC = "metric"


def score_table(report: ScoreReport) -> str:
    """Return the figures as Markdown: defined ones in a table, the others with their reasons, then all signatures."""
    known = [each for each in report.figures if each.value is not None]
    signatures = _Signatures(each.signature for each in known)
    lines = ["| rows | figure | value [95 %] | n | signature |", "|---|---|---|---|---|"]
    lines[0] = lines[0].replace("95 %", _level(report.figures))
    lines += [
        f"| {_cell(each.group)} | {_named(each.name, each.scale)} | {_value(each)} | {each.n} "
        f"| {signatures.number(each.signature)} |"
        for each in known
    ]
    sections = [
        lines,
        _undefined((each.group, each.name, each.reason) for each in report.figures if each.value is None),
        [f"- {name}: {n}" for name, n in report.counts.items()],
        _confusion(report),
        _latency(report),
        [f"- {name}: {value:g}" for name, value in report.cost.items()] if report.cost.get("calls") else [],
        signatures.lines(),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def score_json(report: ScoreReport) -> str:
    """Return the report as JSON; what is undefined is null with its reason."""
    return _json(
        {
            "labels": list(report.labels),
            "counts": dict(report.counts),
            "figures": [
                {
                    "figure": each.name,
                    "rows": each.group,
                    "value": _round(each.value),
                    "low": _round(each.low),
                    "high": _round(each.high),
                    "n": each.n,
                    "undefined_draws": each.n_undefined,
                    "reason": each.reason or None,
                    "signature": str(each.signature),
                }
                for each in report.figures
            ],
            "confusion": report.confusion,
            "latency": {name: {at: _round(x) for at, x in spread.items()} for name, spread in report.latency.items()},
            "cost": dict(report.cost),
        }
    )


def comparison_table(comparison: Comparison, *, level: float) -> str:
    """Return the differences as Markdown; a star stands where one is beyond chance after Holm."""
    known = [each for each in comparison.differences if each.a is not None and each.b is not None]
    signatures = _Signatures(each.signature for each in known)
    lines = [
        f"| figure | better | A | B | B - A [{100 * level:g} %] | p | p (Holm) | n | signature |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [f"{_difference(each, level)} | {signatures.number(each.signature)} |" for each in known]
    items = f"{comparison.n_items} items in both, {comparison.n_only_a} in A only, {comparison.n_only_b} in B only"
    sections = [
        lines,
        _undefined(("all", each.name, each.reason) for each in comparison.differences if each.reason),
        [items + " (left out)" if comparison.n_only_a or comparison.n_only_b else items],
        signatures.lines(),
    ]
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def comparison_json(comparison: Comparison, *, level: float) -> str:
    """Return the comparison as JSON."""
    return _json(
        {
            "labels": list(comparison.labels),
            "items": comparison.n_items,
            "only_a": comparison.n_only_a,
            "only_b": comparison.n_only_b,
            "figures": [
                {
                    "figure": each.name,
                    "better": each.better or None,
                    "a": _round(each.a),
                    "b": _round(each.b),
                    "difference": _round(each.difference.value),
                    "low": _round(each.difference.low),
                    "high": _round(each.difference.high),
                    "undefined_draws": each.difference.n_undefined,
                    "p": _round(each.p),
                    "p_holm": _round(each.p_holm),
                    "is_significant": significant(each, level),
                    "n": each.n,
                    "reason": each.reason or None,
                    "signature": str(each.signature),
                }
                for each in comparison.differences
            ],
        }
    )


def _difference(each: Difference, level: float) -> str:
    star = " *" if significant(each, level) else ""
    told = [
        _named(each.name, each.scale),
        each.better or NONE,
        _number(each.a, each),
        _number(each.b, each),
        _interval(each.difference, each),
        _p(each.p),
        _p(each.p_holm) + star,
        str(each.n),
    ]
    return f"| {' | '.join(told)}"


class _Signatures:
    """Signatures as they stand below a table: figures that differ only in what they are share one."""

    def __init__(self, signatures: Iterable[Signature]) -> None:
        self._metrics: dict[str, list[str]] = {}
        for each in signatures:
            metric = each.get(METRIC) or NONE
            metrics = self._metrics.setdefault(self._rest(each), [])
            if metric not in metrics:
                metrics.append(metric)

    def number(self, signature: Signature) -> int:
        """The number of a signature, from 1."""
        return 1 + list(self._metrics).index(self._rest(signature))

    def lines(self) -> list[str]:
        """All of them, numbered."""
        return [
            f"{at}. `{METRIC}:{', '.join(metrics)}|{rest}`"
            for at, (rest, metrics) in enumerate(self._metrics.items(), 1)
        ]

    @staticmethod
    def _rest(signature: Signature) -> str:
        rest = tuple((key, value) for key, value in signature.fields if key != METRIC)
        return str(replace(signature, fields=rest))


def _level(figures: Sequence[Figure]) -> str:
    level = figures[0].signature.get("level") if figures else None
    return f"{100 * float(level or 0.95):g} %"


def _undefined(found: Iterable[tuple[str, str, str]]) -> list[str]:
    """One line per reason, so that what a ledger does not hold takes one line and not thirty."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for group, name, reason in found:
        by_reason.setdefault((group, reason), []).append(name)
    return [
        f"- {_cell(group)}, undefined: {', '.join(names)} ({reason})" for (group, reason), names in by_reason.items()
    ]


def _confusion(report: ScoreReport) -> list[str]:
    if not any(map(sum, report.confusion)):
        return []
    return [
        f"| true \\ said | {' | '.join(map(_cell, report.labels))} | (none) |",
        "|---|" + "---|" * (len(report.labels) + 1),
        *(
            f"| {_cell(label)} | {' | '.join(map(str, row))} |"
            for label, row in zip(report.labels, report.confusion, strict=True)
        ),
    ]


def _latency(report: ScoreReport) -> list[str]:
    if not report.latency:
        return []
    heads = list(next(iter(report.latency.values())))
    return [
        f"| time | {' | '.join(heads)} |",
        "|---|" + "---|" * len(heads),
        *(
            f"| {_cell(name)} | {' | '.join(f'{value:.4g}' for value in spread.values())} |"
            for name, spread in report.latency.items()
        ),
    ]


def _named(name: str, scale: float) -> str:
    return f"{_cell(name)} %" if scale == 100 else _cell(name)


def _value(each: Figure) -> str:
    shown = f"{_scaled(each.value, each)}{_bounds(each.low, each.high, each)}"
    if each.n_undefined:
        shown += f" ({each.n_undefined} draws undefined)"
    return f"{shown} ({each.reason})" if each.reason else shown


def _interval(interval: Interval, of: Difference) -> str:
    if interval.value is None:
        return NONE
    sign = "+" if interval.value >= 0 else ""
    return f"{sign}{_scaled(interval.value, of)}{_bounds(interval.low, interval.high, of)}"


def _bounds(low: float | None, high: float | None, of: Figure | Difference) -> str:
    return "" if low is None or high is None else f" [{_scaled(low, of)}, {_scaled(high, of)}]"


def _number(value: float | None, of: Difference) -> str:
    return NONE if value is None else _scaled(value, of)


def _scaled(value: float | None, of: Figure | Difference) -> str:
    assert value is not None
    # Adding 0 takes the sign off a rounded zero.
    return f"{round(value * of.scale, of.decimals) + 0.0:.{of.decimals}f}"


def _p(p: float | None) -> str:
    return NONE if p is None else f"{p:.4f}"


def _cell(text: str) -> str:
    """A name from a corpus in a cell of a table: on one line, without the mark that ends a cell."""
    return " ".join(text.split()).replace("|", "\\|")


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS) + 0.0


def _json(told: dict[str, Any]) -> str:
    return json.dumps(told, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
