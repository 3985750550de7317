"""What a language model wrote, read tolerantly: a label of the list, or why there is none. Pure but for a table.

Models are asked for three lines, `Transcript:`, `Reason:` and `Emotion:`, or for JSON; they write stars, quotes,
fences, another order, a sentence, a synonym, half of it, or the question again. The last `Emotion:` that says anything
counts (papers_spec 1.4). A label that stands only in the transcript or the reason is no answer.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from ..elicitation.words import mentions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..elicitation.words import Mention

Field: TypeAlias = Literal["transcript", "reason", "emotion"]

LIMIT: Final = 20_000
"""Characters of an answer that are looked at: its end, where the label stands."""

MAX_FIELD: Final = 600
"""Characters of a transcript or reason that are kept. (A transcript of 100 words has some 550.)"""

_FIELDS: Final[Mapping[str, Field]] = {
    "transcript": "transcript",
    "transcription": "transcript",
    "revised text": "transcript",
    "reason": "reason",
    "reasons": "reason",
    "reasoning": "reason",
    "explanation": "reason",
    "rationale": "reason",
    "emotion": "emotion",
    "emotions": "emotion",
    "label": "emotion",
    "prediction": "emotion",
    "final answer": "emotion",
}
_NAMES = "|".join(sorted(_FIELDS, key=len, reverse=True)).replace(" ", "[ _]")
_MARK = re.compile(
    # At the beginning of a line in any case, after stars, numbers, up to three words ("2. **Corrected transcript**:").
    rf"^(?i:[^\w\n]*(?:\d+[.)][^\w\n]*)?(?:[^\W\d_]+[ _]){{0,3}}?(?P<line>{_NAMES})[*_\"'`)\] ]*[:=])"
    # In the middle of one only as it was asked for, or as a key of JSON that was cut.
    rf"|(?<![\w-])(?P<inline>Transcript|Reason|Emotion)[*_'`]*:|\"(?P<key>(?i:{_NAMES}))\"\s*:",
    re.MULTILINE,
)
_THOUGHT = re.compile(r"\A.*</think(?:ing)?>|<think(?:ing)?>.*\Z", re.IGNORECASE | re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+")
_NOT = re.compile(r"\b(?:not|no|never|nor|neither|without|isn't|than|rather)\W+(?:\w+\W+){0,2}$", re.IGNORECASE)
_CLAUSE = re.compile(r"[.,;:!?\n]|\bbut\b", re.IGNORECASE)
_STATED = re.compile(
    r"\b(?:is|be|as|predict|select|choose|answer|emotion|label|sounds?|feels?|feeling)\b\W*"
    r"(?:(?:most|very|likely|probably|clearly|definitely|that|of|a|the)\W+){0,3}$",
    re.IGNORECASE,
)
_MAX_OBJECTS: Final = 20
_NO_VALUE: Final = ("n/a", "none", "null", "...")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an answer says.

    Attributes:
        label: one of the labels asked for, None when the answer names none.
        transcript, reason: as written, on one line, at most MAX_FIELD characters; None when missing.
        problem: why there is no label, in plain words; None when there is one.
    """

    label: str | None
    transcript: str | None = None
    reason: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """A stretch of an answer under a field's name; None before the first name."""

    field: Field | None
    text: str


def parse(text: str, labels: Sequence[str]) -> Answer:
    """Return what an answer says; `labels` are those that were asked for. No text raises."""
    plain = _THOUGHT.sub(" ", text[-LIMIT:]).replace("\r", "\n")
    if not _WORD.search(plain):
        return Answer(label=None, problem="the answer is empty")
    parts = _from_json(plain) or _from_lines(plain)
    label, problem = _decided(parts, labels)
    return Answer(
        label=label,
        transcript=_kept(parts, "transcript"),
        reason=_kept(parts, "reason"),
        problem=problem,
    )


