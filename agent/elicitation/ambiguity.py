"""How ambiguous a distribution is, and which two feelings it lies between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..distribution import entropy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..distribution import Distribution

NEAR = 0.15
"""Two labels are named together when their probabilities differ by no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguity:
    """What the distribution tells beyond its top label.

    Attributes:
        entropy_bits: in [0, log2(n labels)].
        second: the label next to the top one.
        gap: by how much the top label is likelier than the second, in [0, 1].
        compound: both labels, likelier first, where they are to be named together; else None.
    """

    entropy_bits: float
    second: str
    gap: float
    compound: tuple[str, str] | None


def ambiguity(distribution: Distribution, labels: Sequence[str], *, near: float = NEAR) -> Ambiguity:
    """Return how ambiguous a distribution over two or more labels is.

    The compound label is the rule of papers_spec 8.3 (reconstructed): two classes above 1 / n labels with a small gap.
    A third class within the gap of the second makes it no pair but a muddle: then there is none.
    """
    order = np.argsort(-distribution, kind="stable")
    likely = [float(p) for p in distribution[order]]
    gap = likely[0] - likely[1]
    is_muddle = len(likely) > 2 and likely[2] > 1 / len(likely) and likely[1] - likely[2] <= near
    is_pair = likely[1] > 1 / len(likely) and gap <= near and not is_muddle
    first, second = (labels[int(at)] for at in order[:2])
    return Ambiguity(
        entropy_bits=entropy(distribution), second=second, gap=gap, compound=(first, second) if is_pair else None
    )
