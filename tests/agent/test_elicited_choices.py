"""Multiple choice, digits and reasoning, as folktexts asks."""

from __future__ import annotations

import math

import pytest

from agent.elicitation import Choice, from_chain, from_choices, from_numeric, key_orders, keyed
from agent.labels import BIG_FOUR, EIGHT
from agent.llm.values import LabelScores

LABELS = ("sad", "happy")


def scores(*probabilities: float, gap: str = " ") -> LabelScores:
    logps = tuple(math.log(p) if p > 0 else -math.inf for p in probabilities)
    keys = tuple(f"{gap}{key}" for key in "ABCDEFGH"[: len(logps)])
    return LabelScores(labels=keys, logps=logps, n_tokens=(1,) * len(logps), method="exact")


def test_a_liking_for_the_first_key_is_averaged_out():
    asked = [Choice(order=order, scores=(scores(0.6, 0.2),)) for order in key_orders(LABELS)]
    found = from_choices(asked, LABELS)
    assert found.distribution == pytest.approx([0.5, 0.5])
    assert found.mass == pytest.approx(0.8)
    assert found.warning is None


def test_what_is_believed_under_every_key_stays():
    asked = [
        Choice(order=("sad", "happy"), scores=(scores(0.6, 0.2),)),
        Choice(order=("happy", "sad"), scores=(scores(0.1, 0.9),)),
    ]
    assert from_choices(asked, LABELS).distribution == pytest.approx([(0.75 + 0.9) / 2, (0.25 + 0.1) / 2])


def test_the_white_space_with_the_larger_mass_counts():
    asked = [Choice(order=LABELS, scores=(scores(0.01, 0.05), scores(0.6, 0.3, gap="\n")))]
    found = from_choices(asked, LABELS)
    assert found.distribution == pytest.approx([2 / 3, 1 / 3])
    assert found.mass == pytest.approx(0.9)


def test_keys_below_a_tenth_of_the_mass_are_told():
    found = from_choices([Choice(order=LABELS, scores=(scores(0.06, 0.02),))], LABELS)
    assert found.distribution == pytest.approx([0.75, 0.25])
    assert found.warning == "the keys have 8.0% of the probability"


def test_keys_without_any_mass_are_uniform_with_the_reason():
    nan = LabelScores(labels=(" A", " B"), logps=(math.nan, math.inf), n_tokens=(1, 1), method="exact")
    for asked in ([Choice(order=LABELS, scores=(scores(0, 0), nan))], [Choice(order=LABELS, scores=())], []):
        found = from_choices(asked, LABELS)
        assert found.distribution == pytest.approx([0.5, 0.5])
        assert found.problem
        assert found.mass == 0


def test_a_prompt_that_gave_nothing_is_left_out_and_told():
    asked = [Choice(order=LABELS, scores=(scores(0.6, 0.2),)), Choice(order=LABELS, scores=(scores(0, 0),))]
    found = from_choices(asked, LABELS)
    assert found.distribution == pytest.approx([0.75, 0.25])
    assert found.warning == "1 of 2 prompts gave no key a probability"


def test_rotations_put_each_label_once_under_each_key():
    orders = key_orders(BIG_FOUR)
    assert [sorted(column) for column in zip(*orders, strict=True)] == [sorted(BIG_FOUR)] * 4
    assert key_orders(BIG_FOUR, how="one") == (BIG_FOUR,)
    assert len(set(key_orders(BIG_FOUR, how="all"))) == 24
    assert keyed(orders[1])[0] == ("A", BIG_FOUR[1])
    with pytest.raises(ValueError, match="at most 5 labels"):
        key_orders(EIGHT, how="all")


def test_digits_after_nought_point_are_probabilities():
    said = {"angry": "65", "happy": "0", "neutral": "30 because", "sad": "05"}
    found = from_numeric(said, BIG_FOUR)
    assert found.distribution == pytest.approx([0.65, 0, 0.3, 0.05])
    assert found.warning is None


def test_a_number_that_is_begun_anew_is_taken_whole():
    said = {"angry": " 0.65", "happy": "5%", "neutral": ".3", "sad": "0.0"}
    assert from_numeric(said, BIG_FOUR).distribution == pytest.approx([0.65, 0.05, 0.3, 0])


def test_reasoning_ends_in_a_probability_and_the_last_one_counts():
    said = {
        "sad": "A first guess is Probability: 90%. But the voice is bright.\n**Probability:** 20%",
        "happy": "The words are glad, with 3 laughs.\nProbability: 0.8",
    }
    assert from_chain(said, LABELS).distribution == pytest.approx([0.2, 0.8])


@pytest.mark.parametrize("read", [from_numeric, from_chain])
def test_labels_without_a_number_count_nought_and_nothing_at_all_is_uniform(read: object):
    ask = from_chain if read is from_chain else from_numeric
    some = ask({"sad": "Probability: 40%" if ask is from_chain else "40", "happy": "who knows"}, LABELS)
    assert some.distribution == pytest.approx([1, 0])
    assert some.warning == "no probability for happy, counted 0"
    for said in ({}, {"sad": "", "happy": "Probability: 120%"}, {"sad": "123", "happy": "1.5"}):
        none = ask(said, LABELS)
        assert none.distribution == pytest.approx([0.5, 0.5])
        assert none.problem == "no answer holds a probability"
    naught = ask(dict.fromkeys(LABELS, "Probability: 0%" if ask is from_chain else "00"), LABELS)
    assert naught.problem == "all probabilities are 0"
