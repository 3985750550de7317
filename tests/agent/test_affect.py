"""The agent's own state: bounded, fading, moved by what the user expresses and by the persona's traits."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.affect import AffectSettings, affect_after, home_of, tone_of
from agent.backends.emotion.scripted import UNCLEAR, scripted_estimate
from agent.labels import Affect
from agent.persona import Traits, read_persona

if TYPE_CHECKING:
    from agent.events import EmotionEstimate

SHARE = st.floats(0, 1)
TRAITS = st.builds(
    Traits, openness=SHARE, conscientiousness=SHARE, extraversion=SHARE, agreeableness=SHARE, stability=SHARE
)
LABEL = st.sampled_from(["angry", "happy", "neutral", "sad"])
VALUE = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))


def drawn(top: str, sure: float, place: tuple[float | None, float | None, float | None]) -> EmotionEstimate:
    arousal, dominance, valence = place
    return replace(scripted_estimate(top, confidence=sure), arousal=arousal, dominance=dominance, valence=valence)


def steps(decay: float, share: float, rest: float) -> AffectSettings:
    return AffectSettings(decay=decay, gain=share * (1 - decay), rest=rest)


ESTIMATE = st.one_of(st.none(), st.just(UNCLEAR), st.builds(drawn, LABEL, SHARE, st.tuples(VALUE, VALUE, VALUE)))
SETTINGS = st.builds(steps, st.floats(0.01, 0.99), st.floats(0, 0.99), st.floats(0, 0.5))
MIDDLE = Affect(arousal=0.5, dominance=0.5, valence=0.5)


def values(state: Affect) -> tuple[float, float, float]:
    return state.arousal, state.dominance, state.valence


def distance(one: Affect, other: Affect) -> float:
    return max(abs(a - b) for a, b in zip(values(one), values(other), strict=True))


@settings(max_examples=150, deadline=None)
@given(st.lists(ESTIMATE, max_size=40), TRAITS, SETTINGS)
def test_whatever_is_heard_the_state_stays_within_bounds(
    heard: list[EmotionEstimate | None], traits: Traits, how: AffectSettings
):
    state = affect_after(heard, traits, settings=how)
    assert all(-1e-9 <= value <= 1 + 1e-9 for value in values(state))
    assert len(tone_of(state)) == 2


@settings(max_examples=80, deadline=None)
@given(st.lists(ESTIMATE, max_size=20), TRAITS)
def test_without_new_input_it_goes_home_by_a_fixed_share_per_turn(heard: list[EmotionEstimate | None], traits: Traits):
    home = home_of(traits)
    before = distance(affect_after(heard, traits), home)
    later = distance(affect_after([*heard, *[None] * 10], traits), home)
    assert later == pytest.approx(before * 0.7**10, abs=1e-9)


@given(TRAITS)
def test_silence_keeps_it_at_home(traits: Traits):
    assert distance(affect_after([None, UNCLEAR, None], traits), home_of(traits)) < 1e-12


def test_the_same_input_for_ever_settles_and_does_not_build_up():
    traits = read_persona().traits
    states = [affect_after([scripted_estimate("angry")] * n, traits) for n in range(1, 60)]
    moves = [distance(one, other) for one, other in pairwise(states)]
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(moves))
    assert moves[-1] < 1e-6


def test_what_is_said_by_the_agent_cannot_move_it():
    # It takes estimates of the user's turns only; a hundred turns back nothing is left of them.
    traits = read_persona().traits
    calm = [scripted_estimate("neutral")] * 100
    assert distance(affect_after([scripted_estimate("angry"), *calm], traits), affect_after(calm, traits)) < 1e-9


def test_sad_and_happy_users_move_it_apart():
    traits = read_persona().traits
    low, high = (affect_after([scripted_estimate(label)] * 3, traits) for label in ("sad", "happy"))
    assert low.valence < home_of(traits).valence < high.valence


def test_an_agreeable_persona_is_moved_more_and_an_even_tempered_one_gets_calmer():
    def after(label: str, **traits: float) -> Affect:
        return affect_after([scripted_estimate(label)] * 3, Traits(**traits))

    def moved(**traits: float) -> float:
        return home_of(Traits(**traits)).valence - after("sad", **traits).valence

    assert moved(agreeableness=0.9) > moved(agreeableness=0.1)
    assert after("angry", stability=1.0, agreeableness=0.0).arousal < home_of(Traits(stability=1.0)).arousal
    assert after("angry", stability=0.0, agreeableness=1.0).arousal > home_of(Traits(stability=0.0)).arousal


def test_a_doubtful_estimate_moves_it_less():
    traits = read_persona().traits
    home = home_of(traits)
    sure, doubtful = (affect_after([scripted_estimate("sad", confidence=p)], traits) for p in (0.95, 0.4))
    assert distance(doubtful, home) < distance(sure, home)


def test_traits_in_the_middle_rest_in_the_middle():
    assert distance(home_of(Traits()), MIDDLE) < 1e-12


def test_labels_without_a_place_say_nothing():
    odd = replace(scripted_estimate("sad"), labels=("zen", "blue", "red", "green"), top="red")
    assert distance(affect_after([odd], Traits()), affect_after([None], Traits())) < 0.2


def test_tones_are_steady_or_gentle_where_feelings_are_hard():
    traits = read_persona().traits
    for label in ("angry", "sad"):
        for n in range(1, 12):
            tone = tone_of(affect_after([scripted_estimate(label)] * n, traits))
            assert set(tone) <= {"gentle", "quiet", "steady", "plain", "attentive", "calm", "warm"}
    assert "warm" in tone_of(affect_after([scripted_estimate("happy")] * 3, traits))


@pytest.mark.parametrize("bad", [{"decay": 0.0}, {"decay": 0.7, "gain": 0.5}, {"gain": -0.1}, {"rest": 0.6}])
def test_settings_under_which_it_could_run_away_are_refused(bad: dict[str, float]):
    with pytest.raises(ValueError, match="expected decay"):
        AffectSettings(**bad)
