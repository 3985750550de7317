"""How well feelings are told: decisions against the label agreed on, distributions against the votes.

Rows that bear no label of the set are left out, and counted in the report. Where nothing was said (an engine failed,
nobody spoke, the estimate abstains) the fallback rule decides what counts, and the distribution is uniform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import numpy as np

from agent.labels import FALLBACK

from ..distances import METRICS, VOTE_DECIMALS, r_squared, threshold_macro_f1
from ..metrics import (
    ECE_BINS,
    Score,
    calibration_error,
    confusion,
    macro_f1,
    recalls,
    unweighted_accuracy,
    weighted_accuracy,
    weighted_f1,
)
from .measure import Measure
from .said import NOT_SAID

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..metrics import Classes, Floats
    from ..statistics import Rows
    from .measure import Better, ScoreSettings
    from .said import Said

BETTER: Final[dict[str, Better]] = {"BC": "higher", "R2": "higher"}
NO_LABELS: Final = Score(value=None, reason="no row bears a label of the set")
NO_VOTES: Final = Score(value=None, reason="no row tells votes for the label set")
NO_CONTRAST: Final = Score(value=None, reason="the votes never vary over the labels")
NO_DISTRIBUTIONS: Final = Score(value=None, reason="no row has a distribution over the label set")


def decision_measures(said: Said, settings: ScoreSettings) -> list[Measure]:
    """Return UA, WA, macro and weighted F1, the recall of each label and the share without an answer."""
    labels = (*said.labels, "(none)")
    n_labels = len(said.labels)
    told = np.flatnonzero(said.truth != NOT_SAID)
    predicted = np.where(said.predicted == NOT_SAID, n_labels, said.predicted)
    how = _how(said, settings) | {"empty_class": "F1 0, recall undefined"}

    def measure(name: str, of: Callable[[Classes, Classes], Score]) -> Measure:
        def on(rows: Rows) -> Score:
            return of(said.truth[rows], predicted[rows]) if rows.size else NO_LABELS

        return Measure(name=name, rows=told, of=on, how=how)

    def of_set(metric: Callable[..., Score]) -> Callable[[Classes, Classes], Score]:
        """Without the extra class of wrong answers: it is never true and would weigh in the mean."""
        return lambda truth, answer: _over_set(metric, truth, answer, labels=labels)

    return [
        measure("UA", of_set(unweighted_accuracy)),
        measure("WA", weighted_accuracy),
        measure("macro F1", of_set(macro_f1)),
        measure("weighted F1", of_set(weighted_f1)),
        *(_recall(at, said, predicted=predicted, how=how) for at in range(n_labels)),
        Measure(
            name="no label said",
            rows=told,
            of=lambda rows: Score(value=float((~said.is_answered[rows]).mean())) if rows.size else NO_LABELS,
            how=how,
            better="",
        ),
    ]


def _recall(at: int, said: Said, *, predicted: Classes, how: dict[str, object]) -> Measure:
    """The recall of one label: about those rows only that bear it."""
    nobody = Score(value=None, reason=f"no utterance is {said.labels[at]}")
    return Measure(
        name=f"recall {said.labels[at]}",
        rows=np.flatnonzero(said.truth == at),
        of=lambda rows: weighted_accuracy(said.truth[rows], predicted[rows]) if rows.size else nobody,
        how=how,
    )


def confusion_of(said: Said) -> list[list[int]]:
    """Return how often each true label (row) was called each (column); the last column: no label of the set."""
    told = np.flatnonzero(said.truth != NOT_SAID)
    n_labels = len(said.labels)
    predicted = np.where(said.predicted == NOT_SAID, n_labels, said.predicted)
    table = confusion(said.truth[told], predicted[told], n_labels=n_labels + 1)
    return cast("list[list[int]]", table[:n_labels].tolist())


def distribution_measures(said: Said, settings: ScoreSettings) -> list[Measure]:
    """Return the distances to the votes, threshold macro-F1, and ECE and Brier against the label agreed on."""
    how = _how(said, settings) | {"missing": "uniform"}
    voted = np.flatnonzero(said.is_voted)
    rounded = how | {"votes": f"{VOTE_DECIMALS} decimals"}
    # Where the votes are the same for all labels nothing varies that could be explained: R2 is not about these rows.
    varied = voted[(said.votes[voted] != said.votes[voted][:, :1]).any(axis=1)]
    no_contrast = NO_CONTRAST if voted.size else NO_VOTES
    found = [
        Measure(
            name=name,
            rows=varied if of is r_squared else voted,
            of=_where_known(
                said, _mean(_distances(said, of, voted=voted)), nothing=no_contrast if of is r_squared else NO_VOTES
            ),
            how=rounded | {"mean": "over rows"} | _smoothing(name) | _left_out(name),
            scale=1.0,
            decimals=4,
            better=BETTER.get(name, "lower"),
        )
        for name, of in METRICS.items()
    ]
    f1 = _where_known(
        said, lambda rows: threshold_macro_f1(said.shares[rows], said.distributions[rows]), nothing=NO_VOTES
    )
    threshold = how | {"held": f"above 1/{len(said.labels)}", "votes": "not rounded"}
    return [*found, Measure(name="threshold macro F1", rows=voted, of=f1, how=threshold), *_calibration(said, how)]


def _calibration(said: Said, how: dict[str, object]) -> list[Measure]:
    told = np.flatnonzero(said.truth != NOT_SAID)
    right = np.eye(len(said.labels))[said.truth[told]]
    brier = np.zeros(said.truth.size)
    brier[told] = ((said.distributions[told] - right) ** 2).sum(axis=1)

    def error(rows: Rows) -> Score:
        return calibration_error(said.truth[rows], said.distributions[rows])

    return [
        Measure(
            name="ECE",
            rows=told,
            of=_where_known(said, error, nothing=NO_LABELS),
            how=how | {"bins": f"{ECE_BINS} equal width"},
            better="lower",
        ),
        Measure(
            name="Brier",
            rows=told,
            of=_where_known(said, _mean(brier), nothing=NO_LABELS),
            how=how | {"range": "0 to 2"},
            scale=1.0,
            decimals=4,
            better="lower",
        ),
    ]


def _over_set(metric: Callable[..., Score], truth: Classes, answer: Classes, *, labels: tuple[str, ...]) -> Score:
    """A mean over the label set, though answers may be of the class behind it (the last of `labels`)."""
    n_labels = len(labels) - 1
    if metric is unweighted_accuracy:
        found = recalls(truth, answer, labels=labels)[:n_labels]
        lacking = [score.reason for score in found if score.value is None]
        if lacking:
            return Score(value=None, reason="; ".join(lacking))
        return Score(value=sum(score.value or 0.0 for score in found) / n_labels)
    score = metric(truth, answer, labels=labels)
    # The extra class is never true: its F1 is 0 and its support none, so that only the plain mean has to be made whole.
    is_plain_mean = metric is macro_f1 and score.value is not None
    return Score(value=cast("float", score.value) * len(labels) / n_labels) if is_plain_mean else score


def _distances(said: Said, of: Callable[[Floats, Floats], float], *, voted: Rows) -> Floats:
    """The distance of each row with votes; the others' are 0 and never selected."""
    found = np.zeros(said.truth.size)
    pairs = zip(said.distributions[voted], said.votes[voted], strict=True)
    found[voted] = [of(prediction, truth) for prediction, truth in pairs]
    return found


def _mean(values: Floats) -> Callable[[Rows], Score]:
    return lambda rows: Score(value=float(values[rows].mean()))


def _where_known(said: Said, of: Callable[[Rows], Score], *, nothing: Score) -> Callable[[Rows], Score]:
    def on(rows: Rows) -> Score:
        if not rows.size:
            return nothing
        return of(rows) if said.has_distribution[rows].any() else NO_DISTRIBUTIONS

    return on


def _smoothing(name: str) -> dict[str, object]:
    return {"eps": "1e-08"} if name.startswith("KL") else {}


def _left_out(name: str) -> dict[str, object]:
    """Which rows with votes a distance is not about."""
    return {"constant_truth": "left out"} if name == "R2" else {}


def _how(said: Said, settings: ScoreSettings) -> dict[str, object]:
    mapping = "+".join(f"{one}={other}" for one, other in sorted(settings.mapping.items()))
    return {
        "labels": "+".join(said.labels) or "none",
        "map": mapping or None,
        "decide": settings.decide,
        # Where it is no label of the set, neutral cannot be what counts (see `said`).
        "fallback": settings.fallback if FALLBACK in said.labels else "wrong",
    }
