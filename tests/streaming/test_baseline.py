"""The speaker's baseline: shrinkage, evidence, robustness, bounds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.baseline import PRIORS, BaselineSettings, SpeakerBaseline, Standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streaming.baseline import Measure


def tone(hz: float) -> float:
    return 12 * math.log2(hz)


def heard(pitches_hz: Sequence[float], **more: float) -> SpeakerBaseline:
    baseline = SpeakerBaseline(BaselineSettings(**more))
    for hz in pitches_hz:
        baseline.add({"pitch": tone(hz)})
    return baseline


def pitch(baseline: SpeakerBaseline, hz: float) -> Standing:
    standing = baseline.standing("pitch", tone(hz))
    assert standing is not None
    return standing


@pytest.mark.parametrize("hz", [100.0, 115.0, 150.0, 205.0, 230.0])
def test_ordinary_voices_stand_near_usual_before_anything_is_known(hz: float):
    standing = pitch(SpeakerBaseline(), hz)
    assert abs(standing.difference) < 3
    assert abs(standing.z) < 1
    assert standing.evidence == 0


def test_an_extreme_voice_stands_out_at_once_but_less_than_it_will():
    first = pitch(SpeakerBaseline(), 380)
    later = pitch(heard([205] * 10), 380)
    assert first.z > 2
    assert later.z > first.z


def test_level_has_no_standing_before_the_speaker_was_heard():
    baseline = SpeakerBaseline()
    assert baseline.standing("energy", -20) is None
    baseline.add({"energy": -30})
    standing = baseline.standing("energy", -20)
    assert standing is not None
    assert standing.difference == pytest.approx(10)


def test_the_usual_moves_from_people_to_the_speaker():
    gaps = [abs(pitch(heard([160] * n), 160).difference) for n in (1, 3, 20)]
    assert gaps[0] >= gaps[1] >= gaps[2]
    assert gaps[2] < 0.05


def test_a_steady_speaker_is_judged_more_strictly_than_a_lively_one():
    steady, lively = heard([118, 120, 122] * 8), heard([90, 120, 160] * 8)
    assert pitch(steady, 150).z > 1.5 * pitch(lively, 150).z


def test_one_outlier_hardly_moves_the_usual():
    calm = heard([120] * 10)
    shaken = heard([120] * 10 + [480])
    assert abs(pitch(shaken, 120).difference - pitch(calm, 120).difference) < 0.8


def test_old_utterances_fade():
    moved = heard([110] * 60 + [140] * 60, memory=20)
    assert abs(pitch(moved, 140).difference) < 0.4
    assert pitch(moved, 140).evidence == pytest.approx(20)


def test_an_utterance_of_little_voice_weighs_less():
    full, slight = SpeakerBaseline(), SpeakerBaseline()
    full.add({"rate": 1.0})
    slight.add({"rate": 1.0}, weight=0.2)
    whole, part = full.standing("rate", 1.0), slight.standing("rate", 1.0)
    assert whole is not None
    assert part is not None
    assert part.evidence == pytest.approx(0.2)
    assert abs(part.difference) > abs(whole.difference)


def test_what_is_not_measurable_is_left_alone():
    baseline = heard([120])
    baseline.add({})
    assert pitch(baseline, 120).evidence == 1
    assert baseline.standings({"energy": -20.0}) == {}
    assert set(baseline.standings({"pitch": tone(120), "energy": -20.0})) == {"pitch"}


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(-1e6, 1e6), max_size=60), measure=st.sampled_from(sorted(PRIORS)))
def test_standings_stay_finite_and_evidence_bounded(values: list[float], measure: Measure):
    baseline = SpeakerBaseline(BaselineSettings(memory=10))
    for value in values:
        baseline.add({measure: value})
        standing = baseline.standing(measure, value)
        assert standing is not None
        assert math.isfinite(standing.z)
        assert math.isfinite(standing.difference)
        assert standing.evidence <= 10 + 1e-9


@pytest.mark.parametrize("bad", [{"memory": 0.5}, {"clip": 0.0}])
def test_settings_that_cannot_learn_are_refused(bad: dict[str, float]):
    with pytest.raises(ValueError, match="memory"):
        BaselineSettings(**bad)
