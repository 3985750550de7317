"""What models write instead of what they were asked for, and what is read from it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.labels import BIG_FOUR, EIGHT
from agent.r3.answer import LIMIT, MAX_FIELD, Answer, parse

AS_ASKED = "Transcript: i am so tired of this\nReason: tired of this is a complaint\nEmotion: sad"
WHOLE = Answer(label="sad", transcript="i am so tired of this", reason="tired of this is a complaint")


@pytest.mark.parametrize(
    "text",
    [
        AS_ASKED,
        AS_ASKED.upper()
        .replace("I AM SO TIRED OF THIS", "i am so tired of this")
        .replace("TIRED OF THIS IS A COMPLAINT", "tired of this is a complaint"),
        "Emotion: Sad.\nReason: tired of this is a complaint\nTranscript: i am so tired of this\n",
        "**Transcript:** i am so tired of this\n\n**Reason:** tired of this is a complaint\n\n**Emotion:** **Sad**",
        "1. Transcript: i am so tired of this\n2. Reason: tired of this is a complaint\n3. Emotion: SAD!",
        '- Corrected transcript: "i am so tired of this"\n- Reasoning = tired of this is a complaint\n- Label: sadness',
        "Transcript: i am so tired of this Reason: tired of this is a complaint Emotion: sad",
        "Sure! Here it is.\nTranscript:\ni am so tired\nof this\nReason:\ntired of this\nis a complaint\nEmotion:\nsad",
        "<think>Emotion: happy? No.</think>" + AS_ASKED,
        "maybe\nEmotion: happy\n</think>\n" + AS_ASKED,
        "```\n" + AS_ASKED + "\n```",
        AS_ASKED.replace("\n", "\r\n"),
    ],
)
def test_the_three_fields_are_read_however_they_are_written(text: str):
    assert parse(text, BIG_FOUR) == WHOLE


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"transcript": WHOLE.transcript, "reason": WHOLE.reason, "emotion": "sad"}),
        json.dumps({"Emotion": "Sadness", "Reason": WHOLE.reason, "Transcript": WHOLE.transcript}, indent=2),
        "Here:\n```json\n" + json.dumps({"revised_text": WHOLE.transcript, "rationale": WHOLE.reason, "label": "sad"}),
        '{"emotion": "sad", "reason": "tired of this is a complaint", "transcript": "i am so tired of this',
        "{\n 'transcript': 'i am so tired of this',\n 'reason': 'tired of this is a complaint',\n 'emotion': 'sad'\n}",
    ],
    ids=["plain", "pretty", "fenced", "cut", "single quotes"],
)
def test_json_is_read_whole_and_broken(text: str):
    assert parse(text, BIG_FOUR) == WHOLE


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("sad", "sad"),
        ("  Sad.\n", "sad"),
        ("Happiness", "happy"),
        ("Joy!", "happy"),
        ("excited", "happy"),
        ("The emotion is anger.", "angry"),
        ("I would say the speaker is **neutral** here.", "neutral"),
        ("It does not sound angry, but sad.", "sad"),
        ("The speaker isn't happy or pleased; I predict sad.", "sad"),
        ("Words like joy come up. Still, the most likely emotion is sad.", "sad"),
        ("Predict the emotion from angry, happy, neutral, sad.\nAngry", "angry"),
        ("Sad\nReason: the speaker was happy before", "sad"),
        ("Emotion: happy\nOn second thought.\nEmotion: angry", "angry"),
        ("Emotion: sad (with a touch of anger)", "sad"),
        ("Emotion: the speaker is sad, not angry", "sad"),
        ("Emotion: sad\nEmotion:", "sad"),
        ("Emotion: sad\nEmotion: <one of angry, happy, neutral, sad>", "sad"),
        ("Emotion: [sad]", "sad"),
        ("EMOTION : sad", "sad"),
        ('{"emotion": ["sad"', "sad"),
        ("Predicted emotion: sad", "sad"),
    ],
)
def test_a_label_is_found_where_it_is_given(text: str, label: str):
    found = parse(text, BIG_FOUR)
    assert (found.label, found.problem) == (label, None)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the answer is empty"),
        (" \n\t", "the answer is empty"),
        ("Emotion:", "the answer ends before it names an emotion"),
        ("Transcript: i am so sad\nReason: the speaker says sad", "the answer ends before it names an emotion"),
        ("Emotion: frustrated", "the answer names none of angry, happy, neutral, sad: 'frustrated'"),
        ("Emotion: sad\nEmotion: bored", "the answer names none of angry, happy, neutral, sad: 'bored'"),
        ("I cannot tell.", "the answer names none of angry, happy, neutral, sad, or several: 'I cannot tell.'"),
        (
            "Could be happy, could be angry.",
            "the answer names none of angry, happy, neutral, sad, or several: 'Could be happy, could be angry.'",
        ),
        ("<think>sad, is it", "the answer is empty"),
        ("{}", "the answer is empty"),
        ('{"emotion": null}', "the answer ends before it names an emotion"),
        ("Not happy.", "?"),
        ("sadder saddle unhappyish", "?"),
    ],
)
def test_what_is_no_answer_says_why(text: str, problem: str):
    found = parse(text, BIG_FOUR)
    assert found.label is None
    assert found.problem
    assert problem in {"?", found.problem}


@pytest.mark.parametrize(
    "text",
    [
        "Predict the emotion from angry, happy, neutral, sad. Do not show your explanation.",
        "angry, happy, neutral, sad",
        "Answer in this format:\nTranscript: <text>\nReason: <text>\nEmotion: <one of angry, happy, neutral, sad>",
        "Emotion: one of angry, happy",
        "Emotion: angry, happy, neutral, sad",
        "Emotion: angry/happy/neutral/sad",
    ],
)
def test_the_question_again_is_no_answer(text: str):
    found = parse(text, BIG_FOUR)
    assert found.label is None
    assert found.problem
    assert (found.transcript, found.reason) == (None, None)


def test_words_are_of_the_list_that_was_asked_for():
    assert parse("Emotion: fear", BIG_FOUR).label is None
    assert parse("Emotion: fear", EIGHT).label == "fearful"
    assert parse("Emotion: frustrated", (*BIG_FOUR, "frustrated")).label == "frustrated"
    assert parse("Emotion: excited", ("excited", "happy")).label == "excited"
    assert parse("Emotion: fear, or rather sadness", BIG_FOUR).label is None


def test_fields_are_bounded_and_so_is_what_is_looked_at():
    found = parse("x" * LIMIT + f"Transcript: {'a ' * MAX_FIELD}\nReason: {'b' * LIMIT}\nEmotion: sad", BIG_FOUR)
    assert found.label == "sad"
    assert found.reason is None or len(found.reason) == MAX_FIELD
    assert parse(f"Reason: {'b' * 900}\nEmotion: sad", BIG_FOUR).reason == "b" * MAX_FIELD


@pytest.mark.parametrize(
    "text", ["{" * 9_000, '{"' * 9_000, "*" * 19_000, "\n" * 19_000, "Emotion: " * 2_000, "[" * 9_000]
)
def test_hostile_texts_are_read_quickly(text: str):
    assert parse(text, BIG_FOUR).label is None


@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from([*"{}[]\"':*\n", "Emotion:", " sad", "happy ", "not "])).map("".join)
)
def test_any_text_gives_an_answer_or_a_reason(text: str):
    found = parse(text, BIG_FOUR)
    assert (found.label is None) == (found.problem is not None)
    assert found.label in {None, *BIG_FOUR}
