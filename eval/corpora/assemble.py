"""From what a reader found to a `Corpus`: ids once, dialogues whole and in order, labels known, sound looked at."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from .item import Corpus, Item, Problem
from .reading import audio_fault, other_format
from .splits import leaks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from .labels import LabelTable

DIMENSIONS: Final = ("arousal", "dominance", "valence")


def assemble(name: str, items: Iterable[Item], *, table: LabelTable, problems: Iterable[Problem] = ()) -> Corpus:
    """Return the corpus of `items`, every fault of theirs, and of their splits, listed after `problems`.

    Rules: of items with one id the first is kept. An unknown label is told of and stays, unmapped; so does sound that
    is missing, empty or cut short, which counts as unreadable when it is replayed. A dimension outside [0, 1] is taken
    away. `order` is the place within the dialogue, by the readers' `order`, counted anew from 0; dialogues stand where
    their first item stood.
    """
    found = list(problems)
    kept: dict[str, Item] = {}
    for item in items:
        if item.id in kept:
            found.append(Problem(where=item.id, why="this id stands twice: the first is kept"))
        else:
            kept[item.id] = _checked(item, table=table, problems=found)
    once = tuple(kept.values())
    found.extend((*_unheard(once), *leaks(once)))
    return Corpus(
        name=name, items=_in_order(once), labels=table.to, problems=tuple(found), notes=tuple(_misnamed(once))
    )


def _checked(item: Item, *, table: LabelTable, problems: list[Problem]) -> Item:
    def fault(why: str) -> None:
        problems.append(Problem(where=item.id, why=why))

    emotion = None if item.emotion in table.none else item.emotion
    if emotion == "":
        fault("no emotion stands where one is expected")
        emotion = None
    for label in dict.fromkeys((emotion, *(label for label, _ in item.votes))):
        if label is not None and not table.knows(label):
            fault(f"unknown label {label!r}: expected one of {', '.join(sorted(table.left_out | set(table.to)))}")
    outside = [name for name in DIMENSIONS if not _is_share(getattr(item, name))]
    for name in outside:
        fault(f"{name} is outside the corpus's range ({getattr(item, name):.3g} of [0, 1]) and is left out")
    return replace(item, emotion=emotion, **dict.fromkeys(outside))


def _is_share(value: float | None) -> bool:
    return value is None or 0.0 <= value <= 1.0


def _unheard(items: Sequence[Item]) -> list[Problem]:
    """Return the faults of sound, each file looked at once and told of at the first item that needs it."""
    needed = Counter(item.audio for item in items if item.audio is not None)
    first = {item.audio: item for item in reversed(items) if item.audio is not None}
    problems: list[Problem] = []
    for path, n_items in needed.items():
        fault = audio_fault(path)
        if fault is not None:
            more = "" if n_items == 1 else f" (and {n_items - 1} more items need it)"
            problems.append(Problem(where=first[path].id, why=fault + more))
    return problems


def _misnamed(items: Iterable[Item]) -> Iterator[Problem]:
    """Yield, for each format that hides under another name, how many files do."""
    files: dict[str, list[Path]] = {}
    for path in dict.fromkeys(item.audio for item in items if item.audio is not None):
        if (kind := other_format(path)) is not None:
            files.setdefault(kind, []).append(path)
    for kind, paths in files.items():
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        yield Problem(where=f"{paths[0].name}{more}", why=f"named .wav, {kind} within: heard all the same")


def _in_order(items: Sequence[Item]) -> tuple[Item, ...]:
    dialogues: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        key = ("alone", item.id) if item.dialogue is None else ("dialogue", item.dialogue)
        dialogues.setdefault(key, []).append(item)
    return tuple(
        replace(item, order=place)
        for dialogue in dialogues.values()
        for place, item in enumerate(sorted(dialogue, key=lambda item: item.order))
    )
