"""What comes to mind: a table of what is recalled, and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.backends.emotion.scripted import UNCLEAR, scripted_estimate
from agent.events import EmotionEstimate, Turn
from agent.memory import STRATEGIES, MemorySettings, Strategy, recall, terms

SAD, HAPPY, ANGRY, CALM = (scripted_estimate(label) for label in ("sad", "happy", "angry", "neutral"))


def turn(text: str, estimate: EmotionEstimate | None = CALM, *, at: int = 1, is_crisis: bool = False) -> Turn:
    return Turn(
        session="s",
        seq=at,
        utterance=at,
        start_s=float(at),
        end_s=at + 1.0,
        text=text,
        nbest=(),
        estimate=estimate,
        prosody_words=(),
        reply="I see.",
        interrupted=False,
        is_crisis=is_crisis,
    )


PAST = tuple(
    turn(text, estimate, at=at)
    for at, (text, estimate) in enumerate(
        [
            ("my dog ran away in the park last summer", SAD),
            ("my boss shouted at me in the meeting", ANGRY),
            ("we are getting married in june", HAPPY),
            ("the exam in physics is on friday", CALM),
            ("my sister moved to lisbon", SAD),
            ("i played with the dog all afternoon and it was great", HAPPY),
            ("i do not know what to say", SAD),
            ("my sister had her baby", HAPPY),
        ],
        start=1,
    )
)


def recalled(text: str, estimate: EmotionEstimate | None, **settings: Strategy | float) -> list[str]:
    found = recall(text, estimate, PAST, settings=MemorySettings(**settings))  # pyright: ignore[reportArgumentType]
    return [one.turn.text for one in found]


@pytest.mark.parametrize(
    ("text", "estimate", "first"),
    [
        ("i miss my dog", SAD, "my dog ran away in the park last summer"),
        ("the dog makes me laugh", HAPPY, "i played with the dog all afternoon and it was great"),
        ("my bosses are shouting again", ANGRY, "my boss shouted at me in the meeting"),
        ("the wedding, we marry so soon", HAPPY, "we are getting married in june"),
        ("i failed my physics exams", SAD, "the exam in physics is on friday"),
        ("my sisters are far away", SAD, "my sister moved to lisbon"),
        ("my sisters are lovely", HAPPY, "my sister had her baby"),
        ("MY DOG!!", SAD, "my dog ran away in the park last summer"),
    ],
)
def test_what_is_alike_in_words_and_mood_comes_first(text: str, estimate: EmotionEstimate, first: str):
    assert recalled(text, estimate)[0] == first


@pytest.mark.parametrize(
    "text",
    ["i am so sad", "what should i do now", "", "and then i was like really you know", "la la", "12 34", "犬がいない"],
)
def test_nothing_comes_to_mind_by_mood_or_small_words_alone(text: str):
    assert recalled(text, SAD) == []


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_finds_what_shares_words_and_nothing_else(strategy: Strategy):
    found = recalled("my dog", SAD, strategy=strategy)
    assert sorted(found) == sorted([PAST[0].text, PAST[5].text])


def test_strategies_differ_in_what_they_put_first():
    past = (turn("dog dog dog", HAPPY, at=1), turn("the dog went to see aunt mary in hull", SAD, at=2))

    def first(strategy: Strategy) -> str:
        return recall("dog", SAD, past, settings=MemorySettings(strategy=strategy))[0].turn.text

    assert first("words") == "dog dog dog"
    assert first("words_then_mood") == "the dog went to see aunt mary in hull"
    assert first("mood_then_words") == "dog dog dog"
    assert first("sum") == "the dog went to see aunt mary in hull"


def test_a_shortlist_by_mood_leaves_out_what_is_far_in_mood():
    settings = MemorySettings(strategy="mood_then_words", shortlist=1)
    (only,) = recall("my dog", SAD, PAST, settings=settings)
    assert only.turn.text == PAST[0].text


def test_danger_is_never_brought_up_again():
    past = (turn("i wanted to drown in the lake", SAD, is_crisis=True),)
    assert recall("we swam in the lake", HAPPY, past) == ()


def test_the_same_words_come_up_once_and_the_later_of_equals_first():
    past = (turn("my dog", SAD, at=1), turn("my dog!", SAD, at=2))
    (only,) = recall("the dog", SAD, past)
    assert only.turn.utterance == 2


@pytest.mark.parametrize("unknown", [None, UNCLEAR, replace(SAD, labels=("w", "x", "y", "z"), top="w")])
def test_an_unknown_mood_counts_half(unknown: EmotionEstimate | None):
    (found,) = recall("the exam", unknown, (turn("the exam", SAD),))
    assert found.mood == 0.5
    assert found.words == 1.0


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200), st.lists(st.text(max_size=80), max_size=12), st.integers(0, 4))
def test_whatever_was_said_a_bounded_number_comes_back(text: str, past: list[str], most: int):
    turns = [turn(said, SAD, at=at) for at, said in enumerate(past, start=1)]
    found = recall(text, SAD, turns, most=most)
    assert len(found) <= most
    assert all(0 <= one.words <= 1 and 0 <= one.mood <= 1 for one in found)
    assert found == recall(text, SAD, turns, most=most)


@pytest.mark.parametrize(
    "words", ["stop stops stopped stopping", "worry worries worried worrying", "boss bosses boss's", "nurse nurses"]
)
def test_like_words_have_like_stems(words: str):
    assert len(set(terms(words))) == 1


@pytest.mark.parametrize(
    "bad", [{"strategy": "best"}, {"shortlist": 0}, {"k1": -1.0}, {"b": 1.1}, {"at_least": 0.0}, {"at_least": 1.5}]
)
def test_settings_that_make_no_sense_are_refused(bad: dict[str, float]):
    with pytest.raises(ValueError, match=r"expected"):
        MemorySettings(**bad)  # pyright: ignore[reportArgumentType] - on purpose
