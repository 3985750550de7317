"""The scripted language model keeps to its script, as a real one would to its port."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from agent.backends.llm.scripted import ScriptedModel
from agent.llm.values import Capabilities, Decoding, Message, Prompt
from streaming.errors import ContextOverflow, EngineFailed, ServerFailed

if TYPE_CHECKING:
    from agent.llm.values import Piece

pytestmark = pytest.mark.anyio

HI = Prompt(messages=(Message(role="user", text="Hi."),), answer_start="So")
LONGER = Prompt(messages=(Message(role="user", text="Hi. And more."),), answer_start="So")


async def said(model: ScriptedModel, prompt: Prompt = HI, *, of: str = "", stop: tuple[str, ...] = ()) -> list[Piece]:
    return [piece async for piece in model.stream(prompt, Decoding(max_tokens=9, stop=stop), conversation=of)]


def text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


async def test_answers_come_in_order_and_the_last_one_again():
    model = ScriptedModel(["One two.", ["Th", "ree."]])
    assert [text(await said(model)) for _ in range(3)] == ["One two.", "Three.", "Three."]
    assert [asked.call for asked in model.asked] == ["stream"] * 3
    assert model.asked[0].prompt is HI


async def test_an_answer_comes_word_by_word_and_ends_with_what_it_cost():
    pieces = await said(ScriptedModel(["One two."]))
    assert [piece.text for piece in pieces] == ["One", " two.", ""]
    assert pieces[-1].usage is not None
    assert pieces[-1].usage.n_generated == 2


async def test_an_answer_is_cut_at_its_length_and_before_a_stop_text():
    assert text(await said(ScriptedModel(["a b c d e f g h i j k l"]))) == "a b c d e f g h i"
    assert text(await said(ScriptedModel([["He", "llo ST", "OP more"]]), stop=("STOP",))) == "Hello "


async def test_a_failure_comes_where_the_script_puts_it():
    model = ScriptedModel(
        [["One", ServerFailed("gone")], EngineFailed("no"), "Fine."], scores=[EngineFailed("bad"), {}]
    )
    broken = model.stream(HI, Decoding())
    assert (await anext(broken)).text == "One"
    with pytest.raises(ServerFailed, match="gone"):
        await anext(broken)
    with pytest.raises(EngineFailed, match="no"):
        await said(model)
    assert text(await said(model)) == "Fine."
    with pytest.raises(EngineFailed, match="bad"):
        await model.score(HI, ("a",))
    assert (await model.score(HI, ("a",))).labels == ("a",)


async def test_scores_are_those_of_the_script_and_others_get_the_rest():
    scores = await ScriptedModel(scores=[{"sad": -0.5}], others=-9.0).score(HI, ("happy", "sad"), conversation="c")
    assert scores.logps == (-9.0, -0.5)
    assert scores.shares(per_token=False)[1] > 0.99
    with pytest.raises(ValueError, match="at least one label"):
        await ScriptedModel().score(HI, ())


async def test_what_a_conversation_read_before_counts_as_cached():
    model = ScriptedModel(["Yes."])
    first, again = (await said(model, of="c"))[-1].usage, (await said(model, LONGER, of="c"))[-1].usage
    assert first is not None
    assert again is not None
    assert first.n_cached == 0
    assert again.n_cached == len("user: Hi.")
    model.forget("c")
    fresh = (await said(model, of="c"))[-1].usage
    assert fresh is not None
    assert fresh.n_cached == 0
    assert await model.prefill(HI, conversation="d") == await model.count_tokens(HI) == len(b"user: Hi.\nSo")


async def test_an_answer_that_is_left_counts_as_stopped():
    model = ScriptedModel(["One two three."])
    stream = model.stream(HI, Decoding())
    async with aclosing(stream):
        assert (await anext(stream)).text == "One"
    assert (model.n_stopped, model.n_pieces) == (1, 1)
    await said(model)
    assert model.n_stopped == 1


async def test_an_answer_waits_at_the_gate():
    gate = asyncio.Event()
    model = ScriptedModel(["One."], gate=gate)
    task = asyncio.create_task(said(model))
    for _ in range(5):
        await asyncio.sleep(0)
    assert model.n_pieces == 0
    gate.set()
    assert text(await task) == "One."


async def test_a_trace_is_the_answer_byte_by_byte_with_logits_that_choose_it():
    trace = await ScriptedModel(["Hé."]).trace(HI, Decoding())
    assert trace.text == "Hé."
    assert trace.logits.shape == (4, 256)
    assert tuple(trace.logits.argmax(axis=1)) == trace.token_ids == ScriptedModel().tokens_of("Hé.")
    with pytest.raises(EngineFailed, match="no logits"):
        await ScriptedModel(capabilities=Capabilities(context_length=None)).trace(HI, Decoding())
    with pytest.raises(EngineFailed, match="bad"):
        await ScriptedModel([["x", EngineFailed("bad")]]).trace(HI, Decoding())


async def test_a_window_overflows_and_a_closed_model_refuses():
    model = ScriptedModel(capabilities=Capabilities(context_length=12))
    with pytest.raises(ContextOverflow) as told:
        await said(model)
    assert (told.value.n_tokens, told.value.limit) == (12, 12)
    assert model.capabilities.context_length == 12
    assert model.name == "scripted"
    model.close()
    with pytest.raises(EngineFailed, match="closed"):
        await model.score(HI, ("a",))


def test_an_empty_script_is_refused():
    with pytest.raises(ValueError, match="script is empty"):
        ScriptedModel([])
