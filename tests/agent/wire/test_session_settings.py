"""Settings: absent stays, null and empty clear, the effective ones are shown; and what they mean for the line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.behaviour import Behaviour
from agent.wire.detection import Detection
from agent.wire.merging import merged
from agent.wire.settings import SessionSettings, of_query
from streaming.controls import TurnDetection
from tests.agent.wire.talks import Talk

if TYPE_CHECKING:
    from agent.events import EmotionSource

TOOL: dict[str, Any] = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}


def with_detection(given: dict[str, Any] | None, before: SessionSettings | None = None) -> SessionSettings:
    return merged(before or SessionSettings(), {"audio": {"input": {"turn_detection": given}}})


def test_what_is_shown_when_nothing_was_said():
    shown = SessionSettings(session="s1").as_event()
    assert shown["audio"]["input"] == {
        "format": {"type": "audio/pcm", "rate": 24_000},
        "transcription": {"model": "attune"},
        "noise_reduction": None,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
            "idle_timeout_ms": None,
            "create_response": True,
            "interrupt_response": True,
        },
    }
    assert shown["output_modalities"] == ["audio"]
    assert "attune" not in shown


def test_silence_is_judged_by_the_speaker_until_a_client_says_how_long():
    assert SessionSettings().turn_detection().silence_s is None
    assert with_detection({"type": "server_vad"}).turn_detection().silence_s is None
    asked = with_detection({"type": "server_vad", "silence_duration_ms": 800})
    assert asked.turn_detection().silence_s == pytest.approx(0.8)
    assert with_detection({"type": "server_vad", "threshold": 0.4}, asked).turn_detection().silence_s is not None
    assert with_detection({"type": "server_vad", "silence_duration_ms": None}, asked).turn_detection().silence_s is None


@pytest.mark.parametrize(("eagerness", "heard"), [("auto", "medium"), ("low", "low"), ("high", "high")])
def test_eagerness_by_words(eagerness: str, heard: str):
    settings = with_detection({"type": "semantic_vad", "eagerness": eagerness})
    assert settings.turn_detection().eagerness == heard
    assert settings.as_event()["audio"]["input"]["turn_detection"]["eagerness"] == eagerness


def test_another_kind_of_detection_begins_from_its_defaults_and_the_same_kind_goes_on():
    quiet = with_detection({"type": "server_vad", "create_response": False, "prefix_padding_ms": 100})
    assert with_detection({"type": "server_vad"}, quiet).detection == quiet.detection
    assert with_detection({"type": "semantic_vad"}, quiet).detection == Detection(kind="semantic_vad")
    by_hand = with_detection(None, quiet)
    assert by_hand.turn_detection() == TurnDetection(is_manual=True)
    assert not by_hand.behaviour().answers
    assert not by_hand.behaviour().interrupts
    assert with_detection({"type": "server_vad"}, by_hand).detection == Detection()


def test_who_answers_and_who_interrupts():
    settings = with_detection({"type": "server_vad", "create_response": False, "interrupt_response": False})
    assert (settings.behaviour().answers, settings.behaviour().interrupts) == (False, False)
    hears_only = of_query({"intent": "transcription"}, session="s1", model="attune", defaults=Behaviour())
    assert (hears_only.behaviour().answers, hears_only.behaviour().speaks) == (False, False)


@pytest.mark.parametrize("empty", [None, ""])
def test_instructions_stay_until_they_are_cleared(empty: str | None):
    base = SessionSettings(defaults=Behaviour(instructions="the server's own"))
    assert base.behaviour().instructions == "the server's own"
    given = merged(base, {"instructions": "Be brief."})
    assert merged(given, {"tools": []}).behaviour().instructions == "Be brief."
    assert not merged(given, {"instructions": empty}).behaviour().instructions


def test_tools_and_what_is_made_of_them():
    given = merged(SessionSettings(), {"tools": [TOOL], "tool_choice": {"type": "function", "name": "weather"}})
    behaviour = given.behaviour()
    assert [tool.name for tool in behaviour.tools] == ["weather"]
    assert behaviour.tool_choice == "weather"
    cleared = merged(given, {"tools": None, "tool_choice": None})
    assert cleared.behaviour().tools == ()
    assert cleared.as_event()["tool_choice"] == "auto"


@pytest.mark.parametrize(
    ("asked", "is_spoken"), [(["audio"], True), (["text"], False), (["text", "audio"], True), (None, True)]
)
def test_sound_or_text(asked: list[str] | None, is_spoken: bool):
    before = merged(SessionSettings(), {"output_modalities": ["text"]})
    assert merged(before, {"output_modalities": asked}).is_spoken is is_spoken


def test_formats_lengths_and_fields_that_are_only_shown():
    settings = merged(
        SessionSettings(),
        {
            "max_output_tokens": 200,
            "truncation": "disabled",
            "audio": {
                "input": {"format": {"type": "audio/pcmu"}, "noise_reduction": {"type": "near_field"}},
                "output": {"format": {"type": "audio/pcma"}, "voice": {"id": "voice_7"}},
            },
        },
    )
    shown = settings.as_event()
    assert settings.behaviour().max_tokens == 200
    assert shown["truncation"] == "disabled"
    assert shown["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert shown["audio"]["input"]["noise_reduction"] == {"type": "near_field"}
    assert shown["audio"]["output"] == {"format": {"type": "audio/pcma"}, "voice": "voice_7", "speed": 1.0}
    back = merged(settings, {"audio": {"input": {"format": None, "noise_reduction": None}}, "max_output_tokens": None})
    assert back.as_event()["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert back.behaviour().max_tokens is None


def test_transcription_is_on_until_it_is_turned_off_and_back_on():
    named = merged(SessionSettings(), {"audio": {"input": {"transcription": {"model": "whisper-1", "language": "en"}}}})
    assert named.transcription == {"model": "whisper-1", "language": "en"}
    off = merged(named, {"audio": {"input": {"transcription": None}}})
    assert off.as_event()["audio"]["input"]["transcription"] is None
    assert merged(off, {"audio": {"input": {"transcription": {}}}}).transcription == {"model": "attune"}


def test_a_voice_stays_where_none_is_named():
    named = merged(SessionSettings(), {"audio": {"output": {"voice": "marin"}}})
    assert merged(named, {"audio": {"output": {"voice": None}}}).voice == "marin"


def test_what_attune_adds_is_asked_for_by_query_or_update_and_consent_stands_above_all():
    asked = of_query({"attune": "emotion, turns, nonsense"}, session="s1", model="attune", defaults=Behaviour())
    assert asked.attune.events == ["emotion", "turns"]
    assert asked.emotion == "both"
    voice = merged(asked, {"attune": {"emotion": "voice"}})
    assert (voice.emotion, voice.attune.events) == ("voice", ["emotion", "turns"])
    refused = merged(voice, {"attune": {"consent": False}})
    assert refused.behaviour().emotion == "off"
    assert refused.as_event()["attune"] == {"events": ["emotion", "turns"], "emotion": "voice", "consent": False}
    assert merged(refused, {"attune": None}).as_event().get("attune") is None


def test_what_changed_goes_into_the_stream_and_what_did_not_does_not():
    talk = Talk()
    first = talk.asks("session.update", session={"type": "realtime"})
    assert [type(item).__name__ for item in first.line] == ["TurnDetection", "Behaviour"]
    again = talk.asks("session.update", session={"type": "realtime", "tracing": "auto"})
    assert again.line == ()
    both = talk.asks(
        "session.update",
        session={"instructions": "Be kind.", "audio": {"input": {"turn_detection": None}}},
    )
    assert [type(item).__name__ for item in both.line] == ["TurnDetection", "Behaviour"]
    assert talk.asks("session.update", session={"instructions": "Be kind."}).line == ()


def test_names_and_tokens_are_told_to_those_who_ask():
    assert "attune.session.info" not in Talk().kinds()
    talk = Talk()
    talk.asks("session.update", session={"attune": {"events": ["session"]}})
    talk.asks("session.update", session={"attune": {"emotion": "text"}})
    assert talk.kinds().count("attune.session.info") == 1
    assert [event["type"] for event in talk.dialect.ending(in_s=8.0, reason="the server stops")] == [
        "attune.session.ending"
    ]
    assert [event["n_replayed"] for event in talk.dialect.resumed(n_replayed=3)] == [3]
    assert talk.dialect.has_consent is None
    assert talk.dialect.emotion == "text"


@pytest.mark.parametrize(
    ("allowed", "asked", "read"),
    [
        ("both", "voice", "voice"),
        ("both", "off", "off"),
        ("off", "both", "off"),
        ("off", "text", "off"),
        ("text", "both", "text"),
        ("text", "voice", "off"),
        ("text", None, "text"),
    ],
)
def test_a_client_never_has_more_read_than_the_server_does(allowed: EmotionSource, asked: str | None, read: str):
    settings = merged(SessionSettings(defaults=Behaviour(emotion=allowed)), {"attune": {"emotion": asked}})
    assert settings.emotion == read
