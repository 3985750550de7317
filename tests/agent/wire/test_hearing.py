"""What the user says: events in pairs, words that only grow, and what becomes of speech that comes to nothing."""

from __future__ import annotations

import math
from base64 import b64encode
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.behaviour import TYPED
from agent.events import ReplyDelta, ReplyDone, ReplyStarted, UtteranceDismissed
from streaming.events import EngineTrouble, SpeechDropped
from tests.agent.wire.talks import SILENCE_100_MS, Talk, ended, final, partial, started, understood, utterance

DELTA = "conversation.item.input_audio_transcription.delta"
COMPLETED = "conversation.item.input_audio_transcription.completed"
LOGPROBS = "item.input_audio_transcription.logprobs"


def joined(talk: Talk) -> str:
    return "".join(event["delta"] for event in talk.said(DELTA))


@given(
    said=st.lists(st.sampled_from(["well", "oh", "yes", "no"]), min_size=1, max_size=8),
    stable=st.lists(st.integers(0, 8), max_size=8),
)
def test_told_words_are_the_transcript_from_its_start(said: list[str], stable: list[int]):
    talk = Talk()
    text = " ".join(said)
    talk.hears(started(1, 1.0))
    for n in sorted(stable):
        talk.hears(partial(1, text, stable=min(n, len(said))))
        assert text.startswith(joined(talk))
    talk.hears(ended(1, start_s=1.0, end_s=2.0), final(1, text))
    assert joined(talk) == text == talk.said(COMPLETED)[0]["transcript"]


def test_a_final_that_says_otherwise_stands_corrected():
    talk = Talk()
    talk.hears(started(1, 1.0), partial(1, "i scream", stable=2))
    talk.hears(ended(1, start_s=1.0, end_s=2.0), final(1, "ice cream"))
    assert joined(talk) == "i scream"
    assert talk.said(COMPLETED)[0]["transcript"] == "ice cream"


@pytest.mark.parametrize(("posteriors", "expected"), [((0.9, 0.5), (0.9, 0.5)), ((), (0.5, 0.5))])
def test_probabilities_of_words_when_asked(posteriors: tuple[float, ...], expected: tuple[float, ...]):
    talk = Talk()
    talk.asks("session.update", session={"include": [LOGPROBS]})
    said = final(1, "good morning", posteriors=posteriors)
    if not posteriors:
        said = final(1, "good morning")
        object.__setattr__(said.nbest[0], "posterior", 0.25)  # the words share what is known of the whole
    talk.hears(started(1, 1.0), ended(1, start_s=1.0, end_s=2.0), said)
    told = talk.said(COMPLETED)[0]["logprobs"]
    assert "".join(each["token"] for each in told) == "good morning"
    assert [math.exp(each["logprob"]) for each in told] == pytest.approx(expected, abs=1e-3)
    assert bytes(told[1]["bytes"]) == b" morning"


def test_without_transcription_there_are_items_and_no_words():
    talk = Talk()
    talk.asks("session.update", session={"audio": {"input": {"transcription": None}}})
    talk.hears(*utterance(1, "hello there", start_s=1.0, end_s=2.0))
    assert talk.said("conversation.item.done")
    assert not talk.said(DELTA) + talk.said(COMPLETED)


def test_a_turn_without_words_is_completed_empty():
    talk = Talk()
    talk.hears(*utterance(1, "", start_s=1.0, end_s=2.0)[:1], ended(1, start_s=1.0, end_s=2.0), final(1, ""))
    assert [event["transcript"] for event in talk.said(COMPLETED)] == [""]


@pytest.mark.parametrize("engine", ["voice analyst", "emotion recogniser", "voice"])
def test_trouble_of_other_engines_leaves_the_words(engine: str):
    talk = Talk()
    talk.hears(started(1, 1.0), ended(1, start_s=1.0, end_s=2.0))
    talk.hears(EngineTrouble(utterance=1, at_s=2.0, engine=engine, message="gone"), final(1, "hello"))
    assert talk.said(COMPLETED)


