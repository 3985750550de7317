"""Cutting an answer into sentences, so that the first is heard while the rest is still being written. Pure."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 280
"""Characters after which a sentence without an end is cut at a comma or a space."""

_END = re.compile(r"[.!?…]+[\"')\]\N{RIGHT DOUBLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}]*\s+|\n+\s*")
_ABBREVIATION = re.compile(r"(?:^|[\s(.])(?:dr|mr|mrs|ms|prof|st|vs|[a-z])\.\s+$", re.IGNORECASE)


class SentenceCutter:
    """Takes an answer piece by piece and gives whole sentences; joined, they are the answer to the last space."""

    def __init__(self, *, longest: int = LONGEST) -> None:
        self._longest = longest
        self._rest = ""

    def feed(self, text: str) -> list[str]:
        """Take the next piece; return the sentences that are now complete, trailing spaces included."""
        self._rest += text
        done: list[str] = []
        while n := self._cut():
            done.append(self._rest[:n])
            self._rest = self._rest[n:]
        return done

    def flush(self) -> list[str]:
        """Return what is left as the last sentence, if anything is."""
        rest, self._rest = self._rest, ""
        return [rest] if rest else []

    def _cut(self) -> int:
        """Return where the first complete sentence ends, 0 if there is none."""
        for end in _END.finditer(self._rest[: self._longest + 1]):
            is_whole = end.end() < len(self._rest)  # else more spaces may follow
            if is_whole and end.end() <= self._longest and not _ABBREVIATION.search(self._rest[: end.end()]):
                return end.end()
        if len(self._rest) <= self._longest:
            return 0
        head = self._rest[: self._longest]
        return max(head.rfind(", ") + 2 if ", " in head[20:] else head.rfind(" ") + 1, 0) or self._longest


def sentences_of(text: str, *, longest: int = LONGEST) -> list[str]:
    """Return `text` cut into sentences of at most `longest` characters; joined, they are `text`."""
    cutter = SentenceCutter(longest=longest)
    return [*cutter.feed(text), *cutter.flush()]


def speakable(text: str) -> str:
    """Return `text` as a voice may get it: one line, no control characters, phoneme or markup brackets, or pictures."""
    plain = unicodedata.normalize("NFC", text).translate(_PLAIN)
    return " ".join("".join(" " if _is_unspoken(c) else c for c in plain).split())


def _is_unspoken(character: str) -> bool:
    kind = unicodedata.category(character)
    return kind in _UNSPOKEN or (kind in _PICTURES and ord(character) >= _FIRST_PICTURE)


_UNSPOKEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PICTURES = frozenset({"So", "Sk", "Mn"})  # emoji and what modifies them; signs below, such as the degree, are spoken
_FIRST_PICTURE = 0x2190
_PLAIN = str.maketrans({
    "\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{LEFT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT DOUBLE QUOTATION MARK}": '"', "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
    "\N{EM DASH}": ", ", "\N{EN DASH}": "-", "`": "'",
    "[": " ", "]": " ", "{": " ", "}": " ", "<": " ", ">": " ", "|": " ", "\\": " ",
    "*": " ", "_": " ", "#": " ",
})  # fmt: skip
