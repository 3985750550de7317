"""Words for what stands out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.baseline import PRIORS, Standing
from streaming.describe import VOCABULARY, DescribeSettings, describe, level, levels
from streaming.events import Prosody

if TYPE_CHECKING:
    from streaming.baseline import Measure

NOTHING = Prosody()


def standing(z: float, evidence: float = 10.0) -> Standing:
    return Standing(difference=z, z=z, evidence=evidence)


@pytest.mark.parametrize(
    ("measure", "z", "word"),
    [
        ("energy", 1.5, "louder than usual"),
        ("energy", 3.0, "much louder than usual"),
        ("energy", -1.5, "quieter than usual"),
        ("energy", -3.0, "much quieter than usual"),
        ("pitch", 1.5, "high pitch"),
        ("pitch", 2.5, "very high pitch"),
        ("pitch", -1.5, "low pitch"),
        ("rate", 1.5, "fast"),
        ("rate", -2.5, "very slow"),
        ("range", 1.5, "wide pitch range"),
        ("range", -1.5, "narrow pitch range"),
    ],
)
def test_what_stands_out_gets_its_word(measure: Measure, z: float, word: str):
    assert describe(NOTHING, {measure: standing(z)}) == (word,)


def test_nothing_is_said_when_nothing_stands_out():
    assert describe(NOTHING, {name: standing(1.0) for name in PRIORS}) == ()
    assert describe(NOTHING, {}) == ()


def test_loudness_is_not_mentioned_before_the_speaker_is_known():
    assert describe(NOTHING, {"energy": standing(5, evidence=2)}) == ()
    assert describe(NOTHING, {"pitch": standing(5, evidence=0)}) == ("very high pitch",)


@pytest.mark.parametrize(
    ("slope", "z", "words"),
    [(4.0, 1.5, ("rising",)), (-8.0, -1.5, ("falling",)), (-0.5, 1.5, ()), (4.0, 0.5, ()), (None, 2.0, ())],
)
def test_rising_must_rise_and_falling_must_fall(slope: float | None, z: float, words: tuple[str, ...]):
    assert describe(Prosody(pitch_slope_st_s=slope), {"slope": standing(z)}) == words


@pytest.mark.parametrize(
    ("share", "longest", "words"),
    [(0.3, 0.8, ("long pauses",)), (0.3, 0.3, ()), (0.05, 0.8, ()), (None, None, ())],
)
def test_pauses_are_long_only_when_they_are_and_matter(share: float, longest: float, words: tuple[str, ...]):
    assert describe(Prosody(pause_share=share, longest_pause_s=longest), {}) == words


def test_roughness_needs_jitter_and_shimmer_of_a_known_speaker():
    high, unknown, usual = standing(2), standing(2, evidence=1), standing(0.2)
    assert describe(NOTHING, {"jitter": high, "shimmer": high}) == ("rough voice",)
    assert describe(NOTHING, {"jitter": high, "shimmer": usual}) == ()
    assert describe(NOTHING, {"jitter": high, "shimmer": unknown}) == ()
    assert describe(NOTHING, {"jitter": high}) == ()
    assert describe(NOTHING, {"hnr": standing(-5)}) == ()


def test_the_most_salient_comes_first_and_the_list_is_short():
    standings: dict[Measure, Standing] = {
        "pitch": standing(1.4),
        "energy": standing(-3),
        "rate": standing(2),
        "range": standing(1.5),
    }
    words = describe(NOTHING, standings)
    assert words == ("much quieter than usual", "fast", "wide pitch range", "high pitch")
    few = describe(NOTHING, standings, settings=DescribeSettings(max_words=2))
    assert few == words[:2]


@given(zs=st.fixed_dictionaries({name: st.floats(-9, 9) for name in PRIORS}), slope=st.floats(-20, 20))
def test_only_words_of_the_vocabulary_are_said_and_never_too_many(zs: dict[Measure, float], slope: float):
    standings: dict[Measure, Standing] = {name: standing(z) for name, z in zs.items()}
    prosody = Prosody(pitch_slope_st_s=slope, pause_share=0.5, longest_pause_s=1.0)
    words = describe(prosody, standings)
    assert set(words) <= VOCABULARY
    assert len(words) == len(set(words)) <= 5


@pytest.mark.parametrize(
    ("z", "name"), [(-2, "very low"), (-1, "low"), (0, "medium"), (0.6, "medium"), (1, "high"), (1.3, "very high")]
)
def test_levels_are_the_five_quantile_classes(z: float, name: str):
    assert level(z) == name


def test_levels_leave_out_what_was_not_measurable():
    assert levels(NOTHING) == {}
    prosody = Prosody(pitch_rel_st=4.0, energy_rel_db=0.0, rate_rel=0.85, pitch_range_st=2.0, jitter=0.022, shimmer=0.0)
    assert levels(prosody) == {
        "pitch": "very high",
        "pitch range": "very low",
        "energy": "medium",
        "speaking rate": "low",
        "jitter": "medium",
    }
