"""Phrases that do not repeat: frames with alternatives, turned like wheels by the number of the turn.

A frame is a sentence as a person would write it down, with alternatives in brackets and slots in braces:
`[You sound|To me you sound] {word} about {topic}.` A pool holds the frames for one occasion. Turn `n` of a session
takes frame `n` modulo their number, and its `n` div number-th filling; so, within one pool, the same frame comes back
only after all the others, and the same sentence only after `Pool.capacity` turns. When all fillings are used up, the
next round opens with a small word ("Well, ..."). Nothing is remembered and nothing is random: a session starts
somewhere of its own by a stable hash. Pure; reads no file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from math import gcd, prod
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

Slots: TypeAlias = "Mapping[str, str | tuple[str, ...]]"
"""What fills the braces: a text, or several to turn through."""

OPENERS: Final = ("", "Well, ", "Hm, ", "Mm, ", "Okay, ", "Now, ", "You know, ")
"""What a phrase opens with, round by round; the first round needs nothing."""

_PART = re.compile(r"\[([^\[\]]*)\]|\{(\w+)\}|([^\[\]{}]+)")
_SLOT = re.compile(r"\{(\w+)\}")


def stable_hash(*parts: str | int) -> int:
    """Return a number that depends on the parts only: the same on every machine and in every run."""
    return int.from_bytes(blake2b("\x1f".join(map(str, parts)).encode("utf-8", "replace"), digest_size=8).digest())


def sentence_case(text: str) -> str:
    """Return the text with its first letter in upper case and single spaces."""
    text = " ".join(text.split())
    return text[:1].upper() + text[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A sentence with alternatives; `parts` are the choices at each place in order."""

    parts: tuple[tuple[str, ...], ...]

    @property
    def slots(self) -> frozenset[str]:
        """Names of the slots the frame may ask for."""
        return frozenset(name for part in self.parts for choice in part for name in _SLOT.findall(choice))

    def fillings(self, slots: Slots) -> int:
        """Return how many different sentences the frame gives with these slots."""
        return prod(len(part) for part in self._open(slots))

    def fill(self, index: int, slots: Slots) -> str:
        """Return the sentence of this index; indices a multiple of `fillings` apart give the same one."""
        parts = self._open(slots)
        index = index * _stride(prod(len(part) for part in parts))
        chosen: list[str] = []
        for part in parts:
            chosen.append(part[index % len(part)])
            index //= len(part)
        text = _SLOT.sub(lambda found: _first(slots.get(found[1], "")), "".join(chosen))
        return sentence_case(text)

    def _open(self, slots: Slots) -> tuple[tuple[str, ...], ...]:
        """Return the parts with every slot that has several texts opened up into alternatives."""
        return tuple(_opened(part, slots) for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The frames for one occasion."""

    name: str
    frames: tuple[Frame, ...]

    @property
    def capacity(self) -> int:
        """Turns until a sentence can come again, counting the written alternatives only."""
        return len(self.frames) * len(OPENERS) * min(frame.fillings({}) for frame in self.frames)

    def pick(self, turn: int, *, session: str, slots: Slots, avoid: Collection[str] = ()) -> str:
        """Return the sentence for this turn of the session, stepping over those in `avoid` while others are left."""
        size = len(self.frames)
        order = sorted(range(size), key=lambda place: stable_hash(session, self.name, place))
        place = order[(turn + stable_hash(session, self.name)) % size]
        frame = self.frames[place]
        fillings = frame.fillings(slots)
        start, lap = stable_hash(session, self.name, "lap", place), turn // size
        opener = OPENERS[lap // fillings % len(OPENERS)]
        sentences = (_opened_with(opener, frame.fill(start + lap + step, slots)) for step in range(fillings))
        first = _opened_with(opener, frame.fill(start + lap, slots))
        return next((sentence for sentence in sentences if sentence not in avoid), first)


def frame_of(text: str) -> Frame:
    """Read a frame as written.

    Raises:
        ValueError: brackets or braces do not pair up.
    """
    if "".join(found[0] for found in _PART.finditer(text)) != text:
        raise ValueError(f"cannot read the phrase {text!r}: brackets and braces must pair up and not nest")
    parts = [
        tuple(choice for choice in (alternatives or "").split("|"))
        if alternatives or not (slot or plain)
        else ((f"{{{slot}}}",) if slot else (plain,))
        for alternatives, slot, plain in (found.groups() for found in _PART.finditer(text))
    ]
    return Frame(parts=tuple(parts))


def pool_of(name: str, phrases: Sequence[str]) -> Pool:
    """Read a pool as written.

    Raises:
        ValueError: it is empty, or a phrase cannot be read.
    """
    if not phrases:
        raise ValueError(f"the pool of phrases {name!r} is empty: write at least one phrase")
    return Pool(name=name, frames=tuple(map(frame_of, phrases)))


def _opened_with(opener: str, sentence: str) -> str:
    """Return the sentence behind the opener, its own first letter small unless it belongs to "I" or a name."""
    if not opener or sentence.startswith(("I ", "I'", "Attune", "English")):
        return opener + sentence
    return opener + sentence[:1].lower() + sentence[1:]


def _opened(part: tuple[str, ...], slots: Slots) -> tuple[str, ...]:
    """Return the choices with one choice per text of a slot that stands alone."""
    if len(part) == 1 and (found := _SLOT.fullmatch(part[0])):
        value = slots.get(found[1], "")
        return value if isinstance(value, tuple) else (value,)
    return part


def _first(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else value[0]


def _stride(total: int) -> int:
    """Return a step coprime to `total`, near its golden section: neighbours in time differ in many places."""
    step = max(1, round(total * 0.618))
    while gcd(step, total) != 1:
        step += 1
    return step
