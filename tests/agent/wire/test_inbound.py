"""What comes from a client: any message is one typed event or one fault that names what is wrong."""

from __future__ import annotations

import base64
import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.faults import FAULTS, WireFault
from agent.wire.inbound import MODELS, Append, ClientEvent, Endpoint, audio_bytes, parse
from agent.wire.schema.client import ItemCreate, ItemDelete, ItemTruncate, ResponseCreate, SessionUpdateEvent
from agent.wire.schema.examples import CLIENT, TRANSLATION_CLIENT
from agent.wire.schema.items import UserMessage

PCM = bytes(range(256)) * 20


def fault(message: str | bytes, *, endpoint: Endpoint = "realtime") -> WireFault:
    with pytest.raises(WireFault) as caught:
        parse(message, endpoint=endpoint)
    assert caught.value.code in FAULTS
    assert len(caught.value.message) <= 600
    assert caught.value.message.isprintable()
    return caught.value


def session(**settings: object) -> str:
    return json.dumps({"type": "session.update", "event_id": "mine", "session": settings})


def listening(**turn_detection: object) -> str:
    return session(audio={"input": {"turn_detection": turn_detection}})


def append(audio: object, **more: object) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio} | more)


# -- sound -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more", [{}, {"event_id": "e1"}, {"event_id": None}, {"x": 1}, {"x": 'a"b'}, {"x": {"y": "z"}}]
)
def test_sound_comes_as_its_bytes(more: dict[str, Any]):
    event = parse(append(base64.b64encode(PCM).decode(), **more))
    assert event == Append(more.get("event_id"), PCM)


def test_sound_for_translation_comes_under_its_own_name_only():
    message = {"type": "session.input_audio_buffer.append", "audio": base64.b64encode(PCM).decode()}
    assert parse(json.dumps(message), endpoint="translations") == Append(None, PCM)
    assert fault(json.dumps(message)).code == "unknown_event"
    assert fault(append("AAAA"), endpoint="translations").code == "unknown_event"


@given(st.binary(max_size=200))
def test_any_bytes_survive(sound: bytes):
    assert parse(append(base64.b64encode(sound).decode())) == Append(None, sound)


@pytest.mark.parametrize("audio", ["!!", "AAA", "AAAA=", "A AAA", "\u00e4AAA", "AAAA\n", 1, None, [], {}, True, 1.5])
def test_sound_that_is_not_base64_is_refused(audio: object):
    told = fault(append(audio, event_id="mine"))
    assert (told.code, told.param, told.event_id) == ("invalid_field", "audio", "mine")


def test_sound_inside_an_item_is_read_by_the_same_rule():
    assert audio_bytes("AAAA") == b"\0\0\0"
    with pytest.raises(WireFault) as caught:
        audio_bytes("A", param="item.content[0].audio")
    assert caught.value.param == "item.content[0].audio"


@pytest.mark.parametrize(
    "message",
    [
        '{"type":"input_audio_buffer.append","audio":"AAAA","audio":"BBBB"}',
        '{"type":"input_audio_buffer.append","audio":1,"audio":"BBBB"}',
        '{"type":"input_audio_buffer.append","audio":"","audio":"BBBB","x":1}',
    ],
)
def test_sound_given_twice_is_refused(message: str):
    told = fault(message)
    assert (told.code, told.param) == ("invalid_field", "audio")


# -- no event at all ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        "",
        "hello",
        "[]",
        '[{"type":"response.cancel"}]',
        "1",
        "null",
        '"response.cancel"',
        "NaN",
        '{"type":"response.cancel","x":NaN}',
        '{"type":"response.cancel","x":-Infinity}',
        '{"type":"response.cancel"',
        '{"type":"response.cancel"}}',
        "{'type':'response.cancel'}",
        '\ufeff{"type":"response.cancel"}',
        '{"type":"response.cancel","x":01}',
        '{"type":"response.cancel","x":"\x00"}',
        '{"type":"response.cancel","x":"\ud800"}',
        '{"type":"response.cancel","x":"\\ud800"}',
        '{"type":"response.cancel","x":' + "9" * 5000 + "}",
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"type":"response.cancel","x":' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
    ids=lambda message: message[:40].encode("ascii", "backslashreplace").decode(),
)
def test_what_is_no_json_object_is_invalid_json(message: str):
    assert fault(message).code == "invalid_json"


