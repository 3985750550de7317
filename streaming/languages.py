"""Which language a speaker uses, from what a model makes of one utterance after another. Pure.

One short clip says little: utterances are weighed by their length and summed, and the choice is settled once enough
was heard. From then on it stays, so that a session never flaps between languages.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Shares: TypeAlias = tuple[tuple[str, float], ...]
"""Language codes ("en") with probabilities, or with summed log-probabilities."""

_FLOOR = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageSettings:
    """How a session's language is found.

    Attributes:
        settled_after_s: speech after which the choice stays.
        allowed: the only languages that come into question; empty for all the model knows.
    """

    settled_after_s: float = 2.0
    allowed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the values."""
        if self.settled_after_s < 0:
            raise ValueError(f"settled_after_s is {self.settled_after_s}, expected seconds, 0 or more")


class SessionLanguage:
    """What is known of one speaker's language. Only finals may teach it: they alone are the same live and replayed."""

    def __init__(self, fixed: str | None = None, *, settings: LanguageSettings | None = None) -> None:
        """Without `fixed` the language is to be found."""
        self._settings = settings or LanguageSettings()
        self._settled = fixed
        self._evidence: Shares = ()
        self._heard_s = 0.0

    @property
    def settled(self) -> str | None:
        """The language, once it stays."""
        return self._settled

    @property
    def evidence(self) -> Shares:
        """Summed log-probabilities of what was heard so far, for `weigh`."""
        return self._evidence

    def hear(self, shares: Sequence[tuple[str, float]], *, heard_s: float) -> None:
        """Learn from an utterance: what the model makes of its language, and how long it was."""
        if self._settled is not None or not shares:
            return
        self._evidence = weigh(self._evidence, allowed_only(shares, self._settings.allowed), heard_s=heard_s)
        self._heard_s += heard_s
        if self._heard_s >= self._settings.settled_after_s:
            self._settled = self._evidence[0][0]


def allowed_only(shares: Sequence[tuple[str, float]], allowed: Sequence[str]) -> Shares:
    """Return the shares of the languages that come into question, all if none is named or none is left."""
    kept = tuple(share for share in shares if share[0] in allowed)
    return kept or tuple(shares)


def weigh(evidence: Iterable[tuple[str, float]], shares: Sequence[tuple[str, float]], *, heard_s: float) -> Shares:
    """Return the evidence with an utterance added, best language first: log-probabilities weighed by seconds."""
    known = dict(evidence)
    lowest = min(known.values(), default=0.0)
    total = {code: known.get(code, lowest) + heard_s * math.log(max(share, _FLOOR)) for code, share in shares}
    return tuple(sorted(total.items(), key=lambda entry: (-entry[1], entry[0])))
