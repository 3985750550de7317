"""Speakers that stand on both sides of a split: a model trained on one side would know them on the other. Pure."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

from .item import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .item import Item

_NAMED: Final = 5
"""Speakers that a problem names; the rest is counted."""


def shared_speakers(items: Iterable[Item]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the speakers two splits have in common, sorted, for each pair of splits that has any, in their order.

    Whoever is not named, or stands in no split, cannot be checked and does not count.
    """
    speakers: dict[str, set[str]] = {}
    for item in items:
        if item.split:
            speakers.setdefault(item.split, set()).update(() if item.speaker is None else (item.speaker,))
    pairs = ((one, other, speakers[one] & speakers[other]) for one, other in combinations(speakers, 2))
    return {(one, other): tuple(sorted(common)) for one, other, common in pairs if common}


def leaks(items: Iterable[Item]) -> Iterator[Problem]:
    """Yield a problem for each pair of splits that has speakers in common."""
    for (one, other), speakers in shared_speakers(items).items():
        named = ", ".join(speakers[:_NAMED]) + (", …" if len(speakers) > _NAMED else "")
        common = f"{len(speakers)} speaker{'s' if len(speakers) > 1 else ''} in common ({named})"
        yield Problem(where=f"splits {one} and {other}", why=f"{common}: figures of one tell less of strangers")
