"""JSON Schema as a GBNF grammar, for llama.cpp: answers are held to it while they are drawn.

llama.cpp's own translation leaves bounds of numbers out and lets white space grow; this one writes answers in one way
only (see `json_shape`, which says what of JSON Schema can be held to) and keeps every bound.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from .json_shape import (
    ESCAPES,
    FIELD_SEPARATOR,
    ITEM_SEPARATOR,
    Array,
    Choice,
    Enum,
    Integer,
    Number,
    Object,
    Shape,
    String,
    json_text,
    parse_shape,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_REPEATS: Final = 2000
"""Most repetitions that llama.cpp takes."""

_QUOTE: Final = r'"\""'
_CHARACTER: Final = rf'[^"\\\x7F\x00-\x1F] | "\\" [{json.dumps(ESCAPES)[1:-1]}]'


def gbnf(schema: Mapping[str, Any]) -> str:
    """Return the grammar of the answers that `schema` allows, beginning at the rule `root`.

    Raises:
        ValueError: the schema uses what answers cannot be held to; the message names it.
    """
    rules: dict[str, str] = {"character": _CHARACTER}
    top = _rule(parse_shape(schema), rules)
    return "\n".join([f"root ::= {top}", *(f"{name} ::= {body}" for name, body in rules.items())]) + "\n"


def _rule(shape: Shape, rules: dict[str, str]) -> str:
    """Add what `shape` needs to `rules` and return the name of its own."""
    body = _body(shape, rules)
    name = next((name for name, known in rules.items() if known == body), f"part-{len(rules)}")
    rules[name] = body
    return name


def _body(shape: Shape, rules: dict[str, str]) -> str:  # noqa: PLR0911 - one line a shape
    match shape:
        case Object(fields=fields):
            return _object(fields, rules)
        case Array():
            return _array(shape, rules)
        case Choice(shapes=shapes):
            return " | ".join(_rule(inner, rules) for inner in shapes)
        case Enum(texts=texts):
            return " | ".join(map(_literal, texts))
        case String(min_length=least, max_length=most):
            return f"{_QUOTE} {_repeated('character', least, most)} {_QUOTE}"
        case Integer(minimum=low, maximum=high):
            return _signed(low, high, decimals=0)
        case Number(minimum=low, maximum=high, decimals=decimals):
            return _signed(low, high, decimals=decimals)


def _object(fields: tuple[tuple[str, Shape], ...], rules: dict[str, str]) -> str:
    terms: list[str] = []
    before = "{"
    for name, inner in fields:
        terms += [_literal(before + json_text(name) + FIELD_SEPARATOR), _rule(inner, rules)]
        before = ITEM_SEPARATOR
    return " ".join([*terms, _literal("}" if fields else "{}")])


def _array(shape: Array, rules: dict[str, str]) -> str:
    item = _rule(shape.items, rules)
    if shape.max_items == 0:
        return _literal("[]")
    most = None if shape.max_items is None else shape.max_items - 1
    more = _repeated(f"({_literal(ITEM_SEPARATOR)} {item})", max(0, shape.min_items - 1), most)
    items = f"{item} {more}".strip() if shape.min_items else f"({item} {more})?"
    return f"{_literal('[')} {items} {_literal(']')}"


def _repeated(term: str, least: int, most: int | None) -> str:
    if max(least, most or 0) > MAX_REPEATS:
        raise ValueError(f"answers cannot be held to more than {MAX_REPEATS} repetitions, got {max(least, most or 0)}")
    if most == 0:
        return ""
    return f"{term}{{{least},{'' if most is None else most}}}"


def _literal(text: str) -> str:
    """Return `text`, which is JSON and so without control characters, as a GBNF literal."""
    return json.dumps(text, ensure_ascii=False)


def _signed(low: int, high: int, *, decimals: int) -> str:
    """Return what matches the numbers from `low` to `high`, both in units of the last of `decimals` digits."""
    found = list(_numbers(max(low, 0), high, decimals=decimals)) if high >= 0 else []
    if low < 0:
        found += [f'"-" {term}' for term in _numbers(max(1, -high), -low, decimals=decimals)]
    return " | ".join(found)


def _numbers(low: int, high: int, *, decimals: int) -> Iterator[str]:
    """Yield alternatives for 0 <= low <= high, in units of the last of `decimals` digits."""
    unit = 10**decimals
    (first, low_fraction), (last, high_fraction) = divmod(low, unit), divmod(high, unit)
    if first == last:
        yield from _mixed(first, first, low_fraction, high_fraction, decimals=decimals)
        return
    if low_fraction:
        yield from _mixed(first, first, low_fraction, unit - 1, decimals=decimals)
        first += 1
    if high_fraction < unit - 1:
        yield from _mixed(last, last, 0, high_fraction, decimals=decimals)
        last -= 1
    if first <= last:
        yield from _mixed(first, last, 0, unit - 1, decimals=decimals)


def _mixed(first: int, last: int, low: int, high: int, *, decimals: int) -> Iterator[str]:
    """Yield whole parts `first` to `last`, each with a fraction from `low` to `high` in units of the last digit."""
    fractions: list[str] = []
    for n_digits in range(1, decimals + 1):
        step = 10 ** (decimals - n_digits)
        lowest, highest = -(-low // step), high // step
        if lowest <= highest:
            fractions += _digits(str(lowest).zfill(n_digits), str(highest).zfill(n_digits))
    fraction = f'"." ({" | ".join(fractions)})' if fractions else ""
    if fraction and low == 0:
        fraction = f"({fraction})?"
    for whole in _integers(first, last):
        yield f"{whole} {fraction}".strip()


def _integers(first: int, last: int) -> Iterator[str]:
    """Yield patterns for the whole numbers `first` to `last`, not negative, without leading zeros."""
    for n_digits in range(len(str(first)), len(str(last)) + 1):
        least = 10 ** (n_digits - 1) if n_digits > 1 else 0
        yield from _digits(str(max(first, least)), str(min(last, 10**n_digits - 1)))


def _digits(low: str, high: str) -> list[str]:
    """Return patterns for all strings of digits from `low` to `high`, which are equally long."""
    if not low:
        return []
    rest = len(low) - 1
    if low == "0" * len(low) and high == "9" * len(high):
        return [_any(len(low))]
    if low[0] == high[0]:
        return [f'"{low[0]}" {inner}'.strip() for inner in _digits(low[1:], high[1:]) or [""]]
    found: list[str] = []
    first, last = int(low[0]), int(high[0])
    if low[1:].strip("0"):
        found += [f'"{first}" {inner}' for inner in _digits(low[1:], "9" * rest)]
        first += 1
    if high[1:].strip("9"):
        found += [f'"{last}" {inner}' for inner in _digits("0" * rest, high[1:])]
        last -= 1
    if first <= last:
        found.append(f"[{first}-{last}] {_any(rest)}".strip())
    return found


def _any(n_digits: int) -> str:
    return f"[0-9]{{{n_digits}}}" if n_digits else ""
