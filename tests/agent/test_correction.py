"""What the user says of their feeling: heard only where it is meant, and then above what was read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agent.backends.emotion.scripted import UNCLEAR, scripted_estimate
from agent.correction import EmotionCorrection, corrected, spoken_correction
from agent.labels import ANCHORS, BIG_FOUR, EIGHT

ANGRY = replace(scripted_estimate("angry"), utterance=7, revision=3, hidden="sad", reason="shouting")


def by_hand(label: str | None = None, *, denied: tuple[str, ...] = (), text: str | None = None) -> EmotionCorrection:
    return EmotionCorrection(utterance=7, label=label, denied=denied, text=text)


@pytest.mark.parametrize(
    ("said", "read", "label", "denied"),
    [
        ("I'm not angry.", "angry", None, "angry"),
        ("im not angry", "angry", None, "angry"),
        ("no i'm not mad at all", "angry", None, "angry"),
        ("I'm really not angry, I promise", "angry", None, "angry"),
        ("i wasn't angry i was just kidding", "angry", None, "angry"),
        ("I\u2019m not angry, I\u2019m just disappointed.", "angry", "sad", "angry"),
        ("i'm not sad just tired", "sad", "neutral", "sad"),
        ("I'm not sad, I'm fine", "sad", "neutral", "sad"),
        ("no i'm sad actually", "angry", "sad", "angry"),
        ("No, I'm sad, actually.", "happy", "sad", "happy"),
        ("actually i'm scared", "angry", "fearful", "angry"),
        ("I was joking, I'm fine", "angry", "neutral", "angry"),
        ("just kidding", "sad", None, "sad"),
        ("That's not it, I'm scared.", "angry", "fearful", "angry"),
        ("you got me wrong i'm happy", "sad", "happy", "sad"),
    ],
)
def test_a_plain_correction_is_heard(said: str, read: str, label: str | None, denied: str):
    found = spoken_correction(said, replace(scripted_estimate(read), utterance=7))
    assert found is not None
    assert (found.utterance, found.label, found.denied, found.is_spoken) == (7, label, (denied,), True)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("i'm not angry enough", "angry"),
        ("i'm not angry with you but with him", "angry"),
        ("i'm not angry anymore", "angry"),
        ("i'm not angry yet", "angry"),
        ("i'm not angry i'm furious", "angry"),
        ("i'm not just angry", "angry"),
        ("I'm not only sad, I'm scared.", "sad"),
        ("I'm not angry?", "angry"),
        ("No, I'm sad, actually?", "angry"),
        ("i'm not saying i'm angry", "angry"),
        ("am i not angry", "angry"),
        ("he said i'm not angry", "angry"),
        ("i told her i'm not angry", "angry"),
        ("i'm not angry he said", "angry"),
        ("if i'm not angry who will be", "angry"),
        ("why do you think i'm not angry", "angry"),
        ("i'm not kidding", "angry"),
        ("i'm not joking i'm furious", "angry"),
        ("i was kidding myself", "sad"),
        ("he was joking", "angry"),
        ("i was joking with my brother yesterday", "sad"),
        ("just kidding", "happy"),
        ("no i'm fine", "sad"),
        ("no thanks i'm good", "sad"),
        ("actually i'm good", "sad"),
        ("i'm sad", "angry"),
        ("no i'm sad about the cat", "angry"),
        ("no i'm sad", "sad"),
        ("i'm not happy", "sad"),
        ("i'm not okay", "neutral"),
        ("i'm not angry", "sad"),
        ("i'm not sad", "angry"),
        ("no", "angry"),
        ("", "angry"),
        ("actually i'm sad " * 50, "angry"),
    ],
)
def test_false_friends_are_let_pass(said: str, read: str):
    assert spoken_correction(said, scripted_estimate(read)) is None


def test_where_nothing_was_read_nothing_is_corrected():
    assert spoken_correction("i'm not angry", UNCLEAR) is None
    assert spoken_correction("i'm not angry", None) is None


def test_a_label_that_is_named_takes_over():
    found = corrected(ANGRY, by_hand("sad"))
    assert (found.top, found.is_corrected, found.revision, found.utterance) == ("sad", True, 4, 7)
    assert found.distribution == pytest.approx((0.05 / 3, 0.05 / 3, 0.05 / 3, 0.95))
    assert (found.hidden, found.reason, found.compound) == (None, None, ())
    assert found.valence is not None
    assert found.valence == pytest.approx(ANCHORS["sad"].valence, abs=0.05)


def test_a_label_that_is_denied_goes_out_and_the_others_share_alike():
    found = corrected(ANGRY, by_hand(denied=("angry",)))
    assert found.distribution == pytest.approx((0.0, 1 / 3, 1 / 3, 1 / 3))
    assert found.top is None


def test_denying_one_of_two_leaves_the_other():
    torn = replace(ANGRY, distribution=(0.5, 0.02, 0.03, 0.45))
    found = corrected(torn, by_hand(denied=("angry",)))
    assert found.top == "sad"
    assert sum(found.distribution) == pytest.approx(1)


def test_a_description_counts_a_quarter_as_in_paper_003():
    found = corrected(ANGRY, by_hand(text="rather hopeful"), description=(0.0, 1.0, 0.0, 0.0))
    expected = 0.75 * np.array(ANGRY.distribution) + 0.25 * np.array([0.0, 1, 0, 0])
    assert found.distribution == pytest.approx(expected)
    denied = corrected(ANGRY, by_hand(denied=("angry",), text="hopeful"), description=(0.0, 1.0, 0.0, 0.0))
    assert denied.top == "happy"


def test_a_feeling_outside_the_set_shows_among_the_eight_and_the_top_is_unclear():
    found = corrected(ANGRY, by_hand("fearful"))
    assert found.top is None
    assert dict(found.eight)["fearful"] == pytest.approx(0.95)
    assert found.arousal == pytest.approx(ANCHORS["fearful"].arousal, abs=0.05)


def test_the_eight_follow_the_correction():
    eight = tuple((label, 0.65 if label == "angry" else 0.05) for label in EIGHT)
    denied = dict(corrected(replace(ANGRY, eight=eight), by_hand(denied=("angry",))).eight)
    assert denied["angry"] == 0
    assert sum(denied.values()) == pytest.approx(1)
    named = dict(corrected(replace(ANGRY, eight=eight), by_hand("sad")).eight)
    assert named["sad"] == pytest.approx(0.95)


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -1.0])
def test_a_broken_reading_is_corrected_all_the_same(broken: float):
    found = corrected(replace(ANGRY, distribution=(broken, 0.0, 0.0, 0.0)), by_hand(denied=("angry",)))
    assert found.distribution == pytest.approx((0.0, 1 / 3, 1 / 3, 1 / 3))


def test_denying_everything_changes_nothing_but_that_the_user_spoke():
    found = corrected(ANGRY, by_hand(denied=BIG_FOUR))
    assert found.distribution == pytest.approx(ANGRY.distribution)
    assert found.is_corrected


@pytest.mark.parametrize(
    "values",
    [{}, {"text": "  "}, {"label": "blue"}, {"denied": ("blue",)}, {"label": "sad", "denied": ("sad",)}],
)
def test_a_correction_that_says_nothing_or_nonsense_is_refused(values: dict[str, Any]):
    with pytest.raises(ValueError, match=r"needs|no label|both"):
        EmotionCorrection(utterance=1, **values)