@pytest.mark.parametrize("message", [b"", b"\0\0", b'{"type":"response.cancel"}'])
def test_binary_messages_are_told_where_sound_goes(message: bytes):
    told = fault(message)
    assert told.code == "binary_not_expected"
    assert "base64" in told.message


@pytest.mark.parametrize("kind", ["x", "", "session.created", "response.done", "\u202ex", "y" * 100_000])
def test_unknown_types_are_unknown_events(kind: str):
    told = fault(json.dumps({"type": kind, "event_id": "mine"}))
    assert (told.code, told.param, told.event_id) == ("unknown_event", "type", "mine")
    assert "\u202e" not in told.message


@pytest.mark.parametrize("kind", [None, 1, [], {}, True])
def test_a_type_that_is_no_text_is_named(kind: object):
    assert fault(json.dumps({"type": kind})).param == "type"
    assert fault("{}").param == "type"


# -- wrong fields ------------------------------------------------------------------------------------------------------

IN = "session.audio.input"
WITH_IMAGE = {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "x"}]}
WRONG: list[tuple[str, str]] = [
    (listening(type="server_vad", threshold=7), f"{IN}.turn_detection.threshold"),
    (listening(type="server_vad", threshold="0.5"), f"{IN}.turn_detection.threshold"),
    (listening(type="server_vad", threshold=True), f"{IN}.turn_detection.threshold"),
    (listening(type="server_vad", silence_duration_ms=-1), f"{IN}.turn_detection.silence_duration_ms"),
    (listening(type="server_vad", silence_duration_ms=10**30), f"{IN}.turn_detection.silence_duration_ms"),
    (listening(type="server_vad", silence_duration_ms=500.5), f"{IN}.turn_detection.silence_duration_ms"),
    (listening(type="server_vad", create_response="yes"), f"{IN}.turn_detection.create_response"),
    (listening(type="push_to_talk"), f"{IN}.turn_detection.type"),
    (listening(threshold=0.5), f"{IN}.turn_detection.type"),
    (listening(type="semantic_vad", eagerness="very"), f"{IN}.turn_detection.eagerness"),
    (session(audio={"input": {"format": {"type": "audio/pcm", "rate": -24000}}}), f"{IN}.format.rate"),
    (session(audio={"input": {"format": {"type": "audio/pcm", "rate": 44100}}}), f"{IN}.format.rate"),
    (session(audio={"input": {"format": {"type": "audio/opus"}}}), f"{IN}.format.type"),
    (session(audio={"input": {"format": "mp3"}}), f"{IN}.format"),
    (session(audio={"input": []}), IN),
    (session(audio={"output": {"speed": 9}}), "session.audio.output.speed"),
    (session(audio={"output": {"voice": 1}}), "session.audio.output.voice"),
    (session(audio={"output": {"voice": {"id": ""}}}), "session.audio.output.voice.id"),
    (session(type="video"), "session.type"),
    (session(instructions=["x"]), "session.instructions"),
    (session(instructions="x" * (64 * 1024 + 1)), "session.instructions"),
    (session(output_modalities=["video"]), "session.output_modalities[0]"),
    (session(output_modalities=[]), "session.output_modalities"),
    (session(max_output_tokens=-4), "session.max_output_tokens"),
    (session(max_output_tokens="many"), "session.max_output_tokens"),
    (session(tools=[{"type": "function"}]), "session.tools[0].name"),
    (session(tools=[{"type": "function", "name": "x" * 1_000_000}]), "session.tools[0].name"),
    (session(tools=[{"type": "function", "name": "a\0b"}]), "session.tools[0].name"),
    (session(tools=[{"type": "mcp", "server_label": "x"}]), "session.tools[0].type"),
    (session(tools=[{"type": "function", "name": "x"}] * 129), "session.tools"),
    (session(tool_choice={"type": "function"}), "session.tool_choice.name"),
    (session(tool_choice="maybe"), "session.tool_choice"),
    (session(attune={"events": ["feelings"]}), "session.attune.events[0]"),
    (session(attune={"emotion": "smell"}), "session.attune.emotion"),
    (session(attune={"consent": "no"}), "session.attune.consent"),
    (session(attune=True), "session.attune"),
    ('{"type":"session.update","event_id":"mine"}', "session"),
    ('{"type":"session.update","event_id":"mine","session":[]}', "session"),
    ('{"type":"conversation.item.delete","event_id":"mine"}', "item_id"),
    ('{"type":"conversation.item.delete","event_id":"mine","item_id":7}', "item_id"),
    ('{"type":"conversation.item.delete","event_id":"mine","item_id":""}', "item_id"),
    ('{"type":"conversation.item.delete","event_id":"mine","item_id":"a\\u202eb"}', "item_id"),
    ('{"type":"conversation.item.delete","event_id":"mine","item_id":"a\\u0000b"}', "item_id"),
    ('{"type":"conversation.item.truncate","event_id":"mine","item_id":"i","audio_end_ms":-1}', "audio_end_ms"),
    ('{"type":"conversation.item.create","event_id":"mine","item":{}}', "item.type"),
    ('{"type":"conversation.item.create","event_id":"mine","item":{"type":"mcp_call"}}', "item.type"),
    ('{"type":"conversation.item.create","event_id":"mine","item":{"type":"message"}}', "item.role"),
    ('{"type":"conversation.item.create","event_id":"mine","item":{"type":"message","role":"user"}}', "item.content"),
    (
        json.dumps({"type": "conversation.item.create", "event_id": "mine", "item": WITH_IMAGE}),
        "item.content[0].type",
    ),
    (
        json.dumps(
            {
                "type": "response.create",
                "event_id": "mine",
                "response": {"metadata": {f"k{i}": "v" for i in range(17)}},
            }
        ),
        "response.metadata",
    ),
    ('{"type":"response.create","event_id":"mine","response":{"metadata":{"k":1}}}', "response.metadata.k"),
    ('{"type":"response.create","event_id":"mine","response":{"conversation":"other"}}', "response.conversation"),
    ('{"type":"session.update","event_id":"mine","session":{"x":{"y":1e999}}}', "session.x.y"),
    ('{"type":"session.update","event_id":"mine","session":{"x":[1,' + "9" * 40 + "]}}", "session.x[1]"),
    ('{"type":"session.update","event_id":"mine","session":{"x":{"y":1,"y":2}}}', "session.x.y"),
    ('{"type":"session.update","event_id":"mine","session":{},"session":{}}', "session"),
]


