"""Who speaks a written dialogue, and how: a voice for each speaker, a manner for each feeling. Pure.

The manners are a coarse reading of what the literature on acted speech agrees on (Juslin & Laukka 2003: anger, joy and
fear faster, higher and louder, sadness slower, lower and softer). They make feelings audible to measures of rate, pitch
and level, and no more: nobody's anger is only that. Figures on such speech tell of the path, not of people.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .item import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A voice of an engine, moved by `shift_st` semitones with its resonances, which makes another speaker of it."""

    engine: str
    name: str
    shift_st: float = 0.0

    @property
    def takes_pitch(self) -> bool:
        """Whether the engine can speak it higher or lower."""
        return self.engine != "piper" and (self.engine, self.name) not in _FIXED_PITCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How something is said: `rate` as a ratio to the usual pace, `pitch_st` and `gain_db` from the usual."""

    rate: float = 1.0
    pitch_st: float = 0.0
    gain_db: float = 0.0


MANNERS: Final[Mapping[str, Manner]] = {
    "angry": Manner(rate=1.12, pitch_st=1.5, gain_db=5.0),
    "contemptuous": Manner(rate=0.94, pitch_st=-1.0, gain_db=-1.0),
    "disgusted": Manner(rate=0.92, pitch_st=-1.0, gain_db=0.0),
    "fearful": Manner(rate=1.15, pitch_st=3.0, gain_db=1.0),
    "happy": Manner(rate=1.08, pitch_st=2.5, gain_db=3.0),
    "neutral": Manner(),
    "sad": Manner(rate=0.85, pitch_st=-2.0, gain_db=-4.0),
    "surprised": Manner(rate=1.04, pitch_st=3.5, gain_db=2.0),
}
"""By our labels."""

VOICES: Final[Mapping[str, Sequence[str]]] = {
    "flite": ("slt", "rms", "awb", "kal16"),
    "espeak": ("en-us", "en-gb", "en-us+f2", "en-gb-scotland", "en-us+m3", "en-gb+f4"),
}
"""Of each engine, those best understood first."""

_FIXED_PITCH: Final = frozenset({("flite", "rms")})
_SHIFTS_ST: Final = (0.0, 1.5, -1.5, 2.5, -2.5, 0.75, -0.75)


def cast(items: Iterable[Item], engine: str, names: Sequence[str]) -> dict[str | None, Voice]:
    """Return a voice for each speaker: who says most gets the plainest one, and no two the same as far as they reach.

    `names` are the engine's voices, the plainest first.

    The whole corpus is cast, so that a part of it sounds the same as in the whole. None: lines nobody is named for.
    """
    lines = Counter(item.speaker for item in items)
    ranked = sorted(lines, key=lambda speaker: (-lines[speaker], speaker or ""))
    voices = [Voice(engine=engine, name=name, shift_st=shift) for shift in _SHIFTS_ST for name in names]
    return {speaker: voices[at % len(voices)] for at, speaker in enumerate(ranked)}


def manner_of(label: str | None) -> Manner:
    """Return how a line of this feeling is said; unknown ones plainly."""
    return MANNERS.get(label or "", MANNERS["neutral"])
