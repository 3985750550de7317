"""A model that is overheard: it answers as before, and each call is told of with what it cost."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from agent.backends.llm.overheard import Overheard, OverheardModel
from agent.backends.llm.scripted import ScriptedModel
from agent.llm.values import Decoding, Message, Prompt
from streaming.errors import EngineFailed

PROMPT = Prompt(messages=(Message(role="user", text="what is it?"),), answer_start="Emotion:")
pytestmark = pytest.mark.anyio


def overheard(model: ScriptedModel) -> tuple[OverheardModel, list[Overheard]]:
    told: list[Overheard] = []
    return OverheardModel(model, told.append), told


async def test_scores_streams_and_traces_are_told_with_their_usage_and_answered_as_before():
    plain = ScriptedModel(["so it is"], scores=[{"sad": -0.1}])
    model, told = overheard(plain)
    scores = await model.score(PROMPT, ("sad", "happy"), conversation="c/emotion")
    async with aclosing(model.stream(PROMPT, Decoding(), conversation="c")) as pieces:
        text = "".join([piece.text async for piece in pieces])
    trace = await model.trace(PROMPT, Decoding())
    assert (scores.logps[0], text, trace.text) == (-0.1, "so it is", "so it is")
    assert [(call.call, call.conversation) for call in told] == [("score", "c/emotion"), ("stream", "c"), ("trace", "")]
    assert all(call.prompt is PROMPT for call in told)
    assert [call.usage for call in told[:1]] == [scores.usage]
    assert all(call.usage is not None and call.usage.n_prompt for call in told)


async def test_a_call_that_fails_is_told_without_a_usage_and_fails_as_before():
    model, told = overheard(ScriptedModel([EngineFailed("torn")], scores=[EngineFailed("gone")]))
    with pytest.raises(EngineFailed, match="gone"):
        await model.score(PROMPT, ("sad", "happy"))
    with pytest.raises(EngineFailed, match="torn"):
        await model.trace(PROMPT, Decoding())
    assert [(call.call, call.usage) for call in told] == [("score", None), ("trace", None)]


async def test_an_answer_that_is_left_is_told_and_stops_the_model():
    plain = ScriptedModel(["one two three four"])
    model, told = overheard(plain)
    async with aclosing(model.stream(PROMPT, Decoding())) as pieces:
        await anext(pieces)
    assert plain.n_stopped == 1
    assert [(call.call, call.usage) for call in told] == [("stream", None)]


async def test_work_ahead_of_need_is_not_told_and_everything_else_is_passed_on():
    plain = ScriptedModel(["hello"])
    model, told = overheard(plain)
    n_tokens = await model.count_tokens(PROMPT)
    assert await model.prefill(PROMPT, conversation="c") == n_tokens
    assert (model.name, model.capabilities, model.tokens_of("a")) == ("scripted", plain.capabilities, (97,))
    assert not told
    model.forget("c")
    scores = await model.score(PROMPT, ("sad", "happy"), conversation="c")
    assert scores.usage.n_cached == 0
    model.close()
    with pytest.raises(EngineFailed, match="closed"):
        await model.score(PROMPT, ("sad", "happy"))
