"""The words that stand for labels in prompts and answers, as data (`words.toml`)."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Wording: TypeAlias = Literal["labels", "ambiguous", "single", "typed"]
"""Which words a prompt names the labels by: our own, paper 001's two prompts', paper 003's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """An emotion word in a text.

    Attributes:
        start, end: where it stands, characters.
        label: what it stands for, of the labels asked for; None for a label that is none of them.
        key: the same for all forms of one word ("angry", "anger").
    """

    start: int
    end: int
    label: str | None
    key: str


def word_for(label: str, *, wording: Wording = "labels") -> str:
    """Return the word by which a prompt names a label.

    >>> word_for("angry", wording="ambiguous"), word_for("bored", wording="ambiguous")
    ('anger', 'bored')
    """
    return _table()["wordings"].get(wording, {}).get(label, label)


def words_of(label: str) -> tuple[str, ...]:
    """Return all words that stand for a label in an answer, lower case, its own forms first."""
    table = _table()
    return tuple(dict.fromkeys((label.lower(), *table["forms"].get(label, ()), *table["near"].get(label, ()))))


def mentions(text: str, labels: Sequence[str]) -> tuple[Mention, ...]:
    """Return the emotion words of a text in their order, whole words of any case; those of other labels too."""
    known = _known(tuple(labels))
    pattern = _pattern(tuple(labels))
    return tuple(
        Mention(start=found.start(), end=found.end(), label=label, key=key)
        for found in pattern.finditer(text)
        for label, key in (known[found[0].lower()],)
    )


@cache
def _known(labels: tuple[str, ...]) -> Mapping[str, tuple[str | None, str]]:
    """Return what each word means: the label (None when not asked for) and its key."""
    table = _table()
    known: dict[str, tuple[str | None, str]] = {}
    for label in (*labels, *(name for name in table["forms"] if name not in labels)):
        meant = label if label in labels else None
        forms = {label.lower(), *table["forms"].get(label, ())}
        for word in words_of(label):
            known.setdefault(word, (meant, label if word in forms else word))
    return known


@cache
def _pattern(labels: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(_known(labels), key=len, reverse=True)
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, longest_first))})(?![^\W_])", re.IGNORECASE)


@cache
def _table() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    return tomllib.loads(files(__package__ or "").joinpath("words.toml").read_text("utf-8"))
