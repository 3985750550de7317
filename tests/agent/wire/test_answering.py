"""The life of responses: order, items, sound, tools, ends, truncation. Every event is checked against both schemas."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.behaviour import Truncate
from agent.events import ReplyDelta, ReplyDone, ReplyRefused, ReplyStarted, ToolCalled
from agent.wire.answering import REMEMBERED, Answering
from agent.wire.faults import WireFault
from agent.wire.ids import Ids
from agent.wire.items import Items
from agent.wire.schema.client import ResponseCreate
from agent.wire.settings import SessionSettings
from streaming.audio import SAMPLE_RATE, from_pcm16
from tests.agent.wire.stock_types import checked, types

if TYPE_CHECKING:
    from agent.events import ReplyEnd
    from streaming.events import Samples

SOUND = SessionSettings()
TEXT = SessionSettings(is_spoken=False)

OPENING = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
]
ENDING = ["response.content_part.done", "response.output_item.done", "conversation.item.done", "response.done"]


def tone(seconds: float) -> Samples:
    return np.sin(np.arange(round(seconds * SAMPLE_RATE)) * 0.1).astype(np.float32) * np.float32(0.5)


def done(text: str = "", *, ended_by: ReplyEnd = "", utterance: int = 1) -> ReplyDone:
    return ReplyDone(utterance=utterance, at_s=3.0, text=text, interrupted=bool(ended_by), ended_by=ended_by)


class World:
    """Responses of one session; all events are checked as they come."""

    def __init__(self, settings: SessionSettings = SOUND) -> None:
        self.items = Items()
        self.items.add({"id": "item_user", "type": "message", "role": "user", "status": "completed", "content": []})
        self.answering = Answering(Ids("s"), self.items, conversation="conv_s")
        self.settings = settings
        self.events: list[dict[str, Any]] = []

    def take(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.events += checked(events)
        return events

    def create(self, request: str = "resp_asked", **response: object) -> None:
        create = ResponseCreate.model_validate({"type": "response.create", "event_id": "mine", "response": response})
        self.answering.asked(create, request, self.settings)

    def start(self, *, request: str | None = None, utterance: int = 1) -> None:
        event = ReplyStarted(utterance=utterance, at_s=1.0, request=request)
        self.take(self.answering.started(event, self.settings))

    def say(self, text: str, *, utterance: int = 1) -> None:
        self.take(self.answering.delta(ReplyDelta(utterance=utterance, text=text)))

    def sound(self, samples: Samples) -> None:
        self.take(self.answering.sound(samples))

    def call(self, name: str = "weather", arguments: str = '{"city": "Oslo"}', call: str = "call_7") -> None:
        self.take(self.answering.called(ToolCalled(utterance=1, call=call, name=name, arguments=arguments)))

    def end(self, text: str = "", *, ended_by: ReplyEnd = "", trouble: str = "") -> dict[str, Any]:
        self.take(self.answering.done(done(text, ended_by=ended_by), trouble=trouble))
        return self.events[-1]["response"]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    def heard(self) -> Samples:
        return from_pcm16(b"".join(b64decode(event["delta"]) for event in self.of("response.output_audio.delta")))


def spoken(world: World, *, seconds: float = 1.0, utterance: int = 1) -> str:
    """A whole spoken answer; returns the id of its message."""
    world.start(utterance=utterance)
    world.say("I hear you well. ", utterance=utterance)
    for _ in range(round(10 * seconds)):
        world.sound(tone(0.1))
    world.take(world.answering.done(done("I hear you well.", utterance=utterance)))
    return world.events[-1]["response"]["output"][0]["id"]


def test_a_spoken_answer_has_all_events_in_the_order_of_the_protocol():
    world = World()
    world.start()
    world.say("I hear you. ")
    world.sound(tone(0.1))
    world.say("Go on.")
    world.sound(tone(0.1))
    response = world.end("I hear you. Go on.")
    assert types(world.events) == [
        *OPENING,
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        *ENDING,
    ]
    assert response["status"] == "completed"
    assert response["status_details"] is None
    assert response["output_modalities"] == ["audio"]
    assert response["conversation_id"] == "conv_s"
    assert response["audio"]["output"] == {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": "attune"}
    (item,) = response["output"]
    assert item["status"] == "completed"
    assert item["content"] == [{"type": "output_audio", "transcript": "I hear you. Go on."}]
    assert world.of("response.output_audio_transcript.done")[0]["transcript"] == "I hear you. Go on."
    assert world.of("response.content_part.done")[0]["part"] == {"type": "audio", "transcript": "I hear you. Go on."}


def test_a_written_answer_is_told_as_text_and_has_no_sound():
    world = World(TEXT)
    world.start()
    world.say("I hear ")
    world.say("you.")
    world.sound(tone(0.1))
    response = world.end("I hear you.")
    assert types(world.events) == [
        *OPENING,
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        *ENDING,
    ]
    assert response["output_modalities"] == ["text"]
    assert response["output"][0]["content"] == [{"type": "output_text", "text": "I hear you."}]
    assert world.of("response.output_text.done")[0]["text"] == "I hear you."


def test_without_a_voice_a_spoken_answer_has_its_transcript_and_no_sound():
    world = World()
    world.start()
    world.say("I hear you.")
    world.end("I hear you.")
    assert types(world.events) == [
        *OPENING,
        "response.output_audio_transcript.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        *ENDING,
    ]


def test_an_answer_without_words_begins_and_ends():
    world = World()
    world.start()
    response = world.end()
    assert types(world.events) == ["response.created", "response.done"]
    assert response["status"] == "completed"
    assert response["output"] == []


def test_all_events_of_a_response_name_it_and_its_item():
    world = World()
    item_id = spoken(world)
    response_id = world.events[0]["response"]["id"]
    for event in world.events:
        assert event.get("response_id", response_id) == response_id
        assert event.get("item_id", item_id) == item_id
        assert event.get("item", {}).get("id", item_id) == item_id
        assert event.get("output_index", 0) == event.get("content_index", 0) == 0
    numbers = [int(event["event_id"].rpartition("_")[2]) for event in world.events]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_answer_stands_after_what_was_said():
    world = World()
    first = spoken(world)
    second = spoken(world, utterance=2)
    previous = [event["previous_item_id"] for event in world.of("conversation.item.added")]
    assert previous == ["item_user", first]
    assert previous == [event["previous_item_id"] for event in world.of("conversation.item.done")]
    assert world.items.answered_by(second) == 2


def test_events_are_not_changed_by_what_comes_after_them():
    world = World()
    world.start()
    events = world.answering.delta(ReplyDelta(utterance=1, text="one"))
    before = checked(events)
    world.say(" two")
    world.end("one two")
    assert checked(events) == before
    assert before[0]["item"]["content"] == []


def test_the_conversation_holds_the_words_as_they_come():
    world = World()
    world.start()
    world.say("one")
    item_id = world.answering.speaking
    assert item_id is not None
    item = world.items.get(item_id)
    assert item is not None
    assert (item["status"], item["content"][0]["transcript"]) == ("in_progress", "one")
    world.say(" two")
    world.end("one two")
    assert (item["status"], item["content"][0]["transcript"]) == ("completed", "one two")


def test_it_is_known_which_response_is_under_way():
    world = World()
    answering = world.answering
    assert (answering.active, answering.speaking, answering.has_spoken) == (None, None, False)
    world.create("resp_9")
    assert (answering.active, answering.waiting) == (None, ("resp_9",))
    world.start(request="resp_9")
    assert (answering.active, answering.waiting) == ("resp_9", ())
    world.say("yes")
    assert answering.speaking == world.of("response.output_item.added")[0]["item"]["id"]
    world.sound(tone(0.1))
    world.end("yes")
    assert (answering.active, answering.speaking, answering.has_spoken) == (None, None, True)


@pytest.mark.parametrize(
    ("ended_by", "status", "reason"),
    [
        ("speech", "cancelled", "turn_detected"),
        ("program", "cancelled", "client_cancelled"),
        ("session", "cancelled", None),
    ],
)
def test_an_answer_that_was_cut_short_says_by_whom_and_holds_what_was_heard(
    ended_by: ReplyEnd, status: str, reason: str | None
):
    world = World()
    world.start()
    world.say("I hear you very well.")
    world.sound(tone(0.3))
    response = world.end("I hear", ended_by=ended_by)
    assert response["status"] == response["status_details"]["type"] == status
    assert response["status_details"].get("reason") == reason
    (item,) = response["output"]
    assert item["status"] == "incomplete"
    assert item["content"][0]["transcript"] == "I hear"
    assert types(world.events)[-6:] == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        *ENDING,
    ]


def test_an_answer_that_failed_says_what_did():
    world = World()
    world.start()
    response = world.end(ended_by="engine", trouble="the model died")
    assert response["status"] == "failed"
    assert response["status_details"]["error"] == {
        "type": "server_error",
        "code": "engine_failed",
        "message": "the model died",
    }
    world.start()
    assert "failed" in world.end(ended_by="engine")["status_details"]["error"]["message"]


def test_an_interruption_that_nobody_accounts_for_is_a_cancelled_response():
    world = World()
    world.start()
    world.take(world.answering.done(ReplyDone(utterance=1, at_s=1.0, text="", interrupted=True)))
    assert world.events[-1]["response"]["status_details"] == {"type": "cancelled"}


def test_the_sound_is_all_there_at_24_khz():
    world = World()
    spoken(world, seconds=2.0)
    assert len(world.heard()) == 48_000


@given(cuts=st.lists(st.integers(1, 5_000), min_size=1, max_size=8))
def test_the_sound_does_not_depend_on_its_cuts(cuts: list[int]):
    whole = tone(sum(cuts) / SAMPLE_RATE)
    at_once, cut = World(), World()
    for world in (at_once, cut):
        world.start()
        world.say("a")
    at_once.sound(whole)
    for start, n in zip(np.cumsum([0, *cuts[:-1]]), cuts, strict=True):
        cut.sound(whole[start : start + n])
    at_once.end("a")
    cut.end("a")
    assert np.array_equal(at_once.heard(), cut.heard())


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
def test_sound_goes_out_in_the_format_of_the_session(kind: str):
    world = World(SessionSettings(output_format={"type": kind}))
    item_id = spoken(world)
    data = b"".join(b64decode(event["delta"]) for event in world.of("response.output_audio.delta"))
    assert len(data) == 8_000
    assert world.events[0]["response"]["audio"]["output"]["format"] == {"type": kind}
    world.answering.truncated(item_id, content_index=0, audio_end_ms=1_000)


def test_sound_before_any_words_opens_the_message():
    world = World()
    world.start()
    world.sound(tone(0.1))
    assert types(world.events)[:4] == OPENING
    assert world.end()["output"][0]["content"] == [{"type": "output_audio", "transcript": ""}]


def test_what_comes_without_a_response_is_not_told():
    world = World()
    spoken(world)
    world.events.clear()
    world.say("late")
    world.sound(tone(0.1))
    world.call()
    world.take(world.answering.done(done()))
    assert world.events == []


def test_a_tool_is_called_whole():
    world = World()
    world.start()
    world.call()
    response = world.end()
    assert types(world.events) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    (item,) = response["output"]
    assert (item["type"], item["name"], item["call_id"]) == ("function_call", "weather", "call_7")
    assert (item["status"], item["arguments"]) == ("completed", '{"city": "Oslo"}')
    assert world.of("response.output_item.added")[0]["item"]["arguments"] == ""
    assert world.of("response.function_call_arguments.done")[0]["name"] == "weather"
    assert response["status"] == "completed"


def test_tools_are_called_while_the_words_before_them_still_sound():
    world = World()
    world.start()
    world.say("One moment.")
    world.call()
    world.call(call="")
    world.sound(tone(0.1))
    response = world.end("One moment.")
    assert [item["type"] for item in response["output"]] == ["message", "function_call", "function_call"]
    assert [event["output_index"] for event in world.of("response.output_item.added")] == [0, 1, 2]
    assert [event["output_index"] for event in world.of("response.output_item.done")] == [1, 2, 0]
    assert response["output"][2]["call_id"].startswith("call_s_")
    assert {event["output_index"] for event in world.of("response.output_audio.delta")} == {0}


def test_a_response_may_differ_from_its_session():
    world = World()
    world.create(output_modalities=["text"], metadata={"topic": "a"}, max_output_tokens=50)
    world.start(request="resp_asked")
    world.say("yes")
    response = world.end("yes")
    assert response["id"] == "resp_asked"
    assert response["output_modalities"] == ["text"]
    assert response["metadata"] == {"topic": "a"}
    assert response["max_output_tokens"] == 50
    assert response["output"][0]["content"] == [{"type": "output_text", "text": "yes"}]


@pytest.mark.parametrize(
    ("asked", "used"),
    [
        ({"type": "audio/pcmu"}, {"type": "audio/pcmu"}),
        ({"type": "audio/pcm", "rate": 16_000}, {"type": "audio/pcm", "rate": 24_000}),
    ],
)
def test_a_response_may_have_a_format_of_its_own(asked: dict[str, Any], used: dict[str, Any]):
    world = World(TEXT)
    world.create(output_modalities=["audio", "text"], audio={"output": {"format": asked}})
    world.start(request="resp_asked")
    response = world.end()
    assert response["audio"]["output"]["format"] == used
    assert response["output_modalities"] == ["audio"]


def test_a_response_apart_leaves_the_conversation_alone():
    world = World()
    world.create(conversation="none")
    world.start(request="resp_asked")
    world.say("apart")
    world.sound(tone(0.2))
    world.call()
    response = world.end("apart")
    assert response["conversation_id"] is None
    assert not [kind for kind in types(world.events) if kind.startswith("conversation.")]
    assert len(world.items) == 1
    with pytest.raises(WireFault):
        world.answering.truncated(response["output"][0]["id"], content_index=0, audio_end_ms=0)


def test_a_refused_response_names_the_client_s_event():
    world = World()
    world.create("resp_no")
    world.take(world.answering.refused(ReplyRefused(request="resp_no", message="an answer is under way")))
    error = world.events[-1]["error"]
    assert error["code"] == "conversation_already_has_active_response"
    assert (error["event_id"], error["message"]) == ("mine", "an answer is under way")
    assert world.answering.waiting == ()
    world.take(world.answering.refused(ReplyRefused(request="resp_other", message="no")))
    assert world.events[-1]["error"]["event_id"] is None


def test_usage_counts_words_and_sound():
    world = World()
    spoken(world)
    used = world.events[-1]["response"]["usage"]
    assert used["output_token_details"] == {"text_tokens": 4, "audio_tokens": 20}
    assert used["total_tokens"] == used["output_tokens"] == 24
    world.start()
    world.call()
    assert world.end()["usage"]["output_tokens"] == 2


def test_a_finished_reply_may_be_truncated_at_exactly_its_length():
    world = World()
    item_id = spoken(world)
    n_bytes = sum(len(b64decode(event["delta"])) for event in world.of("response.output_audio.delta"))
    command, events = world.answering.truncated(item_id, content_index=0, audio_end_ms=n_bytes // 48)
    world.take(events)
    assert command == Truncate(utterance=1, played_s=n_bytes / 48_000)
    assert world.events[-1]["audio_end_ms"] == 1_000
    item = world.items.get(item_id)
    assert item is not None
    assert item["content"][0]["transcript"] == "I hear you well. "


@pytest.mark.parametrize(("end_ms", "kept"), [(0, ""), (500, "I hear"), (990, "I hear you well.")])
def test_a_truncated_reply_keeps_whole_words(end_ms: int, kept: str):
    world = World()
    item_id = spoken(world)
    command, events = world.answering.truncated(item_id, content_index=0, audio_end_ms=end_ms)
    assert types(checked(events)) == ["conversation.item.truncated"]
    assert command.played_s == end_ms / 1000
    item = world.items.get(item_id)
    assert item is not None
    assert item["content"][0]["transcript"] == kept


def test_a_reply_under_way_may_be_truncated_as_far_as_it_was_sent():
    world = World()
    world.start(utterance=4)
    world.say("I hear you well.")
    world.sound(tone(0.5))
    item_id = world.answering.speaking
    assert item_id is not None
    command, _ = world.answering.truncated(item_id, content_index=0, audio_end_ms=400)
    assert command == Truncate(utterance=4, played_s=0.4)
    # What was heard of it the session says at its end.
    assert world.end("I hear", ended_by="speech")["output"][0]["content"][0]["transcript"] == "I hear"


@pytest.mark.parametrize(("end_ms", "kept"), [(500, "I hear you"), (400, "I hear you"), (200, "I"), (0, "")])
def test_of_an_interrupted_reply_no_more_is_taken_than_the_client_did_not_play(end_ms: int, kept: str):
    world = World()
    world.start()
    world.say("I hear you well.")
    world.sound(tone(0.5))
    heard = ReplyDone(utterance=1, at_s=2.0, text="I hear you", interrupted=True, ended_by="speech", played_s=0.4)
    world.take(world.answering.done(heard))
    item_id = world.events[-1]["response"]["output"][0]["id"]
    world.answering.truncated(item_id, content_index=0, audio_end_ms=end_ms)
    item = world.items.get(item_id)
    assert item is not None
    assert item["content"][0]["transcript"] == kept


@pytest.mark.parametrize(
    ("item", "content_index", "end_ms", "code", "param"),
    [
        ("item_nobody", 0, 0, "item_not_found", "item_id"),
        ("item_user", 0, 0, "item_not_found", "item_id"),
        (None, 1, 0, "invalid_field", "content_index"),
        (None, 0, 1_001, "invalid_field", "audio_end_ms"),
        (None, 0, -1, "invalid_field", "audio_end_ms"),
    ],
)
def test_a_wrong_truncation_is_refused(item: str | None, content_index: int, end_ms: int, code: str, param: str):
    world = World()
    item_id = item or spoken(world)
    with pytest.raises(WireFault) as caught:
        world.answering.truncated(item_id, content_index=content_index, audio_end_ms=end_ms, event_id="mine")
    assert (caught.value.code, caught.value.param, caught.value.event_id) == (code, param, "mine")


def test_a_deleted_message_is_neither_truncated_nor_told_of_again():
    world = World()
    world.start()
    world.say("gone")
    item_id = world.answering.speaking
    assert item_id is not None
    world.items.remove(item_id)
    world.end("gone")
    assert world.of("conversation.item.done") == []
    with pytest.raises(WireFault):
        world.answering.truncated(item_id, content_index=0, audio_end_ms=0)


def test_only_so_many_messages_are_remembered():
    answering = World().answering
    for number in range(REMEMBERED + 5):
        answering.started(ReplyStarted(utterance=number, at_s=0.0), SOUND)
        answering.delta(ReplyDelta(utterance=number, text="a"))
        answering.done(done("a"))
    remembered: dict[str, Any] = answering._spoken
    assert len(remembered) == REMEMBERED
