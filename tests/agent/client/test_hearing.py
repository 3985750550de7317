"""Server events as a session's: so a conversation far away is shown like one here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.backends.emotion.scripted import UNCLEAR, scripted_estimate
from agent.client.hearing import Hearing, estimate_of
from agent.events import (
    EmotionEstimate,
    Evidence,
    Metrics,
    ReplyDelta,
    ReplyDone,
    ReplyStarted,
    StorageDegraded,
    TriggerWord,
    TurnSaved,
    VoiceCue,
)
from agent.jsonl import emotion_fields
from streaming.events import EngineTrouble, RollingProsody, SpeechEnded, SpeechStarted, Transcript
from tests.clients.scripted_dialogue import SAID, ScriptedDialogue
from tests.clients.talking import appended

WORDS = "conversation.item.input_audio_transcription"
RICH = replace(
    scripted_estimate("sad", confidence=0.6),
    arousal=0.25,
    valence=0.5,
    text_distribution=(0.25, 0.25, 0.25, 0.25),
    conflict=0.5,
    eight=(("sad", 0.5), ("angry", 0.5)),
    evidence=Evidence(
        words=(TriggerWord(word="lost", label="sad", weight=1.5),),
        cues=(VoiceCue(cue="low pitch", label="sad", weight=0.5),),
        turns=(2,),
    ),
    reason="they lost it",
    hidden="angry",
    is_corrected=True,
)


def told(kind: str, **values: Any) -> dict[str, Any]:
    return {"type": kind, "event_id": "event_1", **values}


@pytest.mark.parametrize("estimate", [RICH, UNCLEAR, scripted_estimate("happy")])
def test_an_estimate_comes_over_the_wire_as_it_was(estimate: EmotionEstimate):
    event = told("attune.emotion.final", utterance=9, revision=1, at_ms=1500, **emotion_fields(estimate))
    there = estimate_of(event, utterance=1)
    assert emotion_fields(there) == emotion_fields(estimate)
    assert (there.top, there.at_s, there.utterance, there.is_final) == (estimate.top, 1.5, 1, True)


def test_a_conversation_by_script_is_told_in_order():
    dialogue, hearing = ScriptedDialogue("s", attune={"emotion"}), Hearing()
    events = dialogue.open()
    for message in appended([(0.5, 0.0), (1.0, 0.3), (1.5, 0.0), (0.5, 0.3), (3.5, 0.0)]):
        events += dialogue.receive(message)
    heard = [one for event in events for one in hearing.feed(event)]
    kinds = [type(one) for one in heard]
    turn = [SpeechEnded, Transcript, Transcript, Transcript, EmotionEstimate, ReplyStarted, ReplyDelta]
    assert kinds == [SpeechStarted, *turn, ReplyDone, SpeechStarted, *turn, ReplyDone]
    finals = [one for one in heard if isinstance(one, Transcript) and one.is_final]
    assert [(one.utterance, one.text) for one in finals] == [(1, SAID[0]), (2, SAID[1])]
    done = [one for one in heard if isinstance(one, ReplyDone)]
    assert [(one.utterance, one.interrupted) for one in done] == [(1, True), (2, False)]
    assert all(one.text for one in done)


def test_words_come_together_piece_by_piece():
    hearing = Hearing()
    pieces = [told(f"{WORDS}.delta", item_id="a", delta=piece) for piece in ("i am", " so", None)]
    texts = [one.text for piece in pieces for one in hearing.feed(piece) if isinstance(one, Transcript)]
    assert texts == ["i am", "i am so", "i am so"]
    (final,) = hearing.feed(told(f"{WORDS}.completed", item_id="a", transcript=""))
    assert isinstance(final, Transcript)
    assert final.is_final
    assert not final.nbest


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (told("attune.turn.saved", item_id="a", session="s", seq=3), TurnSaved),
        (told("attune.turn.degraded", item_id="a", message="full"), StorageDegraded),
        (told("attune.metrics", item_id="a", reply_ms=3.0), Metrics),
        (told("attune.prosody", item_id="a", words=["fast"]), RollingProsody),
        (told(f"{WORDS}.failed", item_id="a", error={"message": "gone"}), EngineTrouble),
        (told("error", error={"type": "server_error", "code": None, "message": "oh"}), EngineTrouble),
    ],
)
def test_what_is_told_besides_is_shown_too(event: dict[str, Any], kind: type):
    (heard,) = Hearing().feed(event)
    assert isinstance(heard, kind)


def test_a_failed_answer_says_why():
    failed = {"id": "r", "status": "failed", "output": None, "status_details": {"error": {"code": "engine_failed"}}}
    done, trouble = Hearing().feed(told("response.done", response=failed))
    assert isinstance(done, ReplyDone)
    assert isinstance(trouble, EngineTrouble)
    assert "engine_failed" in trouble.message


def test_an_answer_in_writing_is_its_pieces():
    hearing = Hearing()
    hearing.feed(told("response.created", response={"id": "r"}))
    hearing.feed(told("response.output_text.delta", response_id="r", delta="I "))
    hearing.feed(told("response.output_text.delta", response_id="r", delta="see."))
    (done,) = hearing.feed(told("response.done", response={"id": "r", "status": "completed", "output": []}))
    assert isinstance(done, ReplyDone)
    assert done.text == "I see."


KINDS = [
    f"{WORDS}.delta", f"{WORDS}.completed", f"{WORDS}.failed", "error", "response.done", "response.created",
    "response.output_text.delta", "attune.emotion.final", "attune.prosody", "attune.turn.saved", "attune.metrics",
    "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "attune.new", "new.kind", "",
]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from(
    ["item_id", "delta", "transcript", "error", "response", "response_id", "words", "audio_start_ms", "distribution"]
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.dictionaries(NAMES, VALUES)), max_size=6))
def test_a_server_may_say_anything(events: list[tuple[str, dict[str, Any]]]):
    hearing = Hearing()
    for kind, values in events:
        assert isinstance(hearing.feed({**values, "type": kind}), list)
