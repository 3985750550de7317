"""GenSEC task 3: IEMOCAP as eleven recognisers heard it (paper 000's data), one JSON list in conversation order.

The list is the conversation: a session is what shares the first six letters of the id, across its scenes, and that is
what the challenge takes context from. `READER_OF_SCENES` ends a dialogue with its scene.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeGuard, cast

from ..errors import CorpusUnreadable
from .assemble import assemble
from .item import Item, Problem
from .labels import label_table
from .reading import read_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .item import Corpus

BY_WER: Final = (
    "whisperlarge",
    "whispersmall",
    "whisperbase",
    "w2v2960largeself",
    "hubertlarge",
    "whispertiny",
    "w2v2960large",
    "w2v2960",
    "wavlmplus",
    "w2v2100",
)
"""The ten recognisers of paper 000, Table I, best first. The data have an eleventh, whispermedium."""

SINGLE: Final = "hubertlarge"
"""Whose transcript paper 000 uses where it uses one: the middle of the ranking."""

FACTS: Final = ("need_prediction", "emotion", "id", "speaker", "groundtruth")
"""What is told of an utterance; every other key is a recogniser."""


class GenSec:
    """Reads the file, or a folder that holds it and no other JSON."""

    def __init__(self, *, name: str = "gensec", by_scene: bool = False) -> None:
        self.name = name
        self.where_from = (
            "GenSEC challenge at SLT 2024 (github.com/YuanGongND/llm_speech_emotion_challenge; Hugging Face "
            "GenSEC-LLM/SLT-Task3-Post-ASR-Emotion-Recognition): one JSON file, under IEMOCAP's terms"
            + ("; a dialogue is a scene" if by_scene else "; a dialogue is a session, as in the challenge")
        )
        self._by_scene = by_scene

    def missing(self, root: Path) -> Sequence[str]:
        """Return what is lacking: one JSON file."""
        found = _files(root)
        if not found:
            return [f"{root}: no JSON file"]
        return [f"{root}: {len(found)} JSON files: name the one that is meant"] if len(found) > 1 else []

    def read(self, root: Path) -> Corpus:
        """Return the corpus, without sound; a fold is a session of IEMOCAP."""
        if missing := self.missing(root):
            raise CorpusUnreadable(f"GenSEC cannot be read: {missing[0]}")
        (path,) = _files(root)
        entries = read_json(path)
        if not isinstance(entries, list) or not entries:
            raise CorpusUnreadable(f"{path} is not GenSEC's: expected a JSON list of utterances that is not empty")
        problems: list[Problem] = []
        items: list[Item] = []
        told = cast("list[Any]", entries)
        recognisers = _recognisers(told)
        for place, entry in enumerate(told):
            try:
                items.append(self._item(entry, place=place, recognisers=recognisers, problems=problems))
            except (KeyError, TypeError, ValueError) as error:
                why = f"entry {place + 1} is left out: expected an object with {', '.join(FACTS)}, got {error!r}"
                problems.append(Problem(where=path.name, why=why))
        return assemble(self.name, items, table=label_table("gensec"), problems=problems)

    def _item(self, entry: dict[str, Any], *, place: int, recognisers: Sequence[str], problems: list[Problem]) -> Item:
        wanted, emotion, name, speaker, words = (_text(entry, key) for key in FACTS)
        if wanted not in {"yes", "no"}:
            raise ValueError(f"need_prediction {wanted!r}, neither yes nor no")
        if wanted == "yes" and not emotion:
            problems.append(Problem(where=name, why="a prediction is wanted and no emotion is given: not scored"))
        silent = [key for key in recognisers if not _is_text(entry.get(key))]
        if silent:
            problems.append(Problem(where=name, why=f"no transcript of {', '.join(silent)}"))
        return Item(
            id=name,
            dialogue=name.rpartition("_")[0] if self._by_scene else name[:6],
            order=place,
            speaker=speaker,
            gender=speaker.rpartition("_")[2],
            text=words,
            hypotheses=tuple((key, entry[key]) for key in recognisers if key not in silent),
            emotion=emotion,
            split=name[:5],
            is_to_be_scored=wanted == "yes",
        )


def paper_readings(item: Item) -> tuple[tuple[str, str], ...]:
    """Return the ten readings of paper 000, best recogniser first, without those that are not there."""
    told = dict(item.hypotheses)
    return tuple((name, told[name]) for name in BY_WER if name in told)


def _files(root: Path) -> list[Path]:
    if root.is_dir():
        return sorted(path for path in root.glob("*.json") if not path.name.startswith("."))
    return [root] if root.is_file() else []


def _recognisers(entries: Sequence[Any]) -> tuple[str, ...]:
    """Return the keys of any utterance that are recognisers, in the order they first stand in."""
    objects = [cast("dict[str, Any]", entry) for entry in entries if isinstance(entry, dict)]
    return tuple(dict.fromkeys(key for entry in objects for key in entry if key not in FACTS))


def _text(entry: dict[str, Any], key: str) -> str:
    told = entry.get(key, "") if key == "emotion" else entry[key]
    if told is None and key == "emotion":
        return ""
    if not _is_text(told):
        raise TypeError(f"{key} {told!r}, which is no text")
    return told.strip()


def _is_text(told: object) -> TypeGuard[str]:
    """Return whether it is text that can be written; escapes in JSON can tell half a character."""
    return isinstance(told, str) and not any("\ud800" <= c <= "\udfff" for c in told)


READER: Final = GenSec()
READER_OF_SCENES: Final = GenSec(name="gensec-scenes", by_scene=True)
