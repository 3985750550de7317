"""Names of the beta are understood; what is said in today's names stands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.wire.beta import modern
from agent.wire.faults import WireFault
from agent.wire.inbound import parse
from agent.wire.schema.client import ItemCreate, ResponseCreate, SessionUpdateEvent

VAD = {"type": "server_vad", "threshold": 0.6}
SETTINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"modalities": ["text", "audio"]}, {"output_modalities": ["audio"]}),
    ({"modalities": ["text"]}, {"output_modalities": ["text"]}),
    ({"output_modalities": ["text", "audio"]}, {"output_modalities": ["audio"]}),
    ({"voice": "alloy"}, {"audio": {"output": {"voice": "alloy"}}}),
    ({"speed": 1.2}, {"audio": {"output": {"speed": 1.2}}}),
    ({"input_audio_format": "pcm16"}, {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}}),
    ({"input_audio_format": "g711_ulaw"}, {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}),
    ({"output_audio_format": "g711_alaw"}, {"audio": {"output": {"format": {"type": "audio/pcma"}}}}),
    ({"audio": {"input": {"format": "g711_alaw"}}}, {"audio": {"input": {"format": {"type": "audio/pcma"}}}}),
    ({"turn_detection": VAD}, {"audio": {"input": {"turn_detection": VAD}}}),
    ({"turn_detection": None}, {"audio": {"input": {"turn_detection": None}}}),
    ({"turn_detection": {"type": "none"}}, {"audio": {"input": {"turn_detection": None}}}),
    ({"audio": {"input": {"turn_detection": False}}}, {"audio": {"input": {"turn_detection": None}}}),
    ({"input_audio_transcription": {"model": "w"}}, {"audio": {"input": {"transcription": {"model": "w"}}}}),
    ({"input_audio_noise_reduction": None}, {"audio": {"input": {"noise_reduction": None}}}),
    ({"max_response_output_tokens": 99}, {"max_output_tokens": 99}),
    ({"temperature": 0.8}, {}),
    ({"voice": "ash", "audio": {"output": {"voice": "marin"}}}, {"audio": {"output": {"voice": "marin"}}}),
    (
        {"voice": "ash", "turn_detection": None, "audio": {"input": {"format": "pcm16"}}},
        {
            "audio": {
                "input": {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": None},
                "output": {"voice": "ash"},
            }
        },
    ),
]


def parsed_session(kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    event = parse(json.dumps({"type": kind, "session": settings}))
    assert isinstance(event, SessionUpdateEvent)
    return event.session.model_dump(exclude_unset=True)


@pytest.mark.parametrize(("beta", "now"), SETTINGS, ids="-".join)
def test_settings_move_to_where_they_stand_today(beta: dict[str, Any], now: dict[str, Any]):
    assert parsed_session("session.update", beta) == now


@pytest.mark.parametrize("now", [now for _, now in SETTINGS])
def test_todays_settings_stay_as_they_are(now: dict[str, Any]):
    assert parsed_session("session.update", now) == now


def test_a_transcription_session_is_one_of_its_type():
    beta = {"input_audio_format": "pcm16", "input_audio_transcription": {"model": "whisper-1"}, "turn_detection": VAD}
    assert parsed_session("transcription_session.update", beta) == {
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "whisper-1"},
                "turn_detection": VAD,
            }
        },
    }


def test_settings_of_one_response_move_too():
    beta = {
        "modalities": ["audio", "text"],
        "voice": "ash",
        "output_audio_format": "g711_ulaw",
        "max_response_output_tokens": "inf",
        "temperature": 0.6,
        "input": [{"type": "message", "role": "assistant", "content": [{"type": "text", "text": "hello"}]}],
    }
    event = parse(json.dumps({"type": "response.create", "response": beta}))
    assert isinstance(event, ResponseCreate)
    assert event.response is not None
    assert event.response.model_dump(exclude_unset=True) == {
        "output_modalities": ["audio"],
        "audio": {"output": {"voice": "ash", "format": {"type": "audio/pcmu"}}},
        "max_output_tokens": "inf",
        "input": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]}],
    }


@pytest.mark.parametrize(
    ("role", "beta", "now"),
    [
        ("assistant", {"type": "text", "text": "a"}, {"type": "output_text", "text": "a"}),
        ("assistant", {"type": "audio", "transcript": "a"}, {"type": "output_audio", "transcript": "a"}),
        ("user", {"type": "text", "text": "a"}, {"type": "input_text", "text": "a"}),
        ("user", {"type": "audio", "audio": "AAAA"}, {"type": "input_audio", "audio": "AAAA"}),
        ("user", {"type": "input_text", "text": "a"}, {"type": "input_text", "text": "a"}),
        ("system", {"type": "text", "text": "a"}, {"type": "input_text", "text": "a"}),
    ],
)
def test_parts_of_a_message_get_todays_type(role: str, beta: dict[str, Any], now: dict[str, Any]):
    item = {"type": "message", "role": role, "content": [beta]}
    event = parse(json.dumps({"type": "conversation.item.create", "item": item}))
    assert isinstance(event, ItemCreate)
    assert event.item.model_dump(exclude_unset=True)["content"] == [now]


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"turn_detection": {"type": "server_vad", "threshold": 3}}, "session.turn_detection.threshold"),
        ({"voice": 7}, "session.voice"),
        ({"input_audio_format": "mp3"}, "session.input_audio_format"),
        ({"modalities": ["smell"]}, "session.modalities[0]"),
        ({"modalities": "audio"}, "session.modalities"),
        ({"max_response_output_tokens": 0}, "session.max_response_output_tokens"),
        ({"voice": "ash", "audio": 3}, "session.audio"),
        ({"voice": "ash", "audio": {"output": []}}, "session.audio.output"),
    ],
)
def test_what_is_wrong_is_told_under_the_name_that_was_used(session: dict[str, Any], param: str):
    with pytest.raises(WireFault) as caught:
        parse(json.dumps({"type": "session.update", "session": session}))
    assert caught.value.param == param
    assert caught.value.message.startswith(param)


SHAPELESS: list[dict[str, Any]] = [
    {"type": "session.update", "session": None},
    {"type": "session.update"},
    {"type": "transcription_session.update", "session": 4},
    {"type": "response.create", "response": None},
    {"type": "response.create", "response": {"input": [None, 4, {"role": [], "content": {}}]}},
    {"type": "conversation.item.create", "item": {"role": "user", "content": [None, {"type": []}]}},
    {"type": "input_audio_buffer.commit"},
    {},
]


@pytest.mark.parametrize("event", SHAPELESS)
def test_what_is_of_no_known_shape_is_left_for_the_model_to_refuse(event: dict[str, Any]):
    before = json.loads(json.dumps(event))
    now, renamed = modern(event)
    assert now == before | ({"type": "session.update"} if before.get("type") == "transcription_session.update" else {})
    assert renamed == {}
