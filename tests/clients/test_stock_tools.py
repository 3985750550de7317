"""The stock `openai` client offers a function: a language model asks for it, gets its result, and answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from openai import AsyncOpenAI

from agent.backends.llm.scripted import ScriptedModel
from agent.backends.reply.language_model import LanguageModelResponder
from tests.agent.wire.stock_types import checked
from tests.clients.real_server import RealServer

if TYPE_CHECKING:
    import ssl

    from openai.resources.realtime.realtime import AsyncRealtimeConnection

pytestmark = pytest.mark.anyio
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "name": "weather", "description": "Tells the weather.", "parameters": CITY}
SESSION: dict[str, Any] = {
    "type": "realtime",
    "output_modalities": ["text"],
    "instructions": "Be brief.",
    "tools": [WEATHER],
}


async def until_done(connection: AsyncRealtimeConnection, events: list[dict[str, Any]]) -> dict[str, Any]:
    while True:
        events.append(json.loads(await connection.recv_bytes()))
        if events[-1]["type"] == "response.done":
            return events[-1]["response"]


async def says(connection: AsyncRealtimeConnection, item: dict[str, Any]) -> None:
    await connection.conversation.item.create(item=item)  # pyright: ignore[reportArgumentType]
    await connection.response.create()


async def test_a_function_is_asked_for_and_its_result_answered(tls: ssl.SSLContext):
    model = ScriptedModel(
        ['{"city": "Rome"}', "It is sunny in Rome."], scores=[{" weather()": -0.1}, {" answer.": -0.1}]
    )
    events: list[dict[str, Any]] = []
    with RealServer(tls=tls, responder=LanguageModelResponder(model)) as server, anyio.fail_after(30):
        client = AsyncOpenAI(base_url=server.url, api_key="none")
        async with client.realtime.connect(model="attune") as connection:
            await connection.session.update(session=SESSION)  # pyright: ignore[reportArgumentType]
            content = [{"type": "input_text", "text": "is it cold in rome"}]
            await says(connection, {"type": "message", "role": "user", "content": content})
            asked = await until_done(connection, events)
            (call,) = asked["output"]
            output = json.dumps({"sky": "clear"})
            await says(connection, {"type": "function_call_output", "call_id": call["call_id"], "output": output})
            answered = await until_done(connection, events)
    checked(events)
    assert (call["type"], call["name"], json.loads(call["arguments"])) == ("function_call", "weather", {"city": "Rome"})
    assert answered["output"][0]["content"][0]["text"] == "It is sunny in Rome."
    last = model.asked[-1].prompt.messages
    assert "Be brief." in last[0].text
    assert '"is it cold in rome"' in last[1].text
    asked_and_given = '[you asked for weather with {"city": "Rome"}]\n[weather gave: {"sky": "clear"}]'
    assert last[-1].text.startswith(asked_and_given)
    arguments = [e for e in events if e["type"] == "response.function_call_arguments.done"]
    assert [json.loads(e["arguments"]) for e in arguments] == [{"city": "Rome"}]
