"""Percentages as models write them, and as they should not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.elicitation import from_percentages, tally, word_for, words_of
from agent.elicitation.words import mentions
from agent.labels import BIG_FOUR, EIGHT


def shares(text: str) -> list[float]:
    """Angry, happy, neutral, sad; percent."""
    stated = from_percentages(text, BIG_FOUR)
    assert stated.distribution is not None, stated.problem
    assert stated.distribution.sum() == pytest.approx(1)
    return [round(100 * float(p), 2) for p in stated.distribution]


@pytest.mark.parametrize(
    "text",
    [
        "Happiness: 0%, Neutral: 0%, Sadness: 35%, Anger: 65%",
        "anger 65 %; sadness 35 %",
        "Sadness - 35%\nAnger - 65%",
        "65% anger, 35% sadness",
        "There is a 65% chance of anger and 35% of sadness.",
        '```json\n{"angry": 65, "sad": 35, "happy": 0}\n```',
        "{'anger': 0.65, 'sadness': 0.35}",
        "1. **Anger**: ~65 percent\n2. **Sadness**: about 35 per cent",
        "| Anger | 65 |\n| Sadness | 35 |",
        "anger 65% sadness 35%",
        "65% anger 35% sadness",
        "ANGER: 65.0%, SADNESS: 34-36%",
        "Anger: 65\uff05, Sadness: 30 to 40 %",
        "Anger: 65,0 %, Sadness: 35,0 %",
        "Anger: 130/200? No. Anger: 65%, sadness: 35%",
    ],
)
def test_the_same_distribution_is_read_however_it_is_written(text: str):
    assert shares(text) == [65, 0, 0, 35]


def test_what_does_not_sum_to_100_is_divided_by_its_sum_and_the_sum_is_told():
    stated = from_percentages("Anger: 60%, Happiness: 60%", BIG_FOUR)
    assert stated.distribution == pytest.approx([0.5, 0.5, 0, 0])
    assert stated.total == 120
    assert stated.missing == ("neutral", "sad")


def test_other_words_for_a_label_are_added_up_and_a_word_said_again_is_corrected():
    assert shares("Happiness: 20%, Excitement: 30%, Anger: 50%") == [50, 50, 0, 0]
    assert shares("Anger: 90%, sad: 10%. On second thought, angry: 30%, sad: 10%") == [75, 0, 0, 25]


def test_percentages_of_other_feelings_are_left_out_and_counted():
    stated = from_percentages("Anger: 40%, Fear: 20%, Frustration: 40%", BIG_FOUR)
    assert stated.distribution == pytest.approx([1, 0, 0, 0])
    assert stated.n_strange == 2
    with_fear = from_percentages("Anger: 40%, Fear: 60%", EIGHT)
    assert with_fear.distribution == pytest.approx([0.4, 0, 0, 0, 0.6, 0, 0, 0])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "none of the labels a number"),
        ("I cannot tell.", "none of the labels a number"),
        ("The speaker sounds angry.", "none of the labels a number"),
        ("Anger\nis 65", "none of the labels a number"),
        ("Anger: 0%, Sadness: 0%", "all percentages are 0"),
        ("Anger: -5%, Sadness: 105%", "negative"),
        ("Anger: 150%", "above 100"),
        ("Anger: nan%, Sadness: inf%", "none of the labels a number"),
    ],
)
def test_an_invalid_answer_is_none_with_its_reason(text: str, problem: str):
    stated = from_percentages(text, BIG_FOUR)
    assert stated.distribution is None
    assert problem in (stated.problem or "")


def test_invalid_answers_are_counted_by_reason():
    counted = tally(from_percentages(text, BIG_FOUR) for text in ("Anger: 10%", "", "what?", "Anger: 0%"))
    assert (counted.n, counted.n_invalid, counted.invalid_share) == (4, 3, 0.75)
    assert counted.problems == (("the answer gives none of the labels a number", 2), ("all percentages are 0", 1))
    assert tally([]).invalid_share == 0


def test_words_are_found_whole_and_those_of_other_labels_told_apart():
    found = mentions("Angry, not hungry; UNHAPPY and fearful, angrywords", BIG_FOUR)
    assert [(each.label, each.key) for each in found] == [("angry", "angry"), ("sad", "unhappy"), (None, "fearful")]


def test_prompts_name_labels_by_words_of_their_own():
    assert [word_for(label, wording="ambiguous") for label in BIG_FOUR] == ["anger", "happiness", "neutral", "sadness"]
    assert [word_for(label, wording="single") for label in BIG_FOUR] == ["Angry", "Happiness", "Neutral", "Sadness"]
    assert [word_for(label) for label in EIGHT] == list(EIGHT)
    assert words_of("bored") == ("bored",)
    assert len({word for label in EIGHT for word in words_of(label)}) == sum(len(words_of(label)) for label in EIGHT)


@given(st.text(alphabet="anger sdhpy:%-,.0123456789\n{}\"'|", max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_gives_a_distribution_or_a_reason(text: str):
    stated = from_percentages(text, BIG_FOUR)
    assert (stated.distribution is None) == (stated.problem is not None)
    if stated.distribution is not None:
        assert stated.distribution.sum() == pytest.approx(1)
        assert stated.distribution.min() >= 0