def test_a_partial_that_failed_is_made_good_by_the_next():
    talk = Talk()
    talk.hears(started(1, 1.0), EngineTrouble(utterance=1, at_s=1.5, engine="pocketsphinx", message="gone"))
    talk.hears(ended(1, start_s=1.0, end_s=2.0), final(1, "hello"))
    assert talk.said(COMPLETED)


def test_speech_that_is_cleared_is_stopped_and_makes_no_item():
    talk = Talk()
    talk.hears(started(1, 1.0), SpeechDropped(utterance=1, at_s=1.5))
    assert talk.kinds()[1:] == ["input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"]
    talk.hears(*utterance(2, "hello", start_s=3.0, end_s=4.0))
    assert talk.said("input_audio_buffer.committed")[0]["previous_item_id"] is None


def test_times_count_from_the_first_sample():
    talk = Talk()
    talk.hears(started(1, 0.1), ended(1, start_s=0.1, end_s=1.0))
    assert talk.said("input_audio_buffer.speech_started")[0]["audio_start_ms"] == 0
    assert talk.said("input_audio_buffer.speech_stopped")[0]["audio_end_ms"] == 1500


def replying(**update: Any) -> Talk:
    talk = Talk()
    if update:
        talk.asks("session.update", session=update)
    talk.hears(*utterance(1, "hello", start_s=1.0, end_s=2.0))
    talk.hears(ReplyStarted(utterance=1, at_s=2.5), ReplyDelta(utterance=1, text="Hello to you."))
    return talk


def n_started(talk: Talk) -> int:
    return len(talk.said("input_audio_buffer.speech_started"))


