"""Several readings of the same sound voted into one, word by word (ROVER; Fiscus 1997). Pure.

One reading is laid out as a row of slots. Each further one is aligned with the row at the least expected number of
edits, and votes: its word stands in a slot, in a new slot between two, or it leaves a slot empty (a null arc). In each
slot the word, or nothing, with most of the votes wins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .events import Word
from .nbest import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOTHING = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """A reading that votes.

    Attributes:
        words: what it says; a word's `posterior`, where known, is how sure it is.
        weight: how much it counts, above 0.
    """

    words: tuple[Word, ...]
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RoverSettings:
    """How votes count.

    Attributes:
        p_unknown: how sure a word is that does not tell, in (0, 1].
        nothing: factor for saying nothing where others have a word. A reading is as sure of that as of its own words on
            average; below 1 words are kept more easily.
    """

    p_unknown: float = 1.0
    nothing: float = 1.0

    def __post_init__(self) -> None:
        """Check the values."""
        if not 0 < self.p_unknown <= 1:
            raise ValueError(f"p_unknown is {self.p_unknown}, expected above 0, at most 1")
        if self.nothing <= 0:
            raise ValueError(f"nothing is {self.nothing}, expected above 0")


@dataclass(slots=True, kw_only=True)
class _Slot:
    """What the ballots say at one place: votes by word as it is compared, and the word that stands for each."""

    votes: dict[str, float] = field(default_factory=dict[str, float])
    shares: dict[str, float] = field(default_factory=dict[str, float])
    words: dict[str, tuple[float, Word]] = field(default_factory=dict[str, tuple[float, Word]])

    def add(self, key: str, *, weight: float, votes: float, word: Word | None = None) -> None:
        self.shares[key] = self.shares.get(key, 0.0) + weight
        self.votes[key] = self.votes.get(key, 0.0) + votes
        if word is not None and (key not in self.words or votes > self.words[key][0]):
            self.words[key] = (votes, word)

    def cost(self, key: str) -> float:
        """Return the share of ballots that say something else here."""
        return 1.0 - self.shares.get(key, 0.0) / sum(self.shares.values())

    def winner(self) -> Word | None:
        """Return the word with most votes, its share of them as posterior; None when nothing wins.

        Of equals the one that was there first wins, which is the pivot's.
        """
        key = max(self.votes, key=lambda word: self.votes[word])
        if key == _NOTHING:
            return None
        word = self.words[key][1]
        share = min(1.0, self.votes[key] / sum(self.votes.values()))
        return Word(text=word.text, start_s=word.start_s, end_s=word.end_s, posterior=share)


def vote(ballots: Sequence[Ballot], *, settings: RoverSettings | None = None) -> tuple[Word, ...]:
    """Return the words that most of the ballots' weight stands behind; none for no ballots.

    Args:
        ballots: the pivot first: its words are the row the others are laid on.
        settings: how votes count.
    """
    settings = settings or RoverSettings()
    slots: list[_Slot] = []
    n_weight, n_silent = 0.0, 0.0
    for ballot in ballots:
        cast = _Cast.of(ballot, settings)
        slots = _with(slots, cast, weight_before=n_weight, silent_before=n_silent)
        n_weight += cast.weight
        n_silent += cast.silent
    return _in_order([word for slot in slots if (word := slot.winner()) is not None])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cast:
    """A ballot as it counts: its words as they are compared, the votes of each, its votes for nothing."""

    words: list[tuple[str, Word, float]]
    weight: float
    silent: float

    @classmethod
    def of(cls, ballot: Ballot, settings: RoverSettings) -> _Cast:
        words = [
            (key, word, ballot.weight * (settings.p_unknown if word.posterior is None else word.posterior))
            for word in ballot.words
            if (key := normalise(word.text))
        ]
        mean = sum(votes for _, _, votes in words) / len(words) if words else ballot.weight * settings.p_unknown
        return cls(words=words, weight=ballot.weight, silent=mean * settings.nothing)


def _with(slots: list[_Slot], cast: _Cast, *, weight_before: float, silent_before: float) -> list[_Slot]:
    """Return the row of slots with one more ballot cast; where it opens a slot, those before it said nothing."""
    row: list[_Slot] = []
    for slot, at in _path(slots, [key for key, _, _ in cast.words]):
        place = _Slot() if slot is None else slots[slot]
        if slot is None and weight_before:
            place.add(_NOTHING, weight=weight_before, votes=silent_before)
        if at is None:
            place.add(_NOTHING, weight=cast.weight, votes=cast.silent)
        else:
            key, word, votes = cast.words[at]
            place.add(key, weight=cast.weight, votes=votes, word=word)
        row.append(place)
    return row


def _path(slots: Sequence[_Slot], keys: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Return the cheapest alignment: pairs of slot and word, None where one of them has no partner.

    Of equal ways a pair is preferred, then a slot left empty.
    """
    skips = [slot.cost(_NOTHING) for slot in slots]
    table = [[0.0] * (len(keys) + 1) for _ in range(len(slots) + 1)]
    for i in range(len(slots) + 1):
        for j in range(len(keys) + 1):
            if i or j:
                table[i][j] = min(cost for cost, _, _ in _ways(table, i, j, slots=slots, keys=keys, skips=skips))
    path: list[tuple[int | None, int | None]] = []
    i, j = len(slots), len(keys)
    while i or j:
        _, di, dj = min(_ways(table, i, j, slots=slots, keys=keys, skips=skips), key=lambda way: round(way[0], 9))
        i, j = i - di, j - dj
        path.append((i if di else None, j if dj else None))
    return path[::-1]


def _ways(
    table: list[list[float]], i: int, j: int, *, slots: Sequence[_Slot], keys: Sequence[str], skips: Sequence[float]
) -> list[tuple[float, int, int]]:
    """Return the costs of the ways into a cell, and how far each goes: both, a slot only, a word only."""
    ways: list[tuple[float, int, int]] = []
    if i and j:
        ways.append((table[i - 1][j - 1] + slots[i - 1].cost(keys[j - 1]), 1, 1))
    if i:
        ways.append((table[i - 1][j] + skips[i - 1], 1, 0))
    if j:
        ways.append((table[i][j - 1] + 1.0, 0, 1))
    return ways


def _in_order(words: Sequence[Word]) -> tuple[Word, ...]:
    """Return the words with times that never go back: they come from different readings."""
    ordered: list[Word] = []
    edge_s = float("-inf")
    for word in words:
        start_s, end_s = max(word.start_s, edge_s), max(word.end_s, edge_s)
        edge_s = end_s
        ordered.append(Word(text=word.text, start_s=start_s, end_s=end_s, posterior=word.posterior))
    return tuple(ordered)
