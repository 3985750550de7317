"""CREMA-D: 91 actors say twelve sentences in six emotions, judged by crowds (Cao et al. 2014).

The emotion of a clip is what listeners heard in the voice alone (as EMO-SUPERB takes it), none on a tie; what the
actor was asked to play stands in the file name and counts only where there are no votes, or when asked.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ..errors import CorpusUnreadable
from .acted import lacking_clips, read_clips
from .item import Corpus, Item, Problem
from .reading import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .item import Reader

Truth: TypeAlias = Literal["heard", "played"]

VOTES: Final = Path("processedResults") / "tabulatedVotes.csv"
PEOPLE: Final = Path("VideoDemographics.csv")
_NAME: Final = re.compile(r"(1\d{3})_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)")
_VOICE_ONLY: Final = "1"
_LETTERS: Final[Mapping[str, str]] = {"A": "ANG", "D": "DIS", "F": "FEA", "H": "HAP", "N": "NEU", "S": "SAD"}
_TEXTS: Final[Mapping[str, str]] = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
_FOLDS: Final = ((1037, 1054), (1001, 1018), (1073, 1091), (1055, 1072), (1019, 1036))
"""Actors of the five speaker-independent sessions of EMO-SUPERB (paper 003), first to last of each."""


class CremaD:
    """`truth` says what the emotion of a clip is: what was "heard" in the voice alone, or "played"."""

    name: str = "crema-d"
    where_from: str = (
        "github.com/CheyneyComputerScience/CREMA-D (Git LFS), Open Database License; AudioWAV/, "
        "processedResults/tabulatedVotes.csv and VideoDemographics.csv"
    )

    def __init__(self, *, truth: Truth = "heard") -> None:
        self._truth: Truth = truth

    def missing(self, root: Path) -> Sequence[str]:
        """See `Reader`."""
        lacking = lacking_clips(root, pattern=_NAME, example="AudioWAV/1001_DFA_ANG_XX.wav")
        if not (root / VOTES).is_file():
            lacking.append(
                f"{root / VOTES} is not there: the votes, without which emotions are those the actors played"
            )
        return lacking

    def read(self, root: Path) -> Corpus:
        """See `Reader`."""
        corpus = read_clips(self.name, root, pattern=_NAME, item=_item)
        votes, problems = self._votes(root)
        genders = _genders(root)
        items = [
            replace(item, gender=genders.get(item.speaker or ""))
            if not votes
            else _judged(item, votes.get(item.id, ()), truth=self._truth, gender=genders.get(item.speaker or ""))
            for item in corpus.items
        ]
        known = {item.id for item in items}
        if votes:
            problems += [
                Problem(where=item.id, why="nobody's votes on the voice are told") for item in items if not item.votes
            ]
            problems += [
                Problem(where=clip, why="has votes, but no sound file in AudioWAV")
                for clip in votes
                if clip not in known
            ]
        return replace(corpus, items=tuple(items), problems=(*corpus.problems, *problems))

    def _votes(self, root: Path) -> tuple[dict[str, tuple[tuple[str, int], ...]], list[Problem]]:
        if not (root / VOTES).is_file():
            return {}, [Problem(where=str(VOTES), why="is not there; emotions are those the actors played")]
        return _read_votes(root / VOTES)


def _item(path: Path, name: re.Match[str]) -> Item:
    actor, sentence, emotion, _ = name.groups()
    number = int(actor)
    fold = next((at for at, (first, last) in enumerate(_FOLDS, 1) if first <= number <= last), None)
    return Item(
        id=name[0],
        speaker=actor,
        audio=path,
        text=_TEXTS.get(sentence),
        emotion=emotion,
        split="" if fold is None else f"fold{fold}",
    )


def _judged(item: Item, votes: tuple[tuple[str, int], ...], *, truth: Truth, gender: str | None) -> Item:
    return replace(item, votes=votes, gender=gender, emotion=item.emotion if truth == "played" else plurality(votes))


def plurality(votes: Sequence[tuple[str, int]]) -> str | None:
    """Return the label with most votes, None on a tie or without any."""
    most = max((n for _, n in votes), default=0)
    first = [label for label, n in votes if n == most]
    return first[0] if most and len(first) == 1 else None


def _read_votes(path: Path) -> tuple[dict[str, tuple[tuple[str, int], ...]], list[Problem]]:
    """Return the votes on voices alone by clip; the first column, without a name, begins with the condition."""
    votes: dict[str, tuple[tuple[str, int], ...]] = {}
    rows, problems = read_table(path, ("", *_LETTERS, "fileName"))
    for row in rows:
        if not row.cells[""].startswith(_VOICE_ONLY):
            continue
        try:
            counted = [(label, int(float(row.cells[letter]))) for letter, label in _LETTERS.items()]
        except (ValueError, OverflowError):
            problems.append(Problem(where=f"{VOTES}:{row.number}", why="votes that are no numbers"))
            continue
        votes[row.cells["fileName"]] = tuple((label, n) for label, n in counted if n > 0)
    return votes, problems


def _genders(root: Path) -> dict[str, str]:
    """Return the actors' genders, where the table of the actors is there and can be read."""
    try:
        rows, _ = read_table(root / PEOPLE, ("ActorID", "Sex"))
    except CorpusUnreadable:
        return {}
    return {row.cells["ActorID"]: row.cells["Sex"].lower() for row in rows}


READER: Reader = CremaD()
