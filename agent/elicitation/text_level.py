"""Text level: the percentages that a model writes for each emotion (paper 001, approach 1)."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from ..distribution import normalise
from .words import mentions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..distribution import Distribution
    from .words import Mention

_NUMBER: Final = r"\d+(?:\.\d+|,\d{1,2}(?=\s?%))?|\.\d+"
_FIGURE: Final = re.compile(
    rf"(?<![\w.])(?P<low>{_NUMBER})\s?(?P<low_mark>%)?"
    rf"(?:\s?(?:[-\u2013\u2014]|to)\s?(?P<high>{_NUMBER}))?\s?(?P<mark>%|percent\b|per\s?cent\b)?",
    re.IGNORECASE,
)
_BREAK: Final = re.compile(r"[,;\n]|\.(?=\s+[^\W\d]|\s*$)")
_GIVES: Final = re.compile(r"[:=|(\-\u2013\u2014\u2192]")
"""What says that a bare number belongs to the word before it."""
_MINUS: Final = re.compile(r"[:=]\W*[-\u2212]\s?$")
_GAP: Final = 40
"""A number further from its word, characters, belongs to something else."""
_LONGEST: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stated:
    """What a model stated.

    Attributes:
        distribution: over the labels, divided by the sum; None when the answer is invalid.
        problem: why it is invalid.
        total: what the percentages for the labels summed to, 100 if the model can add.
        missing: labels that the answer gives no number; they count 0.
        n_strange: percentages that belong to none of the labels; they are left out.
    """

    distribution: Distribution | None
    problem: str | None = None
    total: float = 0.0
    missing: tuple[str, ...] = ()
    n_strange: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many answers were given, how many invalid, and why: problems, most frequent first (paper 001: 2.1 %)."""

    n: int
    n_invalid: int
    problems: tuple[tuple[str, int], ...]

    @property
    def invalid_share(self) -> float:
        """In [0, 1]; 0 of no answers."""
        return self.n_invalid / self.n if self.n else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figure:
    start: int
    end: int
    value: float
    is_marked: bool
    is_negative: bool


class _Placed(Protocol):
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


L = TypeVar("L", bound=_Placed)
R = TypeVar("R", bound=_Placed)


def from_percentages(text: str, labels: Sequence[str]) -> Stated:
    """Return the distribution that an answer states, over `labels`.

    Takes "Anger: 65%" in any order, "35 %", "35-40%" (its middle), "65% anger", fractions and JSON; words and their
    synonyms as `words.toml` has them, which are added up; the later of two numbers for one word.
    """
    plain = unicodedata.normalize("NFKC", text[:_LONGEST])
    figures = _figures(plain)
    pairs = _paired(plain, mentions(plain, labels), figures)
    n_strange = sum(figure.is_marked for figure in figures) - sum(
        figure.is_marked for word, figure in pairs if word.label
    )
    stated = {word.key: (word.label, figure) for word, figure in pairs if word.label}
    if problem := _problem([figure for _, figure in stated.values()]):
        return Stated(distribution=None, problem=problem, n_strange=n_strange)
    sums = _sums(list(stated.values()), labels)
    if not (total := sum(sums.values())):
        return Stated(distribution=None, problem="all percentages are 0", n_strange=n_strange)
    named = {label for label, _ in stated.values()}
    return Stated(
        distribution=normalise([sums[label] for label in labels]),
        total=total,
        missing=tuple(label for label in labels if label not in named),
        n_strange=n_strange,
    )


def tally(answers: Iterable[Stated]) -> Tally:
    """Count the invalid ones among answers by their problem."""
    problems = [answer.problem for answer in answers]
    found = Counter(problem for problem in problems if problem is not None)
    return Tally(n=len(problems), n_invalid=found.total(), problems=tuple(found.most_common()))


def _problem(figures: Sequence[_Figure]) -> str | None:
    if not figures:
        return "the answer gives none of the labels a number"
    if any(figure.is_negative for figure in figures):
        return "a percentage is negative"
    if any(figure.value > 100 for figure in figures):
        return "a percentage is above 100"
    return None


def _sums(stated: Sequence[tuple[str | None, _Figure]], labels: Sequence[str]) -> Mapping[str, float]:
    """Return each label's percentage. Numbers without a percent sign are fractions when none of them is above 1."""
    bare = [figure.value for _, figure in stated if not figure.is_marked]
    unit = 100.0 if bare and max(bare) <= 1 else 1.0
    return {
        label: sum(figure.value * (1.0 if figure.is_marked else unit) for meant, figure in stated if meant == label)
        for label in labels
    }


def _figures(text: str) -> list[_Figure]:
    found: list[_Figure] = []
    for match in _FIGURE.finditer(text):
        ends = [float(match[name].replace(",", ".")) for name in ("low", "high") if match[name]]
        found.append(
            _Figure(
                start=match.start(),
                end=match.end(),
                value=sum(ends) / len(ends),
                is_marked=bool(match["mark"] or match["low_mark"]),
                is_negative=bool(_MINUS.search(text, max(0, match.start() - 8), match.start())),
            )
        )
    return found


def _paired(text: str, words: Sequence[Mention], figures: Sequence[_Figure]) -> list[tuple[Mention, _Figure]]:
    """Return which number belongs to which word, in the order of the text.

    Answers put their numbers mostly behind the words, or mostly before them. What goes the other way is taken as well
    where neither word nor number is used yet.
    """
    behind = [pair for pair in _neighbours(words, figures) if _belongs(text, *pair)]
    before = [(word, figure) for figure, word in _neighbours(figures, words) if _precedes(text, figure, word)]
    first, then = (behind, before) if len(behind) >= len(before) else (before, behind)
    used = {figure.start for _, figure in first}
    keys = {word.key for word, _ in first}
    rest = [(word, figure) for word, figure in then if figure.start not in used and word.key not in keys]
    return sorted([*first, *rest], key=lambda pair: pair[0].start)


def _neighbours(left: Sequence[L], right: Sequence[R]) -> list[tuple[L, R]]:
    """Return what of `left` is directly followed by one of `right`, no other of both between them."""
    ends = {item.end: item for item in left}
    starts = {item.start: item for item in right}
    places = sorted([*((end, 0) for end in ends), *((start, 1) for start in starts)])
    return [(ends[a], starts[b]) for (a, is_b), (b, is_start) in pairwise(places) if not is_b and is_start]


def _belongs(text: str, word: Mention, figure: _Figure) -> bool:
    gap = text[word.end : figure.start]
    return len(gap) <= _GAP and not _BREAK.search(gap) and (figure.is_marked or bool(_GIVES.search(gap)))


def _precedes(text: str, figure: _Figure, word: Mention) -> bool:
    gap = text[figure.end : word.start]
    return len(gap) <= _GAP and not _BREAK.search(gap) and figure.is_marked
