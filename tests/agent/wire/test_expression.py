"""What is told of an utterance's expression: only what was asked for, by our schema; Hume's view of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.behaviour import TYPED
from agent.events import (
    EmotionEstimate,
    Evidence,
    Metrics,
    ReplyDelta,
    StorageDegraded,
    TriggerWord,
    TurnSaved,
    VoiceCue,
)
from agent.wire.expression import REMEMBERED, Expression, ms
from agent.wire.hume import scores
from agent.wire.ids import Ids
from agent.wire.schema.attune import AttuneOptions
from streaming.audio import silence
from streaming.events import Hypothesis, Prosody, RollingProsody, SpeechStarted, Transcript, Utterance, Word
from tests.agent.wire.stock_types import checked

if TYPE_CHECKING:
    from agent.events import SessionEvent

ESTIMATE = EmotionEstimate(
    utterance=3,
    revision=2,
    is_final=True,
    at_s=1.2344,
    labels=("angry", "happy", "neutral", "sad"),
    distribution=(0.1, 0.05, 0.25, 0.6),
    top="sad",
    confidence=0.6,
    arousal=0.3,
    dominance=0.4,
    valence=0.2,
    text_distribution=(0.1, 0.1, 0.2, 0.6),
    voice_distribution=(0.1, 0.0, 0.3, 0.6),
    conflict=0.02,
    eight=(("fearful", 0.1), ("surprised", 0.2), ("sad", 0.5)),
    evidence=Evidence(
        words=(TriggerWord(word="lost", label="sad", weight=1.25),),
        cues=(VoiceCue(cue="low pitch", label="sad", weight=0.5),),
        turns=(1,),
    ),
    method="embedded",
)
PROSODY = Prosody(pitch_mean_hz=120.0, energy_db=-24.0, voiced_s=1.0, words=("fast",))
FINAL = Transcript(
    utterance=3,
    revision=4,
    at_s=2.0,
    is_final=True,
    nbest=(
        Hypothesis(
            text="i lost it",
            logp=-1.0,
            posterior=0.75,
            source="sphinx",
            words=(Word(text="i", start_s=0.5, end_s=0.6, posterior=0.9), Word(text="lost", start_s=0.6, end_s=1.0)),
        ),
        Hypothesis(text="i lost", logp=-2.0, posterior=0.25, source="sphinx"),
    ),
)
UTTERANCE = Utterance(
    utterance=3, start_s=0.5, end_s=1.5, decided_s=2.0, transcript=FINAL, prosody=PROSODY, samples=silence(0)
)
ROLLING = RollingProsody(utterance=3, at_s=0.78, prosody=PROSODY)
METRICS = Metrics(utterance=3, endpoint_wait_ms=500.12345, emotion_ms=9.0, reply_ms=None)
SAVED = TurnSaved(session="s", seq=1, utterance=3)
DEGRADED = StorageDegraded(utterance=3, message="the disk is full; tried again")

ALL: list[tuple[SessionEvent, str, str]] = [
    (replace(ESTIMATE, is_final=False), "emotion.rolling", "attune.emotion.rolling"),
    (ESTIMATE, "emotion", "attune.emotion.final"),
    (ROLLING, "prosody", "attune.prosody"),
    (UTTERANCE, "prosody", "attune.prosody"),
    (FINAL, "nbest", "attune.nbest"),
    (SAVED, "turns", "attune.turn.saved"),
    (DEGRADED, "turns", "attune.turn.degraded"),
    (METRICS, "metrics", "attune.metrics"),
]


def options(*groups: str, **more: object) -> AttuneOptions:
    events = "all" if groups == ("all",) else list(groups)
    return AttuneOptions.model_validate({"events": events, **more})


def told(
    event: SessionEvent, given_options: AttuneOptions, expression: Expression | None = None
) -> list[dict[str, Any]]:
    expression = expression or Expression(Ids("s"))
    return checked(expression.tell(event, options=given_options, item_id="item_1", turn_id="s-3"))


@pytest.mark.parametrize(("event", "group", "kind"), ALL)
def test_what_was_asked_for_is_told_and_nothing_else(event: SessionEvent, group: str, kind: str):
    (one,) = told(event, options(group))
    assert one["type"] == kind
    assert (one["item_id"], one["turn_id"], one["utterance"]) == ("item_1", "s-3", 3)
    assert told(event, options("all")) == [one]
    others = [other for _, other, _ in ALL if other != group]
    assert told(event, options(*others)) == []
    assert told(event, AttuneOptions()) == []


@pytest.mark.parametrize(
    "event",
    [
        SpeechStarted(utterance=3, at_s=1.0),
        ReplyDelta(utterance=3, text="a"),
        replace(FINAL, nbest=()),
    ],
)
def test_other_events_are_nothing_of_ours(event: SessionEvent):
    assert told(event, options("all")) == []


def test_an_estimate_is_told_whole():
    (one,) = told(ESTIMATE, options("emotion"))
    assert one["distribution"] == {"angry": 0.1, "happy": 0.05, "neutral": 0.25, "sad": 0.6}
    assert (one["top"], one["confidence"], one["revision"], one["at_ms"]) == ("sad", 0.6, 2, 1234)
    assert (one["arousal"], one["valence"], one["dominance"], one["conflict"]) == (0.3, 0.2, 0.4, 0.02)
    assert one["evidence"]["words"] == [{"word": "lost", "label": "sad", "weight": 1.25}]
    assert "models" not in one
    (unclear,) = told(replace(ESTIMATE, top=None), options("emotion"))
    assert unclear["top"] == "unclear"


def test_the_first_estimate_after_the_utterance_is_final_and_those_after_it_revise_it():
    expression, wanted = Expression(Ids("s")), options("all")
    estimates = [
        replace(ESTIMATE, is_final=False, revision=1),
        replace(ESTIMATE, revision=2),
        replace(ESTIMATE, revision=3),
        replace(ESTIMATE, revision=4, is_corrected=True),
        replace(ESTIMATE, utterance=4, revision=1),
    ]
    kinds = [told(estimate, wanted, expression)[0]["type"].removeprefix("attune.emotion.") for estimate in estimates]
    assert kinds == ["rolling", "final", "revised", "revised", "final"]


def test_a_final_estimate_counts_even_for_those_who_asked_later():
    expression = Expression(Ids("s"))
    assert told(ESTIMATE, AttuneOptions(), expression) == []
    assert told(replace(ESTIMATE, revision=3), options("emotion"), expression)[0]["type"] == "attune.emotion.revised"


def test_a_correction_of_what_was_never_read_is_a_revision():
    (one,) = told(replace(ESTIMATE, is_corrected=True), options("emotion"))
    assert (one["type"], one["corrected"]) == ("attune.emotion.revised", True)


def test_only_so_many_utterances_are_remembered():
    expression = Expression(Ids("s"))
    for number in range(1, REMEMBERED + 10):
        told(replace(ESTIMATE, utterance=number), AttuneOptions(), expression)
    remembered: dict[int, None] = expression._final
    assert len(remembered) == REMEMBERED


def test_hypotheses_come_with_their_posteriors_and_word_times():
    (one,) = told(FINAL, options("nbest"))
    assert [hypothesis["posterior"] for hypothesis in one["hypotheses"]] == [0.75, 0.25]
    assert one["hypotheses"][0]["words"] == [
        {"text": "i", "start_ms": 500, "end_ms": 600, "posterior": 0.9},
        {"text": "lost", "start_ms": 600, "end_ms": 1000, "posterior": None},
    ]
    assert "words" not in one["hypotheses"][1]


def test_a_guess_while_somebody_speaks_is_told_as_one():
    (guess,) = told(replace(FINAL, nbest=FINAL.nbest[:1], is_final=False), options("nbest"))
    assert (guess["final"], len(guess["hypotheses"])) == (False, 1)


def test_prosody_is_told_as_it_rolls_and_when_it_is_final():
    (rolling,), (final,) = told(ROLLING, options("prosody")), told(UTTERANCE, options("prosody"))
    assert (rolling["final"], final["final"]) == (False, True)
    assert (rolling["at_ms"], final["at_ms"]) == (780, 2000)
    assert (final["pitch_mean_hz"], final["jitter"], final["words"]) == (120.0, None, ["fast"])


@pytest.mark.parametrize(("energy_db", "level"), [(-24.0, 0.6), (-90.0, 0.0), (3.0, 1.0), (None, None)])
def test_the_level_is_for_a_meter(energy_db: float | None, level: float | None):
    (one,) = told(replace(ROLLING, prosody=replace(PROSODY, energy_db=energy_db)), options("prosody"))
    assert one["level"] == level


def test_times_of_a_turn_are_told_as_they_are():
    (one,) = told(METRICS, options("metrics"))
    assert (one["endpoint_wait_ms"], one["emotion_ms"], one["reply_ms"]) == (500.123, 9.0, None)
    (saved,) = told(SAVED, options("turns"))
    assert (saved["session"], saved["seq"]) == ("s", 1)


def test_no_time_is_before_the_first_sample():
    assert (ms(-0.2), ms(1.0006)) == (0, 1001)


# Hume's view


def test_hume_s_view_has_hume_s_names():
    (one,) = told(ESTIMATE, options("emotion", hume=True))
    assert one["models"]["prosody"]["scores"] == {
        "Anger": 0.1,
        "Calmness": 0.25,
        "Fear": 0.1,
        "Joy": 0.05,
        "Sadness": 0.6,
        "Surprise (negative)": 0.16,
        "Surprise (positive)": 0.04,
    }


def test_hume_s_view_comes_with_finals_and_revisions_only():
    wanted = options("all", hume=True)
    assert "models" not in told(replace(ESTIMATE, is_final=False), wanted)[0]
    assert "models" in told(replace(ESTIMATE, is_corrected=True), wanted)[0]
    assert "models" not in told(ESTIMATE, options("all", hume=False))[0]


def test_hume_has_no_prosody_of_what_was_typed():
    typed = replace(ESTIMATE, utterance=TYPED)
    (one,) = told(typed, options("emotion", hume=True))
    assert one["models"] == {"prosody": None}


@given(
    valence=st.none() | st.floats(0, 1),
    shares=st.lists(st.floats(0, 1), min_size=4, max_size=4),
    surprised=st.floats(0, 1),
)
def test_scores_stay_between_0_and_1(valence: float | None, shares: list[float], surprised: float):
    estimate = replace(ESTIMATE, valence=valence, distribution=tuple(shares), eight=(("surprised", surprised),))
    found = scores(estimate)
    assert all(0.0 <= score <= 1.0 for score in found.values())
    assert found["Surprise (positive)"] + found["Surprise (negative)"] == pytest.approx(surprised, abs=2e-4)


def test_labels_that_hume_does_not_know_are_left_out():
    assert scores(replace(ESTIMATE, labels=("bored", "sad"), distribution=(0.5, 0.5), eight=())) == {"Sadness": 0.5}
