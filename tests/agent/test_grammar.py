from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.llm.grammar import gbnf

if TYPE_CHECKING:
    from collections.abc import Mapping


def rules(schema: Mapping[str, Any]) -> dict[str, str]:
    lines = gbnf(schema).strip().splitlines()
    return dict(line.split(" ::= ", 1) for line in lines)


def as_regex(schema: Mapping[str, Any]) -> re.Pattern[str]:
    """Read a grammar without character classes of ours as the regular expression it is."""
    known = rules(schema)
    body = known["root"]
    while found := re.search(r"part-\d+|character", body):
        body = body.replace(found[0], f"(?:{known[found[0]]})")
    literals: list[str] = []

    def keep(literal: re.Match[str]) -> str:
        literals.append(re.escape(json.loads(literal[0])))
        return f"\x00{len(literals) - 1}\x00"

    body = re.sub(r'"(?:[^"\\]|\\.)*"', keep, body).replace(" ", "")
    return re.compile(re.sub("\x00(\\d+)\x00", lambda found: literals[int(found[1])], body))


def allows(schema: Mapping[str, Any], text: str) -> bool:
    return as_regex(schema).fullmatch(text) is not None


@given(st.integers(-(10**6), 10**6), st.integers(0, 10**6), st.data())
def test_integers_keep_their_bounds(low: int, span: int, data: st.DataObject):
    schema = {"type": "integer", "minimum": low, "maximum": low + span}
    near = data.draw(st.sampled_from([low, low - 1, low + span, low + span + 1, low + span // 2, 0, -low]))
    assert allows(schema, str(near)) == (low <= near <= low + span)
    assert not allows(schema, f"0{near}")
    assert not allows(schema, "-0")


@given(st.integers(-5000, 5000), st.integers(0, 5000), st.integers(-11000, 11000))
def test_numbers_keep_their_bounds(low: int, span: int, units: int):
    schema = {"type": "number", "minimum": low / 100, "maximum": (low + span) / 100, "multipleOf": 0.01}
    text = f"{units / 100:.2f}"
    if text != "-0.00":
        is_inside = low <= units <= low + span
        assert allows(schema, text) == is_inside
        if units % 10 == 0:
            assert allows(schema, text[:-1]) == is_inside
        if units % 100 == 0:
            assert allows(schema, text[:-3]) == is_inside
    assert not allows(schema, text + "0")


def test_shares_are_written_from_0_to_1():
    schema = {"type": "number", "minimum": 0, "maximum": 1}
    assert all(allows(schema, text) for text in ("0", "1", "0.5", "0.1234", "1.0", "0.0"))
    assert not any(allows(schema, text) for text in ("1.1", "-0.1", "0.12345", "2", ".5", "01", "1.0001", "1e3"))


def test_objects_come_in_order_without_free_space():
    schema = {
        "type": "object",
        "properties": {"emotion": {"enum": ["sad", 'a "b"']}, "sure": {"type": "boolean"}, "none": {"type": "null"}},
    }
    assert allows(schema, '{"emotion": "sad", "sure": true, "none": null}')
    assert allows(schema, json.dumps({"emotion": 'a "b"', "sure": False, "none": None}))
    assert not allows(schema, '{"sure": true, "emotion": "sad", "none": null}')
    assert not allows(schema, '{"emotion":  "sad", "sure": true, "none": null}')
    assert allows({"type": "object", "properties": {}}, "{}")


@pytest.mark.parametrize(("least", "most"), [(0, 0), (0, 1), (0, 3), (1, 1), (1, 3), (2, 2), (2, None), (0, None)])
def test_arrays_keep_their_lengths(least: int, most: int | None):
    schema: dict[str, Any] = {"type": "array", "items": {"type": "boolean"}, "minItems": least}
    if most is not None:
        schema["maxItems"] = most
    for n in range(6):
        assert allows(schema, json.dumps([True] * n)) == (least <= n and (most is None or n <= most))


def test_text_keeps_its_length_and_its_escapes():
    schema = {"type": "string", "minLength": 1, "maxLength": 3}
    body = rules(schema)
    assert any("character{1,3}" in line for line in body.values())
    assert body["character"] == r'[^"\\\x7F\x00-\x1F] | "\\" [\"\\/bfnrt]'


@pytest.mark.parametrize("word", ["pattern", "format"])
def test_what_cannot_be_held_to_is_named(word: str):
    with pytest.raises(ValueError, match=word):
        gbnf({"type": "string", word: "x"})


def test_more_repetitions_than_llama_cpp_takes_are_refused():
    with pytest.raises(ValueError, match="2000"):
        gbnf({"type": "string", "maxLength": 5000})
