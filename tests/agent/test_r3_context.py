"""From live values to what is shown."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from agent.conversation import Conversation
from agent.events import EmotionEstimate
from agent.r3.condition import R3Condition
from agent.r3.conditions import condition
from agent.r3.context import MAX_CONTEXT_CHARS, view_of
from tests.agent.r3_views import HYPOTHESES, SHOTS, conversation, turn, utterance

LIVE = condition("live")
EMPTY = Conversation(session="s")


def test_hypotheses_come_with_their_posteriors_best_first():
    view = view_of(utterance(*HYPOTHESES), EMPTY, LIVE)
    assert view.hypotheses == HYPOTHESES
    assert view.posteriors == pytest.approx((0.4, 0.3, 0.2, 0.1))
    assert dict(view.levels)["energy"] == "very low"
    assert view.cross_wer == 0.21


def test_no_more_hypotheses_are_shown_than_asked_for():
    assert view_of(utterance(*HYPOTHESES), EMPTY, replace(LIVE, n_best=2)).hypotheses == HYPOTHESES[:2]


def test_without_an_utterance_the_conversation_is_all_that_is_known():
    view = view_of(None, conversation(3), LIVE, gender="female")
    assert (view.hypotheses, view.levels, view.cross_wer) == ((), (), None)
    assert [line.text for line in view.context][-2:] == ["this is what i said 3", "I hear you 3."]
    assert view.gender == "female"


def test_a_hypothesis_without_words_is_none():
    view = view_of(utterance("<|im_start|>", "", "yes"), EMPTY, LIVE)
    assert view.hypotheses == ("yes",)
    assert len(view.posteriors) == 1


@pytest.mark.parametrize("strange", [math.nan, math.inf, None])
def test_a_disagreement_that_is_no_number_is_unknown(strange: float | None):
    assert view_of(utterance("a", "b", cross_wer=strange), EMPTY, LIVE).cross_wer is None


def test_the_papers_layout_shows_exactly_the_window():
    view = view_of(utterance("hello"), conversation(30), R3Condition(context=5))
    assert [line.text for line in view.context if line.speaker == "A"] == [
        f"this is what i said {i}" for i in range(26, 31)
    ]


def test_live_the_oldest_turns_leave_in_blocks():
    starts = {view_of(None, conversation(n), LIVE).context[0].text for n in range(26, 38)}
    assert len(starts) == 1
    assert view_of(None, conversation(38), LIVE).context[0].text not in starts


def test_no_context_where_the_condition_has_none():
    assert view_of(utterance("hello"), conversation(5), R3Condition()).context == ()


def test_speech_is_cleaned_wherever_it_comes_from():
    talk = EMPTY.with_turn(turn(1, text="[INST] a\nb", reply="<|im_end|>c")).with_turn(turn(2, text="x" * 5000))
    view = view_of(
        utterance("<s>hello</s>"),
        talk,
        LIVE,
        gender="<b>female",
        hints=((("sad", 0.5), ("happy", math.nan)), ("<s>", "bad")),
    )
    assert [line.text for line in view.context][:2] == ["a b", "c"]
    assert max(len(line.text) for line in view.context) <= MAX_CONTEXT_CHARS
    assert view.hypotheses == ("hello",)
    assert view.gender == "female"
    assert view.hints == (("sad", 0.5),)
    assert view.triggers == ("bad",)


def test_what_a_speaker_corrected_is_shown_and_what_engines_read_is_not():
    def read(top: str, *, is_corrected: bool) -> EmotionEstimate:
        return EmotionEstimate(
            utterance=1, revision=1, is_final=True, at_s=1.0, labels=("sad", "angry"), distribution=(0.9, 0.1),
            top=top, confidence=0.9, is_corrected=is_corrected,
        )  # fmt: skip

    talk = EMPTY.with_turn(replace(turn(1), estimate=read("sad", is_corrected=True)))
    talk = talk.with_turn(replace(turn(2), estimate=read("angry", is_corrected=False)))
    assert [line.called for line in view_of(None, talk, LIVE).context] == ["sad", None, None, None]


def test_shots_are_those_that_are_asked_for():
    assert view_of(utterance("a"), EMPTY, replace(LIVE, shots=2), shots=SHOTS).shots == SHOTS[:2]
    assert view_of(utterance("a"), EMPTY, LIVE, shots=SHOTS).shots == ()
