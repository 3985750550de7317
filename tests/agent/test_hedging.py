"""First-person doubt: put where a feeling is told as a fact, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.backends.emotion.scripted import UNCLEAR, scripted_estimate
from agent.reply.hedging import FEELINGS, HEDGES, hedged, is_unsure

TOLD = [
    ("You are angry.", "you are angry."),
    ("You're really upset about it.", "you're really upset about it."),
    ("You\u2019re sad.", "you're sad."),
    ("You sound clearly furious!", "you sound furious!"),
    ("You must be so lonely.", "you must be so lonely."),
    ("You feel a bit anxious today.", "you feel a bit anxious today."),
    ("So, you seem happy.", "you seem happy."),
    ("Oh. You look hurt.", "you look hurt."),
]
LET_BE = [
    "Are you angry?",
    "You are angry?",
    "You're right to be angry.",
    "You are welcome.",
    "You are not alone.",
    "You feel that he lied.",
    "Maybe you are sad.",
    "You might be sad.",
    "It sounds to me as if you are sad.",
    "I think you are sad.",
    "You're sad, you said.",
    "If you are sad, we can wait.",
    "You moved out in May.",
    "You are down to the last page.",
    "Your dog is sad.",
    "What happened?",
    "Du bist traurig.",
    "",
]


@pytest.mark.parametrize(("sentence", "claim"), TOLD)
def test_a_feeling_told_as_a_fact_gets_doubt(sentence: str, claim: str):
    said = hedged(sentence)
    assert said.endswith(claim)
    assert any(hedge.casefold() in said.casefold() for hedge in HEDGES)
    assert hedged(said) == said


@pytest.mark.parametrize("sentence", LET_BE)
def test_other_sentences_are_let_be(sentence: str):
    assert hedged(sentence) == sentence


def test_a_feeling_that_the_user_named_needs_no_doubt():
    assert hedged("You are angry.", own_words={"angry"}) == "You are angry."


def test_doubt_is_worded_in_several_ways_and_the_same_way_each_time():
    said = {hedged("You are sad.", seed=str(seed)) for seed in range(40)}
    assert len(said) == len(HEDGES)
    assert hedged("You are sad.", seed="7") == hedged("You are sad.", seed="7")


def test_the_opener_stays_in_front():
    assert {hedged("Well, you sound sad.", seed=str(seed)) for seed in range(40)} == {
        "Well, I'm not sure, but you sound sad.",
        "Well, I may be wrong, but you sound sad.",
        "Well, my impression is that you sound sad.",
        "Well, it seems to me that you sound sad.",
    }


@pytest.mark.parametrize(
    ("confidence", "unsure"), [(0.59, True), (0.6, False), (0.9, False), (float("nan"), True), (0.0, True)]
)
def test_below_the_confidence_there_is_doubt(confidence: float, unsure: bool):
    estimate = replace(scripted_estimate("sad"), confidence=confidence)
    assert is_unsure(estimate, below=0.6) is unsure


def test_what_was_not_read_is_unsure_and_what_the_user_corrected_is_sure():
    assert is_unsure(None, below=0.6)
    assert is_unsure(UNCLEAR, below=0.0)
    assert not is_unsure(replace(scripted_estimate("sad", confidence=0.3), is_corrected=True), below=0.6)


def test_feelings_are_single_words():
    assert all(word.isalpha() and word.islower() for word in FEELINGS)
