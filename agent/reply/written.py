"""What a language model writes, as it may be said: whole sentences, plain, nothing of the prompt, with due doubt. Pure.

Models write marks, stage directions, their reasoning, the name of the speaker before the words, or the other's next
line; a model that was talked into it hands out its instructions. What is harmful or claims to feel is the concern of
`agent.safety.vet`, for whoever wrote it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..safety import faults
from ..sentences import SentenceCutter, speakable
from .hedging import hedged

if TYPE_CHECKING:
    from collections.abc import Collection

    from ..safety.leaks import Instructions

_REASONING: Final = (("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<reasoning>", "</reasoning>"))
_LONGEST_TAG = max(len(opening) for opening, _ in _REASONING)
_LONGEST_NOTE = 400
"""A bracket that does not close within so many characters is one alone."""

_DIRECTION = re.compile(
    r"[*_(]+(?:(?:gently|softly|quietly|slowly|warmly|long|short|brief|with a|takes? a|a) )*"
    r"(?:smil|nod|sigh|laugh|chuckl|paus|lean|breath|deep breath|whisper|grin|blink|voice|speak|tilt|shrug|hug|silence|"
    r"soft|warm|listen|look|think)\w*(?: [\w ]{0,40})?[*_)]+",
    re.IGNORECASE,
)
_MARK = re.compile(r"^\s*(?:(?:[-*+•·>]+|#+|\d{1,2}[.)])\s+)+|^\s*(?:[-*+•·>#]+|\d{1,2}[.)])\s*$|```\w*|https?://\S+")
_EMPHASIS = re.compile(r"\*+|(?<!\w)_+|_+(?!\w)")
_GAP = re.compile(r" +(?=[.,!?;:](?:\s|$))")
_OTHERS_LINE = re.compile(r"^\s*(?:user|human|person|the person|speaker|you|me)\s*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """What an answer is checked against.

    Attributes:
        instructions: what the model was told.
        name: of the persona; a model may put it before its words.
        is_unsure: feelings are spoken of with doubt.
        own_words: what the user said, for a feeling that the user named needs no doubt.
        seed: picks the wording of doubt.
    """

    instructions: Instructions
    name: str = ""
    is_unsure: bool = False
    own_words: Collection[str] = ()
    seed: str = ""


class Written:
    """Takes an answer piece by piece and gives sentences that may be said; joined, they are the answer.

    Attributes:
        is_over: what follows is not for the user's ears; stop the model.
        has_leaked: the model began to hand out its instructions.
        withheld: the first sentence that was left out because it must not be said; empty where none was.
    """

    def __init__(self, writing: Writing) -> None:
        self._writing = writing
        self._cutter = SentenceCutter()
        self._raw = _Raw()
        self._has_said = False
        self._at_line_start = True
        self._is_quoted = False
        self.is_over = False
        self.has_leaked = False
        self.withheld = ""

    def feed(self, text: str) -> list[str]:
        """Take the next piece; return the sentences that are now complete."""
        return self._sayable(self._cutter.feed(self._raw.feed(text)))

    def flush(self, *, is_cut: bool = False) -> list[str]:
        """Return the last sentence. Of an answer that was cut for length it is dropped, unless it is all there is."""
        whole = self._sayable(self._cutter.feed(self._raw.flush()))
        rest = self._sayable(self._cutter.flush()) if not (is_cut and (self._has_said or whole)) else []
        return [*whole, *rest]

    def _sayable(self, sentences: list[str]) -> list[str]:
        said: list[str] = []
        for sentence in sentences:
            if self.is_over:
                break
            text = self._plain(sentence)
            self._at_line_start = "\n" in sentence[len(sentence.rstrip()) :]
            if self.is_over or not text:
                continue
            if self._writing.instructions.are_in(text):
                self.is_over = self.has_leaked = True
                break
            if fault := next(iter(faults(text)), None):
                if fault != "harm":  # which must not pass unseen: `vet` puts a helpline in its place
                    self.withheld = self.withheld or text
                    continue
            elif self._writing.is_unsure:
                text = hedged(text, own_words=self._writing.own_words, seed=self._writing.seed)
            self._has_said = True
            said.append(f"{text} " if sentence[-1:].isspace() else text)
        return said

    def _plain(self, sentence: str) -> str:
        """Return a sentence as a voice may get it; empty where nothing is left."""
        if self._at_line_start and self._has_said and (_OTHERS_LINE.match(sentence) or sentence.startswith(_NOTE)):
            # The model goes on to write the other's next line.
            self.is_over = True
            return ""
        text = _EMPHASIS.sub("", _MARK.sub("", _DIRECTION.sub(" ", sentence.replace(_NOTE, ""))))
        if not self._has_said:
            text = self._unnamed(text)
        text = _GAP.sub("", speakable(text))
        if self._is_quoted and text.endswith('"') and text.count('"') % 2:
            text = text[:-1]
        return text if any(character.isalnum() for character in text) else ""

    def _unnamed(self, text: str) -> str:
        """Return the first words without the speaker's name or a quotation mark before them."""
        names = "|".join(filter(None, ["assistant", "agent", "reply", "answer", "ai", re.escape(self._writing.name)]))
        text = re.sub(rf"^[\s*]*(?:{names})[\s*]*:[\s*]*", "", text, flags=re.IGNORECASE)
        unquoted = re.sub(r'^\s*["\N{LEFT DOUBLE QUOTATION MARK}]', "", text)
        self._is_quoted = self._is_quoted or (
            unquoted != text and not re.search(r'["\N{RIGHT DOUBLE QUOTATION MARK}]\W*\w', unquoted)
        )
        return unquoted if self._is_quoted else text


