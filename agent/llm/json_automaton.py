"""Which bytes an answer may go on with so that it becomes JSON of a given shape. Pure; knows no tokens.

A state is what is still to be written, first things first: `(item, rest)`, at the end `()`. Where an answer may go on
in several ways, it is in several states at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from .json_shape import (
    ESCAPES,
    FIELD_SEPARATOR,
    ITEM_SEPARATOR,
    MAX_DIGITS,
    Array,
    Choice,
    Enum,
    Integer,
    Number,
    Object,
    Shape,
    String,
    json_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

QUOTE, BACKSLASH, POINT, MINUS = b'"\\.-'
_ESCAPES: Final = ESCAPES.encode()
_ANY: Final = (0x80, 0xBF)
_AFTER: Final[dict[int, tuple[tuple[int, int], ...]]] = {
    **dict.fromkeys(range(0x20, 0x7F), ()),
    **dict.fromkeys(range(0xC2, 0xE0), (_ANY,)),
    **dict.fromkeys(range(0xE0, 0xF0), (_ANY, _ANY)),
    **dict.fromkeys(range(0xF0, 0xF5), (_ANY, _ANY, _ANY)),
    0xE0: ((0xA0, 0xBF), _ANY),
    0xED: ((0x80, 0x9F), _ANY),
    0xF0: ((0x90, 0xBF), _ANY, _ANY),
    0xF4: ((0x80, 0x8F), _ANY, _ANY),
}
"""What bytes must follow the first of a character in UTF-8 (Unicode 15, table 3-7)."""


class Literal(NamedTuple):
    """These bytes."""

    left: bytes


class Text(NamedTuple):
    """The inside of a text: characters still needed and possible, bytes still to come of the one begun."""

    least: int
    most: int | None
    pending: tuple[tuple[int, int], ...] = ()
    is_escape: bool = False


class Digits(NamedTuple):
    """A number of which `text` is written; bounds in units of the last of `decimals` digits."""

    low: int
    high: int
    decimals: int
    text: str = ""


class More(NamedTuple):
    """The rest of an array of which `n` items are written."""

    array: Array
    n: int


Item: TypeAlias = Literal | Text | Digits | More | Shape
State: TypeAlias = "tuple[()] | tuple[Item, State]"
States: TypeAlias = frozenset[State]

DONE: Final[State] = ()


def begin(shape: Shape) -> States:
    """Return the states before the first byte."""
    return frozenset(_ready((shape, DONE)))


def step(states: States, byte: int) -> States:
    """Return the states after one more byte; none when it does not fit."""
    return frozenset(after for state in states for after in _stepped(state, byte))


def _ready(state: State) -> Iterator[State]:
    """Yield the states that wait for a byte (or are at the end) into which `state` unfolds."""
    if not state:
        yield state
        return
    item, rest = state
    match item:
        case Literal(b""):
            yield from _ready(rest)
        case Literal() | Text():
            yield state
        case Digits():
            yield state
            if _is_whole(item):
                yield from _ready(rest)
        case _:
            for unfolded in _unfolded(item, rest):
                yield from _ready(unfolded)


def _unfolded(item: Shape | More, rest: State) -> Iterator[State]:
    match item:
        case Object(fields=fields):
            yield _object(fields, rest)
        case Array():
            yield Literal(b"["), (More(item, 0), rest)
        case More():
            yield from _more(item, rest)
        case Choice(shapes=shapes):
            yield from ((shape, rest) for shape in shapes)
        case Enum(texts=texts):
            yield from ((Literal(text.encode()), rest) for text in texts)
        case String(min_length=least, max_length=most):
            yield Literal(b'"'), (Text(least, most), rest)
        case Integer() | Number():
            yield Digits(item.minimum, item.maximum, item.decimals if isinstance(item, Number) else 0), rest


def _object(fields: tuple[tuple[str, Shape], ...], rest: State) -> State:
    state: State = (Literal(b"}" if fields else b"{}"), rest)
    for index, (name, shape) in reversed(list(enumerate(fields))):
        before = (ITEM_SEPARATOR if index else "{") + json_text(name) + FIELD_SEPARATOR
        state = (Literal(before.encode()), (shape, state))
    return state


def _more(item: More, rest: State) -> Iterator[State]:
    array, n = item
    if n >= array.min_items:
        yield Literal(b"]"), rest
    if array.max_items is None or n < array.max_items:
        # Where any number may follow, it does not matter how many there were: the states stay few.
        counted = n + 1 if array.max_items is not None else min(n + 1, max(1, array.min_items))
        separator = Literal(ITEM_SEPARATOR.encode() if n else b"")
        yield separator, (array.items, (More(array, counted), rest))


def _stepped(state: State, byte: int) -> Iterator[State]:
    if not state:
        return
    item, rest = state
    match item:
        case Literal(left):
            if left[0] == byte:
                yield from _ready((Literal(left[1:]), rest))
        case Text():
            yield from _text(item, rest, byte)
        case Digits():
            longer = item._replace(text=item.text + chr(byte))
            if chr(byte) in "0123456789.-" and _can_be(longer):
                yield from _ready((longer, rest))
        case _:
            raise AssertionError("only what waits for a byte is stepped")  # pragma: no cover - by construction


def _text(item: Text, rest: State, byte: int) -> Iterator[State]:
    if item.pending:
        (low, high), *others = item.pending
        if low <= byte <= high:
            yield item._replace(pending=tuple(others)), rest
    elif item.is_escape:
        if byte in _ESCAPES:
            yield item._replace(is_escape=False), rest
    elif byte == QUOTE:
        if item.least <= 0:
            yield from _ready(rest)
    elif byte in _AFTER and item.most != 0:
        least, most = max(0, item.least - 1), None if item.most is None else item.most - 1
        yield Text(least, most, _AFTER[byte], byte == BACKSLASH), rest


def _is_whole(item: Digits) -> bool:
    """Return whether what is written is a number within the bounds, and not "-0"."""
    text = item.text
    if not text or text[-1] in "-.":
        return False
    whole, _, fraction = text.lstrip("-").partition(".")
    units = int(whole + fraction.ljust(item.decimals, "0"))
    if text[0] == "-":
        return units > 0 and item.low <= -units <= item.high
    return item.low <= units <= item.high


def _can_be(item: Digits) -> bool:
    """Return whether what is written begins a number within the bounds."""
    is_negative = item.text.startswith("-")
    low, high = (max(1, -item.high), -item.low) if is_negative else (max(0, item.low), item.high)
    whole, point, fraction = (item.text[1:] if is_negative else item.text).partition(".")
    if low > high or "-" in whole + fraction or "." in fraction or len(fraction) > item.decimals:
        return False
    if not whole:
        return not point
    if (whole[0] == "0" and len(whole) > 1) or (point and not item.decimals):
        return False
    return any(first <= high and low <= last for first, last in _reach(whole, fraction, item.decimals, bool(point)))


def _reach(whole: str, fraction: str, decimals: int, has_point: bool) -> Iterator[tuple[int, int]]:  # noqa: FBT001
    """Yield the spans of numbers, in units of the last digit, that begin with these digits."""
    unit = 10 ** (decimals - len(fraction))
    written = int(whole + fraction)
    yield written * unit, (written + 1) * unit - 1
    if not has_point and written:
        for n_more in range(1, MAX_DIGITS - len(whole) + 1):
            yield written * 10**n_more * unit, (written + 1) * 10**n_more * unit - 1
