"""`response.create` and items that clients make: what the session is asked to do, and to know."""

from __future__ import annotations

from typing import Any

import pytest

from agent.behaviour import TYPED, Aside, Forget, Respond, Truncate, Write
from agent.events import ReplyDelta, ReplyDone, ReplyStarted
from tests.agent.wire.talks import Talk, utterance


def user(text: str, **values: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}], **values}


def asked(talk: Talk, **response: Any) -> Respond:
    step = talk.asks("response.create", response=response)
    assert step.fault is None
    command = step.line[-1]
    assert isinstance(command, Respond)
    return command


def test_nothing_of_its_own_is_asked_with_the_sessions_behaviour():
    command = asked(Talk(), metadata={"a": "b"})
    assert (command.behaviour, command.text, command.asides, command.is_apart) == (None, None, (), False)
    assert command.request == "resp_s1_000001"


def test_settings_of_one_response_stand_above_the_sessions():
    talk = Talk()
    talk.asks("session.update", session={"instructions": "Be kind.", "max_output_tokens": 50})
    command = asked(talk, output_modalities=["text"], max_output_tokens="inf", instructions=None)
    assert command.behaviour is not None
    assert not command.behaviour.speaks
    assert command.behaviour.max_tokens is None
    assert command.behaviour.instructions == "Be kind."
    assert talk.dialect.settings.is_spoken


def test_an_answer_apart_from_the_conversation():
    talk = Talk()
    talk.hears(*utterance(1, "where am i", start_s=1.0, end_s=2.0))
    spoken = talk.said("conversation.item.done")[0]["item"]["id"]
    command = asked(
        talk,
        conversation="none",
        input=[
            user("first of all"),
            {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Sort it."}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Go on."}]},
            {"type": "item_reference", "id": spoken},
        ],
    )
    assert command.is_apart
    assert command.text == "where am i"
    assert [(aside.kind, aside.text) for aside in command.asides] == [
        ("note", "The user said: first of all"),
        ("note", "Sort it."),
        ("agent", "Go on."),
    ]
    n_before = len(talk.events)
    talk.hears(ReplyStarted(utterance=TYPED, at_s=2.0, request=command.request), ReplyDelta(utterance=TYPED, text="X"))
    talk.hears(ReplyDone(utterance=TYPED, at_s=2.0, text="X", interrupted=False))
    assert talk.events[-1]["response"]["conversation_id"] is None
    assert not [kind for kind in talk.kinds()[n_before:] if kind.startswith("conversation.")]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (user("hello"), Write(utterance=TYPED, text="hello")),
        (
            user("", content=[{"type": "input_audio", "transcript": "hi"}, {"type": "input_text", "text": "there"}]),
            Write(utterance=TYPED, text="hi there"),
        ),
        (
            {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": "Yes."}]},
            Aside(kind="agent", text="Yes.", key="item_s1_000001"),
        ),
        (
            {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c1"},
            Aside(kind="call", text="{}", key="item_s1_000001", call="c1", name="f"),
        ),
        (
            {"type": "function_call", "name": "f", "arguments": "{}"},
            Aside(kind="call", text="{}", key="item_s1_000001", call="call_s1_000001", name="f"),
        ),
        (
            {"type": "function_call_output", "call_id": "c9", "output": "7"},
            Aside(kind="result", text="7", key="item_s1_000001", call="c9"),
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_items_say_to_the_session(item: dict[str, Any], expected: object):
    talk = Talk()
    step = talk.asks("conversation.item.create", item=item)
    assert step.line[-1] == expected
    assert [event["type"] for event in step.events] == ["conversation.item.added", "conversation.item.done"]


def test_typed_utterances_are_numbered_and_can_be_taken_back():
    talk = Talk()
    for name in ("a", "b"):
        talk.asks("conversation.item.create", item=user(name, id=name))
    step = talk.asks("conversation.item.delete", item_id="b")
    assert step.line == (Forget(utterance=TYPED + 1),)
    talk.asks(
        "conversation.item.create", item={"type": "function_call_output", "call_id": "c", "output": "7", "id": "o"}
    )
    assert talk.asks("conversation.item.delete", item_id="o").line == (Forget(key="o"),)
    created = talk.asks("conversation.item.create", item=user("b again", id="b"))
    assert created.line == (Write(utterance=TYPED + 2, text="b again"),)


def test_an_answer_that_is_deleted_was_not_heard():
    talk = Talk()
    talk.hears(*utterance(1, "hello", start_s=1.0, end_s=2.0))
    talk.hears(ReplyStarted(utterance=1, at_s=2.0), ReplyDelta(utterance=1, text="Hi."))
    talk.sounds(0.1)
    talk.hears(ReplyDone(utterance=1, at_s=3.0, text="Hi.", interrupted=False))
    answer = talk.said("response.output_item.done")[0]["item"]["id"]
    assert talk.asks("conversation.item.delete", item_id=answer).line[-1] == Truncate(utterance=1, played_s=0.0)
    assert talk.asks("conversation.item.truncate", item_id=answer, content_index=0, audio_end_ms=0).fault is not None


def test_an_item_may_be_taken_out_and_put_back_changed():
    talk = Talk()
    talk.hears(*utterance(1, "helo", start_s=1.0, end_s=2.0))
    spoken = talk.said("conversation.item.done")[0]["item"]["id"]
    assert talk.asks("conversation.item.delete", item_id=spoken).line[-1] == Forget(utterance=1)
    content = [{"type": "input_audio", "audio": None, "transcript": "hello"}]
    back = talk.asks("conversation.item.create", item=user("", id=spoken, content=content))
    assert back.line == (Write(utterance=TYPED, text="hello"),)
    assert talk.asks("conversation.item.delete", item_id=spoken).line == (Forget(utterance=TYPED),)