@pytest.mark.parametrize(("message", "param"), WRONG, ids=[f"{i}-{param}" for i, (_, param) in enumerate(WRONG)])
def test_wrong_fields_are_named_by_their_path(message: str, param: str):
    told = fault(message)
    assert (told.code, told.param, told.event_id) == ("invalid_field", param, "mine")
    assert param in told.message


def test_the_message_says_what_came_and_what_was_expected():
    told = fault(listening(type="server_vad", threshold=7))
    assert told.message == f"{IN}.turn_detection.threshold is 7: should be less than or equal to 1"
    told = fault(session(max_output_tokens=0))
    assert told.message == ("session.max_output_tokens is 0: should be greater than or equal to 1 or should be 'inf'")


@pytest.mark.parametrize(
    ("value", "limit"),
    [("{}", "20000 fields"), ("0", "20000 values"), ("[]", "20000 values"), ("[[]]", "commas and brackets")],
)
def test_messages_of_very_many_values_are_refused(value: str, limit: str):
    told = fault(f'{{"type":"session.update","x":[{",".join([value] * 21_000)}]}}')
    assert told.code == "invalid_json"
    assert limit in told.message


def test_deep_values_cost_no_more_than_flat_ones():
    deep = "[" * 150 + "]" * 150
    assert "20000 values" in fault(f'{{"type":"session.update","x":[{",".join([deep] * 160)}]}}').message


@pytest.mark.parametrize("values", ["0," * 50_001, "{" * 50_001, "[" * 30_000 + "0," * 30_000])
def test_messages_of_fifty_thousand_values_are_not_even_read(values: str):
    assert "50000 commas and brackets" in fault('{"x":[' + values).message
    event = parse(session(x="," * 49_990))
    assert isinstance(event, SessionUpdateEvent)


@pytest.mark.parametrize("event_id", [7, "", "x" * 257, "a\u202eb", "a\0b", [], "\u2028"])
def test_a_clients_own_id_has_to_be_a_name(event_id: object):
    for message in (append("AAAA", event_id=event_id), json.dumps({"type": "response.cancel", "event_id": event_id})):
        told = fault(message)
        assert (told.code, told.param, told.event_id) == ("invalid_field", "event_id", None)


