"""Figures of the word model on texts it has not seen, through the run-time code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from agent.backends.emotion.fusion import FusionSettings, doubted
from agent.backends.emotion.spoken import words_of
from agent.labels import BIG_FOUR, EIGHT

from ..metrics import (
    Score,
    calibration_error,
    class_weights,
    macro_f1,
    unweighted_accuracy,
    weighted_accuracy,
    weighted_f1,
)
from ..signature import fingerprint, sign
from ..statistics import bootstrap_blocks, bootstrap_stratified
from .goemotions import big_four_targets, eight_targets
from .meld import BIG_FOUR_OF
from .report import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from agent.backends.emotion.text import TextModel

    from ..statistics import Resampling
    from .goemotions import Comment
    from .meld import Line

Floats: TypeAlias = NDArray[np.float64]
Classes: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """Texts with their true class and the model's distributions over `labels`.

    `fields` begin the signatures. `blocks` are drawn again for the intervals; None draws utterances within their class.
    """

    title: str
    fields: dict[str, str]
    labels: tuple[str, ...]
    truth: Classes
    distributions: Floats
    blocks: Sequence[Hashable] | None = None

    @property
    def said(self) -> Classes:
        """The most likely label of each text."""
        return self.distributions.argmax(axis=1)


def judged_comments(model: TextModel, comments: Sequence[Comment], *, split: str) -> tuple[Judged, Judged]:
    """Return what the model says of GoEmotions comments that have a narrow Big Four class, and one of the eight."""
    estimates = model.estimate_many([comment.text for comment in comments])
    data = f"goemotions-{split}#{fingerprint([comment.text.encode() for comment in comments])}"
    four = _judged(
        "Big Four", data, big_four_targets(comments), np.stack([e.big_four for e in estimates]), labels=BIG_FOUR
    )
    eight = _judged(
        "eight classes", data, eight_targets(comments), np.stack([e.eight for e in estimates]), labels=EIGHT
    )
    return four, eight


def _judged(title: str, data: str, truth: Classes, said: Floats, *, labels: tuple[str, ...]) -> Judged:
    used = truth >= 0
    kind = "big-four-narrow" if labels == BIG_FOUR else "eight-contempt-proxy"
    fields = {"data": data, "form": "spoken", "labels": kind}
    return Judged(title=title, fields=fields, labels=labels, truth=truth[used], distributions=said[used])


def judged_lines(model: TextModel, lines: Sequence[Line], *, split: str) -> Judged:
    """Return what the model says of MELD utterances of the Big Four, case and punctuation taken away beforehand."""
    used = [line for line in lines if line.emotion in BIG_FOUR_OF]
    estimates = model.estimate_many([" ".join(words_of(line.text)) for line in used])
    data = f"meld-{split}#{fingerprint([line.text.encode() for line in used])}"
    return Judged(
        title="Big Four",
        fields={"data": data, "form": "spoken", "labels": "big-four", "trained-on": "goemotions"},
        labels=BIG_FOUR,
        truth=np.array([BIG_FOUR.index(BIG_FOUR_OF[line.emotion]) for line in used], dtype=np.intp),
        distributions=np.stack([estimate.big_four for estimate in estimates]),
        blocks=[line.dialogue for line in used],
    )


def text_rows(judged: Judged, *, where: str, version: str, resampling: Resampling) -> list[Row]:
    """Return the figures of some judged texts with their intervals."""
    labels = judged.labels
    measures: list[tuple[str, Callable[[Classes, Floats], Score]]] = [
        ("UA", lambda truth, p: unweighted_accuracy(truth, p.argmax(axis=1), labels=labels)),
        ("WA", lambda truth, p: weighted_accuracy(truth, p.argmax(axis=1))),
        ("macro-F1", lambda truth, p: macro_f1(truth, p.argmax(axis=1), labels=labels)),
        ("weighted-F1", lambda truth, p: weighted_f1(truth, p.argmax(axis=1), labels=labels)),
        ("ECE", calibration_error),
        (
            "ECE, classes alike",
            lambda truth, p: calibration_error(truth, p, weights=class_weights(truth, n_labels=len(labels))),
        ),
    ]
    if labels == BIG_FOUR:
        measures += [("share decided", _share_decided), ("UA where decided", _decided_accuracy)]
    return [
        _row(judged, f"{where}, {judged.title} {name}", measure, version=version, resampling=resampling)
        for name, measure in measures
    ]


def _decided(distributions: Floats) -> NDArray[np.bool_]:
    """Which texts the recogniser would not abstain on, if it had no voice."""
    settings = FusionSettings()
    return doubted(distributions, settings.text_doubt).max(axis=1) >= settings.threshold


def _share_decided(truth: Classes, distributions: Floats) -> Score:
    return (
        Score(value=float(_decided(distributions).mean())) if truth.size else Score(value=None, reason="no utterances")
    )


def _decided_accuracy(truth: Classes, distributions: Floats) -> Score:
    rows = _decided(distributions)
    return unweighted_accuracy(truth[rows], distributions[rows].argmax(axis=1), labels=BIG_FOUR)


def _row(
    judged: Judged,
    figure: str,
    measure: Callable[[Classes, Floats], Score],
    *,
    version: str,
    resampling: Resampling,
) -> Row:
    def percent(rows: Classes) -> float | None:
        score = measure(judged.truth[rows], judged.distributions[rows])
        return None if score.value is None else 100 * score.value

    drawn = "utterances-by-class" if judged.blocks is None else "dialogues"
    if judged.blocks is None:
        found = bootstrap_stratified(judged.truth.tolist(), percent, resampling=resampling)
    else:
        found = bootstrap_blocks(judged.blocks, percent, resampling=resampling)
    fields = {**judged.fields, "bootstrap": drawn, "draws": resampling.draws, "seed": resampling.seed}
    return Row(
        figure=figure,
        value=found.value,
        low=found.low,
        high=found.high,
        n=len(judged.truth),
        signature=sign(fields, version=version),
        note="" if found.value is not None else measure(judged.truth, judged.distributions).reason,
    )
