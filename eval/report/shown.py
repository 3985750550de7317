"""Figures as they are printed, and where they lie on their axes. Pure.

The numbers are those of `score` and `compare`, rounded as these print them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..score.compare import significant
from ..score.measure import PERCENT
from .values import Bar, Family, Undefined

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..score.compare import Difference
    from ..score.report import Figure
    from ..signature import Signature

GLOSSES: Final = {
    "WER": "words heard wrong, per word said",
    "CER": "the same by characters",
    "oracle WER": "of the best reading in each list",
    "revised WER": "after the estimate revised the words",
    "sentence error rate": "items with a word heard wrong",
    "unstable partial words": "words shown and taken back",
    "edit overhead": "changes to what was shown, beyond need",
    "UA": "mean recall over the labels",
    "WA": "share told right",
    "macro F1": "mean F1 over the labels",
    "weighted F1": "F1 weighed by how common a label is",
    "no label said": "estimates that name none of the labels",
    "KL(p|t)": "distance from the votes",
    "KL(t|p)": "distance from the votes",
    "BC": "overlap with the votes",
    "BD": "distance from the votes",
    "R2": "agreement with the votes",
    "JS": "distance from the votes",
    "threshold macro F1": "labels above an even share",
    "ECE": "how far from as right as sure",
    "Brier": "squared error of the shares",
    "CCC arousal": "agreement with the annotators",
    "CCC dominance": "agreement with the annotators",
    "CCC valence": "agreement with the annotators",
    "BLEU": "translation: shared n-grams",
    "chrF2": "translation: shared characters",
    "COMET": "translation: learned",
}
_FAMILIES: Final = (
    ("Words", ("WER", "CER", "oracle WER", "revised WER", "sentence", "unstable partial", "edit overhead")),
    ("Feelings", ("UA", "WA", "macro F1", "weighted F1", "recall ", "no label said")),
    (
        "Beside the votes, and how sure",
        ("KL", "BC", "BD", "R2", "JS", "threshold", "ECE", "Brier"),
    ),
    ("Arousal, dominance, valence", ("CCC",)),
    ("Translation", ("BLEU", "chrF", "COMET")),
)
OTHERS: Final = "Others"


def gloss(name: str) -> str:
    """Return a figure in plain words, "" where its name says it."""
    return f"{name.removeprefix('recall ')} items called so" if name.startswith("recall ") else GLOSSES.get(name, "")


def family_of(name: str) -> str:
    """Return the heading a figure stands under."""
    return next((title for title, names in _FAMILIES if name.startswith(names)), OTHERS)


def written(value: float, of: Figure | Difference) -> str:
    """Return a value as it is printed, without its unit."""
    # Adding 0 takes the sign off a rounded zero.
    return f"{round(value * of.scale, of.decimals) + 0.0:.{of.decimals}f}"


def unit_of(of: Figure | Difference) -> str:
    """Return the unit a figure is printed in."""
    return "%" if of.scale == PERCENT else ""


def bounds(low: float | None, high: float | None, of: Figure | Difference) -> str:
    """Return an interval as it is printed, "" where there is none."""
    return "" if low is None or high is None else f"[{written(low, of)}, {written(high, of)}]"


class Signatures:
    """Signatures as they stand below; figures that differ only in what they are share one number."""

    def __init__(self) -> None:
        self._metrics: dict[str, list[str]] = {}

    def number(self, signature: Signature) -> int:
        """Return the number of a signature, from 1."""
        rest = str(replace(signature, fields=tuple(pair for pair in signature.fields if pair[0] != "metric")))
        metrics = self._metrics.setdefault(rest, [])
        name = signature.get("metric") or "-"
        if name not in metrics:
            metrics.append(name)
        return 1 + list(self._metrics).index(rest)

    @property
    def lines(self) -> tuple[tuple[str, ...], ...]:
        """The fields of all of them, in the order of their numbers."""
        return tuple((f"metric:{', '.join(metrics)}", *rest.split("|")) for rest, metrics in self._metrics.items())


def axis_of(of: Figure | Difference) -> tuple[float, float] | None:
    """Return the ends of a figure's axis, in values that are not scaled; None where it has no natural ends."""
    if of.scale == PERCENT or of.name in {"BC", "R2", "ECE"}:
        return 0.0, 1.0
    if of.name.startswith("CCC"):
        return -1.0, 1.0
    return (0.0, 100.0) if of.name.startswith(("BLEU", "chrF")) else None


