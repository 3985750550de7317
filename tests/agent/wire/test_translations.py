"""Translation sessions: settings, words in, words and sound out, closing, faults, Attune's events by opt-in."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.behaviour import Behaviour
from agent.correction import EmotionCorrection
from agent.events import EmotionEstimate, ReplyDelta, ReplyDone, ReplyRefused, ReplyStarted, TurnSaved
from agent.wire.dialect import HistoryRequest
from agent.wire.settings import SessionInfo
from agent.wire.translations import TranslationDialect
from streaming.audio import SAMPLE_RATE
from streaming.events import AudioDropped, EngineTrouble, Hypothesis, SpeechDropped, SpeechStarted, Transcript
from tests.agent.wire.stock_types import checked, types

if TYPE_CHECKING:
    from agent.wire.dialect import Dialect, Step

INFO = SessionInfo(resume_token="r", notice="what is expressed, not what is felt", has_history=True)
ESTIMATE = EmotionEstimate(
    utterance=1,
    revision=1,
    is_final=True,
    at_s=2.0,
    labels=("happy", "sad"),
    distribution=(0.5, 0.5),
    top=None,
    confidence=0.5,
)


class World:
    """A session whose events are all checked."""

    def __init__(self, **query: str) -> None:
        defaults = Behaviour(instructions="x", emotion="both")
        self.dialect = TranslationDialect(
            session="s", query=query, defaults=defaults, info=INFO, expires_at=99, fails_loudly=True
        )
        self.events: list[dict[str, Any]] = checked(self.dialect.open(), translations=True)

    def send(self, kind: str, **fields: object) -> Step:
        step = self.dialect.receive(json.dumps({"type": kind, "event_id": "mine", **fields}))
        self.events += checked(step.events, translations=True)
        return step

    def update(self, **session: object) -> Step:
        return self.send("session.update", session=session)

    def append(self, data: bytes) -> Step:
        return self.send("session.input_audio_buffer.append", audio=b64encode(data).decode())

    def tell(self, *events: Any) -> list[dict[str, Any]]:
        told = [one for event in events for one in checked(self.dialect.tell(event), translations=True)]
        self.events += told
        return told

    def sound(self, seconds: float) -> None:
        samples = np.full(round(seconds * SAMPLE_RATE), 0.1, np.float32)
        self.events += checked(self.dialect.sound(samples), translations=True)

    def deltas(self, kind: str) -> str:
        return "".join(event["delta"] for event in self.events if event["type"] == kind)


def transcript(words: str, *, n_stable: int = 0, is_final: bool = False, utterance: int = 1) -> Transcript:
    nbest = (Hypothesis(text=words, logp=0.0, posterior=1.0, source="x"),) if words else ()
    return Transcript(utterance=utterance, revision=1, at_s=1.5, is_final=is_final, nbest=nbest, n_stable=n_stable)


def translation(*pieces: str, utterance: int = 1, **done: Any) -> list[Any]:
    return [
        ReplyStarted(utterance=utterance, at_s=2.0),
        *(ReplyDelta(utterance=utterance, text=piece) for piece in pieces),
        ReplyDone(utterance=utterance, at_s=4.0, text="".join(pieces), interrupted=bool(done), **done),
    ]


def test_it_is_a_dialect():
    dialect: Dialect = World().dialect
    assert dialect.close()


def test_the_session_says_how_it_is_set():
    world = World(language="French", model="mine")
    assert types(world.events) == ["session.created"]
    assert world.events[0]["session"] == {
        "id": "s",
        "type": "translation",
        "model": "mine",
        "audio": {"input": {"transcription": None, "noise_reduction": None}, "output": {"language": "fr"}},
        "expires_at": 99,
    }
    assert world.dialect.target == "fr"


def test_nothing_is_translated_before_a_language_is_named():
    world = World()
    assert world.dialect.target == ""
    step = world.append(bytes(4_800))
    assert isinstance(step.line[0], Behaviour)
    assert not step.line[0].answers
    step = world.update(audio={"output": {"language": "pt_BR"}})
    (behaviour,) = step.line
    assert isinstance(behaviour, Behaviour)
    assert behaviour.answers
    assert world.dialect.target == "pt-br"
    assert world.events[-1]["session"]["audio"]["output"]["language"] == "pt-br"


def test_speech_stops_no_translation_and_the_session_begins_with_that():
    world = World(language="fr")
    first, second = world.append(bytes(9_600)), world.append(bytes(9_600))
    assert isinstance(first.line[0], Behaviour)
    assert (first.line[0].answers, first.line[0].interrupts, first.line[0].instructions) == (True, False, "x")
    assert not any(isinstance(each, Behaviour) for each in second.line)


def test_an_update_of_the_language_alone_says_nothing_to_the_stream():
    world = World(language="fr")
    assert len(world.update(audio={"output": {"language": "de"}}).line) == 1
    assert world.update(audio={"output": {"language": "es"}}).line == ()
    assert world.dialect.target == "es"


def test_updates_merge_and_null_clears():
    world = World(language="fr")
    world.update(audio={"input": {"transcription": {"model": "whisper"}, "noise_reduction": {"type": "near_field"}}})
    world.update(audio={"output": {"language": None}}, attune={"events": ["emotion"]})
    world.update(audio={"input": {"noise_reduction": None}}, attune={"hume": True})
    session = world.events[-1]["session"]
    assert session["audio"]["input"] == {"transcription": {"model": "whisper"}, "noise_reduction": None}
    assert session["audio"]["output"]["language"] is None
    assert session["attune"] == {"events": ["emotion"], "hume": True}
    world.update(attune=None)
    assert "attune" not in world.events[-1]["session"]


def test_what_is_no_language_is_refused_by_name():
    world = World(language="fr")
    step = world.update(audio={"output": {"language": "Klingon, please"}})
    assert step.fault == "invalid_field"
    error = world.events[-1]["error"]
    assert (error["param"], error["event_id"]) == ("session.audio.output.language", "mine")
    assert world.dialect.target == "fr"
    assert World(language="??").dialect.target == ""


def test_consent_and_the_source_of_emotion_go_to_the_stream():
    world = World(language="fr")
    world.append(bytes(4_800))
    (behaviour,) = world.update(attune={"emotion": "text"}).line
    assert isinstance(behaviour, Behaviour)
    assert (behaviour.emotion, world.dialect.emotion, world.dialect.has_consent) == ("text", "text", None)
    (behaviour,) = world.update(attune={"consent": False}).line
    assert isinstance(behaviour, Behaviour)
    assert (behaviour.emotion, world.dialect.has_consent) == ("off", False)


def test_sound_goes_into_the_stream_at_16_khz():
    world = World(language="fr")
    steps = [world.append(bytes(4_801)) for _ in range(10)] + [world.send("session.close")]
    sound = [each for step in steps for each in step.line if not isinstance(each, Behaviour)]
    assert sum(len(each) for each in sound if isinstance(each, np.ndarray)) == pytest.approx(48_010 / 3, abs=1)
    assert sum(step.n_sound for step in steps) == sum(len(each) for each in sound if isinstance(each, np.ndarray))
    assert steps[-1].ends == "flush"


def test_after_close_nothing_is_taken():
    world = World(language="fr")
    world.send("session.close")
    assert world.append(bytes(100)).fault == "out_of_order"
    assert types(checked(world.dialect.close(), translations=True)) == ["session.closed"]


def test_the_user_s_words_are_told_as_they_become_certain_where_that_was_asked_for():
    world = World(language="fr")
    assert world.tell(transcript("i am fine", is_final=True)) == []
    world.update(audio={"input": {"transcription": {"model": "whisper"}}})
    for event in (
        transcript("where is", n_stable=1, utterance=2),
        transcript("where is the stage", n_stable=3, utterance=2),
        transcript("where is the stage", n_stable=3, utterance=2),
        transcript("where is the station please", is_final=True, utterance=2),
        transcript("", is_final=True, utterance=3),
        transcript("thank you", is_final=True, utterance=4),
    ):
        world.tell(event)
    assert world.deltas("session.input_transcript.delta") == "where is the station please thank you"
    assert world.events[-1]["elapsed_ms"] == 1500


@given(cuts=st.lists(st.integers(0, 8), max_size=6))
def test_deltas_joined_are_what_was_said(cuts: list[int]):
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
    world = World()
    world.update(audio={"input": {"transcription": {"model": "whisper"}}})
    for utterance in (1, 2):
        for n_stable in sorted(cuts):
            world.tell(transcript(" ".join(words), n_stable=n_stable, utterance=utterance))
        world.tell(transcript(" ".join(words), is_final=True, utterance=utterance))
    assert world.deltas("session.input_transcript.delta") == " ".join(words + words)


def test_the_translation_comes_as_words_and_sound():
    world = World(language="fr")
    started, *rest = translation("Où est ", "la gare ?")
    world.tell(started, *rest[:2])
    world.sound(0.5)
    world.tell(rest[2])
    world.tell(*translation("Merci.", utterance=2))
    assert world.deltas("session.output_transcript.delta") == "Où est la gare ? Merci."
    sounds = [event for event in world.events if event["type"] == "session.output_audio.delta"]
    assert sum(len(b64decode(event["delta"])) for event in sounds) == 24_000
    assert {(e["format"], e["sample_rate"], e["channels"], e["elapsed_ms"]) for e in sounds} == {
        ("pcm16", 24_000, 1, 2000)
    }


def test_a_translation_that_failed_is_an_error_and_the_session_goes_on():
    world = World(language="fr")
    trouble = EngineTrouble(utterance=1, at_s=1.0, engine="responder", message="the model died")
    started, done = translation(ended_by="engine")
    assert world.tell(started, trouble) == []
    (error,) = world.tell(done)
    assert (error["error"]["code"], error["error"]["message"]) == ("engine_failed", "the model died")
    assert "failed" in world.tell(*translation(ended_by="engine"))[0]["error"]["message"]
    assert world.tell(EngineTrouble(utterance=1, at_s=1.0, engine="voice", message="gone")) == []


def test_emotion_is_told_to_those_who_asked_for_it_only():
    quiet, asked = World(language="fr"), World(language="fr", attune="emotion,turns,nonsense")
    told: dict[World, list[dict[str, Any]]] = {}
    for world in (quiet, asked):
        told[world] = world.tell(
            SpeechStarted(utterance=1, at_s=0.5), ESTIMATE, TurnSaved(session="s", seq=1, utterance=1)
        )
    assert told[quiet] == []
    assert types(told[asked]) == ["attune.emotion.final", "attune.turn.saved"]
    assert {(event["turn_id"], event["item_id"]) for event in told[asked]} == {("s-1", "item_s_000001")}


def test_what_says_nothing_of_a_translation_is_not_told():
    world = World(language="fr", attune="all")
    dropped = AudioDropped(at_s=1.0, seconds=0.5, total_s=0.5)
    assert world.tell(dropped, ReplyRefused(request="resp_1", message="no"), transcript("", is_final=True)) == []
    assert checked(world.dialect.fault("storage_degraded", "the disk is full"), translations=True)[0]["error"]


def test_sound_that_is_still_on_its_way_comes_before_the_session_is_closed():
    world = World(language="fr")
    world.tell(ReplyStarted(utterance=1, at_s=2.0))
    world.sound(0.1)
    assert types(checked(world.dialect.close(), translations=True)) == ["session.output_audio.delta", "session.closed"]


def test_a_void_utterance_is_not_told_of():
    world = World(attune="all")
    started, dropped = SpeechStarted(utterance=1, at_s=0.5), SpeechDropped(utterance=1, at_s=1.0)
    assert world.tell(started, dropped, ESTIMATE) == []


def test_who_asks_for_the_session_is_told_first_and_last():
    world = World(attune="all")
    assert types(world.events) == ["session.created", "attune.session.info"]
    assert (world.events[1]["resume_token"], world.events[1]["emotion"]) == ("r", "both")
    told = [
        *world.dialect.ending(in_s=5.0, reason="the server stops"),
        *world.dialect.resumed(n_replayed=3),
        *world.dialect.moved("duck"),
    ]
    assert types(checked(told, translations=True)) == [
        "attune.session.ending",
        "attune.session.resumed",
        "attune.floor",
    ]
    later = World()
    assert later.dialect.ending(in_s=5.0, reason="x") + later.dialect.moved("duck") == []
    later.update(attune={"events": "all"})
    assert types(later.events)[-2:] == ["session.updated", "attune.session.info"]


def test_a_correction_names_an_utterance_that_was_said():
    world = World(language="fr", attune="emotion")
    world.append(bytes(480))
    assert world.send("attune.emotion.correct", utterance=1, label="sad").fault == "item_not_found"
    world.tell(SpeechStarted(utterance=1, at_s=0.5))
    step = world.send("attune.emotion.correct", utterance=1, label="sad")
    assert step.line == (EmotionCorrection(utterance=1, label="sad"),)


def test_what_is_kept_may_be_asked_for():
    world = World(language="fr")
    request = world.send("attune.history.list").history
    assert request is not None
    assert (request.action, request.event_id) == ("list", "mine")
    told = world.dialect.history(HistoryRequest(action="list"), {"sessions": []})
    assert types(checked(told, translations=True)) == ["attune.history.sessions"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "invalid_json"),
        (b"\x00\x01", "binary_not_expected"),
        ('{"type": "response.create"}', "unknown_event"),
        ('{"type": "session.input_audio_buffer.append", "audio": "?"}', "invalid_field"),
        ('{"type": "session.input_audio_buffer.append", "audio": "UklGRgAAAABXQVZF"}', "suspect_audio"),
    ],
)
def test_a_wrong_message_is_an_error_and_the_session_goes_on(message: str | bytes, code: str):
    world = World(language="fr")
    step = world.dialect.receive(message)
    assert step.fault == code
    assert checked(step.events, translations=True)[0]["error"]["code"] == code
    assert world.update(audio={"output": {"language": "de"}}).fault is None


def test_sound_in_another_format_is_told_of_and_taken():
    world = World(language="fr")
    stereo = np.repeat((8_000 * np.sin(np.arange(48_000) / 30)).astype("<i2"), 2).tobytes()
    step = world.append(stereo)
    assert world.events[-1]["error"]["code"] == "suspect_audio"
    assert step.fault is None
    assert step.n_sound > 0


def test_a_mistake_of_ours_is_told_and_does_not_end_the_session(monkeypatch: pytest.MonkeyPatch):
    dialect = TranslationDialect(session="s", query={}, defaults=Behaviour(), info=INFO)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(dialect, "_do", broken)
    step = dialect.receive('{"type": "session.close", "event_id": "mine"}')
    assert (step.fault, checked(step.events, translations=True)[0]["error"]["event_id"]) == ("server_error", "mine")
    loud = World()
    monkeypatch.setattr(loud.dialect, "_do", broken)
    with pytest.raises(ZeroDivisionError):
        loud.send("session.close")
