"""Weights of the fused estimate, fitted on utterances that somebody labelled (`agent.fusion.experts`).

The data are JSON lines, one utterance each:

    {"truth": "sad", "small": {"angry": 0.1, "happy": 0.1, "neutral": 0.3, "sad": 0.5},
     "llm": {"angry": 0.0, "happy": 0.0, "neutral": 0.1, "sad": 0.9},
     "affect": {"arousal": 0.2, "dominance": 0.4, "valence": 0.3}}

`truth` is a label or, from several raters, a distribution; `small` and `llm` are the two estimates before fusion over
the same labels, of an utterance that neither model was trained on; `affect`, measured dimensions, may be missing.
"""

# scipy.optimize ships no types: what it returns is unknown to the checker.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from agent.distribution import Distribution, log, normalise, softmax
from agent.fusion.experts import MAX_WEIGHT, FusionWeights, dimensions_expert, fused
from agent.labels import Affect

from ..errors import CorpusUnreadable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Floats = NDArray[np.float64]

LEAST_ROWS: Final = 20
"""Three weights from fewer labelled utterances are a guess."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FusionRow:
    """One labelled utterance: all distributions over `labels`."""

    labels: tuple[str, ...]
    truth: Distribution
    small: Distribution
    llm: Distribution
    affect: Affect | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionFit:
    """What came out: the weights, and the mean cross entropy in bits per utterance.

    `before` is that of the weights started from, `small` and `llm` those of either alone: on the rows fitted on, so
    they flatter; judge on others.
    """

    weights: FusionWeights
    n: int
    loss: float
    before: float
    small: float
    llm: float


def fit_fusion_weights(
    rows: Sequence[FusionRow], *, start: FusionWeights | None = None, pull: float = 1.0, provenance: str = ""
) -> FusionFit:
    """Return the weights under which the truth is likeliest (multinomial regression on log-probabilities; convex).

    `pull` draws them to `start` (the chosen ones by default) like so many utterances: few rows change little. Without
    measured dimensions in any row their weight stays what it was.

    Raises:
        ValueError: fewer than `LEAST_ROWS` rows.
    """
    if len(rows) < LEAST_ROWS:
        raise ValueError(
            f"{len(rows)} labelled utterances are too few to fit weights on, expected {LEAST_ROWS} or more"
        )
    chosen = start or FusionWeights()
    prior = np.array([chosen.small, chosen.llm, chosen.dimensions])
    experts = [_experts(row, doubt=chosen.llm_doubt) for row in rows]

    def loss(weights: Floats) -> tuple[float, Floats]:
        value, slope = _misfit(weights, rows, experts)
        off = weights - prior
        return (value + pull * float((off**2).sum())) / len(rows), (slope + 2 * pull * off) / len(rows)

    found: Any = cast("Any", optimize).minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=[(0, MAX_WEIGHT)] * 3)
    small, llm, dimensions = (round(float(value), 4) for value in found.x)
    weights = replace(
        chosen,
        small=small,
        llm=llm,
        dimensions=dimensions,
        is_fitted=True,
        provenance=provenance or f"fitted on {len(rows)} labelled utterances",
    )
    return FusionFit(
        weights=weights,
        n=len(rows),
        loss=cross_entropy(rows, weights),
        before=cross_entropy(rows, chosen),
        small=_bits([(row.truth, row.small) for row in rows]),
        llm=_bits([(row.truth, row.llm) for row in rows]),
    )


def cross_entropy(rows: Sequence[FusionRow], weights: FusionWeights) -> float:
    """Return the mean cross entropy of truth and fused estimate, in bits."""
    pairs: list[tuple[Distribution, Distribution]] = []
    for row in rows:
        place = None if row.affect is None else dimensions_expert(row.labels, row.affect)
        result = fused(row.small, row.llm, place, weights=weights)
        assert result is not None
        pairs.append((row.truth, result))
    return _bits(pairs)


def read_fusion_rows(path: Path) -> list[FusionRow]:
    """Return the labelled utterances in a file of the form above.

    Raises:
        CorpusUnreadable: the file cannot be read, or a line is not of that form; it is named.
    """
    rows: list[FusionRow] = []
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusUnreadable(f"{path} cannot be read: {error}") from error
    for at, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(_row(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CorpusUnreadable(
                f"line {at} of {path} is no labelled utterance ({error}): expected truth, small, llm and maybe affect"
            ) from error
    return rows


def write_fusion_weights(path: Path, weights: FusionWeights) -> None:
    """Write weights in the form that `agent.backends.emotion.fusion_weights` reads."""
    values = {name: getattr(weights, name) for name in FusionWeights.__slots__}
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()), encoding="utf-8")


def _row(held: Mapping[str, Any]) -> FusionRow:
    labels = tuple(sorted(held["small"]))
    if set(labels) != set(held["llm"]) or len(labels) < 2:
        raise ValueError(f"small knows {', '.join(labels)}, llm {', '.join(sorted(held['llm']))}")
    truth = {held["truth"]: 1.0} if isinstance(held["truth"], str) else held["truth"]
    if strange := set(truth) - set(labels):
        raise ValueError(f"the truth {', '.join(sorted(strange))} is none of the labels")
    affect = held.get("affect")
    return FusionRow(
        labels=labels,
        truth=normalise([float(truth.get(label, 0.0)) for label in labels]),
        small=normalise([float(held["small"][label]) for label in labels]),
        llm=normalise([float(held["llm"][label]) for label in labels]),
        affect=None if affect is None else Affect(**{name: float(value) for name, value in affect.items()}),
    )


def _experts(row: FusionRow, *, doubt: float) -> Floats:
    """Return the log-probabilities of each expert, shape (3, n labels); zeros where dimensions are missing."""
    place = None if row.affect is None else dimensions_expert(row.labels, row.affect)
    written = (1 - doubt) * row.llm + doubt / len(row.llm)
    return np.array([log(row.small), log(written), np.zeros(len(row.labels)) if place is None else log(place)])


def _misfit(weights: Floats, rows: Sequence[FusionRow], experts: Sequence[Floats]) -> tuple[float, Floats]:
    """Return the summed cross entropy in nats and its gradient in the weights, shape (3,)."""
    value, slope = 0.0, np.zeros(3)
    for row, logs in zip(rows, experts, strict=True):
        shares = softmax(weights @ logs)
        value -= float(row.truth @ log(shares))
        slope = slope + logs @ (shares - row.truth)
    return value, slope


def _bits(pairs: Sequence[tuple[Distribution, Distribution]]) -> float:
    return float(np.mean([-(truth @ log(said)) for truth, said in pairs])) / float(np.log(2))