def figure_bar(figure: Figure, signatures: Signatures, *, name: str = "", label: str = "", side: str = "") -> Bar:
    """Return a figure as a bar from the zero of its axis; what is undefined keeps its reason."""
    axis = axis_of(figure)
    head = Bar(
        name=name or figure.name,
        gloss="" if name else gloss(figure.name),
        n=figure.n,
        label=label,
        group=figure.group,
        reason=figure.reason,
        side=side,
    )
    if figure.value is None:
        return head
    return replace(
        head,
        value=written(figure.value, figure),
        unit=unit_of(figure),
        interval=bounds(figure.low, figure.high, figure),
        draws=f"{figure.n_undefined} draws undefined" if figure.n_undefined else "",
        signature=signatures.number(figure.signature),
        begin=_place(min(0.0, figure.value), axis),
        end=_place(max(0.0, figure.value), axis),
        low=_place(figure.low, axis),
        high=_place(figure.high, axis),
    )


def families(figures: Iterable[Figure], signatures: Signatures) -> tuple[Family, ...]:
    """Return the figures that are defined, under their headings."""
    found: dict[str, list[Bar]] = {}
    for each in figures:
        if each.value is not None:
            found.setdefault(family_of(each.name), []).append(figure_bar(each, signatures))
    return tuple(Family(title=title, bars=tuple(bars)) for title, bars in found.items())


def undefined(pairs: Iterable[tuple[str, str]]) -> tuple[Undefined, ...]:
    """Return (name, reason) pairs with one line for each reason."""
    found: dict[str, list[str]] = {}
    for name, reason in pairs:
        # Of two runs for which it is undefined alike, it is said once.
        one, _, other = reason.partition("; B: ")
        found.setdefault(other if one == f"A: {other}" else reason, []).append(name)
    return tuple(Undefined(names=", ".join(names), reason=reason) for reason, names in found.items())


def difference_families(
    differences: Sequence[Difference], signatures: Signatures, *, level: float
) -> tuple[Family, ...]:
    """Return the differences that are known, under their headings; what is measured alike shares an axis around 0."""
    found: dict[str, list[Difference]] = {}
    for each in differences:
        if each.a is not None and each.b is not None:
            found.setdefault(family_of(each.name), []).append(each)
    return tuple(
        Family(title=title, bars=tuple(_difference_bar(each, signatures, level=level, some=some) for each in some))
        for title, some in found.items()
    )


def _difference_bar(each: Difference, signatures: Signatures, *, level: float, some: Sequence[Difference]) -> Bar:
    assert each.a is not None
    assert each.b is not None
    told = each.difference
    value = told.value if told.value is not None else each.b - each.a
    own = axis_of(each)
    reach = _reach([each] if own is None else [other for other in some if axis_of(other) == own])
    axis = (-reach, reach)
    return Bar(
        name=each.name,
        gloss=gloss(each.name),
        value=f"{'+' if value >= 0 else ''}{written(value, each)}",
        unit="pts" if each.scale == PERCENT else "",
        interval=bounds(told.low, told.high, each),
        n=each.n,
        signature=signatures.number(each.signature),
        begin=_place(min(0.0, value), axis),
        end=_place(max(0.0, value), axis),
        low=_place(told.low, axis),
        high=_place(told.high, axis),
        draws=f"{told.n_undefined} draws undefined" if told.n_undefined else "",
        reason=each.reason,
        tone=tone_of(each, level=level),
        more=(written(each.a, each), written(each.b, each), _p(each.p), _p(each.p_holm)),
    )


def tone_of(each: Difference, *, level: float) -> str:
    """Return "better" or "worse" where B differs from A beyond chance, all tests considered; else ""."""
    if not significant(each, level) or each.a is None or each.b is None:
        return ""
    return "better" if (each.b > each.a) == (each.better == "higher") else "worse"


def _reach(some: Iterable[Difference]) -> float:
    ends = [
        abs(end)
        for each in some
        for end in (each.difference.value, each.difference.low, each.difference.high)
        if end is not None
    ]
    return max(ends, default=0.0) or 1.0


def _p(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _place(value: float | None, axis: tuple[float, float] | None) -> float | None:
    """The place of a value in percent of its axis, at its ends where it lies beyond them."""
    if value is None or axis is None:
        return None
    low, high = axis
    return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 2)
