"""Whatever a client asks and a session says, in any order: nothing fails, every event is valid, numbers run on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.behaviour import TYPED
from agent.events import (
    EmotionEstimate,
    Metrics,
    ReplyDelta,
    ReplyDone,
    ReplyRefused,
    ReplyStarted,
    StorageDegraded,
    ToolCalled,
    TurnSaved,
    UtteranceDismissed,
)
from agent.wire.ids import event_number
from streaming.events import AudioDropped, EngineTrouble, Prosody, RollingProsody, SpeechDropped, SpeechPaused
from tests.agent.wire.talks import SILENCE_100_MS, Talk, ended, final, partial, started, understood

if TYPE_CHECKING:
    from agent.events import SessionEvent

ITEM = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
ASKED: list[dict[str, Any]] = [
    {"type": "input_audio_buffer.append", "audio": SILENCE_100_MS},
    {"type": "input_audio_buffer.append", "audio": "AAAA"},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "output_audio_buffer.clear"},
    {"type": "conversation.item.create", "item": ITEM | {"id": "a"}},
    {"type": "conversation.item.create", "item": ITEM, "previous_item_id": "root"},
    {"type": "conversation.item.create", "item": ITEM, "previous_item_id": "a"},
    {"type": "conversation.item.create", "item": {"type": "function_call", "name": "f", "arguments": "{}"}},
    {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "c", "output": "1"}},
    {"type": "conversation.item.create", "item": ITEM | {"id": "item_s1_000002"}},
    {"type": "conversation.item.retrieve", "item_id": "a"},
    {"type": "conversation.item.retrieve", "item_id": "item_s1_000001"},
    {"type": "conversation.item.delete", "item_id": "a"},
    {"type": "conversation.item.delete", "item_id": "item_s1_000002"},
    {"type": "conversation.item.truncate", "item_id": "item_s1_000002", "content_index": 0, "audio_end_ms": 50},
    {"type": "response.create"},
    {"type": "response.create", "response": {"conversation": "none", "input": [ITEM], "instructions": "Be brief."}},
    {"type": "response.create", "response": {"input": [{"type": "item_reference", "id": "a"}, ITEM]}},
    {"type": "response.cancel"},
    {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}}},
    {"type": "session.update", "session": {"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}}},
    {
        "type": "session.update",
        "session": {"audio": {"input": {"transcription": None, "format": {"type": "audio/pcmu"}}}},
    },
    {"type": "session.update", "session": {"attune": {"events": "all", "hume": True}, "output_modalities": ["text"]}},
    {"type": "session.update", "session": {"include": ["item.input_audio_transcription.logprobs"]}},
    {"type": "session.update", "session": {"type": "transcription"}},
    {"type": "attune.emotion.correct", "utterance": 1, "label": "sad"},
    {"type": "attune.history.list"},
    {"type": "nonsense"},
]
NUMBERS = st.sampled_from([1, 2, 3, TYPED])
WORDS = st.sampled_from(["", "hello", "hello there my friend", "hello dear friend"])


def told(number: int, words: str) -> list[SessionEvent]:
    """Every event that a session may tell of an utterance."""
    estimate = EmotionEstimate(
        utterance=number,
        revision=1,
        is_final=len(words) < 10,
        at_s=1.0,
        labels=("happy", "sad"),
        distribution=(0.5, 0.5),
        top=None,
        confidence=0.5,
    )
    return [
        started(number, 1.0),
        SpeechPaused(utterance=number, generation=1, at_s=1.5),
        SpeechDropped(utterance=number, at_s=2.0),
        ended(number, start_s=1.0, end_s=2.0),
        ended(number, start_s=1.0, end_s=2.0, reason="commit"),
        partial(number, words or "hello", stable=min(2, len(words.split()))),
        final(number, words),
        understood(final(number, words or "hello"), start_s=1.0, end_s=2.0),
        RollingProsody(utterance=number, at_s=1.2, prosody=Prosody()),
        AudioDropped(at_s=1.0, seconds=0.1, total_s=0.1),
        EngineTrouble(utterance=number, at_s=1.0, engine="pocketsphinx", message="gone"),
        EngineTrouble(utterance=number, at_s=1.0, engine="responder", message="gone"),
        estimate,
        ReplyStarted(utterance=number, at_s=2.0),
        ReplyStarted(utterance=number, at_s=2.0, request="resp_s1_000001"),
        ReplyRefused(request="resp_s1_000001", message="an answer is under way"),
        ReplyDelta(utterance=number, text="Well, "),
        ToolCalled(utterance=number, call="call_1", name="f", arguments="{}"),
        ReplyDone(utterance=number, at_s=3.0, text="Well,", interrupted=True, ended_by="speech", played_s=0.1),
        ReplyDone(utterance=number, at_s=3.0, text="Well, yes.", interrupted=False),
        ReplyDone(utterance=number, at_s=3.0, text="", interrupted=True, ended_by="engine"),
        UtteranceDismissed(utterance=number),
        TurnSaved(session="s1", seq=1, utterance=number),
        StorageDegraded(utterance=number, message="the disk is full"),
        Metrics(utterance=number, reply_ms=1.0),
    ]


Step: TypeAlias = dict[str, Any] | tuple[int, str, int] | float
N_TOLD = len(told(1, ""))
STEPS = st.one_of(
    st.sampled_from(ASKED),
    st.tuples(NUMBERS, WORDS, st.integers(0, N_TOLD - 1)),
    st.floats(0.02, 0.2).map(lambda seconds: round(seconds, 2)),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_any_order_of_things_is_survived(steps: list[Step]):
    talk = Talk()
    for step in steps:
        if isinstance(step, dict):
            talk.asks(**{"kind" if name == "type" else name: value for name, value in step.items()})
        elif isinstance(step, tuple):
            number, words, place = step
            talk.hears(told(number, words)[place])
        else:
            talk.sounds(step)
    for event in (*talk.dialect.close(), *talk.dialect.fault("audio_too_fast", "slower")):
        talk.events.append(json.loads(json.dumps(event)))
    numbers = [event_number(event["event_id"]) for event in talk.events]
    assert numbers == list(range(1, len(numbers) + 1))
    stopped = [event["item_id"] for event in talk.said("input_audio_buffer.speech_stopped")]
    assert set(stopped) <= {event["item_id"] for event in talk.said("input_audio_buffer.speech_started")}
    items = [event["item"]["id"] for event in talk.said("conversation.item.added")]
    assert len(items) == len(set(items)) or {"a", "item_s1_000002"} & set(items)
    created = [event["response"]["id"] for event in talk.said("response.created")]
    done = [event["response"]["id"] for event in talk.said("response.done")]
    assert set(done) <= set(created)
