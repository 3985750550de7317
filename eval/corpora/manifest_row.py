"""One line of a manifest: what each field may hold, and what is wrong with one that holds something else."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, cast

from .item import Item
from .sounds import located, nfc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_RENAMED: Final = {"is_to_be_scored": "scored"}
FIELDS: Final = tuple(_RENAMED.get(field.name, field.name) for field in fields(Item))
"""Those of `Item`, under the same names but `scored`."""

_NOT_TEXT: Final = frozenset(
    {"audio", "order", "start_s", "end_s", "arousal", "dominance", "valence", "scored", "votes", "hypotheses"}
)
_YES: Final = frozenset({"true", "yes", "1"})
_NO: Final = frozenset({"false", "no", "0"})


class RowInvalid(Exception):
    """A line that is no item, whatever else it holds."""


def item_of(row: Mapping[str, Any], *, line: int, folder: Path) -> tuple[Item, list[str]]:
    """Return the item of a row, and one line for each field that could not be used.

    Args:
        row: values of JSON, or the cells of a CSV; null and "" tell nothing.
        line: its number in the manifest; names an item without an id.
        folder: where relative paths begin.

    Raises:
        RowInvalid: there is nothing to hear and nothing to read in it.
    """
    told: dict[str, Any] = {}
    faults: list[str] = []
    for name in FIELDS:
        value = row.get(name)
        if value is None or value == "":
            continue
        try:
            told[name] = _READ[name](value)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            faults.append(f"{name} is {_shown(value)}, expected {error}")
    if not any(told.get(name) for name in ("audio", "text", "hypotheses")):
        raise RowInvalid(
            "; ".join([*faults, "holds neither audio nor text nor hypotheses: there is nothing to replay"])
        )
    if not _is_forward(told):
        faults.append(f"end_s is {told.pop('end_s')}, expected more than start_s ({told.get('start_s', 0.0)})")
    return _item(told, line=line, folder=folder), faults


def _item(told: dict[str, Any], *, line: int, folder: Path) -> Item:
    if "audio" in told:
        told["audio"] = located(folder / told["audio"])
    told.setdefault("id", f"line-{line}")
    if "scored" in told:
        told["is_to_be_scored"] = told.pop("scored")
    return Item(**told)


def _is_forward(told: Mapping[str, Any]) -> bool:
    end_s = told.get("end_s")
    return end_s is None or end_s > told.get("start_s", 0.0)


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError("text")
    text = nfc(str(value)).strip()
    if not text:
        raise ValueError("text that is not blank")
    if not _is_writable(text):
        raise ValueError("text of whole characters")
    return text


def _is_writable(text: str) -> bool:
    """Return whether there is neither a NUL nor half a surrogate pair in `text`: JSON can hold both, no file name."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError("a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError("a number") from None
    if not math.isfinite(number):
        raise ValueError("a number that is finite")
    return number


def _time(value: object) -> float:
    number = _number(value)
    if number < 0:
        raise ValueError("seconds from 0")
    return number


def _share(value: object) -> float:
    number = _number(value)
    if not 0.0 <= number <= 1.0:
        raise ValueError("a number in [0, 1]")
    return number


def _count(value: object) -> int:
    try:
        number = _number(value)
    except (ValueError, TypeError):
        raise ValueError("a whole number from 0") from None
    if number < 0 or number != int(number):
        raise ValueError("a whole number from 0")
    return int(number)


def _flag(value: object) -> bool:
    word = str(value).strip().lower()
    if word in _YES | _NO:
        return word in _YES
    raise ValueError("true or false")


def _votes(value: object) -> tuple[tuple[str, int], ...]:
    """Read {"angry": 2, "sad": 1}, or "angry:2; sad:1" as a cell holds it."""
    try:
        pairs = _parsed(value).items() if not isinstance(value, str) or value.lstrip().startswith("{") else _cell(value)
        votes = tuple((_text(label), _count(n)) for label, n in pairs)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ValueError('votes like {"angry": 2, "sad": 1} or "angry:2; sad:1"') from None
    if len({label for label, _ in votes}) < len(votes):
        raise ValueError("each label once")
    return tuple((label, n) for label, n in votes if n)


def _cell(value: str) -> list[tuple[str, str]]:
    parts = [part.rpartition(":") for part in value.split(";") if part.strip()]
    return [(label, n.strip()) for label, _, n in parts]


def _hypotheses(value: object) -> tuple[tuple[str, str], ...]:
    """Read ["one", "two"], [{"name": "whisper", "text": "one"}], or "one | two" as a cell holds it."""
    try:
        entries = value.split("|") if isinstance(value, str) and not value.lstrip().startswith("[") else _parsed(value)
        return tuple(_hypothesis(entry, place=place) for place, entry in enumerate(_listed(entries), start=1))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError('hypotheses like ["one", "two"], [{"name": "asr", "text": "one"}] or "one | two"') from None


def _listed(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError
    return cast("list[object]", value)


def _hypothesis(entry: object, *, place: int) -> tuple[str, str]:
    if isinstance(entry, dict):
        told = cast("dict[str, object]", entry)
        return _text(told.get("name", str(place))), _words(told["text"])
    return str(place), _words(entry)


def _words(value: object) -> str:
    """Return a reading; an empty one is a reading too: the recogniser heard nothing."""
    if not isinstance(value, str) or not _is_writable(value):
        raise TypeError
    return nfc(value).strip()


def _parsed(value: object) -> Any:  # noqa: ANN401 - whatever stands in the JSON of a cell
    return json.loads(value) if isinstance(value, str) else value


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"


_READ: Final[Mapping[str, Callable[[object], Any]]] = {
    **dict.fromkeys((name for name in FIELDS if name not in _NOT_TEXT), _text),
    "audio": _text,
    **dict.fromkeys(("start_s", "end_s"), _time),
    **dict.fromkeys(("arousal", "dominance", "valence"), _share),
    "order": _count,
    "scored": _flag,
    "votes": _votes,
    "hypotheses": _hypotheses,
}
