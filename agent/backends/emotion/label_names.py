"""What other people's models call emotions, mapped to the labels of `agent.labels`. Knows no model."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np

from streaming.errors import ModelUnusable

from ...distribution import Distribution, normalise
from ...labels import BIG_FOUR, EIGHT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

NONE: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelMap:
    """The way from a model's labels to ours.

    Attributes:
        labels: those of ours that the model knows, BIG_FOUR in its order or else in the order of EIGHT.
        weights: float64, shape (model's labels, labels): 1 where they mean the same; rows of zeros mean none of ours.
    """

    labels: tuple[str, ...]
    weights: NDArray[np.float64]

    def distribution(self, row: NDArray[np.float64]) -> tuple[Distribution, float]:
        """Return the distribution over `labels`, and the share of the model's probability that it rests on."""
        mapped = row @ self.weights
        return normalise(mapped), float(mapped.sum() / row.sum())


def map_labels(names: Sequence[str], *, model: str) -> LabelMap:
    """Return the map from a model's labels; several that mean the same are added up.

    Raises:
        ModelUnusable: a label means nothing to us, or fewer than two of ours are left.
    """
    known = [_meanings().get(plain_name(name)) for name in names]
    if strange := [name for name, label in zip(names, known, strict=True) if label is None]:
        raise ModelUnusable(
            f"{model} has labels that Attune does not know: {', '.join(strange)}; expected names of {', '.join(EIGHT)}"
        )
    found = set(known) - {NONE}
    if len(found) < 2:
        raise ModelUnusable(f"{model} tells {', '.join(names)}; expected two or more of {', '.join(EIGHT)}")
    labels = BIG_FOUR if found == set(BIG_FOUR) else tuple(label for label in EIGHT if label in found)
    weights = np.array([[float(label == ours) for ours in labels] for label in known], np.float64)
    return LabelMap(labels=labels, weights=weights)


def plain_name(name: str) -> str:
    """Return a model's label as it is compared.

    >>> plain_name("female_Angry"), plain_name("x/Pleasant-Surprise")
    ('angry', 'pleasant surprise')
    """
    words = re.findall(r"[^\W\d_]+", name.rpartition("/")[2].lower())
    return " ".join(word for word in words if word not in {"male", "female"})


@cache
def _meanings() -> Mapping[str, str]:
    table = tomllib.loads(files(__package__ or "").joinpath("label_names.toml").read_text("utf-8"))
    return {name: label for label, names in table.items() for name in names}
