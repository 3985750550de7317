"""Words that were never said: what a speech model makes up over noise, silence and its own loops. Pure.

Knows decodings by their figures only, nothing of models. The thresholds of compression and silence are those of
Radford et al. 2023 (Whisper, section 4.5); the whole-text list with low evidence follows Baranski et al. 2025
(arXiv 2501.11378).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from .nbest import normalise

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

Fault: TypeAlias = Literal["silence", "loop", "rate", "boilerplate"]
"""Why a decoding is not believed. Only "loop" and "rate" are worth another try with other options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """One reading as far as it is judged.

    Attributes:
        text: what it says.
        n_tokens: how many tokens it takes, the mark of the end not counted.
        mean_logp: mean natural-log probability of a token, the mark of the end counted.
        p_no_speech: the model's own probability that there is no speech, in [0, 1].
        heard_s: length of the sound.
    """

    text: str
    n_tokens: int
    mean_logp: float
    p_no_speech: float
    heard_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Boilerplate:
    """Whole texts that models make up, after `streaming.nbest.normalise`.

    Attributes:
        closers: nobody says them to an agent ("thanks for watching"); any doubt is enough.
        ordinary: people do say them ("thank you"); there must be every doubt.
    """

    closers: Collection[str] = ()
    ordinary: Collection[str] = ()

    @classmethod
    def from_lines(cls, lines: Iterable[str]) -> Boilerplate:
        """Read one text a line; "?" before it makes it an ordinary one, "#" a remark."""
        closers: set[str] = set()
        ordinary: set[str] = set()
        for line in lines:
            text = normalise(line)
            if text and not line.startswith("#"):
                (ordinary if line.startswith("?") else closers).add(text)
        return cls(closers=frozenset(closers), ordinary=frozenset(ordinary))

    def holds(self, text: str, *, n_doubts: int) -> bool:
        """Whether the normalised text is made up, seeing that `n_doubts` of two signs say that nobody spoke."""
        return (n_doubts >= 1 and text in self.closers) or (n_doubts == 2 and text in self.ordinary)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """When a decoding is not believed.

    Attributes:
        p_no_speech, mean_logp: there is no speech if the model says so with more than the one probability and its
            words have less than the other; either alone proves nothing.
        compression_ratio: text that compresses better loops.
        n_repeats: a phrase said that many times in a row at the end, or anywhere if it fills half the text, loops.
        chars_per_s: nobody speaks faster, over the sound and `slack_s`.
        slack_s: added to the sound before a rate is taken.
        doubt_p_no_speech, doubt_mean_logp: above the one and below the other there is doubt whether anybody spoke;
            only then is a text that the boilerplate holds as a whole not believed.
    """

    p_no_speech: float = 0.6
    mean_logp: float = -1.0
    compression_ratio: float = 2.4
    n_repeats: int = 6
    chars_per_s: float = 25.0
    slack_s: float = 1.0
    doubt_p_no_speech: float = 0.2
    doubt_mean_logp: float = -0.7

    def __post_init__(self) -> None:
        """Refuse what can never or always hold."""
        if self.n_repeats < 2:
            raise ValueError(f"n_repeats is {self.n_repeats}, expected at least 2")
        if self.compression_ratio <= 1 or self.chars_per_s <= 0:
            got = f"{self.compression_ratio} and {self.chars_per_s}"
            raise ValueError(f"expected compression_ratio above 1 and chars_per_s above 0, got {got}")


def fault(decoding: Decoding, *, boilerplate: Boilerplate, settings: GuardSettings) -> Fault | None:
    """Return why the decoding is not believed, None if it is; an empty text has no fault.

    Args:
        decoding: the reading.
        boilerplate: whole texts that models make up.
        settings: the thresholds.
    """
    if decoding.p_no_speech > settings.p_no_speech and decoding.mean_logp < settings.mean_logp:
        return "silence"
    text = decoding.text.strip()
    if len(text) > settings.chars_per_s * (decoding.heard_s + settings.slack_s):
        return "rate"
    words = normalise(text).split()
    if compression_ratio(text) > settings.compression_ratio or loops(words, n_repeats=settings.n_repeats):
        return "loop"
    n_doubts = (decoding.p_no_speech > settings.doubt_p_no_speech) + (decoding.mean_logp < settings.doubt_mean_logp)
    return "boilerplate" if boilerplate.holds(" ".join(words), n_doubts=n_doubts) else None


def compression_ratio(text: str) -> float:
    """Return how many times smaller zlib makes the text; below 1 for short ones."""
    data = text.encode("utf-8")
    return len(data) / len(zlib.compress(data)) if data else 0.0


def loops(words: Sequence[str], *, n_repeats: int) -> bool:
    """Return whether a phrase of up to five words repeats `n_repeats` times in a row and matters.

    It matters at the end, where a model gets stuck, or when its repetitions fill half the text.
    """
    for length in range(1, min(5, len(words) // n_repeats) + 1):
        run = 0
        for i in range(length, len(words)):
            run = run + 1 if words[i] == words[i - length] else 0
            n_said = run // length + 1
            at_end = i == len(words) - 1
            if n_said >= n_repeats and (at_end or 2 * n_said * length >= len(words)):
                return True
    return False
