"""A translation as a model writes it: where it begins, where it ends, and how a text too long for it is cut. Pure."""

from __future__ import annotations

import re
from typing import Final

from ..llm.stopping import UntilStop
from ..sentences import SentenceCutter

_QUOTES: Final = {'"': '"', "\N{LEFT DOUBLE QUOTATION MARK}": '"\N{RIGHT DOUBLE QUOTATION MARK}', "«": "»", "„": "“”"}
"""Marks that open a quotation, and those that close it."""

_ENDS: Final = (
    re.compile(r"[.!?\u2026]+\s+|[\u3002\uff01\uff1f]+\s*"),
    re.compile(r"[,;:]+\s+|[\u3001\uff0c\uff1b]+\s*"),
    re.compile(r"\s+"),
)
"""Where a text may be cut, best first."""

_LONGEST_WORD: Final = 40
_OPENS, _CLOSES = "<think>", "</think>"
_RUN: Final = 7


class Written:
    """Takes the answer piece by piece and gives the translation in it.

    Left out are reasoning before it, white space and line ends, a repeated "French:", all from `ends_at` on, and the
    quotation marks of an answer that begins with one although `text`, which is translated, does not.
    """

    def __init__(self, *, text: str, ends_at: str, label: str) -> None:
        self._until = UntilStop((ends_at,))
        self._label = f"{label}:"
        self._may_be_quoted = text[:1] not in _QUOTES
        self._marks = ""
        self._head: str | None = ""

    @property
    def is_over(self) -> bool:
        """Whether the end of the translation has come."""
        return self._until.is_over

    def feed(self, piece: str) -> str:
        """Return what of the translation is now clear."""
        if self._head is not None:
            self._head = _without_reasoning(self._head + piece)
            if _OPENS.startswith(self._head) or self._head.startswith(_OPENS):
                return ""  # nothing yet, or reasoning that goes on
            if self._label.startswith(self._head.rstrip()):
                return ""  # what may become the label
            piece = self._begun()
        return self._plain(self._until.feed(piece))

    def flush(self) -> str:
        """Return what was held back: the answer is over."""
        rest = self._begun() if self._head is not None else ""
        return self._plain(self._until.feed(rest) + self._until.flush())

    def _begun(self) -> str:
        """Return the beginning without label and opening mark; from now on the answer has begun."""
        head, self._head = self._head or "", None
        if head.startswith(_OPENS):
            return ""
        head = head.removeprefix(self._label).lstrip()
        if self._may_be_quoted and head[:1] in _QUOTES:
            self._marks = head[0] + _QUOTES[head[0]]
        return head

    def _plain(self, text: str) -> str:
        return "".join(" " if c == "\n" else c for c in text if c not in self._marks)


class Unechoed:
    """Lets sentences through that are not the instructions the model was given.

    What holds so many of their words in a row is no translation: nobody says that by chance.
    """

    def __init__(self, instructions: str) -> None:
        self._cutter = SentenceCutter()
        self._runs = _runs(instructions)

    def feed(self, text: str) -> str:
        """Return the sentences that are now whole."""
        return self._passed(self._cutter.feed(text))

    def flush(self) -> str:
        """Return the last sentence."""
        return self._passed(self._cutter.flush())

    def _passed(self, sentences: list[str]) -> str:
        return "".join(sentence for sentence in sentences if not self._runs & _runs(sentence))


def _runs(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1)}


def _without_reasoning(head: str) -> str:
    head = head.lstrip()
    if head.startswith(_OPENS) and _CLOSES in head:
        return head.partition(_CLOSES)[2].lstrip()
    return head


def halves(text: str) -> tuple[str, str] | None:
    """Return `text` cut in two near its middle: between sentences, else clauses, else words. None for a short word."""
    middle = len(text) / 2
    for end in _ENDS:
        # A cut far from the middle is a poor one, however good the place.
        cuts = [found.end() for found in end.finditer(text) if middle / 2 <= found.end() <= 1.5 * middle]
        if cuts:
            cut = min(cuts, key=lambda at: abs(at - middle))
            return text[:cut].rstrip(), text[cut:]
    if len(text) < _LONGEST_WORD:
        return None
    # Some languages write no spaces; and a monstrous word is better cut than not translated.
    return text[: len(text) // 2].rstrip(), text[len(text) // 2 :].lstrip()
