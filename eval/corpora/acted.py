"""Corpora of acted clips whose file names say everything: found, taken apart, counted. Knows none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .gathering import gathered, labels_of
from .item import Problem
from .sounds import nfc, sound_files

if TYPE_CHECKING:
    import re
    from collections.abc import Callable
    from pathlib import Path

    from .item import Corpus, Item


def read_clips(
    name: str, root: Path, *, pattern: re.Pattern[str], item: Callable[[Path, re.Match[str]], Item | None]
) -> Corpus:
    """Return the corpus of the sound files below `root` whose stem is a full match of `pattern`.

    `item` makes the item of a match, or None for a clip that belongs to another part of the corpus (song, video). A
    file of another name is a problem.

    Raises:
        CorpusUnreadable: not one such file.
    """
    items: list[Item] = []
    problems: list[Problem] = []
    for path in sound_files(root):
        match = pattern.fullmatch(nfc(path.stem))
        if match is None:
            problems.append(Problem(where=str(path.relative_to(root)), why=f"is not named like a clip of {name}"))
        elif (made := item(path, match)) is not None:
            items.append(made)
    return gathered(name, items, root=root, labels=labels_of(name), problems=problems)


def lacking_clips(root: Path, *, pattern: re.Pattern[str], example: str) -> list[str]:
    """Return one line when there is no folder, or no clip named as `pattern` says; else nothing."""
    if not root.is_dir():
        return [f"{root} is no folder"]
    if any(pattern.fullmatch(nfc(path.stem)) for path in sound_files(root)):
        return []
    return [f"{root} holds no sound file named like {example}"]
