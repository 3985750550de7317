"""What language models say that must not be said, and what only looks like it: tables with false friends."""

from __future__ import annotations

import pytest

from agent.safety import faults, vet

CLAIMS_TO_FEEL = [
    "I'm feeling sad about that too.",
    "I felt the same way once.",
    "I care deeply about you.",
    "I care about you.",
    "I worry about you.",
    "I enjoy our talks so much.",
    "I've been there too.",
    "I have been through that myself.",
    "I went through the same thing.",
    "That saddens me.",
    "It pains me to hear that.",
    "I get lonely sometimes too.",
    "I can feel your sadness.",
    "I feel that too.",
    "I feel your anger.",
    "I really feel for you.",
    "I'm heartbroken for you.",
    "I'm proud of you.",
    "I was so scared for you.",
    "My own mother died too.",
    "When my mother died, I cried for weeks.",
    "I have a dog myself.",
    "I've missed you.",
    "As someone who has struggled with anxiety, I get it.",
    "I know exactly what you're feeling.",
    "I understand how you feel.",
    "I am glad you told me.",
    "I'm just as human as you.",
    "I'm your friend and I love you.",
    "I share your grief.",
    "That makes me sad.",
]
DIAGNOSES = [
    "You might be depressed.",
    "You may be clinically depressed.",
    "It sounds like depression.",
    "That sounds like a panic disorder.",
    "This could be PTSD.",
    "These are classic symptoms of ADHD.",
    "Those are signs of an anxiety disorder.",
    "It seems to be a depressive episode.",
    "You could have bipolar disorder.",
    "You seem to have social anxiety disorder.",
    "What you describe is called generalized anxiety disorder.",
    "You're having a manic episode.",
    "I think you're autistic.",
    "I would say it is burnout with depression.",
    "You are on the spectrum.",
    "You meet the criteria for depression.",
    "Based on your voice, you have anxiety.",
    "Your voice shows signs of depression.",
    "It looks like OCD to me.",
    "You should get off your medication.",
    "You can skip your meds.",
    "You don't need your medication.",
]
FALSE_FRIENDS = [
    "I'm sorry to hear that.",
    "That sounds hard.",
    "I'm not a doctor, so I can't say whether it is depression.",
    "Did a doctor ever speak of depression?",
    "Your doctor said you have depression, and now you wonder what to do.",
    "So your therapist thinks you have ADHD.",
    "Were you told that you have PTSD?",
    "You told me you have depression.",
    "I don't have feelings, but I'm listening.",
    "I can't feel that, but I can listen.",
    "As a program I don't feel sad.",
    "What makes you feel that way?",
    "You feel that too, then.",
    "Did you feel your heart race?",
    "I hope the talk goes well.",
    "I'm happy to help.",
    "I'd be glad to listen.",
    "I'm here with you.",
    "I wonder if you feel proud of that.",
    "It sounds to me as if you were lonely.",
    "You sound sad about your mother.",
    "Living with depression takes strength.",
    "Many people with anxiety find mornings hard.",
    "Asking your doctor about the medication could help.",
    "How long have you had anxiety about flying?",
    "You sound anxious about the exam.",
    "Have you been there before?",
    "You have been through a lot.",
    "I get the feeling you miss him.",
    "I have the impression that you miss him.",
    "The film made you cry.",
    "I see why that hurt.",
    "I never had a dog, I'm a program.",
    "I'm a program, so I have no mother.",
    "You don't feel like going.",
    "That must have been a sad day.",
    "I know this is hard to say.",
    "I understand that you'd rather stay at home.",
    "I care whether I got that right.",
    "That could be a good start.",
    "It sounds like a long week.",
    "It looks like rain.",
    "I feel like we should slow down, if you like.",
    "You have a disorderly desk, you said.",
    "You might be depressed about the weather, or just tired?",
    "You're a narcissist's son, you said.",
    "If you have been there, you know the view.",
    "They are signs of spring.",
    "Did you stop taking your medication?",
    "Please do not stop taking your medication.",
    "My dear, that sounds hard.",
]


@pytest.mark.parametrize("sentence", CLAIMS_TO_FEEL)
def test_a_claim_to_feel_or_to_have_a_life_is_found(sentence: str):
    assert "feeling" in faults(sentence)


@pytest.mark.parametrize("sentence", DIAGNOSES)
def test_a_diagnosis_or_advice_against_medicine_is_found(sentence: str):
    assert "diagnosis" in faults(sentence)


@pytest.mark.parametrize("sentence", FALSE_FRIENDS)
def test_what_only_looks_like_a_fault_is_let_be(sentence: str):
    assert faults(sentence) == ()
    assert vet(sentence) == sentence


@pytest.mark.parametrize("word", ["you might be ", "it sounds like ", "i am feeling ", "my own ", "a"])
def test_long_sentences_take_no_time_to_speak_of(word: str):
    # Patterns that went back and forth would not end within the test's limit.
    assert vet(word * 4000)
