"""A language model over HTTP: streams, costs, stops; adapts to the server; every fault is typed."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import numpy as np
import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from pydantic import TypeAdapter

from agent.backends.llm.openai_compatible import OpenAiCompatibleModel
from agent.backends.llm.openai_compatible_protocol import delta_of, usage_of
from agent.backends.llm.openai_compatible_settings import OpenAiCompatibleSettings
from agent.llm.values import Decoding, Message, Piece, Prompt
from streaming.errors import ContextOverflow, EngineFailed, ServerFailed
from streaming.remote import Endpoint, Patience, RetrySettings
from tests.openai_answers import Kind, tokenised
from tests.openai_server import OpenAiServer, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

PROMPT = Prompt(messages=(Message(role="system", text="Be kind."), Message(role="user", text="i am sad")))
SCHEMA = {"type": "object", "properties": {"emotion": {"enum": ["happy", "sad"]}}, "required": ["emotion"]}


def model_of(server: OpenAiServer, *, tries: int = 1, **settings: Any):
    endpoint = Endpoint(server.url, "k", retry=RetrySettings(n_tries=tries))
    return OpenAiCompatibleModel(endpoint, model="toy", settings=OpenAiCompatibleSettings(**settings))


@pytest.fixture
def model(openai_server: OpenAiServer) -> Iterator[OpenAiCompatibleModel]:
    model = model_of(openai_server)
    yield model
    model.close()
    assert openai_server.wait_until(lambda: openai_server.n_open == 0)


async def pieces_of(model: OpenAiCompatibleModel, prompt: Prompt = PROMPT, decoding: Decoding | None = None):
    return [piece async for piece in model.stream(prompt, decoding or Decoding())]


def text_of(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


async def test_an_answer_comes_piece_by_piece_with_its_cost(openai_server: OpenAiServer, model: OpenAiCompatibleModel):
    pieces = await pieces_of(model)
    assert text_of(pieces) == openai_server.manners.reply
    assert len(pieces) == 8
    assert all(piece.usage is None for piece in pieces[:-1])
    usage = pieces[-1].usage
    assert usage is not None
    assert (usage.n_cached, usage.n_generated) == (3, 7)
    assert usage.n_prompt == len(tokenised("system: Be kind.\nuser: i am sad\nassistant:"))
    assert usage.first_ms is not None
    assert 0 < usage.first_ms <= usage.total_ms


async def test_a_servers_silence_about_cost_is_kept(openai_server: OpenAiServer, model: OpenAiCompatibleModel):
    openai_server.manners.refuses = ("stream_options",)
    usage = (await pieces_of(model))[-1].usage
    assert usage is not None
    assert (usage.n_prompt, usage.n_cached, usage.n_generated) == (None, None, 7)
    assert len(openai_server.asked("/v1/chat/completions")) == 2
    await pieces_of(model)
    assert len(openai_server.asked("/v1/chat/completions")) == 3, "what the server does not take is remembered"


async def test_the_request_is_what_the_official_types_allow(openai_server: OpenAiServer, model: OpenAiCompatibleModel):
    decoding = Decoding(max_tokens=9, temperature=0.7, top_p=0.9, seed=3, stop=("\n",), schema=SCHEMA)
    await pieces_of(model, decoding=decoding)
    body = openai_server.seen[-1].json
    TypeAdapter(CompletionCreateParamsStreaming).validate_python(body)
    assert set(body) <= set(CompletionCreateParamsStreaming.__annotations__) | set(
        CompletionCreateParamsStreaming.__mro__[0].__annotations__
    ) | {"model", "messages", "max_tokens", "temperature", "top_p", "seed", "stop", "response_format", "stream_options"}
    assert body["messages"] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "i am sad"}]
    assert (body["temperature"], body["top_p"], body["seed"], body["stop"]) == (0.7, 0.9, 3, ["\n"])
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA


async def test_the_official_client_gets_the_same_from_the_test_server(
    openai_server: OpenAiServer, model: OpenAiCompatibleModel
):
    async with openai.AsyncOpenAI(base_url=openai_server.url, api_key="k", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="toy", messages=[{"role": "user", "content": "hi"}], stream=True, max_tokens=32
        )
        chunks = [chunk async for chunk in stream]
        assert all(isinstance(chunk, ChatCompletionChunk) for chunk in chunks)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text == text_of(await pieces_of(model))
        whole = await client.chat.completions.create(
            model="toy", messages=[{"role": "user", "content": "hi"}], max_tokens=1, logprobs=True, top_logprobs=20
        )
        ChatCompletion.model_validate(whole.model_dump(), strict=True)
        assert whole.choices[0].logprobs is not None
        assert len((whole.choices[0].logprobs.content or [])[0].top_logprobs) == 20
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="other", messages=[{"role": "user", "content": "hi"}])


async def test_thoughts_are_not_spoken(openai_server: OpenAiServer, model: OpenAiCompatibleModel):
    openai_server.manners.reasoning = "the user is sad so be kind"
    assert text_of(await pieces_of(model)) == openai_server.manners.reply


async def test_a_raw_prompt_goes_without_a_chat(openai_server: OpenAiServer, model: OpenAiCompatibleModel):
    prompt = Prompt(messages=(Message(role="user", text="Once upon"),), answer_start=" a", is_raw=True)
    assert text_of(await pieces_of(model, prompt)) == openai_server.manners.reply
    assert openai_server.asked("/v1/completions")[0].json["prompt"] == "Once upon a"


@pytest.mark.parametrize("kind", ["vllm", "llama.cpp", "ollama", "plain"])
async def test_a_begun_answer_is_sent_as_the_server_wants_it(openai_server: OpenAiServer, kind: Kind):
    openai_server.manners.kind = kind
    model = model_of(openai_server)
    prompt = Prompt(messages=PROMPT.messages, answer_start="Emotion:")
    await pieces_of(model, prompt)
    body = openai_server.seen[-1].json
    assert body["messages"][-1] == {"role": "assistant", "content": "Emotion:"}
    assert body.get("continue_final_message", False) == (kind == "vllm")
    assert ("add_generation_prompt" in body) == (kind == "vllm")
    assert ("cache_prompt" in body) == (kind == "llama.cpp")
    model.close()


async def test_a_beginning_that_the_server_repeats_is_dropped(
    openai_server: OpenAiServer, model: OpenAiCompatibleModel
):
    prompt = Prompt(messages=PROMPT.messages, answer_start="Emotion: very")
    for reply, expected in (
        ("Emotion: very happy", " happy"),
        ("Emotion: sad", "Emotion: sad"),
        ("happy", "happy"),
        ("Emotion:", "Emotion:"),
        ("Emotion: very", ""),
    ):
        openai_server.manners.reply = reply
        pieces = await pieces_of(model, prompt)
        assert text_of(pieces) == expected
        assert pieces[-1].usage is not None


async def test_a_model_without_a_system_role_is_told_by_the_user(
    openai_server: OpenAiServer, model: OpenAiCompatibleModel
):
    openai_server.next("well", Refusal(status=400, body={"error": {"message": "System role not supported"}}))
    assert text_of(await pieces_of(model))
    assert openai_server.seen[-1].json["messages"] == [{"role": "user", "content": "Be kind.\n\ni am sad"}]


async def test_a_schema_gives_way_where_the_server_has_none(openai_server: OpenAiServer, model: OpenAiCompatibleModel):
    openai_server.next(
        "well",  # the list of models
        Refusal(status=400, body={"error": {"message": "response_format json_schema is not supported"}}),
        Refusal(status=500, body={"error": {"message": "1 validation error: ('body', 'response_format')"}}),
    )
    assert model.capabilities.constrains
    assert text_of(await pieces_of(model, decoding=Decoding(schema=SCHEMA)))
    formats = [seen.json.get("response_format", {}).get("type") for seen in openai_server.asked("/v1/chat/completions")]
    assert formats == ["json_schema", "json_object", None]
    assert not model.capabilities.constrains


async def test_newer_names_of_parameters_are_learnt(openai_server: OpenAiServer, model: OpenAiCompatibleModel):
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    openai_server.next("well", Refusal(status=400, body={"error": {"message": message, "param": "max_tokens"}}))
    await pieces_of(model, decoding=Decoding(max_tokens=3))
    assert openai_server.seen[-1].json["max_completion_tokens"] == 3
    assert "max_tokens" not in openai_server.seen[-1].json


async def test_a_long_answer_stops_where_it_was_told_to(model: OpenAiCompatibleModel):
    pieces = await pieces_of(model, decoding=Decoding(max_tokens=2))
    assert text_of(pieces) == "I hear"


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("endless", "went on after the 16 tokens"),
        ("no_end", "ended its answer in the middle"),
        ("no_choices", "ended its answer in the middle"),
        ("empty_stream", "ended its answer in the middle"),
        ("truncated_stream", "broke off"),
        ("error_event", "CUDA is out of memory"),
        ("html", "web page"),
        ("invalid_utf8", "no UTF-8"),
    ],
)
async def test_a_bad_stream_is_one_error_and_the_next_answer_is_good(
    openai_server: OpenAiServer, model: OpenAiCompatibleModel, fault: str, says: str
):
    openai_server.next("well", fault)
    with pytest.raises(ServerFailed, match=says):
        await pieces_of(model, decoding=Decoding(max_tokens=16))
    assert text_of(await pieces_of(model)) == openai_server.manners.reply


@pytest.mark.parametrize("fault", ["roles", "pings", "stall"])
async def test_a_mute_server_is_given_up(openai_server: OpenAiServer, fault: str):
    endpoint = Endpoint(openai_server.url, retry=RetrySettings(n_tries=1))
    model = OpenAiCompatibleModel(endpoint, model="toy")
    await model.count_tokens(PROMPT)
    openai_server.next(fault)
    hasty = Patience(between_s=0.05) if fault == "stall" else Patience(first_s=0.05)
    object.__setattr__(endpoint, "patience", hasty)
    with pytest.raises(ServerFailed, match="did not"):
        await pieces_of(model)
    model.close()


async def test_it_is_asked_again_only_before_the_first_piece(openai_server: OpenAiServer):
    model = model_of(openai_server, tries=2)
    openai_server.next("well", "truncated_before_token")
    assert text_of(await pieces_of(model)) == openai_server.manners.reply
    openai_server.next("truncated_stream")
    with pytest.raises(ServerFailed):
        await pieces_of(model)
    assert len(openai_server.asked("/v1/chat/completions")) == 3
    model.close()


async def test_an_overlong_prompt_is_told(openai_server: OpenAiServer, model: OpenAiCompatibleModel):
    message = "This model's maximum context length is 2048 tokens. However, your request has 3000 input tokens"
    refusal = Refusal(status=400, body={"error": {"message": message}})
    openai_server.next("well", refusal, "empty_stream", refusal)
    for _ in range(2):  # the second says why only when asked without a stream, as llama-cpp-python does
        with pytest.raises(ContextOverflow) as told:
            await pieces_of(model)
        assert (told.value.n_tokens, told.value.limit) == (3000, 2048)
    assert "stream" not in openai_server.seen[-1].json


async def test_leaving_an_answer_stops_the_server(openai_server: OpenAiServer, model: OpenAiCompatibleModel):
    openai_server.next("well", "stall")
    async with aclosing(model.stream(PROMPT, Decoding())) as pieces:
        assert (await anext(pieces)).text == "I "
    assert await asyncio.to_thread(openai_server.wait_until, lambda: openai_server.n_left == 1)


async def test_cancelling_a_task_stops_the_server(openai_server: OpenAiServer, model: OpenAiCompatibleModel):
    openai_server.next("well", "stall")
    task = asyncio.ensure_future(pieces_of(model))
    assert await asyncio.to_thread(openai_server.wait_until, lambda: len(openai_server.seen) == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(openai_server.wait_until, lambda: openai_server.n_left == 1)


async def test_closing_fails_an_answer_under_way(openai_server: OpenAiServer, model: OpenAiCompatibleModel):
    openai_server.next("well", "stall")
    pieces = model.stream(PROMPT, Decoding())
    await anext(pieces)
    await anext(pieces)
    model.close()
    with pytest.raises(EngineFailed, match="was closed"):
        await anext(pieces)


async def test_answers_may_overlap(openai_server: OpenAiServer, model: OpenAiCompatibleModel):
    answers = await asyncio.gather(*(pieces_of(model) for _ in range(8)))
    assert {text_of(answer) for answer in answers} == {openai_server.manners.reply}


@pytest.mark.parametrize(("kind", "window"), [("vllm", 2048), ("llama.cpp", 1024), ("ollama", None), ("plain", None)])
async def test_the_window_is_known_where_the_server_tells(openai_server: OpenAiServer, kind: Kind, window: int | None):
    openai_server.manners.kind = kind
    model = model_of(openai_server)
    assert model.capabilities.context_length is None
    await pieces_of(model)
    assert model.capabilities.context_length == window
    model.close()


@pytest.mark.parametrize("kind", ["vllm", "llama.cpp"])
async def test_tokens_are_counted_by_the_servers_own_tokenizer(openai_server: OpenAiServer, kind: Kind):
    openai_server.manners.kind = kind
    model = model_of(openai_server)
    text = "system: Be kind.\nuser: i am sad\nassistant: Emotion:"
    begun = Prompt(messages=(*PROMPT.messages, Message(role="assistant", text=" Emotion:")))
    n_plain = await model.count_tokens(PROMPT)
    assert n_plain == len(tokenised(text.removesuffix(" Emotion:")))
    assert await model.count_tokens(begun) > n_plain
    assert await asyncio.to_thread(model.tokens_of, " happy") == tuple(tokenised(" happy"))
    model.close()


async def test_a_mute_tokenizer_is_estimated_or_refused(model: OpenAiCompatibleModel):
    n = await model.count_tokens(PROMPT)
    assert n == round(len("Be kind.i am sad") / 3.5) + 4 * 3
    with pytest.raises(EngineFailed, match="does not show its tokenizer"):
        await asyncio.to_thread(model.tokens_of, "x")


async def test_llama_cpp_keeps_a_slot_for_each_conversation(openai_server: OpenAiServer):
    openai_server.manners.kind = "llama.cpp"
    model = model_of(openai_server)

    async def slot(conversation: str) -> int | None:
        _ = [piece async for piece in model.stream(PROMPT, Decoding(), conversation=conversation)]
        return openai_server.seen[-1].json.get("id_slot")

    assert [await slot(name) for name in ("a", "b", "a", "c", "a", "")] == [0, 1, 0, 1, 0, None]
    model.forget("a")
    assert await slot("d") == 0
    model.close()


async def test_prefilling_asks_only_when_told_to_and_where_it_helps(openai_server: OpenAiServer):
    cases: list[tuple[Kind, bool, int]] = [
        ("vllm", False, 0),
        ("plain", True, 0),
        ("vllm", True, 1),
        ("llama.cpp", True, 2),
    ]
    for kind, warms, n_asked in cases:
        openai_server.manners.kind = kind
        model = model_of(openai_server, warms=warms)
        n_prefilled = await model.prefill(PROMPT, conversation="a")
        assert len(openai_server.asked("/v1/chat/completions")) == n_asked
        assert (n_prefilled > 0) == (warms and kind != "plain")
        model.close()
    assert openai_server.seen[-1].json["max_tokens"] == 1


async def test_sound_is_sent_to_a_model_that_hears_and_refused_else(openai_server: OpenAiServer):
    sound = np.zeros(1600, np.float32)
    prompt = Prompt(messages=(Message(role="user", text="How do I feel?", audio=sound),))
    deaf, hearing = model_of(openai_server), model_of(openai_server, hears=True)
    with pytest.raises(EngineFailed, match="takes text only"):
        await pieces_of(deaf, prompt)
    assert text_of(await pieces_of(hearing, prompt)) == openai_server.manners.reply
    part = openai_server.seen[-1].json["messages"][0]["content"][0]
    assert part["type"] == "input_audio"
    assert part["input_audio"]["data"].startswith("UklGR")
    deaf.close()
    hearing.close()


async def test_raw_logits_are_refused(model: OpenAiCompatibleModel):
    with pytest.raises(EngineFailed, match="gives no raw logits"):
        await model.trace(PROMPT, Decoding())


async def test_a_missing_model_is_answered_by_what_there_is(openai_server: OpenAiServer):
    model = OpenAiCompatibleModel(Endpoint(openai_server.url), model="nope")
    with pytest.raises(ServerFailed, match="it offers: toy, other"):
        await pieces_of(model)
    with pytest.raises(ServerFailed, match="it offers: toy, other"):
        await model.score(PROMPT, ["happy", "sad"])
    model.close()


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="n_draws is 0"):
        OpenAiCompatibleSettings(n_draws=0)


async def test_an_answer_held_to_a_schema_is_json(model: OpenAiCompatibleModel):
    answer = text_of(await pieces_of(model, decoding=Decoding(schema=SCHEMA)))
    assert json.loads(answer)["emotion"] in {"happy", "sad"}


def test_the_cache_of_llama_cpp_server_is_counted_from_its_timings():
    event: dict[str, Any] = {
        "choices": [],
        "usage": {"prompt_tokens": 40, "completion_tokens": 2},
        "timings": {"cache_n": 36},
    }
    usage = usage_of(delta_of(event).usage, first_ms=None, total_ms=1.0)
    assert (usage.n_prompt, usage.n_cached, usage.cached_share) == (40, 36, 0.9)
