"""How an answer is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ConfigInvalid
from agent.events import EmotionEstimate
from agent.expression import ExpressionSettings, ReplyKind, style_for, tinted
from agent.labels import BIG_FOUR, EIGHT, Affect
from agent.ports import SpeakingStyle


def estimate(
    top: str | None, *, confidence: float = 0.9, arousal: float | None = None, valence: float | None = None
) -> EmotionEstimate:
    share = (1 - confidence) / (len(BIG_FOUR) - 1)
    return EmotionEstimate(
        utterance=1,
        revision=1,
        is_final=True,
        at_s=1.0,
        labels=BIG_FOUR,
        distribution=tuple(confidence if label == top else share for label in BIG_FOUR),
        top=top,
        confidence=confidence,
        arousal=arousal,
        valence=valence,
    )


@pytest.mark.parametrize("top", ["angry", "sad", "fearful"])
def test_an_angry_sad_or_fearful_speaker_is_answered_more_slowly_and_lower(top: str):
    style = style_for(estimate(top))

    assert style.rate < 0.95
    assert style.pitch_st < 0


def test_a_happy_speaker_is_answered_a_little_more_brightly():
    style = style_for(estimate("happy"))

    assert style.rate > 1.02
    assert style.pitch_st > 0


@pytest.mark.parametrize(
    "unclear", [None, estimate(None), estimate("angry", confidence=0.4), estimate("neutral"), estimate("bored")]
)
def test_an_unclear_or_neutral_estimate_changes_nothing(unclear: EmotionEstimate | None):
    assert style_for(unclear) == SpeakingStyle()


def test_a_crisis_reply_is_calm_whatever_the_estimate():
    assert style_for(estimate("happy"), kind="crisis") == style_for(None, kind="crisis")
    assert style_for(None, kind="crisis").rate < 0.9


def test_a_question_is_never_hurried():
    assert style_for(estimate("happy"), kind="question").rate == 1.0


def test_a_surer_and_a_stronger_estimate_moves_the_voice_more():
    weak = style_for(estimate("sad", confidence=0.6, valence=0.4))
    sure = style_for(estimate("sad", confidence=0.95, valence=0.4))
    strong = style_for(estimate("sad", confidence=0.95, valence=0.0))

    assert 1.0 > weak.rate > sure.rate > strong.rate


UNIT = st.floats(0, 1)


@given(
    top=st.sampled_from([None, *EIGHT]),
    confidence=UNIT,
    arousal=st.none() | UNIT,
    valence=st.none() | UNIT,
    kind=st.sampled_from(["answer", "question", "crisis"]),
)
def test_the_voice_never_leaves_its_small_range(
    top: str | None, confidence: float, arousal: float | None, valence: float | None, kind: ReplyKind
):
    style = style_for(estimate(top, confidence=confidence, arousal=arousal, valence=valence), kind=kind)

    assert abs(style.rate - 1) <= 0.12 + 1e-9
    assert abs(style.pitch_st) <= 1


@pytest.mark.parametrize("wrong", [{"max_rate": 0.5}, {"max_pitch_st": -1.0}, {"min_confidence": 1.0}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]):
    with pytest.raises(ConfigInvalid, match="expression needs"):
        ExpressionSettings(**wrong)


@given(st.floats(0.88, 1.12), st.floats(-1, 1), st.builds(Affect, arousal=UNIT, dominance=UNIT, valence=UNIT))
def test_the_agents_own_tone_moves_a_voice_little_and_never_out_of_bounds(rate: float, pitch: float, tone: Affect):
    style = tinted(SpeakingStyle(rate=rate, pitch_st=pitch), tone)
    assert abs(style.rate - rate) <= 0.03 + 1e-9
    assert abs(style.pitch_st - pitch) <= 0.25 + 1e-9
    assert 0.88 - 1e-9 <= style.rate <= 1.12 + 1e-9
    assert -1 - 1e-9 <= style.pitch_st <= 1 + 1e-9


def test_a_quiet_tone_slows_and_a_bright_one_lifts_the_voice():
    quiet = tinted(SpeakingStyle(), Affect(arousal=0.3, dominance=0.5, valence=0.5))
    bright = tinted(SpeakingStyle(), Affect(arousal=0.5, dominance=0.5, valence=0.8))
    assert (quiet.rate < 1, quiet.pitch_st) == (True, 0)
    assert (bright.rate, bright.pitch_st > 0) == (1, True)
