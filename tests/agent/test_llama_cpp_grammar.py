"""Grammars of random schemas, drawn from wildly: whatever a model would like to say, it says what was asked for."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.llm.values import Decoding, Message, Prompt

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.backends.llm.llama_cpp import LlamaCppModel

Schema: TypeAlias = dict[str, Any]
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=6)


@st.composite
def leaves(draw: st.DrawFn) -> Schema:
    low, more = draw(st.integers(-2000, 2000)), draw(st.integers(0, 3000))
    n, n_more = draw(st.integers(0, 8)), draw(st.integers(0, 8))
    bounds = {"minimum": low, "maximum": low + more}
    choices: list[Schema] = [
        {"type": "integer", **bounds},
        {"type": "number", **bounds},
        {"type": "number", **bounds, "multipleOf": 0.01},
        {"enum": draw(st.lists(WORDS, min_size=1, max_size=4, unique=True))},
        {"type": "string", "minLength": n, "maxLength": n + n_more},
        {"type": "boolean"},
        {"type": "null"},
        {"const": 'a "quoted" \\ one'},
    ]
    return draw(st.sampled_from(choices))


@st.composite
def schemas(draw: st.DrawFn, depth: int = 2) -> Schema:
    kind = draw(st.sampled_from(["leaf", "object", "array", "anyOf"])) if depth else "leaf"
    inner = schemas(depth - 1)
    if kind == "object":
        return {"type": "object", "properties": draw(st.dictionaries(WORDS, inner, max_size=3))}
    if kind == "array":
        low, more = draw(st.integers(0, 2)), draw(st.integers(0, 2))
        return {"type": "array", "items": draw(inner), "minItems": low, "maxItems": low + more}
    if kind == "anyOf":
        return {"anyOf": draw(st.lists(inner, min_size=1, max_size=3))}
    return draw(leaves())


def fits(schema: Schema, value: Any) -> bool:  # noqa: PLR0911 - any JSON; one line a kind
    """Judge a value by its schema, plainly."""
    if "enum" in schema or "const" in schema:
        return value in schema.get("enum", [schema.get("const")])
    if "anyOf" in schema:
        return any(fits(option, value) for option in schema["anyOf"])
    match schema["type"]:
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case "string":
            return isinstance(value, str) and schema["minLength"] <= len(value) <= schema["maxLength"]
        case "array":
            items = cast("list[Any]", value) if isinstance(value, list) else None
            is_long = items is not None and schema["minItems"] <= len(items) <= schema["maxItems"]
            return is_long and items is not None and all(fits(schema["items"], item) for item in items)
        case "object":
            fields = cast("dict[str, Any]", value) if isinstance(value, dict) else None
            is_whole = fields is not None and list(fields) == list(schema["properties"])
            return is_whole and fields is not None and all(fits(schema["properties"][k], v) for k, v in fields.items())
        case kind:
            is_number = isinstance(value, int if kind == "integer" else int | float) and not isinstance(value, bool)
            return is_number and schema["minimum"] <= value <= schema["maximum"]


@pytest.fixture
def model(load_gguf: Callable[..., LlamaCppModel]) -> LlamaCppModel:
    return load_gguf()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(schema=schemas(), seed=st.integers(0, 1000), top_p=st.sampled_from([1.0, 0.7]))
def test_wild_draws_always_parse_and_fit_the_schema(model: LlamaCppModel, schema: Schema, seed: int, top_p: float):
    prompt = Prompt(messages=(Message(role="user", text="x"),))
    decoding = Decoding(max_tokens=480, temperature=1.5, top_p=top_p, seed=seed, schema=schema)

    async def drawn() -> str:
        return "".join([piece.text async for piece in model.stream(prompt, decoding)])

    text = asyncio.run(drawn())
    assert fits(schema, json.loads(text)), text
    assert "\ufffd" not in text or "\ufffd" in json.dumps(schema, ensure_ascii=False)
