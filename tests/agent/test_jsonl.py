"""One line of JSON per event: golden lines for every kind."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest

from agent.backends.emotion.scripted import scripted_estimate
from agent.events import (
    EmotionEstimate,
    Evidence,
    Metrics,
    ReplyDelta,
    ReplyDone,
    ReplyRefused,
    ReplyStarted,
    SessionEvent,
    StorageDegraded,
    ToolCalled,
    TriggerWord,
    TurnSaved,
    UtteranceDismissed,
    VoiceCue,
)
from agent.jsonl import to_line, to_record
from streaming.audio import silence
from streaming.events import (
    Acoustics,
    AudioDropped,
    EngineTrouble,
    Hypothesis,
    Prosody,
    RollingProsody,
    SpeechDropped,
    SpeechEnded,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
    Transcript,
    Utterance,
    Word,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS = (
    Word(text="i'm", start_s=0.51234, end_s=0.7, posterior=0.98765),
    Word(text="sad", start_s=0.7, end_s=1.1),
)
BEST = Hypothesis(text="i'm sad", logp=-12.34567, posterior=0.75, source="scripted", words=WORDS)
SECOND = Hypothesis(text="i'm said", logp=-13.5, posterior=0.25, source="scripted")
PARTIAL = Transcript(utterance=2, revision=1, at_s=0.9, is_final=False, nbest=(BEST,), n_stable=1)
FINAL = Transcript(utterance=2, revision=3, at_s=1.52, is_final=True, nbest=(BEST, SECOND), n_stable=2)
PROSODY = Prosody(
    pitch_mean_hz=181.23456,
    voiced_s=0.5,
    words=("high pitch",),
    acoustics=Acoustics(features=np.zeros(3), speaker_mean=None, n_speaker=0),
)
UTTERANCE = Utterance(
    utterance=2, start_s=0.5, end_s=1.1, decided_s=1.5, transcript=FINAL, prosody=PROSODY, samples=silence(160)
)
ESTIMATE = replace(
    scripted_estimate("sad", confidence=0.7),
    utterance=2,
    revision=4,
    at_s=1.5,
    arousal=0.33333333,
    eight=(("sad", 0.8), ("angry", 0.2)),
    evidence=Evidence(
        words=(TriggerWord(word="sad", label="sad", weight=2.34567),),
        cues=(VoiceCue(cue="slow", label="sad", weight=0.5),),
        turns=(1, 2),
    ),
    voice_distribution=(0.25, 0.25, 0.25, 0.25),
    method="scripted",
)

_MEASURES = (
    '"pitch_mean_hz": 181.2346, "pitch_range_st": null, "pitch_slope_st_s": null, "pitch_rel_st": null, '
    '"energy_db": null, "energy_rel_db": null, "rate_syl_s": null, "rate_rel": null, "pause_share": null, '
    '"longest_pause_s": null, "jitter": null, "shimmer": null, "hnr_db": null, "voiced_s": 0.5, "words": ["high pitch"]'
)
GOLDEN: Mapping[type, tuple[SessionEvent, str]] = {
    SpeechStarted: (
        SpeechStarted(utterance=2, at_s=0.50001),
        '{"type": "speech.started", "utterance": 2, "at_s": 0.5}',
    ),
    SpeechPaused: (
        SpeechPaused(utterance=2, generation=1, at_s=1.1),
        '{"type": "speech.paused", "utterance": 2, "generation": 1, "at_s": 1.1}',
    ),
    SpeechResumed: (
        SpeechResumed(utterance=2, at_s=1.3),
        '{"type": "speech.resumed", "utterance": 2, "at_s": 1.3}',
    ),
    SpeechEnded: (
        SpeechEnded(utterance=2, start_s=0.5, end_s=1.1, decided_s=1.5, reason="endpoint"),
        (
            '{"type": "speech.ended", "utterance": 2, "start_s": 0.5, "end_s": 1.1, "decided_s": 1.5, '
            '"reason": "endpoint"}'
        ),
    ),
    Transcript: (
        FINAL,
        (
            '{"type": "transcript.final", "utterance": 2, "revision": 3, "at_s": 1.52, "text": "i\'m sad", "nbest": '
            '[{"text": "i\'m sad", "logp": -12.3457, "posterior": 0.75, "source": "scripted", "words": '
            '[{"text": "i\'m", "start_s": 0.512, "end_s": 0.7, "posterior": 0.9877}, '
            '{"text": "sad", "start_s": 0.7, "end_s": 1.1, "posterior": null}]}, '
            '{"text": "i\'m said", "logp": -13.5, "posterior": 0.25, "source": "scripted"}]}'
        ),
    ),
    RollingProsody: (
        RollingProsody(utterance=2, at_s=0.76, prosody=PROSODY),
        f'{{"type": "prosody", "utterance": 2, "at_s": 0.76, "final": false, {_MEASURES}}}',
    ),
    Utterance: (
        UTTERANCE,
        f'{{"type": "prosody", "utterance": 2, "at_s": 1.5, "final": true, {_MEASURES}}}',
    ),
    AudioDropped: (
        AudioDropped(at_s=3.0, seconds=0.12345, total_s=0.5),
        '{"type": "audio.dropped", "at_s": 3.0, "seconds": 0.123, "total_s": 0.5}',
    ),
    EngineTrouble: (
        EngineTrouble(utterance=2, at_s=1.5, engine="voice", message="flite died"),
        '{"type": "engine.trouble", "utterance": 2, "at_s": 1.5, "engine": "voice", "message": "flite died"}',
    ),
    EmotionEstimate: (
        ESTIMATE,
        (
            '{"type": "emotion.final", "utterance": 2, "revision": 4, "at_s": 1.5, "distribution": '
            '{"angry": 0.1, "happy": 0.1, "neutral": 0.1, "sad": 0.7}, "top": "sad", "confidence": 0.7, '
            '"arousal": 0.3333, "valence": null, "dominance": null, "words_only": null, "voice_only": '
            '{"angry": 0.25, "happy": 0.25, "neutral": 0.25, "sad": 0.25}, "conflict": null, '
            '"eight": {"sad": 0.8, "angry": 0.2}, "evidence": {"words": [{"word": "sad", "label": "sad", '
            '"weight": 2.346}], "cues": [{"cue": "slow", "label": "sad", "weight": 0.5}], "turns": [1, 2]}, '
            '"reason": null, "method": "scripted"}'
        ),
    ),
    SpeechDropped: (
        SpeechDropped(utterance=2, at_s=1.25),
        '{"type": "speech.dropped", "utterance": 2, "at_s": 1.25}',
    ),
    UtteranceDismissed: (UtteranceDismissed(utterance=2), '{"type": "utterance.dismissed", "utterance": 2}'),
    ReplyStarted: (
        ReplyStarted(utterance=2, at_s=1.5, request="r"),
        '{"type": "reply.started", "utterance": 2, "at_s": 1.5, "request": "r", "speaks": true}',
    ),
    ReplyRefused: (
        ReplyRefused(request="r", message="busy"),
        '{"type": "reply.refused", "request": "r", "message": "busy"}',
    ),
    ToolCalled: (
        ToolCalled(utterance=2, call="c", name="f", arguments="{}"),
        '{"type": "tool.called", "utterance": 2, "call": "c", "name": "f", "arguments": "{}"}',
    ),
    ReplyDelta: (
        ReplyDelta(utterance=2, text="Olé, go on. "),
        '{"type": "reply.delta", "utterance": 2, "text": "Olé, go on. "}',
    ),
    ReplyDone: (
        ReplyDone(utterance=2, at_s=4.2, text="Olé, go on.", interrupted=False),
        (
            '{"type": "reply.done", "utterance": 2, "at_s": 4.2, "text": "Olé, go on.", "interrupted": false, '
            '"is_crisis": false}'
        ),
    ),
    TurnSaved: (
        TurnSaved(session="s", seq=1, utterance=2),
        '{"type": "turn.saved", "session": "s", "seq": 1, "utterance": 2}',
    ),
    StorageDegraded: (
        StorageDegraded(utterance=2, message="the disk is full"),
        '{"type": "storage.degraded", "utterance": 2, "message": "the disk is full"}',
    ),
    Metrics: (
        Metrics(utterance=2, endpoint_wait_ms=400.0, emotion_ms=1.23456),
        (
            '{"type": "metrics", "utterance": 2, "endpoint_wait_ms": 400.0, "emotion_ms": 1.235, "reply_ms": null, '
            '"sound_ms": null, "emotion_was_late": 0}'
        ),
    ),
}


@pytest.mark.parametrize("kind", GOLDEN, ids=lambda kind: kind.__name__)
def test_the_line_of_an_event_is_fixed(kind: type):
    event, line = GOLDEN[kind]
    assert isinstance(event, kind)
    assert to_line(event) == line
    assert json.loads(line)["type"] == next(iter(json.loads(line).values()))


def test_every_kind_of_event_has_a_golden_line():
    assert set(GOLDEN) == set(get_args(SessionEvent))


def test_a_partial_tells_its_stable_part():
    assert to_line(PARTIAL) == (
        '{"type": "transcript.partial", "utterance": 2, "revision": 1, "at_s": 0.9, "text": "i\'m sad", '
        '"stable": "i\'m"}'
    )


def test_a_transcript_of_nothing_has_no_text_and_an_empty_list():
    record = to_record(replace(FINAL, nbest=(), n_stable=0))
    assert (record["text"], record["nbest"]) == ("", [])


def test_what_cut_an_answer_short_is_told():
    cut = ReplyDone(utterance=2, at_s=4.2, text="Olé", interrupted=True, ended_by="speech", played_s=0.5)
    assert (to_record(cut)["ended_by"], to_record(cut)["played_s"]) == ("speech", 0.5)


def test_an_estimate_that_abstains_is_unclear():
    assert to_record(replace(ESTIMATE, top=None))["top"] == "unclear"


def test_what_a_language_model_or_the_user_tells_is_written_where_it_is_told():
    told = replace(
        ESTIMATE,
        llm_distribution=(0.1, 0.2, 0.3, 0.4),
        compound=("sad", "neutral"),
        hidden="sad",
        is_corrected=True,
        revised_text="i am fine",
        prompt_id="recognize_r3@1#d80d18",
        cached_share=0.93721,
    )
    more = {key: value for key, value in to_record(told).items() if key not in to_record(ESTIMATE)}
    assert more == {
        "model_only": {"angry": 0.1, "happy": 0.2, "neutral": 0.3, "sad": 0.4},
        "compound": ["sad", "neutral"],
        "hidden": "sad",
        "corrected": True,
        "revised_text": "i am fine",
        "prompt_id": "recognize_r3@1#d80d18",
        "cached_share": 0.9372,
    }


def test_an_estimate_while_speaking_is_rolling():
    assert to_record(replace(ESTIMATE, is_final=False))["type"] == "emotion.rolling"


def test_what_is_not_a_number_is_never_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_line(replace(ESTIMATE, arousal=float("nan")))


def test_a_line_break_in_the_words_does_not_break_the_line():
    line = to_line(ReplyDelta(utterance=1, text="one\ntwo\r\n\x1b[31m"))
    assert "\n" not in line
    assert "\x1b" not in line
    assert json.loads(line)["text"] == "one\ntwo\r\n\x1b[31m"


def test_numpys_floats_are_written_as_numbers():
    assert json.loads(to_line(SpeechStarted(utterance=1, at_s=float(np.float64(0.25)))))["at_s"] == 0.25
    assert to_record(replace(ESTIMATE, confidence=np.float32(0.5)))["confidence"] == 0.5


def test_the_metrics_of_what_was_done_ahead_are_told_where_there_are_some():
    plain = to_record(Metrics(utterance=2))
    assert not {"cached_share", "prefills_dropped", "prefills_failed"} & plain.keys()
    told = to_record(Metrics(utterance=2, cached_share=0.0, prefills_dropped=1))
    assert (told["cached_share"], told["prefills_dropped"]) == (0.0, 1)
    assert "prefills_failed" not in told