def test_a_correction_says_what_and_of_which_turn():
    assert "exactly one" in fault('{"type":"attune.emotion.correct","label":"sad"}').message
    both = {"type": "attune.emotion.correct", "label": "sad", "item_id": "i", "utterance": 1}
    assert "exactly one" in fault(json.dumps(both)).message
    assert "at least one" in fault('{"type":"attune.emotion.correct","utterance":1}').message


# -- what is taken -----------------------------------------------------------------------------------------------------


def test_invisible_characters_are_taken_out_of_words():
    event = parse(session(instructions="be\u0000 \u202ekind\u2066\n\tand \u200dbrief\u200b"))
    assert isinstance(event, SessionUpdateEvent)
    assert event.session.instructions == "be kind\n\tand \u200dbrief\u200b"


def test_absent_null_and_empty_settings_stay_apart():
    event = parse(session(instructions="", tools=[], audio={"input": {"turn_detection": None}}))
    assert isinstance(event, SessionUpdateEvent)
    assert event.session.model_dump(exclude_unset=True) == {
        "instructions": "",
        "tools": [],
        "audio": {"input": {"turn_detection": None}},
    }


def test_names_in_other_scripts_are_names():
    event = parse('{"type":"conversation.item.delete","item_id":"\u0641\u0627\u0631\u0633\u06cc \u65e5\u672c"}')
    assert isinstance(event, ItemDelete)


def test_fields_nobody_knows_are_ignored():
    event = parse('{"type":"response.create","response":{"prompt":{"id":"p"},"hope":1},"later":true}')
    assert isinstance(event, ResponseCreate)
    assert event.response is not None
    assert event.response.model_fields_set == set()


@pytest.mark.parametrize(("given_threshold", "used"), [(0, 0.01), (0.0, 0.01), (0.3, 0.3), (1, 0.99)])
def test_the_ends_of_the_threshold_are_taken_as_near_them(given_threshold: float, used: float):
    event = parse(session(audio={"input": {"turn_detection": {"type": "server_vad", "threshold": given_threshold}}}))
    assert isinstance(event, SessionUpdateEvent)
    update = event.session.model_dump(exclude_unset=True)
    assert update["audio"]["input"]["turn_detection"] == {"type": "server_vad", "threshold": used}


def test_a_fraction_of_a_millisecond_is_cut_off():
    event = parse('{"type":"conversation.item.truncate","item_id":"i","audio_end_ms":1234.96}')
    assert isinstance(event, ItemTruncate)
    assert (event.content_index, event.audio_end_ms) == (0, 1234)


def test_an_item_keeps_its_kind():
    event = parse(json.dumps(CLIENT[5]))
    assert isinstance(event, ItemCreate)
    assert isinstance(event.item, UserMessage)


@pytest.mark.parametrize("example", CLIENT, ids=lambda e: e["type"])
def test_every_example_is_taken(example: dict[str, Any]):
    assert type(parse(json.dumps(example))) in {Append, MODELS["realtime"][example["type"]]}


@pytest.mark.parametrize("example", TRANSLATION_CLIENT, ids=lambda e: e["type"])
def test_every_example_of_translation_is_taken(example: dict[str, Any]):
    event = parse(json.dumps(example), endpoint="translations")
    assert type(event) in {Append, MODELS["translations"][example["type"]]}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def outcome(message: str) -> ClientEvent | WireFault:
    try:
        return parse(message)
    except WireFault as told:
        return told


@given(st.text(max_size=60) | JSON.map(json.dumps))
def test_nothing_but_an_event_or_a_fault_comes_of_any_text(message: str):
    told = outcome(message)
    assert isinstance(told, WireFault)
    assert told.code in FAULTS


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[tuple[Any, object]] = []
    if isinstance(value, dict):
        inner = list(cast("dict[str, object]", value).items())
    elif isinstance(value, list):
        inner = list(enumerate(cast("list[object]", value)))
    return [path, *(found for key, each in inner for found in places(each, (*path, key)))]


@given(st.data())
def test_an_event_with_anything_in_one_place_is_taken_or_refused(data: st.DataObject):
    event = json.loads(json.dumps(data.draw(st.sampled_from(CLIENT))))
    *path, last = data.draw(st.sampled_from(places(event)[1:]))
    here = event
    for step in path:
        here = here[step]
    here[last] = data.draw(JSON)
    told = outcome(json.dumps(event))
    assert not isinstance(told, WireFault) or told.code in {"invalid_json", "invalid_field", "unknown_event"}
