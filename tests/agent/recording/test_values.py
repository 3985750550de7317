"""What stands in a stream goes into a recording and comes back the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.behaviour import Aside, Behaviour, Forget, Respond, Tool, Truncate, Withdraw, Write
from agent.correction import EmotionCorrection
from agent.recording.values import KNOWN, from_json, to_json
from streaming.controls import Clear, Commit, Mark, TurnDetection
from streaming.events import AudioDropped

TOOL = Tool(name="look", description="looks", parameters={"type": "object", "a": {"map": [1, 2]}, "$ref": None})
VALUES: list[Any] = [
    Commit(),
    Clear(),
    TurnDetection(is_manual=True, threshold=0.25, silence_s=None, eagerness="low"),
    AudioDropped(at_s=1.5, seconds=0.1, total_s=0.3),
    Mark(value=Write(utterance=1_000_001, text='quoted "words" \u2028 and ünicode')),
    Mark(value=Aside(kind="result", text="{}", key="item_1", call="call_1", name="look")),
    Mark(value=Forget(key="item_1", utterance=3)),
    Mark(value=Withdraw(request="resp_1")),
    Mark(value=Truncate(utterance=2, played_s=0.1 + 0.2)),
    Mark(value=EmotionCorrection(utterance=2, label="sad")),
    Mark(value=None),
]


def again(value: Any) -> Any:
    return from_json(json.loads(json.dumps(to_json(value))))


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(getattr(value, "value", value)).__name__)
def test_it_comes_back_the_same(value: Any):
    assert again(value) == value


def test_an_answer_that_is_asked_for_brings_its_tools_and_asides():
    behaviour = Behaviour(answers=False, instructions="be brief", tools=(TOOL,), tool_choice="look", max_tokens=7)
    asked = Respond(request="resp_1", behaviour=behaviour, text="hi", asides=(Aside(kind="note", text="n"),))
    back = again(asked)
    assert isinstance(back, Respond)
    assert (back.request, back.text, back.asides, back.is_apart) == ("resp_1", "hi", asked.asides, False)
    assert back.behaviour is not None
    (tool,) = back.behaviour.tools
    assert (tool.name, tool.description, tool.parameters) == (TOOL.name, TOOL.description, TOOL.parameters)
    assert (back.behaviour.answers, back.behaviour.instructions) == (False, "be brief")
    assert (back.behaviour.tool_choice, back.behaviour.max_tokens) == ("look", 7)


@given(st.text(), st.floats(min_value=0, allow_infinity=False))
def test_words_and_times_come_back_to_the_last_bit(text: str, played_s: float):
    assert again(Write(utterance=1, text=text)) == Write(utterance=1, text=text)
    assert again(Truncate(utterance=1, played_s=played_s)).played_s == played_s


def test_every_command_and_control_is_known():
    from typing import get_args  # noqa: PLC0415 - only here

    from agent.behaviour import SessionCommand  # noqa: PLC0415 - as above
    from streaming.controls import Control  # noqa: PLC0415 - as above

    assert {kind.__name__ for kind in (*get_args(SessionCommand), *get_args(Control))} <= set(KNOWN)


def test_what_cannot_stand_in_a_stream_is_refused():
    with pytest.raises(TypeError, match="a set cannot be recorded"):
        to_json(Mark(value={1}))