def _decided(parts: Sequence[_Part], labels: Sequence[str]) -> tuple[str | None, str | None]:
    """Return the label, or why there is none."""
    said = [part.text for part in parts if part.field == "emotion"]
    for value in reversed(said):
        if _says_something(value, labels):
            label = _label_in(value, labels)
            return label, None if label else f"the answer names none of {', '.join(labels)}: {_short(value)!r}"
    rest = " ".join(part.text for part in parts if part.field is None).strip()
    if label := _label_in(rest, labels):
        return label, None
    if said or len(parts) > 1 or parts[0].field:
        return None, "the answer ends before it names an emotion"
    return None, f"the answer names none of {', '.join(labels)}, or several: {_short(rest)!r}"


def _says_something(value: str, labels: Sequence[str]) -> bool:
    """Tell whether a value is an answer: not empty, and not the list of all labels, which is the question again."""
    plain = value.strip(" \n\t*_\"'`.{}")
    return bool(plain) and plain.lower() not in _NO_VALUE and not _repeats_question(plain, labels)


def _repeats_question(value: str, labels: Sequence[str]) -> bool:
    named = {found.label for found in mentions(value.strip().partition("\n")[0], labels)} - {None}
    return len(named) == len(labels) or bool(re.match(r"\W*one of\b", value, re.IGNORECASE))


def _label_in(value: str, labels: Sequence[str]) -> str | None:
    """Return the label that a text gives: its first word, a line of its own, or the only one that it affirms."""
    found = mentions(value, labels)
    first = _WORD.search(value)
    if found and first and found[0].start == first.start() and not _repeats_question(value, labels):
        return found[0].label
    for line in reversed(value.splitlines()):
        alone = mentions(line, labels)
        if alone and alone[0].label and len(_WORD.findall(line)) == 1:
            return alone[0].label
    return _affirmed(value, found)


def _affirmed(value: str, found: Sequence[Mention]) -> str | None:
    """Return the only label that is named without a "not"; of several the only one that is stated ("... is sad")."""
    named: set[str | None] = set()
    stated: set[str | None] = set()
    for mention in found:
        before = _CLAUSE.split(value[max(0, mention.start - 60) : mention.start])[-1]
        if not _NOT.search(before):
            named.add(mention.label)
            if _STATED.search(before):
                stated.add(mention.label)
    return next((labels.pop() for labels in (named, stated) if len(labels) == 1), None)


def _from_lines(text: str) -> list[_Part]:
    """Return the answer cut at its field names."""
    marks = list(_MARK.finditer(text))
    starts = [mark.start() for mark in marks]
    parts = [_Part(None, text[: starts[0]] if marks else text)]
    for mark, end in zip(marks, [*starts, len(text)][1:], strict=True):
        name = (mark["line"] or mark["inline"] or mark["key"]).lower().replace("_", " ")
        parts.append(_Part(_FIELDS[name], text[mark.end() : end]))
    return [part for part in parts if part.field or part.text.strip(" \n\t*`{}")] or parts[:1]


def _from_json(text: str) -> list[_Part]:
    """Return the fields of the last JSON object that names an emotion; nothing without one."""
    decoder = json.JSONDecoder()
    braces = [found.start() for found in re.finditer("{", text)]
    for at in reversed(braces[-_MAX_OBJECTS:]):
        try:
            held: object = decoder.raw_decode(text, at)[0]
        except (ValueError, RecursionError):
            continue
        parts = _fields_of(held)
        if any(part.field == "emotion" for part in parts):
            return parts
    return []


def _fields_of(held: object) -> list[_Part]:
    if not isinstance(held, dict):
        return []
    found = {str(key).lower().replace("_", " "): value for key, value in cast("dict[object, object]", held).items()}
    return [_Part(_FIELDS[key], value) for key, value in found.items() if key in _FIELDS and isinstance(value, str)]


def _kept(parts: Sequence[_Part], field: Field) -> str | None:
    """Return the last value of a field that is one, on one line without its quotes and stars."""
    for part in reversed(parts):
        value = " ".join(part.text.split()).strip(" *_`\"'{},")
        is_place = value.startswith("<") and value.endswith(">")
        if part.field == field and value and not is_place and value.lower() not in _NO_VALUE:
            return value[:MAX_FIELD]
    return None


def _short(value: str) -> str:
    line = " ".join(value.split())
    return line if len(line) <= 60 else f"{line[:59]}…"
