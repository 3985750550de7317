r"""The JSON answers an engine can be held to: a checked subset of JSON Schema. Pure; knows no grammar and no tokens.

An answer is written in one way only, so that a grammar stays small and a model's cache useful: fields in the schema's
order, none left out, `", "` between items and `": "` after a field's name, no other white space; numbers without
exponents, text without `\u` escapes (Unicode stands for itself).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ITEM_SEPARATOR: Final = ", "
FIELD_SEPARATOR: Final = ": "
ESCAPES: Final = '"\\/bfnrt'
"""What may follow a backslash in a text; with it, one character."""
DECIMALS: Final = 4
"""Digits after the point of a number, at most; fewer with `multipleOf` (0.01: 2)."""
MAX_DIGITS: Final = 15
"""Digits before the point of a number without bounds, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """Fields in order, all of them present."""

    fields: tuple[tuple[str, Shape], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """Items of one shape, `max_items` None for any number."""

    items: Shape
    min_items: int = 0
    max_items: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Any one of `shapes`."""

    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Enum:
    """One of these values, each as its JSON text: a closed list, a constant, a boolean or null."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class String:
    """A text of so many characters, `max_length` None for any number."""

    min_length: int = 0
    max_length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer:
    """A whole number, bounds included."""

    minimum: int = -(10**MAX_DIGITS) + 1
    maximum: int = 10**MAX_DIGITS - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number with at most `decimals` digits after the point; bounds included, in units of the last such digit.

    0 to 1 with two decimals is `Number(minimum=0, maximum=100, decimals=2)`.
    """

    minimum: int
    maximum: int
    decimals: int = DECIMALS


Shape: TypeAlias = Object | Array | Choice | Enum | String | Integer | Number

BOOLEAN: Final = Enum(texts=("true", "false"))
NULL: Final = Enum(texts=("null",))

_MAX_DEPTH: Final = 16
_SAYS_NOTHING: Final = {"title", "description", "default", "examples", "$schema", "$id", "$comment", "$defs", "type"}


def parse_shape(schema: Mapping[str, Any]) -> Shape:
    """Return the shape a JSON Schema describes.

    Raises:
        ValueError: it is no JSON Schema or uses what is not in the subset; the message says what and where.
    """
    return _shape(schema, root=schema, at="#")


def json_text(value: object) -> str:
    """Return the JSON text of a value, written as answers are."""
    return json.dumps(value, ensure_ascii=False, separators=(ITEM_SEPARATOR, FIELD_SEPARATOR))


def _shape(schema: object, *, root: Mapping[str, Any], at: str, depth: int = 0) -> Shape:
    node = _node(schema, at, depth=depth)

    def part(inner: object, name: str) -> Shape:
        return _shape(inner, root=root, at=f"{at}/{name}", depth=depth + 1)

    if "$ref" in node:
        return part(_referred(node["$ref"], root, at), "$ref")
    if "enum" in node or "const" in node:
        return _enum(node, at)
    if word := next((word for word in ("anyOf", "oneOf") if word in node), None):
        _known(node, {word}, at)
        return Choice(shapes=tuple(part(inner, f"{word}/{i}") for i, inner in enumerate(node[word])))
    kind = node.get("type", "object" if "properties" in node else None)
    if isinstance(kind, list):
        kinds = cast("list[str]", kind)
        return Choice(shapes=tuple(_typed({**node, "type": name}, at, part) for name in kinds))
    return _typed({**node, "type": kind}, at, part)


def _node(schema: object, at: str, *, depth: int) -> dict[str, Any]:
    if not isinstance(schema, dict):
        raise ValueError(f"expected a JSON Schema at {at}, got {schema!r}")  # noqa: TRY004 - one error for callers
    if depth > _MAX_DEPTH:
        raise ValueError(f"the JSON Schema is nested too deep or refers to itself at {at}")
    return cast("dict[str, Any]", schema)


def _typed(node: dict[str, Any], at: str, part: Callable[[object, str], Shape]) -> Shape:
    read = {"object": _object, "array": _array, "string": _string, "integer": _integer, "number": _number}
    kind = node["type"]
    if kind == "boolean":
        return BOOLEAN
    if kind == "null":
        return NULL
    if kind not in read:
        raise ValueError(f"expected a type, an enum, a const or anyOf at {at}, got type {kind!r}")
    return read[kind](node, at, part)


def _object(node: dict[str, Any], at: str, part: Callable[[object, str], Shape]) -> Shape:
    _known(node, {"properties", "required", "additionalProperties"}, at)
    if node.get("additionalProperties"):
        raise ValueError(f"additionalProperties cannot be held to at {at}: name all fields")
    fields = cast("dict[str, object]", node.get("properties", {}))
    if missing := sorted(set(node.get("required", ())) - set(fields)):
        raise ValueError(f"required fields without a schema at {at}: {', '.join(missing)}")
    return Object(fields=tuple((name, part(inner, f"properties/{name}")) for name, inner in fields.items()))


def _array(node: dict[str, Any], at: str, part: Callable[[object, str], Shape]) -> Shape:
    _known(node, {"items", "minItems", "maxItems"}, at)
    if "items" not in node:
        raise ValueError(f"an array needs items at {at}")
    least, most = _lengths(node, "minItems", "maxItems", at)
    return Array(items=part(node["items"], "items"), min_items=least, max_items=most)


def _string(node: dict[str, Any], at: str, _: object) -> Shape:
    _known(node, {"minLength", "maxLength"}, at)
    least, most = _lengths(node, "minLength", "maxLength", at)
    return String(min_length=least, max_length=most)


def _integer(node: dict[str, Any], at: str, _: object) -> Shape:
    low, high = _bounds(node, at, decimals=0, also=set())
    return Integer(minimum=low, maximum=high)


def _number(node: dict[str, Any], at: str, _: object) -> Shape:
    step = node.get("multipleOf")
    decimals = DECIMALS if step is None else max(0, round(-math.log10(step)))
    if step is not None and not math.isclose(step, 10.0**-decimals):
        raise ValueError(f"multipleOf must be 1, 0.1, 0.01 and so on at {at}, got {step!r}")
    low, high = _bounds(node, at, decimals=decimals, also={"multipleOf"})
    return Number(minimum=low, maximum=high, decimals=decimals)


def _enum(node: dict[str, Any], at: str) -> Shape:
    _known(node, {"enum", "const"}, at)
    values = cast("list[object]", node["enum"] if "enum" in node else [node["const"]])
    if not values:
        raise ValueError(f"an enum needs values at {at}")
    return Enum(texts=tuple(dict.fromkeys(json_text(value) for value in values)))


def _lengths(node: dict[str, Any], low: str, high: str, at: str) -> tuple[int, int | None]:
    least, most = int(node.get(low, 0)), node.get(high)
    if least < 0 or (most is not None and most < least):
        raise ValueError(f"{low} {least} and {high} {most} leave nothing at {at}")
    return least, most


def _bounds(node: dict[str, Any], at: str, *, decimals: int, also: set[str]) -> tuple[int, int]:
    """Return the lowest and highest value, in units of the last digit."""
    _known(node, {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", *also}, at)
    unit = 10**decimals
    far = 10**MAX_DIGITS * unit - 1
    lows = [-far, *(math.ceil(_units(node["minimum"], unit)) for _ in range("minimum" in node))]
    lows += [math.floor(_units(node["exclusiveMinimum"], unit)) + 1 for _ in range("exclusiveMinimum" in node)]
    highs = [far, *(math.floor(_units(node["maximum"], unit)) for _ in range("maximum" in node))]
    highs += [math.ceil(_units(node["exclusiveMaximum"], unit)) - 1 for _ in range("exclusiveMaximum" in node)]
    if max(lows) > min(highs):
        raise ValueError(f"the bounds leave no number at {at}")
    return max(lows), min(highs)


def _units(value: float, unit: int) -> float:
    """Return `value` in units of the last digit, what is a whole number of them but for rounding made one."""
    exact = value * unit
    return round(exact) if math.isclose(exact, round(exact), rel_tol=1e-12, abs_tol=1e-9) else exact


def _known(node: dict[str, Any], words: set[str], at: str) -> None:
    if unknown := sorted(set(node) - words - _SAYS_NOTHING):
        raise ValueError(f"answers cannot be held to {', '.join(unknown)} at {at}; leave it out and check afterwards")


def _referred(reference: object, root: Mapping[str, Any], at: str) -> object:
    if not isinstance(reference, str) or not reference.startswith("#/"):
        raise ValueError(f"only references inside the schema are followed, got {reference!r} at {at}")
    found: object = root
    for name in reference[2:].split("/"):
        if not isinstance(found, dict) or name not in found:
            raise ValueError(f"{reference} at {at} leads nowhere")
        found = cast("dict[str, object]", found)[name]
    return found
