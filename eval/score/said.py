"""What a row says of a feeling and what is true, over one fixed label set. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from agent.labels import BIG_FOUR, EIGHT, FALLBACK

from ..distances import VOTE_DECIMALS, vote_shares
from .errors import ScoreImpossible
from .measure import final_of, is_scored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..metrics import Classes, Floats
    from ..replay.row import Row
    from .measure import ScoreSettings

LABEL_SETS: Final = {"big-four": BIG_FOUR, "eight": EIGHT}
NOT_SAID: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Rows over a label set; all arrays have one line per row.

    Attributes:
        labels: the label set.
        truth: index of the true label, NOT_SAID where the row has none of the set or does not count.
        predicted: index of the label said, after the fallback rule; NOT_SAID: counted wrong whatever is true.
        is_answered: whether a label of the set was said before that rule.
        distributions: shape (n, n labels), each summing to 1; uniform where `has_distribution` is not true.
        votes: shape (n, n labels): shares as paper 001's group rounds them, zeros where nobody voted for the set.
        shares: the same, not rounded.
    """

    labels: tuple[str, ...]
    truth: Classes
    predicted: Classes
    is_answered: NDArray[np.bool_]
    distributions: Floats
    has_distribution: NDArray[np.bool_]
    votes: Floats
    shares: Floats

    @property
    def is_voted(self) -> NDArray[np.bool_]:
        """Whether annotators' votes for the label set are told."""
        return self.shares.sum(axis=1) > 0


def label_set(rows: Sequence[Row], settings: ScoreSettings) -> tuple[str, ...]:
    """Return the label set asked for, else that of the estimates, else that of the truths.

    Raises:
        ScoreImpossible: the estimates are over several label sets.
    """
    if settings.labels:
        return settings.labels
    found = {tuple(sorted(_mapped(settings, estimate.get("distribution")))) for estimate in _last(rows)} - {()}
    if len(found) > 1:
        told = "; ".join(", ".join(labels) for labels in sorted(found))
        raise ScoreImpossible(f"estimates are over several label sets ({told}): say which is meant (--labels)")
    labels = found.pop() if found else tuple(sorted({label for row in rows if (label := true_label(row, settings))}))
    named = [known for known in LABEL_SETS.values() if set(known) == set(labels)]
    return named[0] if named else labels


def true_label(row: Row, settings: ScoreSettings) -> str | None:
    """Return the row's true label under the mapping, None where none was agreed on or the row does not count.

    A label of the corpus that has no place among ours counts only where the mapping gives it one.
    """
    if not is_scored(row):
        return None
    own, label = own_label(row), row.truth.get("emotion")
    if label is None:
        return None if own is None else settings.mapping.get(own)
    return settings.mapping.get(label, label) if isinstance(label, str) else None


def own_label(row: Row) -> str | None:
    """Return the label as the corpus calls it, None where it tells none."""
    own = row.truth.get("label")
    return own if isinstance(own, str) else None


def said(rows: Sequence[Row], *, labels: tuple[str, ...], settings: ScoreSettings) -> Said:
    """Return what `rows` say and what is true over `labels`."""
    at = {label: index for index, label in enumerate(labels)}
    found = [_distribution(row, labels, settings) for row in rows]
    answers = [_answer(row, each, labels=labels, settings=settings) for row, each in zip(rows, found, strict=True)]
    fallback = at.get(FALLBACK, NOT_SAID) if settings.fallback == "neutral" else NOT_SAID
    uniform = np.full(len(labels), 1 / max(1, len(labels)))
    shares = np.array([_shares(row, labels, settings) for row in rows]).reshape(len(rows), len(labels))
    return Said(
        labels=labels,
        truth=np.array([at.get(true_label(row, settings) or "", NOT_SAID) for row in rows], np.intp),
        predicted=np.array([at.get(answer or "", fallback) for answer in answers], np.intp),
        is_answered=np.array([answer in at for answer in answers], np.bool_),
        distributions=np.array([uniform if each is None else each for each in found]).reshape(shares.shape),
        has_distribution=np.array([each is not None for each in found], np.bool_),
        votes=shares.round(VOTE_DECIMALS),
        shares=shares,
    )


def _last(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [final for row in rows if (final := final_of(row))]


def _mapped(settings: ScoreSettings, distribution: object) -> dict[str, float]:
    """Labels with numbers under the mapping: what is called alike is added up; what is no number is left out."""
    found: dict[str, float] = {}
    if not isinstance(distribution, dict):
        return found
    for label, p in cast("dict[str, Any]", distribution).items():
        if isinstance(p, int | float) and p >= 0:
            name = settings.mapping.get(label, label)
            found[name] = found.get(name, 0.0) + float(p)
    return found


def _distribution(row: Row, labels: tuple[str, ...], settings: ScoreSettings) -> Floats | None:
    """The final estimate over `labels`, from its own label set or from its eight classes; None where it tells none."""
    final = final_of(row)
    for key in ("distribution", "eight"):
        told = _mapped(settings, final.get(key))
        total = sum(told.get(label, 0.0) for label in labels)
        if set(labels) <= set(told) and total > 0:
            return np.array([told[label] / total for label in labels])
    return None


def _answer(row: Row, distribution: Floats | None, *, labels: tuple[str, ...], settings: ScoreSettings) -> str | None:
    """The label said, which may be none of the set; a set the estimate was not over is read off its distribution."""
    final = final_of(row)
    own = _mapped(settings, final.get("distribution"))
    is_over_set = not own or set(labels) <= set(own)
    if distribution is not None and (settings.decide == "argmax" or not is_over_set):
        return labels[int(distribution.argmax())]
    top = final.get("top")
    return settings.mapping.get(top, top) if isinstance(top, str) else None


def _shares(row: Row, labels: tuple[str, ...], settings: ScoreSettings) -> Floats:
    """Shares of annotators' votes within `labels`; others are dropped (AER-LLM). Zeros: none, or it does not count."""
    counts = _mapped(settings, row.truth.get("votes")) if is_scored(row) else {}
    found = vote_shares(counts, labels)
    return np.zeros(len(labels)) if found is None else found
