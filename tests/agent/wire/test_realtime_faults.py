"""What a client asks wrongly: each has its code and its field, and the session goes on as if nothing had been."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest

from agent.behaviour import TYPED, Respond
from agent.events import ReplyDelta, ReplyDone, ReplyRefused, ReplyStarted
from agent.wire.arranging import NOT_THERE
from agent.wire.faults import FAULTS
from agent.wire.inbound import MODELS
from agent.wire.realtime import BROKEN
from agent.wire.schema.client import InputAudioBufferAppend
from agent.wire.settings import SessionInfo
from tests.agent.wire.talks import SILENCE_100_MS, Talk, dialect, utterance

if TYPE_CHECKING:
    from agent.wire.dialect import Step


def text_item(text: str = "hello", **values: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}], **values}


def audio_input(**values: Any) -> dict[str, Any]:
    return {"session": {"type": "realtime", "audio": {"input": values}}}


def server_vad(**values: Any) -> dict[str, Any]:
    return audio_input(turn_detection={"type": "server_vad", **values})


WRONG: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("session.updat", {}, "unknown_event", "type"),
    ("session.update", {"session": 5}, "invalid_field", "session"),
    ("session.update", server_vad(threshold=7.0), "invalid_field", "session.audio.input.turn_detection.threshold"),
    (
        "session.update",
        server_vad(silence_duration_ms=-1),
        "invalid_field",
        "session.audio.input.turn_detection.silence_duration_ms",
    ),
    (
        "session.update",
        audio_input(format={"type": "audio/pcm", "rate": 44100}),
        "invalid_field",
        "session.audio.input.format.rate",
    ),
    (
        "session.update",
        {"session": {"type": "realtime", "audio": {"output": {"format": {"type": "audio/pcm", "rate": 16000}}}}},
        "invalid_field",
        "session.audio.output.format.rate",
    ),
    (
        "session.update",
        {"session": {"type": "realtime", "tool_choice": {"type": "function", "name": "gone"}}},
        "invalid_field",
        "session.tool_choice",
    ),
    (
        "session.update",
        {"session": {"type": "realtime", "instructions": "changed", "attune": {"emotion": "smell"}}},
        "invalid_field",
        "session.attune.emotion",
    ),
    ("input_audio_buffer.append", {"audio": "?"}, "invalid_field", "audio"),
    ("input_audio_buffer.append", {"audio": b64encode(b"RIFF" + bytes(40)).decode()}, "suspect_audio", "audio"),
    ("input_audio_buffer.commit", {}, "input_audio_buffer_commit_empty", None),
    ("conversation.item.create", {"item": text_item(), "previous_item_id": "no"}, "item_not_found", "previous_item_id"),
    ("conversation.item.create", {"item": text_item(id="root")}, "item_create_invalid_item_id", "item.id"),
    ("conversation.item.create", {"item": text_item(id="there")}, "item_create_invalid_item_id", "item.id"),
    ("conversation.item.create", {"item": text_item(id="item_s1_000009")}, "item_create_invalid_item_id", "item.id"),
    ("conversation.item.create", {"item": text_item("  ")}, "invalid_field", "item.content"),
    (
        "conversation.item.create",
        {"item": text_item(content=[{"type": "input_audio", "audio": SILENCE_100_MS}])},
        "not_available",
        "item.content",
    ),
    ("conversation.item.retrieve", {"item_id": "no"}, NOT_THERE, "item_id"),
    ("conversation.item.delete", {"item_id": "no"}, "item_not_found", "item_id"),
    (
        "conversation.item.truncate",
        {"item_id": "no", "content_index": 0, "audio_end_ms": 0},
        "item_not_found",
        "item_id",
    ),
    (
        "conversation.item.truncate",
        {"item_id": "there", "content_index": 0, "audio_end_ms": 0},
        "item_not_found",
        "item_id",
    ),
    ("response.cancel", {}, "response_cancel_not_active", None),
    (
        "response.create",
        {"response": {"tool_choice": {"type": "function", "name": "gone"}}},
        "invalid_field",
        "response.tool_choice",
    ),
    (
        "response.create",
        {"response": {"input": [{"type": "item_reference", "id": "no"}]}},
        "item_not_found",
        "response.input[0].id",
    ),
    ("attune.emotion.correct", {"utterance": 7, "label": "sad"}, "item_not_found", "utterance"),
    ("attune.emotion.correct", {"item_id": "no", "label": "sad"}, "item_not_found", "item_id"),
    ("attune.emotion.correct", {"label": "sad"}, "invalid_field", None),
    ("attune.emotion.correct", {"item_id": "there", "utterance": 1, "label": "sad"}, "invalid_field", None),
    ("attune.emotion.correct", {"item_id": "there", "label": "peckish"}, "invalid_field", "label"),
    ("attune.emotion.correct", {"item_id": "there"}, "invalid_field", None),
    ("attune.history.list", {}, "not_available", None),
    ("attune.history.export", {"session": "other"}, "not_available", None),
]


def begun() -> Talk:
    talk = Talk()
    talk.asks("conversation.item.create", item=text_item(id="there"))
    return talk


@pytest.mark.parametrize(("kind", "values", "code", "param"), WRONG, ids=lambda value: str(value)[:60])
def test_what_is_wrong_is_named_and_changes_nothing(kind: str, values: dict[str, Any], code: str, param: str | None):
    talk = begun()
    before = talk.dialect.settings
    step = talk.asks(kind, event_id="mine", **values)
    assert step.fault == code
    assert step.line == ()
    assert not step.stops_reply
    assert [event["type"] for event in step.events] == ["error"]
    error = step.events[0]["error"]
    assert error["code"] == code
    assert error["param"] == param
    assert error["event_id"] == "mine"
    assert error["message"][0].islower()
    assert not error["message"].endswith(".")
    assert talk.dialect.settings == before
    assert talk.asks("session.update", session={"type": "realtime"}).fault is None


def test_codes_are_of_the_closed_table_but_the_one_that_stock_clients_know():
    assert {code for _, _, code, _ in WRONG} - FAULTS.keys() <= {NOT_THERE}


@pytest.mark.parametrize("message", ["", "[]", "5", '{"type": NaN}', "[" * 100_000, '"x"', "\ud800", b"\x00\x01"])
def test_what_is_no_event_at_all_is_refused_too(message: str | bytes):
    talk = begun()
    step = talk.dialect.receive(message)
    assert step.fault in {"invalid_json", "binary_not_expected"}
    assert step.line == ()


def test_a_mistake_of_ours_is_told_as_such_and_the_session_goes_on(monkeypatch: pytest.MonkeyPatch):
    quiet = dialect(fails_loudly=False)
    loud = dialect()

    def fails(_: object) -> Step:
        raise ZeroDivisionError

    for each in (quiet, loud):
        monkeypatch.setattr(each._requests, "do", fails)
    message = json.dumps({"type": "response.create", "event_id": "mine"})
    step = quiet.receive(message)
    assert step.fault == "server_error"
    assert step.events[0]["error"]["message"] == BROKEN
    assert step.events[0]["error"]["event_id"] == "mine"
    with pytest.raises(ZeroDivisionError):
        loud.receive(message)


def test_one_response_at_a_time():
    talk = begun()
    first = talk.asks("response.create")
    assert [type(item) for item in first.line] == [Respond]
    assert talk.asks("response.create", event_id="second").fault == "conversation_already_has_active_response"
    talk.hears(ReplyStarted(utterance=TYPED, at_s=0.0, request="resp_s1_000001"))
    assert talk.asks("response.create").fault == "conversation_already_has_active_response"
    assert talk.asks("response.cancel", response_id="resp_other").fault == "response_cancel_not_active"
    assert talk.asks("response.cancel", response_id="resp_s1_000001").stops_reply
    talk.hears(ReplyDone(utterance=TYPED, at_s=1.0, text="", interrupted=True, ended_by="program"))
    assert talk.events[-1]["response"]["status_details"]["reason"] == "client_cancelled"
    assert talk.asks("response.cancel").fault == "response_cancel_not_active"
    assert talk.asks("response.create").fault is None


def test_a_response_that_the_session_refuses_is_told_with_the_clients_own_id():
    talk = begun()
    talk.asks("response.create", event_id="mine")
    talk.hears(ReplyRefused(request="resp_s1_000001", message="an answer is under way"))
    assert talk.events[-1]["error"]["code"] == "conversation_already_has_active_response"
    assert talk.events[-1]["error"]["event_id"] == "mine"
    assert talk.asks("response.create").fault is None


def test_the_voice_is_fixed_once_it_was_heard():
    talk = begun()

    def voiced(name: str) -> Step:
        return talk.asks("session.update", session={"type": "realtime", "audio": {"output": {"voice": name}}})

    assert voiced("marin").fault is None
    talk.hears(*utterance(1, "hello", start_s=1.0, end_s=2.0))
    talk.hears(ReplyStarted(utterance=1, at_s=2.0), ReplyDelta(utterance=1, text="Hi."))
    talk.sounds(0.2)
    assert voiced("cedar").fault == "cannot_update_voice"
    assert voiced("marin").fault is None


def test_a_session_that_has_begun_stays_of_its_type():
    talk = Talk()
    assert talk.asks("session.update", session={"type": "transcription"}).fault is None
    assert talk.asks("session.update", session={"type": "realtime"}).fault is None
    talk.asks("input_audio_buffer.append", audio=SILENCE_100_MS)
    step = talk.asks("session.update", session={"type": "transcription"})
    assert step.events[0]["error"]["param"] == "session.type"


def test_history_where_there_is_one():
    talk = Talk(info=SessionInfo(has_history=True))
    step = talk.asks("attune.history.export", session="other", event_id="mine")
    assert step.history is not None
    assert (step.history.action, step.history.session) == ("export", "other")
    told = talk.dialect.history(step.history, "there is no session other")
    assert told[0]["error"]["code"] == "not_found"
    assert told[0]["error"]["event_id"] == "mine"
    listed = talk.asks("attune.history.list").history
    assert listed is not None
    assert talk.dialect.history(listed, {"sessions": []})[0]["type"] == "attune.history.sessions"
    deleted = talk.asks("attune.history.delete").history
    assert deleted is not None
    assert talk.dialect.history(deleted, {"n_deleted": 2})[0]["n_deleted"] == 2


def test_every_event_that_a_client_may_send_is_followed():
    for model in MODELS["realtime"].values():
        assert model in dialect()._requests._deeds or model is InputAudioBufferAppend