def test_speech_over_a_reply_that_nothing_stops_is_told_at_once():
    talk = replying(audio={"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}})
    talk.hears(started(2, 3.0))
    assert n_started(talk) == 2


def test_speech_that_goes_on_before_the_first_words_of_a_reply_is_told_at_once():
    talk = Talk()
    talk.hears(*utterance(1, "i was thinking", start_s=1.0, end_s=2.0), ReplyStarted(utterance=1, at_s=2.5))
    talk.hears(started(2, 3.0), partial(2, "that we", stable=1))
    assert n_started(talk) == 2
    talk.hears(ReplyDelta(utterance=1, text="Well"), started(3, 5.0))
    assert n_started(talk) == 2


def test_speech_that_outlasts_the_reply_is_told_when_that_ends():
    talk = replying()
    talk.hears(started(2, 3.0), partial(2, "and so", stable=1))
    assert n_started(talk) == 1
    talk.hears(ReplyDone(utterance=1, at_s=3.5, text="Hello to you.", interrupted=False))
    assert n_started(talk) == 2
    assert talk.kinds()[-1] == DELTA
    talk.hears(ended(2, start_s=3.0, end_s=4.0), final(2, "and so on"))
    assert talk.said(COMPLETED)[-1]["transcript"] == "and so on"


def test_two_utterances_over_a_reply_are_told_or_dropped_each_for_itself():
    talk = replying()
    talk.hears(*utterance(2, "mhm", start_s=3.0, end_s=3.3), *utterance(3, "stop now", start_s=4.0, end_s=5.0))
    talk.hears(UtteranceDismissed(utterance=2))
    talk.hears(ReplyDone(utterance=1, at_s=5.5, text="Hello", interrupted=True, ended_by="speech"))
    assert [event["transcript"] for event in talk.said(COMPLETED)] == ["hello", "stop now"]


def test_what_is_still_held_back_at_the_end_of_the_session_is_told():
    talk = replying()
    talk.hears(*utterance(2, "bye now", start_s=3.0, end_s=4.0))
    kinds = [event["type"] for event in talk.dialect.close()]
    assert kinds[0] == "input_audio_buffer.speech_started"
    assert kinds[-1] == COMPLETED


def test_a_commit_over_a_reply_is_told_at_once():
    talk = replying(audio={"input": {"turn_detection": None}})
    talk.hears(*utterance(2, "and more", start_s=3.0, end_s=4.0, reason="commit"))
    assert [event["transcript"] for event in talk.said(COMPLETED)] == ["hello", "and more"]
    assert not n_started(talk)


def test_what_was_written_is_not_heard():
    talk = Talk()
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
    talk.asks("conversation.item.create", item=item)
    n_before = len(talk.events)
    said = final(TYPED, "hello")
    talk.hears(said, understood(said, start_s=0.0, end_s=0.0))
    assert len(talk.events) == n_before


def test_a_commit_carries_all_the_sound_before_it():
    talk = Talk()
    talk.asks("session.update", session={"audio": {"input": {"turn_detection": None}}})
    sound = [talk.asks("input_audio_buffer.append", audio=SILENCE_100_MS).n_sound for _ in range(3)]
    step = talk.asks("input_audio_buffer.commit")
    assert sum(sound) + step.n_sound == 4800
    assert talk.asks("input_audio_buffer.commit").fault == "input_audio_buffer_commit_empty"
    talk.asks("input_audio_buffer.append", audio=SILENCE_100_MS)
    talk.asks("input_audio_buffer.clear")
    assert talk.asks("input_audio_buffer.commit").fault == "input_audio_buffer_commit_empty"


def test_cleared_or_failed_by_hand_and_without_transcription_nothing_is_told():
    talk = Talk()
    talk.asks("session.update", session={"audio": {"input": {"turn_detection": None, "transcription": None}}})
    n_before = len(talk.events)
    talk.hears(started(1, 1.0), SpeechDropped(utterance=1, at_s=1.5))
    assert len(talk.events) == n_before
    talk.hears(started(2, 2.0), ended(2, start_s=2.0, end_s=3.0, reason="commit"))
    n_before = len(talk.events)
    talk.hears(EngineTrouble(utterance=2, at_s=3.0, engine="pocketsphinx", message="gone"))
    assert len(talk.events) == n_before


def test_utterances_that_never_end_are_forgotten_at_last():
    talk = Talk()
    talk.hears(*(started(n, float(n)) for n in range(1, 101)))
    n_before = len(talk.events)
    talk.hears(ended(1, start_s=1.0, end_s=2.0))
    assert len(talk.events) == n_before
    talk.hears(ended(100, start_s=100.0, end_s=101.0))
    assert talk.kinds()[-1] == "conversation.item.done"


def test_sound_that_looks_wrong_is_told_of_once_and_heard_all_the_same():
    talk = Talk()
    rng = np.random.default_rng(3)
    smooth = np.cumsum(rng.normal(size=24_000)) * 20
    swapped = (smooth - smooth.mean()).astype(">i2").tobytes()
    chunks = [b64encode(swapped[at : at + 4800]).decode() for at in range(0, len(swapped), 4800)]
    steps = [talk.asks("input_audio_buffer.append", audio=chunk) for chunk in chunks]
    assert sum(step.n_sound for step in steps) > 15_000
    assert [event["error"]["code"] for event in talk.said("error")] == ["suspect_audio"]
    assert all(step.fault is None for step in steps)


def test_another_format_loses_no_sound_of_the_one_before():
    talk = Talk()
    n_before = talk.asks("input_audio_buffer.append", audio=SILENCE_100_MS).n_sound
    step = talk.asks("session.update", session={"audio": {"input": {"format": {"type": "audio/pcmu"}}}})
    rest = next(item for item in step.line if isinstance(item, np.ndarray))
    assert n_before + len(rest) == 1600
    g711 = talk.asks("input_audio_buffer.append", audio=b64encode(b"\xff" * 800).decode())
    assert 1500 < g711.n_sound <= 1600


def test_an_engine_that_cannot_answer_fails_the_response_in_its_own_words():
    talk = replying()
    talk.hears(EngineTrouble(utterance=1, at_s=3.0, engine="responder", message="the model is gone"))
    talk.hears(ReplyDone(utterance=1, at_s=3.0, text="", interrupted=False, ended_by="engine"))
    response = talk.events[-1]["response"]
    assert response["status"] == "failed"
    assert response["status_details"]["error"]["type"] == "server_error"
