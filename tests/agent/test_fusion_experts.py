"""The product of experts: what is believed of whom, what a missing or broken expert does."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.backends.emotion.fusion_weights import SHIPPED, load_fusion_weights
from agent.backends.emotion.scripted import UNCLEAR, scripted_estimate
from agent.distribution import normalise
from agent.errors import ConfigInvalid
from agent.fusion.experts import FusionWeights, combined, dimensions_expert, fused, over, says_something
from agent.labels import ANCHORS, BIG_FOUR, EIGHT, Affect

if TYPE_CHECKING:
    from pathlib import Path

    from agent.events import EmotionEstimate

WEIGHTS = FusionWeights()
SAD_VOICE = ANCHORS["sad"]


def small(top: str = "happy", confidence: float = 0.7) -> EmotionEstimate:
    shares = tuple((label, 0.65 if label == top else 0.05) for label in EIGHT)
    return replace(
        scripted_estimate(top, confidence=confidence),
        arousal=0.6,
        dominance=0.5,
        valence=0.8,
        eight=shares,
        text_distribution=(0.1, 0.7, 0.1, 0.1),
        voice_distribution=(0.1, 0.1, 0.1, 0.7),
        conflict=0.4,
        method="small",
    )


def test_the_product_is_the_printed_formula():
    a, b, c = normalise([4.0, 3, 2, 1]), normalise([1.0, 1, 5, 1]), normalise([1.0, 2, 3, 4])
    doubted = 0.95 * b + 0.05 / 4
    expected = normalise(a**0.5 * doubted**0.7 * c**0.2)
    assert fused(a, b, c, weights=WEIGHTS) == pytest.approx(expected)


def test_an_expert_that_stands_alone_stands_as_it_is():
    a = normalise([4.0, 3, 2, 1])
    for left, right in ((a, None), (None, a)):
        alone = fused(left, right, None, weights=WEIGHTS)
        assert alone is not None
        assert alone.tolist() == a.tolist()
    assert fused(None, None, a, weights=WEIGHTS) is None


@given(st.lists(st.floats(0.01, 1), min_size=4, max_size=4), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_whatever_is_fused_is_a_distribution(shares: list[float], arousal: float, dominance: float, valence: float):
    place = dimensions_expert(BIG_FOUR, Affect(arousal=arousal, dominance=dominance, valence=valence))
    result = fused(normalise(shares), normalise(shares[::-1]), place, weights=WEIGHTS)
    assert result is not None
    assert result.sum() == pytest.approx(1)
    assert result.min() >= 0


def test_two_that_agree_are_hardly_surer_than_each():
    one = normalise([0.7, 0.1, 0.1, 0.1])
    result = fused(one, one, None, weights=WEIGHTS)
    assert result is not None
    assert 0.7 < float(result[0]) < 0.8


def test_a_written_label_can_be_outvoted_by_a_sure_small_model():
    written = np.array([1.0, 0, 0, 0])
    sure = np.array([0.0005, 0.9985, 0.0005, 0.0005])
    result = fused(sure, written, None, weights=WEIGHTS)
    assert result is not None
    assert int(result.argmax()) == 1


def test_the_language_models_words_reach_the_estimate():
    llm = replace(
        scripted_estimate("sad", confidence=0.8),
        reason="the cat is gone",
        revised_text="my cat is gone",
        prompt_id="r3@1",
        cached_share=0.9,
    )
    found = combined(small("neutral", 0.5), llm, weights=WEIGHTS)
    assert (found.top, found.reason, found.revised_text) == ("sad", "the cat is gone", "my cat is gone")
    assert (found.prompt_id, found.cached_share) == ("r3@1", 0.9)
    assert found.llm_distribution == pytest.approx(llm.distribution)
    assert (found.text_distribution, found.conflict) == ((0.1, 0.7, 0.1, 0.1), 0.4)
    four = dict(found.eight)
    held = [four[label] / sum(four[each] for each in BIG_FOUR) for label in BIG_FOUR]
    assert held == pytest.approx(found.distribution)
    assert sum(four.values()) == pytest.approx(1)


def test_words_move_valence_and_leave_arousal_to_the_voice():
    found = combined(small(), scripted_estimate("sad", confidence=0.97), weights=WEIGHTS)
    assert found.arousal == 0.6
    assert found.valence is not None
    assert found.valence < 0.6


def test_measured_dimensions_are_told_and_lean_on_the_labels():
    llm = scripted_estimate("neutral", confidence=0.4)
    before = combined(small("neutral", 0.4), llm, weights=WEIGHTS)
    found = combined(small("neutral", 0.4), llm, measured=SAD_VOICE, weights=WEIGHTS)
    assert (found.arousal, found.valence) == (SAD_VOICE.arousal, SAD_VOICE.valence)
    assert found.distribution[3] > before.distribution[3]


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_dimensions_that_are_no_numbers_are_no_expert(broken: float):
    assert dimensions_expert(BIG_FOUR, Affect(arousal=broken, dominance=0.5, valence=0.5)) is None


@pytest.mark.parametrize(
    "shares", [(math.nan,) * 4, (0.25,) * 4, (0.0,) * 4, (-1.0, 1, 1, 0), (math.inf, 0, 0, 0), (0.5, 0.5)]
)
def test_an_answer_that_says_nothing_leaves_the_small_estimate_untouched(shares: tuple[float, ...]):
    llm = replace(UNCLEAR, distribution=shares)
    assert not says_something(llm)
    assert combined(small(), llm, weights=WEIGHTS) == small()


def test_an_answer_over_eight_labels_is_fused_with_the_small_models_eight():
    shares = tuple(0.65 if label == "fearful" else 0.05 for label in EIGHT)
    llm = replace(UNCLEAR, labels=EIGHT, distribution=shares, top="fearful", confidence=0.65)
    found = combined(small("sad"), llm, weights=WEIGHTS)
    assert found.labels == EIGHT
    assert {label for label, _ in sorted(found.eight, key=lambda each: -each[1])[:2]} == {"fearful", "sad"}
    assert dict(found.eight) == pytest.approx(dict(zip(EIGHT, found.distribution, strict=True)))
    assert found.text_distribution is None


def test_labels_in_another_order_are_the_same_labels():
    turned = tuple(reversed(BIG_FOUR))
    llm = replace(UNCLEAR, labels=turned, distribution=(0.7, 0.1, 0.1, 0.1))
    found = combined(small("sad", 0.9), llm, weights=WEIGHTS)
    assert (found.labels, found.top) == (turned, "sad")


def test_labels_that_the_small_model_does_not_know_are_the_language_models_alone():
    llm = replace(UNCLEAR, labels=("calm", "hopeful"), distribution=(0.2, 0.8))
    found = combined(small(), llm, weights=WEIGHTS)
    assert found.distribution == pytest.approx((0.2, 0.8))
    assert over(("calm", "hopeful"), small()) is None
    assert (found.top, found.eight) == ("hopeful", small().eight)


def test_it_abstains_where_nothing_is_likely_enough():
    llm = replace(UNCLEAR, distribution=(0.3, 0.2, 0.2, 0.3))
    found = combined(replace(small(), distribution=(0.2, 0.3, 0.3, 0.2)), llm, weights=WEIGHTS)
    assert found.top is None
    assert found.confidence == max(found.distribution) < WEIGHTS.threshold(4)


@pytest.mark.parametrize(
    "values", [{"small": -0.1}, {"llm": 5.0}, {"dimensions": math.nan}, {"llm_doubt": 1.0}, {"small": 0, "llm": 0}]
)
def test_weights_that_are_none_are_refused(values: dict[str, Any]):
    with pytest.raises(ValueError, match=r"must lie in|both 0"):
        FusionWeights(**values)


def test_the_shipped_weights_say_that_nobody_fitted_them():
    shipped = load_fusion_weights()
    assert not shipped.is_fitted
    assert "not fitted" in shipped.provenance
    assert replace(shipped, provenance=WEIGHTS.provenance) == WEIGHTS


def test_a_weights_file_that_is_none_is_refused_in_one_line(tmp_path: Path):
    for content in ("small = ", "small = 9.0", "colour = 1", "small = 'a'"):
        file = tmp_path / f"{len(content)}.toml"
        file.write_text(content)
        with pytest.raises(ConfigInvalid, match="no weights of the fusion"):
            load_fusion_weights(file)
    with pytest.raises(ConfigInvalid, match="gone"):
        load_fusion_weights(SHIPPED.with_name("gone.toml"))
