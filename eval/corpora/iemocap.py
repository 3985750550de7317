"""IEMOCAP: ten actors in improvised and scripted dialogues, rated by outsiders (Busso et al. 2008).

Utterances whose id holds XX are speech over each other, never rated, and
are not read. What is transcribed and not rated is context. Folds are the five sessions, whose speakers differ.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from ..errors import CorpusUnreadable
from .assemble import assemble
from .item import Item, Problem
from .labels import label_table
from .reading import read_text, scaled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from .item import Corpus

SESSIONS: Final = tuple(f"Session{number}" for number in range(1, 6))
INNER: Final = "IEMOCAP_full_release"
HEAD: Final = re.compile(r"\[(\d+\.\d+) - (\d+\.\d+)\]\t(\S+)\t(\w+)\t\[(\d+\.\d+), (\d+\.\d+), (\d+\.\d+)\]\s*")
"""An utterance: start and end (s), id, label, then valence, activation, dominance in [1, 5]."""
RATER: Final = re.compile(r"C-E\d+:\t(.*?)\t\((.*)\)\s*")
"""A categorical rating from outside: names, each ended by ";", and a comment. C-F and C-M are the actors' own."""
SPOKEN: Final = re.compile(r"(Ses\S+)\s+\[([\d.]+)-([\d.]+)\]:\s*(.*)")


@dataclass(slots=True, kw_only=True)
class _Rated:
    """An utterance of an evaluation file while its raters are being read."""

    head: re.Match[str]
    votes: Counter[str] = field(default_factory=Counter[str])
    comments: list[str] = field(default_factory=list[str])


class Iemocap:
    """Reads the release as it is unpacked: Session1 … Session5, or the folder that holds them."""

    def __init__(self) -> None:
        self.name = "iemocap"
        self.where_from = (
            "SAIL, University of Southern California (sail.usc.edu/iemocap): free for research after a signed "
            "request, not to be passed on; unpack IEMOCAP_full_release.tar.gz"
        )

    def missing(self, root: Path) -> Sequence[str]:
        """Return what the folder lacks: one session at least must be there, with its evaluations."""
        if not _root(root).is_dir():
            return [f"{root}: not a folder"]
        if any(_evaluations(_root(root) / session) for session in SESSIONS):
            return []
        return [f"{root}: no Session1 … Session5 with dialog/EmoEvaluation/*.txt"]

    def read(self, root: Path) -> Corpus:
        """Return the corpus; sessions that are not there are told of as problems."""
        if missing := self.missing(root):
            raise CorpusUnreadable(f"IEMOCAP cannot be read: {missing[0]}")
        items: list[Item] = []
        problems: list[Problem] = []
        for session in SESSIONS:
            folder = _root(root) / session
            if not (paths := _evaluations(folder)):
                problems.append(Problem(where=session, why="no dialog/EmoEvaluation/*.txt: the fold is not there"))
            elif not _sounds(folder).is_dir():
                problems.append(Problem(where=session, why="no sentences/wav: only the words are there"))
            for path in paths:
                items.extend(_dialogue(path, folder=folder, problems=problems))
        return assemble(self.name, items, table=label_table("iemocap"), problems=problems)


def _root(root: Path) -> Path:
    return root / INNER if (root / INNER).is_dir() else root


def _sounds(session: Path) -> Path:
    return session / "sentences" / "wav"


def _evaluations(session: Path) -> list[Path]:
    found = (session / "dialog" / "EmoEvaluation").glob("*.txt")
    return sorted(path for path in found if not path.name.startswith("._"))


def _dialogue(path: Path, *, folder: Path, problems: list[Problem]) -> Iterator[Item]:
    """Yield the utterances of one dialogue, by when they begin."""
    try:
        rated = _rated(read_text(path), where=path.name, problems=problems)
        spoken = _spoken(folder / "dialog" / "transcriptions" / path.name)
    except CorpusUnreadable as error:
        problems.append(Problem(where=path.stem, why=f"the dialogue is left out: {error}"))
        return
    seen = {told.head[3] for told in rated}
    begun = [(float(told.head[1]), told.head[3], told) for told in rated]
    begun += [(start_s, utterance, None) for utterance, (start_s, _) in spoken.items() if utterance not in seen]
    for order, (_, utterance, told) in enumerate(sorted(begun, key=lambda each: each[:2])):
        said = spoken.get(utterance)
        if said is None:
            problems.append(Problem(where=utterance, why=f"no words in transcriptions/{path.name}"))
        item = _item(utterance, text=said and said[1], folder=folder, dialogue=path.stem)
        yield (
            replace(item, order=order, is_to_be_scored=False)
            if told is None
            else replace(item, order=order, **_ratings(told))
        )


def _rated(text: str, *, where: str, problems: list[Problem]) -> list[_Rated]:
    found: list[_Rated] = []
    now: _Rated | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        head, rater = HEAD.fullmatch(line), RATER.fullmatch(line)
        if head is not None:
            now = _Rated(head=head)
            found.append(now)
        elif line.startswith("["):
            now = None
            problems.append(Problem(where=where, why=f"line {number} is no utterance with a label and three ratings"))
        elif rater is not None and now is not None:
            now.votes.update(name.strip() for name in rater[1].split(";") if name.strip())
            now.comments.extend([rater[2].strip()] if rater[2].strip() else [])
    return found


def _spoken(path: Path) -> Mapping[str, tuple[float, str]]:
    """Return start (s) and words by utterance. Lines of another form tell of noises and are not utterances."""
    lines = (SPOKEN.fullmatch(line) for line in read_text(path).split("\n"))
    return {line[1]: (float(line[2]), line[4].strip()) for line in lines if line is not None and "XX" not in line[1]}


def _item(utterance: str, *, text: str | None, folder: Path, dialogue: str) -> Item:
    """Return what the id alone tells. Who speaks stands in its last part; its first tells who wears the markers."""
    gender = utterance.rpartition("_")[2][:1]
    session = utterance[:5]
    sounds = _sounds(folder)
    return Item(
        id=utterance,
        dialogue=dialogue,
        speaker=f"{session}_{gender}",
        gender=gender,
        audio=sounds / dialogue / f"{utterance}.wav" if sounds.is_dir() else None,
        text=text,
        split=session,
    )


def _ratings(told: _Rated) -> dict[str, Any]:
    _, _, _, label, *rated = told.head.groups()
    valence, arousal, dominance = (scaled(value, low=1, high=5) for value in rated)
    return {
        "emotion": label,
        "votes": tuple(sorted(told.votes.items())),
        "description": "; ".join(told.comments) or None,
        "valence": valence,
        "arousal": arousal,
        "dominance": dominance,
    }


READER: Final = Iemocap()
