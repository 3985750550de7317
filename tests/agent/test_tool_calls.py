"""Functions of a program: when a language model asks for one, which, and with what arguments."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.backends.llm.openai_compatible import OpenAiCompatibleModel
from agent.backends.llm.openai_compatible_settings import OpenAiCompatibleSettings
from agent.backends.llm.scripted import ScriptedModel
from agent.backends.reply.language_model import LanguageModelResponder
from agent.behaviour import Aside, Behaviour, Tool
from agent.conversation import Conversation, Placed
from agent.llm.values import Capabilities, LabelScores
from agent.ports import ToolCalling
from agent.reply.tools import ArgumentsInvalid, arguments_of, options_of, schema_of, takes_nothing
from streaming.errors import ContextOverflow, EngineFailed
from streaming.remote import Endpoint, RetrySettings
from tests.agent.test_language_model_replies import CONVERSATION, SAD, chat, said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.behaviour import ToolCall
    from agent.ports import LanguageModel
    from eval.tiny.llama import TinyLlama
    from tests.openai_server import OpenAiServer

pytestmark = pytest.mark.anyio


def tool(name: str, *required: str, **properties: dict[str, Any]) -> Tool:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return Tool(name=name, description=f"About {name}.", parameters=schema)


CITY = {"type": "string", "description": "a place", "maxLength": 20}
UNIT = {"enum": ["c", "f"]}
WEATHER = tool("weather", "city", city=CITY, unit=UNIT)
CLOCK = Tool(name="clock")
LATER = tool("weather_later", "hour", hour={"type": "integer", "minimum": 0, "maximum": 23})
TOOLS = (WEATHER, CLOCK, LATER)
SCORED = {" answer.": -3.0, " weather()": -1.0, " clock()": -2.0}


async def choose(model: LanguageModel, behaviour: Behaviour, *, asides: Sequence[Placed] = ()) -> tuple[ToolCall, ...]:
    told = replace(CONVERSATION, behaviour=behaviour, asides=tuple(asides))
    return await LanguageModelResponder(model).choose(said("is it cold in rome"), SAD, told)


async def test_the_likeliest_function_is_called_with_the_arguments_the_model_writes():
    model = ScriptedModel(['{"city": "Rome", "unit": null}'], scores=[SCORED])
    assert isinstance(LanguageModelResponder(model), ToolCalling)
    (call,) = await choose(model, Behaviour(tools=TOOLS))
    assert (call.name, call.arguments) == ("weather", '{"city": "Rome"}')
    assert call.call.startswith("call_")
    scored, streamed = model.asked
    assert scored.labels == (" answer.", " weather()", " clock()", " weather_later()")
    assert scored.prompt.answer_start == "Next:"
    assert chat(scored.prompt).endswith(
        '\n"is it cold in rome"\n'
        "[What comes next? Write one of these and nothing else: answer., weather(), clock(), weather_later()]\n"
    )
    assert streamed.decoding is not None
    assert streamed.decoding.schema is not None
    assert streamed.decoding.schema["properties"]["unit"] == {"anyOf": [UNIT, {"type": "null"}]}
    assert streamed.decoding.schema["properties"]["city"] == CITY
    assert streamed.decoding.schema["required"] == ["city", "unit"]
    assert streamed.decoding.schema["additionalProperties"] is False
    assert {scored.conversation, streamed.conversation} == {"s"}


async def test_the_question_comes_where_the_answer_would_so_that_the_cache_serves_both():
    model = ScriptedModel(["It is."], scores=[{" answer.": -0.1}])
    told = replace(CONVERSATION, behaviour=Behaviour(tools=TOOLS))
    responder = LanguageModelResponder(model)
    assert await responder.choose(said("is it cold"), SAD, told) == ()
    assert [piece async for piece in responder.respond(said("is it cold"), SAD, told)] == ["It is."]
    which, asked = (chat(call.prompt) for call in model.asked)
    head = which[: which.index("[What comes next?")]
    assert asked.startswith(head)


@pytest.mark.parametrize(
    ("choice", "labels", "called"),
    [
        ("none", None, None),
        ("auto", (" answer.", " weather()", " clock()", " weather_later()"), None),
        ("required", (" weather()", " clock()", " weather_later()"), "clock"),
        ("clock", None, "clock"),
        ("calendar", None, None),
    ],
)
async def test_the_program_says_whether_a_function_must_be_called(
    choice: str, labels: tuple[str, ...] | None, called: str | None
):
    model = ScriptedModel(scores=[{" answer.": -0.1, " clock()": -1.0}])
    calls = await choose(model, Behaviour(tools=TOOLS, tool_choice=choice))
    assert [call.name for call in calls] == ([called] if called else [])
    assert [asked.labels for asked in model.asked] == ([labels] if labels else [])


async def test_without_functions_nothing_is_asked():
    model = ScriptedModel()
    assert await choose(model, Behaviour(tool_choice="required")) == ()
    assert not model.asked


async def test_a_function_without_parameters_needs_no_second_question():
    model = ScriptedModel(scores=[{" clock()": -0.1}])
    (call,) = await choose(model, Behaviour(tools=TOOLS))
    assert (call.name, call.arguments) == ("clock", "{}")
    assert [asked.call for asked in model.asked] == ["score"]


async def test_arguments_that_are_none_are_asked_for_once_more():
    model = ScriptedModel(["I think Rome", 'Sure: {"city": "Rome"} there'])
    (call,) = await choose(model, Behaviour(tools=(WEATHER,), tool_choice="required"))
    assert call.arguments == '{"city": "Rome"}'
    first, second = (asked.decoding for asked in model.asked)
    assert first is not None
    assert second is not None
    assert (first.temperature, second.temperature) == (0.0, 0.7)


async def test_no_arguments_twice_is_a_failure():
    with pytest.raises(EngineFailed, match=r"wrote no arguments for weather: city missing"):
        await choose(ScriptedModel(['{"unit": "c"}']), Behaviour(tools=(WEATHER,), tool_choice="weather"))


async def test_an_engine_that_fails_says_so():
    with pytest.raises(EngineFailed, match="gone"):
        await choose(ScriptedModel(scores=[EngineFailed("gone")]), Behaviour(tools=TOOLS))


async def test_a_prompt_too_long_loses_its_oldest_turns():
    roomy_model = ScriptedModel(scores=[{" clock()": -0.1}])
    await choose(roomy_model, Behaviour(tools=TOOLS))
    n_all = len(chat(roomy_model.asked[0].prompt))
    model = ScriptedModel(scores=[{" clock()": -0.1}], capabilities=Capabilities(context_length=n_all - 50))
    (call,) = await choose(model, Behaviour(tools=TOOLS))
    assert call.name == "clock"
    assert len(model.asked) > 1
    with pytest.raises(ContextOverflow):
        await choose(ScriptedModel(capabilities=Capabilities(context_length=100)), Behaviour(tools=TOOLS))


async def test_every_call_of_a_session_has_its_own_id_and_the_same_conversation_gives_the_same():
    model = ScriptedModel(scores=[{" clock()": -0.1}])
    behaviour = Behaviour(tools=TOOLS)
    result = Placed(aside=Aside(kind="result", text="9:00", call="call_1", name="clock"), after=3)
    ids = [
        (await choose(model, behaviour))[0].call,
        (await choose(model, behaviour))[0].call,
        (await choose(model, behaviour, asides=[result]))[0].call,
        (await choose(model, behaviour, asides=[result, result]))[0].call,
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}},
        {"type": "object", "properties": {"x": {}}},
        {"type": "string", "properties": {"x": {"type": "string"}}},
        {"type": "object", "properties": ["x"]},
        {"type": "object", "properties": {"x": {"type": "string"}}, "additionalProperties": True},
        {"$ref": "#"},
    ],
)
async def test_a_schema_that_answers_cannot_be_held_to_is_checked_afterwards(parameters: dict[str, Any]):
    odd = Tool(name="odd", parameters=parameters)
    assert schema_of(odd) is None
    model = ScriptedModel(['{"x": 1}'])
    (call,) = await choose(model, Behaviour(tools=(odd,), tool_choice="odd"))
    assert json.loads(call.arguments) in ({"x": 1}, {})
    assert all(asked.decoding is None or asked.decoding.schema is None for asked in model.asked)


@pytest.mark.parametrize(
    "text", ["", "Rome", "[1]", '"{}', "{", '{"city": }', '{"city": NaN}', '{"a": 1}', "{" * 2000, '{"city"']
)
def test_what_is_no_object_with_the_required_fields_is_refused(text: str):
    with pytest.raises(ArgumentsInvalid):
        arguments_of(text, WEATHER)


@given(st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.text(max_size=9), st.booleans())))
def test_arguments_come_back_whatever_stands_around_them(values: dict[str, Any]):
    values = {**values, "city": None}
    wrote = f"Here: {json.dumps(values)}\nDone."
    assert json.loads(arguments_of(wrote, WEATHER)) == values


def scores(*logps: float) -> LabelScores:
    return LabelScores(labels=("a",) * len(logps), logps=logps, n_tokens=(1,) * len(logps), method="exact")


def test_scores_may_be_anything():
    may, must = options_of(Behaviour(tools=TOOLS)), options_of(Behaviour(tools=TOOLS, tool_choice="required"))
    inf, nan = float("inf"), float("nan")
    assert may.chosen(scores(-inf, -inf, nan, -inf)) is None
    assert must.chosen(scores(nan, nan, nan)) is WEATHER
    assert may.chosen(scores(nan, -5.0, nan, -1.0)) is LATER
    assert may.chosen(scores(-1.0, -1.0, -1.0, -1.0)) is None


def test_no_label_begins_another():
    labels = options_of(Behaviour(tools=(*TOOLS, Tool(name="answer"), Tool(name="weat")))).labels
    assert not [(a, b) for a in labels for b in labels if a != b and b.startswith(a)]


def test_what_takes_nothing():
    assert takes_nothing(CLOCK)
    assert takes_nothing(Tool(name="x", parameters={"type": "object", "properties": {}}))
    assert not takes_nothing(WEATHER)
    assert not takes_nothing(Tool(name="x", parameters={"type": "object", "additionalProperties": True}))


async def test_a_server_that_gives_no_log_probabilities_calls_too(openai_server: OpenAiServer):
    openai_server.manners.gives_logprobs = False
    openai_server.manners.draws = ("weather()", "weather()", "answer.", "clock()")
    openai_server.manners.reply = '{"city": "Rome"}'
    endpoint = Endpoint(openai_server.url, retry=RetrySettings(n_tries=1))
    model = OpenAiCompatibleModel(endpoint, model="toy", settings=OpenAiCompatibleSettings())
    place = tool("weather", "city", city=CITY)
    try:
        (call,) = await choose(model, Behaviour(tools=(place, CLOCK)))
    finally:
        model.close()
    assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "Rome"})


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> TinyLlama:
    """A tiny model whose window holds the prompt."""
    from eval.tiny.llama import tiny_llama  # noqa: PLC0415 - imports torch

    return tiny_llama(tmp_path_factory.mktemp("roomy"), context=4096)


@pytest.mark.parametrize("engine", ["gguf", "hf"])
async def test_a_true_model_calls_a_function_in_the_right_shape(
    engine: str, roomy: TinyLlama, request: pytest.FixtureRequest
):
    load: Callable[..., LanguageModel] = request.getfixturevalue(f"load_{engine}")
    model = load(roomy.gguf, window=4096) if engine == "gguf" else load(roomy.hf)
    told = Conversation(session="s", behaviour=Behaviour(tools=(LATER, WEATHER), tool_choice="required"))
    (call,) = await LanguageModelResponder(model).choose(said("is it cold"), None, told)
    values = json.loads(call.arguments)
    assert call.name in {"weather", "weather_later"}
    assert set(values) <= ({"hour"} if call.name == "weather_later" else {"city", "unit"})
