"""Our models beside the `openai` package's types: what it sends we take, what we send it takes."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from openai.types import realtime as theirs
from openai.types.realtime.realtime_translation_client_event import RealtimeTranslationClientEvent
from openai.types.realtime.realtime_translation_server_event import RealtimeTranslationServerEvent
from pydantic import TypeAdapter, ValidationError

from agent.wire.inbound import MODELS, Append, Endpoint, parse
from agent.wire.schema.client import ItemCreate, ResponseCreate, SessionUpdateEvent
from agent.wire.schema.examples import EXAMPLES, EXTENSION, SERVER, TRANSLATION_SERVER
from agent.wire.schema.export import models_of

CLIENT_TYPES: TypeAdapter[Any] = TypeAdapter(theirs.RealtimeClientEvent)
SERVER_TYPES: TypeAdapter[Any] = TypeAdapter(theirs.RealtimeServerEvent)
TRANSLATION_CLIENT_TYPES: TypeAdapter[Any] = TypeAdapter(RealtimeTranslationClientEvent)
TRANSLATION_SERVER_TYPES: TypeAdapter[Any] = TypeAdapter(RealtimeTranslationServerEvent)

FUNCTION = {
    "type": "function",
    "name": "find_order",
    "description": "Look up an order.",
    "parameters": {"type": "object", "properties": {"order": {"type": "integer"}}},
}
PCM = {"type": "audio/pcm", "rate": 24000}
SERVER_VAD = {
    "type": "server_vad",
    "create_response": True,
    "idle_timeout_ms": 6000,
    "interrupt_response": True,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "threshold": 0.5,
}
SEMANTIC_VAD = {"type": "semantic_vad", "create_response": False, "eagerness": "auto", "interrupt_response": True}
INPUT = {
    "format": PCM,
    "noise_reduction": {"type": "near_field"},
    "transcription": {
        "model": "gpt-4o-transcribe",
        "language": "en",
        "prompt": "names of ships",
        "languages": ["en", "de"],
        "keywords": ["Vasa"],
        "delay": "low",
    },
    "turn_detection": SERVER_VAD,
}
REALTIME = {
    "type": "realtime",
    "audio": {"input": INPUT, "output": {"format": {"type": "audio/pcmu"}, "speed": 1.5, "voice": "marin"}},
    "include": ["item.input_audio_transcription.logprobs"],
    "instructions": "Be brief.",
    "max_output_tokens": "inf",
    "model": "gpt-realtime",
    "output_modalities": ["audio"],
    "parallel_tool_calls": True,
    "prompt": {"id": "pmpt_1", "variables": {"city": "Oslo"}, "version": "2"},
    "reasoning": {"effort": "low"},
    "tool_choice": {"type": "function", "name": "find_order"},
    "tools": [FUNCTION],
    "tracing": {"group_id": "g", "metadata": {"a": 1}, "workflow_name": "w"},
    "truncation": {"type": "retention_ratio", "retention_ratio": 0.8, "token_limits": {"post_instructions": 8000}},
}
ITEM = {"id": "item_1", "object": "realtime.item", "status": "completed"}
ITEMS: list[dict[str, Any]] = [
    {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "note"}], **ITEM},
    {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "hi"}, {"type": "input_audio", "audio": "AAAA", "transcript": "hi"}],
        **ITEM,
    },
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}], **ITEM},
    {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_audio", "audio": "AAAA", "transcript": "hello"}],
        **ITEM,
    },
    {"type": "function_call", "name": "find_order", "arguments": "{}", "call_id": "call_1", **ITEM},
    {"type": "function_call_output", "call_id": "call_1", "output": '{"found": true}', **ITEM},
    {"type": "function_call_output", "call_id": "call_1", "output": ""},
    {"type": "message", "role": "user", "content": []},
]
RESPONSE = {
    "audio": {"output": {"format": {"type": "audio/pcma"}, "voice": {"id": "voice_1"}}},
    "conversation": "none",
    "input": ITEMS,
    "instructions": "Be kind.",
    "max_output_tokens": 200,
    "metadata": {"topic": "ships"},
    "output_modalities": ["text"],
    "parallel_tool_calls": False,
    "prompt": {"id": "pmpt_1"},
    "reasoning": {"effort": "minimal"},
    "tool_choice": "required",
    "tools": [FUNCTION],
}
ID = {"event_id": "event_1"}
CLIENT: list[dict[str, Any]] = [
    {"type": "session.update", "session": REALTIME, **ID},
    {"type": "session.update", "session": {"type": "realtime"}},
    {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": SEMANTIC_VAD}}}},
    {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}}},
    {"type": "session.update", "session": {"type": "realtime", "tracing": "auto", "truncation": "disabled"}},
    {"type": "session.update", "session": {"type": "realtime", "tracing": None}},
    {
        "type": "session.update",
        "session": {"type": "transcription", "audio": {"input": INPUT}, "include": REALTIME["include"]},
    },
    {"type": "session.update", "session": {"type": "transcription"}},
    {"type": "input_audio_buffer.append", "audio": "AAAA", **ID},
    {"type": "input_audio_buffer.append", "audio": "AAAA"},
    {"type": "input_audio_buffer.commit", **ID},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear", **ID},
    {"type": "input_audio_buffer.clear"},
    {"type": "output_audio_buffer.clear", **ID},
    {"type": "output_audio_buffer.clear"},
    *({"type": "conversation.item.create", "item": item, "previous_item_id": "root", **ID} for item in ITEMS),
    {"type": "conversation.item.create", "item": ITEMS[0]},
    {"type": "conversation.item.retrieve", "item_id": "item_1", **ID},
    {"type": "conversation.item.delete", "item_id": "item_1", **ID},
    {"type": "conversation.item.truncate", "item_id": "item_1", "content_index": 0, "audio_end_ms": 0, **ID},
    {"type": "response.create", "response": RESPONSE, **ID},
    {"type": "response.create", "response": {}},
    {"type": "response.create"},
    {"type": "response.cancel", "response_id": "resp_1", **ID},
    {"type": "response.cancel"},
]
TRANSLATION_CLIENT: list[dict[str, Any]] = [
    {
        "type": "session.update",
        "session": {
            "audio": {
                "input": {"noise_reduction": {"type": "far_field"}, "transcription": {"model": "whisper-1"}},
                "output": {"language": "fr"},
            }
        },
        **ID,
    },
    {"type": "session.update", "session": {}},
    {"type": "session.input_audio_buffer.append", "audio": "AAAA", **ID},
    {"type": "session.close", **ID},
    {"type": "session.close"},
]


def name(event: dict[str, Any]) -> str:
    return event["type"]


def sent(types: TypeAdapter[Any], event: dict[str, Any], *, says_all: bool) -> str:
    """As a client sends it: only what it set, or with null for all it did not."""
    model = types.validate_python(event)
    assert model.type == event["type"]
    return model.model_dump_json(exclude_unset=not says_all)


def taken(types: TypeAdapter[Any], event: dict[str, Any], endpoint: Endpoint, *, says_all: bool) -> None:
    got = parse(sent(types, event, says_all=says_all), endpoint=endpoint)
    assert got.event_id == event.get("event_id")
    if isinstance(got, Append):
        assert got.audio == b"\0\0\0"
    else:
        assert type(got) is MODELS[endpoint][event["type"]]


@pytest.mark.parametrize("says_all", [False, True])
@pytest.mark.parametrize("event", CLIENT, ids=name)
def test_what_the_package_sends_is_taken(event: dict[str, Any], says_all: bool):
    taken(CLIENT_TYPES, event, "realtime", says_all=says_all)


@pytest.mark.parametrize("says_all", [False, True])
@pytest.mark.parametrize("event", TRANSLATION_CLIENT, ids=name)
def test_what_the_package_sends_to_translate_is_taken(event: dict[str, Any], says_all: bool):
    taken(TRANSLATION_CLIENT_TYPES, event, "translations", says_all=says_all)


def test_the_payloads_above_are_full():
    assert set(REALTIME) == set(theirs.RealtimeSessionCreateRequest.model_fields)
    assert set(INPUT) == set(theirs.RealtimeAudioConfigInput.model_fields)
    assert set(RESPONSE) == set(theirs.RealtimeResponseCreateParams.model_fields)
    assert {event["type"] for event in CLIENT} == {t for t in MODELS["realtime"] if not t.startswith("attune.")}
    assert {event["type"] for event in TRANSLATION_CLIENT} <= set(MODELS["translations"])


def test_nothing_that_we_act_on_is_lost():
    """Of all that the package can say, only stored prompts mean nothing here."""
    update = parse(json.dumps(CLIENT[0]))
    assert isinstance(update, SessionUpdateEvent)
    assert update.session.model_dump(exclude_unset=True) == {k: v for k, v in REALTIME.items() if k != "prompt"}
    create = parse(json.dumps({"type": "response.create", "response": RESPONSE}))
    assert isinstance(create, ResponseCreate)
    assert create.response is not None
    assert create.response.model_dump(exclude_unset=True) == {k: v for k, v in RESPONSE.items() if k != "prompt"}
    for item in ITEMS:
        event = parse(json.dumps({"type": "conversation.item.create", "item": item}))
        assert isinstance(event, ItemCreate)
        assert event.item.model_dump(exclude_unset=True) == item


# -- what we send ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", SERVER, ids=name)
def test_our_events_are_the_packages_and_back(example: dict[str, Any]):
    models_of("ServerEvent")[example["type"]].model_validate(example, extra="forbid")
    theirs_now = SERVER_TYPES.validate_python(example)
    assert theirs_now.type == example["type"]
    back = json.loads(theirs_now.model_dump_json(exclude_unset=True))
    assert models_of("ServerEvent")[example["type"]].model_validate(back, extra="forbid")
    assert back == example


@pytest.mark.parametrize("example", TRANSLATION_SERVER, ids=name)
def test_our_events_of_translation_are_the_packages_and_back(example: dict[str, Any]):
    models_of("TranslationServerEvent")[example["type"]].model_validate(example, extra="forbid")
    theirs_now = TRANSLATION_SERVER_TYPES.validate_python(example)
    assert theirs_now.type == example["type"]
    assert json.loads(theirs_now.model_dump_json(exclude_unset=True)) == example


@pytest.mark.parametrize("example", EXTENSION, ids=name)
def test_our_own_events_are_as_they_are_described(example: dict[str, Any]):
    models_of("ServerEvent")[example["type"]].model_validate(example, extra="forbid")
    with pytest.raises(ValidationError):
        SERVER_TYPES.validate_python(example)


def test_there_is_an_example_of_every_event():
    for union in ("ClientEvent", "ServerEvent"):
        assert {example["type"] for example in EXAMPLES[union]} == set(models_of(union))
    own = {kind for kind in models_of("TranslationServerEvent") if kind.startswith("session.")}
    assert {example["type"] for example in TRANSLATION_SERVER} == own


def test_only_what_nobody_here_sends_is_left_out_of_the_packages_events():
    """MCP servers, telephone keys, WebRTC's buffer, speakers, idle timeouts: Attune has none of them."""
    union, _ = get_args(theirs.RealtimeServerEvent)
    kinds = {get_args(model.model_fields["type"].annotation)[0] for model in get_args(union)}
    assert {kind for kind in kinds - set(models_of("ServerEvent")) if "mcp" not in kind} == {
        "conversation.item.created",
        "conversation.item.input_audio_transcription.segment",
        "input_audio_buffer.dtmf_event_received",
        "input_audio_buffer.timeout_triggered",
        "output_audio_buffer.started",
        "output_audio_buffer.stopped",
    }
