"""What a corpus that was read holds: counts, speakers that stand on both sides of a split, sound that stands twice."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streaming.errors import AudioUnreadable
from streaming.files import AudioFile

from .item import Problem
from .splits import shared_speakers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .item import Corpus


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """How much there is of what.

    Attributes:
        by_split: items by split, in the corpus's order; "" where there are none.
        by_label: items by (the corpus's label, ours), the most frequent first; None: none agreed on, not mapped.
        by_speaker: items by speaker, the most frequent first; None: not told.
        shared_speakers: speakers that two splits have in common, for each such pair.
    """

    n_items: int
    n_dialogues: int
    n_to_be_scored: int
    n_with_audio: int
    n_with_text: int
    n_with_votes: int
    n_with_hypotheses: int
    by_split: Mapping[str, int]
    by_label: Mapping[tuple[str | None, str | None], int]
    by_speaker: Mapping[str | None, int]
    shared_speakers: Mapping[tuple[str, str], tuple[str, ...]]


def contents(corpus: Corpus) -> Contents:
    """Return what the corpus holds."""
    items = corpus.items
    labels = Counter((item.emotion, corpus.labels.get(item.emotion or "")) for item in items)
    return Contents(
        n_items=len(items),
        n_dialogues=len({item.dialogue for item in items if item.dialogue is not None}),
        n_to_be_scored=sum(item.is_to_be_scored and item.emotion in corpus.labels for item in items),
        n_with_audio=sum(item.audio is not None for item in items),
        n_with_text=sum(item.text is not None for item in items),
        n_with_votes=sum(bool(item.votes) for item in items),
        n_with_hypotheses=sum(bool(item.hypotheses) for item in items),
        by_split=dict(Counter(item.split for item in items)),
        by_label=dict(labels.most_common()),
        by_speaker=dict(Counter(item.speaker for item in items).most_common()),
        shared_speakers=shared_speakers(items),
    )


def heard(corpus: Corpus) -> list[Problem]:
    """Return what is wrong with the sound, decoding every file: unreadable, damaged, the same in two splits."""
    splits: dict[Path, list[str]] = {}
    for item in corpus.items:
        if item.audio is not None and item.split not in splits.setdefault(item.audio, []):
            splits[item.audio].append(item.split)
    problems: list[Problem] = []
    first: dict[str, Path] = {}
    for path, within in splits.items():
        digest = _digest(path, problems=problems)
        twin = first.setdefault(digest, path) if digest else path
        why = f"the same sound as {twin.name}, which is in {_named(splits[twin])}, not {_named(within)}"
        if len(within) > 1:
            why = f"one recording with items of {_named(within)}"
        if len(within) > 1 or splits[twin] != within:
            problems.append(Problem(where=path.name, why=why))
    return problems


def _named(splits: list[str]) -> str:
    return " and ".join(split or "no split" for split in splits)


def _digest(path: Path, *, problems: list[Problem]) -> str | None:
    """Return the hash of a file's samples at 16 kHz, None if it cannot be heard."""
    digest = hashlib.sha256()
    try:
        with AudioFile(path) as sound:
            for block in sound:
                digest.update(block.tobytes())
            if sound.warning is not None:
                problems.append(Problem(where=path.name, why=sound.warning))
    except AudioUnreadable as error:
        problems.append(Problem(where=path.name, why=str(error)))
        return None
    return digest.hexdigest()
