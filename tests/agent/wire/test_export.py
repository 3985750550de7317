"""The published schema: whole, plain JSON, and true of the examples in it."""

from __future__ import annotations

import json
import re
from typing import Any, cast

import pytest

from agent.wire.faults import FAULTS
from agent.wire.schema.examples import EXAMPLES
from agent.wire.schema.export import DIALECT, EVENTS, event_type, json_schema

SCHEMA = json_schema()
KINDS: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}
UNDERSTOOD = {
    *("$ref", "anyOf", "oneOf", "const", "enum", "type", "properties", "required", "items", "additionalProperties"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems"),
    *("propertyNames", "maxProperties", "description", "title", "default", "examples", "contentEncoding", "format"),
}


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """As much of JSON Schema as our document uses."""
    assert set(schema) <= UNDERSTOOD, set(schema) - UNDERSTOOD
    if "$ref" in schema:
        return fits(value, SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")])
    if "anyOf" in schema:
        return any(fits(value, each) for each in schema["anyOf"])
    if "oneOf" in schema:
        return sum(fits(value, each) for each in schema["oneOf"]) == 1
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        return False
    kind = schema.get("type")
    if kind and (not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return False
    return _is_within(value, schema) and _holds(value, schema)


def _is_within(value: Any, schema: dict[str, Any]) -> bool:
    if isinstance(value, int | float):
        lowest, highest = schema.get("minimum", value), schema.get("maximum", value)
        above, below = schema.get("exclusiveMinimum", value - 1), schema.get("exclusiveMaximum", value + 1)
        return lowest <= value <= highest and above < value < below
    if not isinstance(value, str | list | dict):
        return True
    value = cast("str | list[Any] | dict[str, Any]", value)
    fewest = schema.get("minLength", schema.get("minItems", 0))
    most = schema.get("maxLength", schema.get("maxItems", schema.get("maxProperties", len(value))))
    return fewest <= len(value) <= most


def _holds(value: Any, schema: dict[str, Any]) -> bool:
    if isinstance(value, list):
        return all(fits(each, schema.get("items", {})) for each in cast("list[Any]", value))
    if not isinstance(value, dict):
        return True
    fields = cast("dict[str, Any]", value)
    known: dict[str, Any] = schema.get("properties", {})
    others: Any = schema.get("additionalProperties", True)
    other: dict[str, Any] = {} if isinstance(others, bool) else others
    return set(schema.get("required", [])) <= set(fields) and all(
        fits(inner, known.get(key, other)) for key, inner in fields.items()
    )


CASES = [(union, example) for union, examples in EXAMPLES.items() for example in examples]


@pytest.mark.parametrize(("union", "example"), CASES, ids=[f"{u}-{e['type']}" for u, e in CASES])
def test_every_example_fits_the_published_schema(union: str, example: dict[str, Any]):
    assert fits(example, {"$ref": f"#/$defs/{union}"})


@pytest.mark.parametrize(("union", "example"), CASES, ids=[f"{u}-{e['type']}" for u, e in CASES])
def test_no_example_fits_once_its_type_is_another(union: str, example: dict[str, Any]):
    assert not fits(example | {"type": "attune.nothing"}, {"$ref": f"#/$defs/{union}"})


def test_wrong_values_do_not_fit():
    update = {"type": "session.update", "session": {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}}
    assert fits(update, {"$ref": "#/$defs/ClientEvent"})
    update["session"]["audio"]["input"]["turn_detection"]["threshold"] = 7  # type: ignore[index]
    assert not fits(update, {"$ref": "#/$defs/ClientEvent"})


def test_the_schema_is_one_plain_document_that_points_only_into_itself():
    text = json.dumps(SCHEMA, allow_nan=False)
    assert SCHEMA["$schema"] == DIALECT
    assert set(re.findall(r'"\$ref": "#/\$defs/(\w+)"', text)) <= set(SCHEMA["$defs"])
    assert text.count('"$ref"') == len(re.findall(r'"\$ref": "#/\$defs/\w+"', text))
    assert json_schema() == SCHEMA


def test_every_event_is_there_with_what_it_is_for():
    for union, models in EVENTS.items():
        assert len(SCHEMA["$defs"][union]["oneOf"]) == len(models)
        assert len({event_type(model) for model in models}) == len(models)
        for model in models:
            assert len(SCHEMA["$defs"][model.__name__]["description"]) >= 10
    assert SCHEMA["x-error-codes"] == dict(FAULTS)


def test_every_event_has_an_example():
    events = {model.__name__ for models in EVENTS.values() for model in models}
    assert {name for name in events if not SCHEMA["$defs"][name].get("examples")} == set()


def test_nothing_of_the_python_below_shows():
    text = json.dumps(SCHEMA)
    assert "__" not in text
    assert "discriminator" not in text
    assert "pydantic" not in text.lower()