_NOTE = "\ufffc"
"""Stands where a note in square brackets was taken out."""


class _Raw:
    """Takes reasoning and notes in square brackets out of a text that comes piece by piece."""

    def __init__(self) -> None:
        self._rest = ""
        self._closing = ""

    def feed(self, text: str) -> str:
        self._rest += text.replace(_NOTE, "")
        return self._taken(is_last=False)

    def flush(self) -> str:
        return self._taken(is_last=True)

    def _taken(self, *, is_last: bool) -> str:
        done: list[str] = []
        while self._rest:
            n_before = len(self._rest)
            done.append(self._step(is_last=is_last))
            if len(self._rest) == n_before:
                break
        return "".join(done)

    def _step(self, *, is_last: bool) -> str:
        """Return the next stretch that is sure; an unchanged rest means that more is needed."""
        if self._closing:
            self._skip(is_last=is_last)
            return ""
        at = next((i for i, character in enumerate(self._rest) if character in "<["), len(self._rest))
        if at:
            plain, self._rest = self._rest[:at], self._rest[at:]
            return plain
        return self._note(is_last=is_last) if self._rest[0] == "[" else self._tag(is_last=is_last)

    def _skip(self, *, is_last: bool) -> None:
        end = self._rest.casefold().find(self._closing)
        if end >= 0:
            self._rest = self._rest[end + len(self._closing) :].lstrip()
            self._closing = ""
        elif is_last:
            self._rest = ""

    def _note(self, *, is_last: bool) -> str:
        end = self._rest.find("]", 0, _LONGEST_NOTE)
        if end >= 0:
            self._rest = self._rest[end + 1 :].lstrip("\n")
            return _NOTE
        if not is_last and len(self._rest) < _LONGEST_NOTE:
            return ""
        self._rest = "" if is_last else self._rest[1:]
        return _NOTE

    def _tag(self, *, is_last: bool) -> str:
        head = self._rest[:_LONGEST_TAG].casefold()
        for opening, closing in _REASONING:
            if head.startswith(opening):
                self._rest, self._closing = self._rest[len(opening) :], closing
                return ""
        if not is_last and any(opening.startswith(head) for opening, _ in _REASONING):
            return ""
        self._rest = self._rest[1:]
        return "<"
