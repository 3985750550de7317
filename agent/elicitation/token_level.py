"""Token level: a distribution out of the raw logits behind a greedy answer (paper 001, equations 1 and 2)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from ..distribution import normalise, softmax
from .values import Elicited, uniform
from .words import mentions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ..distribution import Distribution
    from ..llm.values import Trace

Norm: TypeAlias = Literal["linear", "softmax"]
NormUsed: TypeAlias = Literal["linear", "shifted", "softmax", "uniform"]

SHIFT: Final = 1e-3
"""Added to every label's logit when the least is moved to 0 (papers_spec 4.4, reconstructed)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenLevel(Elicited):
    """A token-level distribution.

    Attributes:
        norm_used: "linear" is equation 2 as it stands; "shifted" is it after the guard, because a logit was not above
            0; "uniform" when there is a problem.
        logits: each label's mean logit, the z of equation 2; empty when there is a problem.
        n_steps: over how many steps of the answer.
    """

    norm_used: NormUsed
    logits: tuple[float, ...] = ()
    n_steps: int = 0


def from_trace(
    trace: Trace, token_ids: Mapping[str, Sequence[int]], *, words_only: bool = False, norm: Norm = "linear"
) -> TokenLevel:
    """Return the distribution over the labels of `token_ids`, in its order.

    Equation 1 averages the logits of a label's sub-words at each step, then over the steps; equation 2 divides by the
    sum over labels. That is a distribution, in the order of the logits, only where all are above 0: else the least is
    moved to SHIFT first.

    Args:
        trace: the answer with its logits.
        token_ids: the sub-words of each label's word, as the prompt names it (`model.tokens_of(word_for(...))`).
        words_only: average over the steps that wrote an emotion word, not over all.
        norm: "softmax" for a softmax in place of equation 2.
    """
    if problem := _problem(trace, token_ids):
        return _nothing(problem, n_labels=len(token_ids))
    steps = _word_steps(trace, tuple(token_ids)) if words_only else list(range(len(trace.logits)))
    if not steps:
        return _nothing("the answer names no emotion", n_labels=len(token_ids))
    logits = trace.logits[steps].astype(np.float64)
    with np.errstate(invalid="ignore"):
        means = np.array([logits[:, list(ids)].mean(axis=1).mean() for ids in token_ids.values()])
    if not np.isfinite(means).all():
        return _nothing("the model's logits are not numbers", n_labels=len(token_ids))
    distribution, used = _normalised(means, norm)
    return TokenLevel(
        distribution=distribution,
        norm_used=used,
        logits=tuple(means.tolist()),
        n_steps=len(steps),
        warning="not all logits are above 0: moved before equation 2" if used == "shifted" else None,
    )


def _normalised(means: NDArray[np.float64], norm: Norm) -> tuple[Distribution, NormUsed]:
    if norm == "softmax":
        return softmax(means), "softmax"
    if means.min() > 0:
        return normalise(means), "linear"
    return normalise(means - means.min() + SHIFT), "shifted"


def _problem(trace: Trace, token_ids: Mapping[str, Sequence[int]]) -> str | None:
    if not token_ids:
        return "no labels were asked for"
    if trace.logits.ndim != 2 or not len(trace.logits):
        return "the model wrote nothing"
    n_vocab = trace.logits.shape[1]
    if bad := [label for label, ids in token_ids.items() if not ids or not all(0 <= at < n_vocab for at in ids)]:
        return f"no tokens of the model's vocabulary stand for {', '.join(bad)}"
    return None


def _word_steps(trace: Trace, labels: tuple[str, ...]) -> list[int]:
    """Return the steps whose token lies, at least in part, in an emotion word of the answer."""
    ends = list(accumulate(len(text) for text in trace.token_texts))
    spans = [(found.start, found.end) for found in mentions("".join(trace.token_texts), labels) if found.label]
    starts = [0, *ends[:-1]]
    return [
        step
        for step, (start, end) in enumerate(zip(starts, ends, strict=True))
        if any(start < last and end > first for first, last in spans)
    ]


def _nothing(problem: str, *, n_labels: int) -> TokenLevel:
    return TokenLevel(distribution=uniform(max(1, n_labels)), problem=problem, norm_used="uniform")
