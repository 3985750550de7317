"""Whole conversations, kept line by line: what the client says, what the session says, what the client is told.

After a change on purpose: `ATTUNE_WRITE_GOLDEN=1 pytest tests/agent/wire/test_realtime_talks.py`, then look at the
difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.events import (
    EmotionEstimate,
    Metrics,
    ReplyDelta,
    ReplyDone,
    ReplyStarted,
    ToolCalled,
    TurnSaved,
    UtteranceDismissed,
)
from streaming.events import EngineTrouble, Prosody, RollingProsody, SpeechPaused, SpeechResumed
from tests.agent.wire.talks import SILENCE_100_MS, Talk, ended, final, partial, started, understood, utterance

if TYPE_CHECKING:
    from agent.events import ReplyEnd

TOOL = {
    "type": "function",
    "name": "find_order",
    "description": "Look up an order.",
    "parameters": {"type": "object", "properties": {"order": {"type": "integer"}}},
}
BARGE_IN = [
    "response.done",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
]


def answers(talk: Talk, n: int, text: str, *, ended_by: ReplyEnd = "", request: str | None = None, heard: str = ""):
    """The session answers an utterance with sound, to its end or until something stops it."""
    talk.hears(ReplyStarted(utterance=n, at_s=4.0, request=request), ReplyDelta(utterance=n, text=text))
    talk.sounds(0.5)
    talk.hears(done(n, heard or text, ended_by=ended_by))


def done(n: int, text: str, *, ended_by: ReplyEnd = "") -> ReplyDone:
    return ReplyDone(utterance=n, at_s=6.0, text=text, interrupted=bool(ended_by), ended_by=ended_by, played_s=0.5)


def estimate(n: int, *, revision: int, is_final: bool) -> EmotionEstimate:
    return EmotionEstimate(
        utterance=n,
        revision=revision,
        is_final=is_final,
        at_s=2.5,
        labels=("angry", "happy", "neutral", "sad"),
        distribution=(0.1, 0.1, 0.2, 0.6),
        top="sad",
        confidence=0.6,
        arousal=0.3,
        dominance=0.4,
        valence=0.2,
        method="scripted",
    )


def test_a_conversation_by_voice():
    talk = Talk()
    talk.asks("input_audio_buffer.append", audio=SILENCE_100_MS)
    talk.hears(started(1, 1.0), partial(1, "i had a", stable=2))
    talk.hears(SpeechPaused(utterance=1, generation=1, at_s=1.8), SpeechResumed(utterance=1, at_s=1.9))
    talk.hears(partial(1, "i had a hard day", stable=4), ended(1, start_s=1.0, end_s=2.4))
    said = final(1, "i had a hard day")
    talk.hears(said, understood(said, start_s=1.0, end_s=2.4))
    answers(talk, 1, "That sounds hard.")
    talk.hears(TurnSaved(session="s1", seq=1, utterance=1), Metrics(utterance=1, reply_ms=9.0))
    talk.hears(*utterance(2, "thank you", start_s=8.0, end_s=8.8))
    answers(talk, 2, "You are welcome.")
    talk.compare("by_voice")
    deltas = [event["delta"] for event in talk.said("conversation.item.input_audio_transcription.delta")]
    assert deltas == ["i had", " a hard", " day", "thank", " you"]


def test_committed_by_hand_and_asked_to_answer():
    talk = Talk()
    talk.asks("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    talk.asks("input_audio_buffer.append", audio=SILENCE_100_MS)
    talk.asks("input_audio_buffer.commit")
    talk.hears(*utterance(1, "what time is it", start_s=0.0, end_s=0.1, reason="commit"))
    talk.asks("response.create", response={"instructions": "Be brief.", "metadata": {"turn": "one"}})
    answers(talk, 1, "It is late.", request="resp_s1_000001")
    talk.compare("by_hand")
    assert "input_audio_buffer.speech_started" not in talk.kinds()
    assert talk.events[-1]["response"]["metadata"] == {"turn": "one"}


def test_a_conversation_in_writing():
    talk = Talk()
    talk.asks("session.update", session={"type": "realtime", "output_modalities": ["text"], "instructions": "Be kind."})
    note = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "It is Tuesday."}]}
    talk.asks("conversation.item.create", item=note)
    written = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello there."}]}
    talk.asks("conversation.item.create", item=written | {"id": "mine"}, previous_item_id="root")
    talk.asks("response.create")
    talk.hears(ReplyStarted(utterance=1_000_000, at_s=0.0, request="resp_s1_000001", speaks=False))
    talk.hears(ReplyDelta(utterance=1_000_000, text="Hello"), ReplyDelta(utterance=1_000_000, text=" to you."))
    talk.hears(done(1_000_000, "Hello to you."))
    talk.asks("conversation.item.retrieve", item_id="mine")
    talk.asks("conversation.item.delete", item_id="mine")
    talk.compare("in_writing")


def test_speech_over_a_reply_is_told_once_it_has_the_floor():
    talk = Talk(query={"attune": "all"})
    talk.hears(*utterance(1, "tell me a story", start_s=1.0, end_s=2.0))
    talk.hears(ReplyStarted(utterance=1, at_s=3.0), ReplyDelta(utterance=1, text="Once upon a time"))
    talk.sounds(0.5)
    n_before = len(talk.events)
    talk.hears(started(2, 4.0))
    talk.hears(RollingProsody(utterance=2, at_s=4.3, prosody=Prosody(pitch_mean_hz=200.0, voiced_s=0.2)))
    talk.hears(partial(2, "stop it", stable=2))
    assert talk.kinds()[n_before:] == []
    talk.moves("duck")
    talk.hears(done(1, "Once upon", ended_by="speech"))
    talk.hears(*utterance(2, "stop it", start_s=4.0, end_s=5.0)[2:])
    talk.compare("barge_in")
    kinds = talk.kinds()
    places = [kinds.index(kind, n_before) for kind in BARGE_IN]
    assert places == sorted(places)
    assert talk.said("response.done")[0]["response"]["status_details"]["reason"] == "turn_detected"


def test_a_nod_over_a_reply_is_never_told():
    talk = Talk(query={"attune": "emotion.rolling,prosody"})
    talk.hears(*utterance(1, "tell me a story", start_s=1.0, end_s=2.0))
    talk.hears(ReplyStarted(utterance=1, at_s=3.0), ReplyDelta(utterance=1, text="Once upon a time"))
    talk.sounds(0.5)
    talk.hears(*utterance(2, "mhm", start_s=4.0, end_s=4.3), UtteranceDismissed(utterance=2))
    talk.hears(*utterance(3, "", start_s=4.6, end_s=4.8))
    talk.hears(done(1, "Once upon a time"))
    talk.hears(*utterance(4, "and then", start_s=8.0, end_s=9.0))
    talk.compare("back_channel")
    assert len(talk.said("input_audio_buffer.speech_started")) == 2
    items = [event["item"]["id"] for event in talk.said("conversation.item.added")]
    assert talk.said("conversation.item.added")[-1]["previous_item_id"] == items[-2]


def test_a_transcription_session():
    talk = Talk(query={"intent": "transcription"})
    logprobs = ["item.input_audio_transcription.logprobs"]
    talk.asks("session.update", session={"type": "transcription", "include": logprobs})
    talk.asks("input_audio_buffer.append", audio=SILENCE_100_MS)
    said = final(1, "good morning", posteriors=(0.9, 0.5))
    talk.hears(started(1, 1.0), partial(1, "good morning", stable=1), ended(1, start_s=1.0, end_s=2.0), said)
    talk.hears(understood(said, start_s=1.0, end_s=2.0))
    talk.hears(started(2, 4.0), ended(2, start_s=4.0, end_s=5.0))
    talk.hears(EngineTrouble(utterance=2, at_s=5.5, engine="pocketsphinx", message="the recogniser died"))
    talk.asks("response.create")
    talk.compare("transcription")
    assert talk.kinds()[-2:] == ["conversation.item.input_audio_transcription.failed", "error"]


def test_a_tool_is_called_and_its_result_answered():
    talk = Talk()
    talk.asks("session.update", session={"type": "realtime", "tools": [TOOL], "tool_choice": "auto"})
    talk.hears(*utterance(1, "where is my order", start_s=1.0, end_s=2.0))
    talk.hears(ReplyStarted(utterance=1, at_s=2.5))
    talk.hears(ToolCalled(utterance=1, call="call_9", name="find_order", arguments='{"order": 7}'), done(1, ""))
    output = {"type": "function_call_output", "call_id": "call_9", "output": "on its way"}
    step = talk.asks("conversation.item.create", item=output)
    assert [getattr(item, "name", None) for item in step.line] == ["find_order"]
    talk.asks("response.create")
    answers(talk, 1, "It is on its way.", request="resp_s1_000002")
    talk.compare("tool")


def test_truncated_after_the_end_and_in_the_middle():
    talk = Talk()
    talk.hears(*utterance(1, "hello", start_s=1.0, end_s=2.0))
    answers(talk, 1, "Hello to you, and a good day.")
    item_id = talk.said("response.output_item.done")[-1]["item"]["id"]
    talk.asks("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=500)
    talk.asks("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=501)
    talk.asks("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=200)
    talk.asks("conversation.item.retrieve", item_id=item_id)
    talk.compare("truncate")
    assert [event["audio_end_ms"] for event in talk.said("conversation.item.truncated")] == [500, 200]
    assert talk.said("error")[0]["error"]["param"] == "audio_end_ms"


def test_emotion_for_those_who_ask():
    talk = Talk(query={"attune": "all"})
    talk.hears(*utterance(1, "i lost my job", start_s=1.0, end_s=2.0)[:2])
    talk.hears(estimate(1, revision=1, is_final=False))
    talk.hears(*utterance(1, "i lost my job", start_s=1.0, end_s=2.0)[2:])
    talk.hears(estimate(1, revision=2, is_final=True), estimate(1, revision=3, is_final=True))
    answers(talk, 1, "I am sorry.")
    talk.hears(TurnSaved(session="s1", seq=1, utterance=1), Metrics(utterance=1, emotion_ms=3.0))
    talk.asks("attune.emotion.correct", utterance=1, label="angry")
    talk.compare("emotion")
    assert {kind for kind in talk.kinds() if kind.startswith("attune.")} == {
        "attune.session.info",
        "attune.prosody",
        "attune.nbest",
        "attune.emotion.rolling",
        "attune.emotion.final",
        "attune.emotion.revised",
        "attune.turn.saved",
        "attune.metrics",
    }
