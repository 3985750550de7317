"""Answers held to a shape: what can be written is JSON of that shape, and all such JSON can be written."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.llm.json_automaton import DONE, begin, step
from agent.llm.json_shape import parse_shape
from agent.llm.token_mask import Constraint, Tokens

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "emotion": {"enum": ["angry", "sad", 'quo"te', None, 3]},
        "reason": {"type": "string", "minLength": 1, "maxLength": 12},
        "arousal": {"type": "number", "minimum": 0, "maximum": 1, "multipleOf": 0.01},
        "turn": {"type": "integer", "minimum": -12, "maximum": 345},
        "sure": {"type": "boolean"},
        "cues": {"type": "array", "items": {"type": ["string", "null"], "maxLength": 3}, "maxItems": 3},
    },
    "required": ["emotion"],
    "additionalProperties": False,
}


def fits(schema: dict[str, Any], text: str) -> bool:
    states = begin(parse_shape(schema))
    for byte in text.encode():
        states = step(states, byte)
    return DONE in states


def written(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


@given(low=st.integers(-300, 300), width=st.integers(0, 300), value=st.integers(-999, 999))
def test_a_whole_number_fits_just_when_it_lies_within_the_bounds(low: int, width: int, value: int):
    schema = {"type": "integer", "minimum": low, "maximum": low + width}
    assert fits(schema, str(value)) == (low <= value <= low + width)


@given(low=st.integers(-300, 300), width=st.integers(0, 300), value=st.integers(-999, 999), digits=st.integers(0, 2))
def test_a_number_fits_just_when_it_lies_within_the_bounds(low: int, width: int, value: int, digits: int):
    schema = {"type": "number", "minimum": low / 100, "maximum": (low + width) / 100, "multipleOf": 0.01}
    text = f"{value / 10**digits:.{digits}f}"
    shown = "-0" not in text or value != 0
    assert fits(schema, text) == (shown and low <= value * 10 ** (2 - digits) <= low + width)


@pytest.mark.parametrize(
    "text", ["-0", "00", "01", "1.", ".5", "1e3", "+1", "--1", "1-", "1.2.3", "", "-", "1.23456", " 1", "1 ", "NaN"]
)
def test_what_is_no_plain_number_does_not_fit(text: str):
    assert not fits({"type": "number"}, text)


@given(text=st.text(max_size=12).filter(lambda t: t.isprintable() and "\x7f" not in t), most=st.integers(0, 12))
def test_a_text_fits_just_when_it_is_short_enough(text: str, most: int):
    assert fits({"type": "string", "maxLength": most}, written(text)) == (len(text) <= most)


@given(raw=st.binary(max_size=6))
def test_only_utf_8_fits_into_a_text(raw: bytes):
    states = begin(parse_shape({"type": "string"}))
    for byte in b'"' + raw + b'"':
        states = step(states, byte)
    try:
        wanted = isinstance(json.loads(b'"' + raw + b'"'), str) and b"\x7f" not in raw and b"\\u" not in raw
    except ValueError:
        wanted = False
    assert (DONE in states) == wanted


@given(values=st.lists(st.booleans(), max_size=5), least=st.integers(0, 3), room=st.none() | st.integers(0, 2))
def test_an_array_fits_just_when_it_has_so_many_items(values: list[bool], least: int, room: int | None):
    schema: dict[str, Any] = {"type": "array", "items": {"type": "boolean"}, "minItems": least}
    if room is not None:
        schema["maxItems"] = least + room
    assert fits(schema, written(values)) == (least <= len(values) <= (least + room if room is not None else 99))


def test_fields_come_in_order_and_none_is_left_out():
    empty: dict[str, Any] = {"type": "object", "properties": {}}
    schema = {"type": "object", "properties": {"a": {"const": 1}, "b": empty}}
    assert fits(schema, '{"a": 1, "b": {}}')
    assert not fits(schema, '{"b": {}, "a": 1}')
    assert not fits(schema, '{"a": 1}')
    assert not fits(schema, '{"a":1, "b": {}}')


def vocabulary(seed: int) -> list[bytes | None]:
    """All bytes, and longer pieces such as tokenizers have, some of them half a character."""
    draw = random.Random(seed)
    text = (written({"emotion": "sad", "reason": 'so "été" 🙂', "arousal": 0.25}) + ' "], "cues": [').encode()
    pieces = {text[at : at + draw.randint(2, 9)] for at in range(0, len(text), 2)}
    return [None, *(bytes([byte]) for byte in range(256)), *sorted(pieces), None]


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000))
def test_whatever_is_drawn_under_a_mask_is_an_answer_of_the_shape(seed: int):
    draw = random.Random(seed)
    texts = vocabulary(seed % 3)
    constraint = Constraint(parse_shape(SCHEMA), Tokens(texts))
    said = b""
    for _ in range(400):
        if constraint.is_over:
            break
        mask = constraint.fitting()
        assert mask.any()
        token = draw.choice([int(i) for i in mask.nonzero()[0]])
        constraint.accept(token)
        said += texts[token] or b""
    assert constraint.is_over
    value = json.loads(said)
    assert list(value) == list(SCHEMA["properties"])
    assert value["emotion"] in SCHEMA["properties"]["emotion"]["enum"]
    assert 1 <= len(value["reason"]) <= 12
    assert 0 <= value["arousal"] <= 1
    assert -12 <= value["turn"] <= 345
    assert len(value["cues"]) <= 3


@given(seed=st.integers(0, 10_000))
def test_the_mask_of_a_vocabulary_is_what_each_token_alone_says(seed: int):
    draw = random.Random(seed)
    texts = vocabulary(seed % 3)
    constraint = Constraint(parse_shape(SCHEMA), Tokens(texts))
    for _ in range(draw.randint(0, 25)):
        if constraint.is_over:
            return
        mask = constraint.fitting()
        assert [constraint.allows(token) for token in range(len(texts))] == mask.tolist()
        constraint.accept(draw.choice([int(i) for i in mask.nonzero()[0]]))


def test_a_token_that_does_not_fit_is_refused():
    constraint = Constraint(parse_shape({"type": "boolean"}), Tokens([b"t", b"x", None]))
    with pytest.raises(ValueError, match="does not fit"):
        constraint.accept(1)
    with pytest.raises(ValueError, match="does not fit"):
        constraint.accept(7)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string", "pattern": "a+"}, "pattern at #"),
        ({"type": "object", "properties": {"a": {"type": "string", "format": "date"}}}, "format at #/properties/a"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "name all fields"),
        ({"type": "object", "properties": {}, "required": ["x"]}, "without a schema at #: x"),
        ({"type": "array"}, "needs items"),
        ({"enum": []}, "needs values"),
        ({"type": "thing"}, "got type 'thing'"),
        ({}, "got type None"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "leave no number"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "leave nothing"),
        ({"type": "number", "multipleOf": 0.25}, "multipleOf"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "refers to itself"),
        ({"$ref": "#/$defs/b"}, "leads nowhere"),
        ({"$ref": "http://x"}, "inside the schema"),
        ({"anyOf": [True]}, "expected a JSON Schema at #/anyOf/0"),
    ],
)
def test_what_answers_cannot_be_held_to_is_named_with_its_place(schema: dict[str, Any], words: str):
    with pytest.raises(ValueError, match=words.replace("$", r"\$")):
        parse_shape(schema)


def test_references_and_choices_are_followed():
    schema = {"$defs": {"n": {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 4}}, "$ref": "#/$defs/n"}
    assert [fits(schema, str(n)) for n in range(6)] == [False, False, True, True, False, False]
    either = {"anyOf": [{"type": "null"}, {"type": "array", "items": {"enum": ["x"]}, "minItems": 1}]}
    assert fits(either, "null")
    assert fits(either, '["x", "x"]')
    assert not fits(either, "[]")
