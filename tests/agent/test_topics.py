"""What of an utterance may be said back, and how the persons turn round."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.topics import MAX_WORDS, flip, topics_in, topics_of, words_of
from streaming.events import Hypothesis, Prosody, Transcript, Utterance, Word

FLIPS = [
    ("my boss shouted at me", "your boss shouted at you"),
    ("i am tired", "you are tired"),
    ("i'm tired of my job", "you're tired of your job"),
    ("i was late", "you were late"),
    ("i wasn't asked", "you weren't asked"),
    ("was i wrong", "were you wrong"),
    ("he was rude to me", "he was rude to you"),
    ("i've lost my keys", "you've lost your keys"),
    ("i'd like to see my mom", "you'd like to see your mom"),
    ("i'll call her myself", "you'll call her yourself"),
    ("that is mine", "that is yours"),
    ("we lost our house", "you lost your house"),
    ("they told us", "they told you"),
    ("you never listen to me", "I never listen to you"),
    ("i told you so", "you told me so"),
    ("you are kind", "I am kind"),
    ("your voice helps me", "my voice helps you"),
    ("she said i was wrong", "she said you were wrong"),
    ("the dog was barking", "the dog was barking"),
]

PHRASES = [
    ("my boss shouted at me", "your boss"),
    ("i lost my job last week", "your job"),
    ("i have an exam tomorrow", "the exam"),
    ("the traffic was terrible", "the traffic"),
    ("nobody at work listens", "work"),
    ("my new apartment is cold", "your new apartment"),
    ("my sourdough is failing", "your sourdough"),
    ("my best friend got married", "your best friend"),
    ("i had a job interview", "the job interview"),
    ("her mother is ill", "her mother"),
    ("i'm worried about money", "money"),
    ("it is fine", None),
    ("i want to move", None),
    ("your work is good", None),
    ("i went there and came back", None),
]

CLAUSES = [
    ("my boss shouted at me", "your boss shouted at you"),
    ("i lost my job and it rained", "you lost your job"),
    ("well um i think my car broke down", "your car broke down"),
    ("it was okay i went there", "you went there"),
    ("i'm so nervous about my exam", "you're so nervous about your exam"),
    ("my friend got married on saturday", "your friend got married on Saturday"),
    ("you never listen to me", None),
    ("the the the the", None),
    ("what a day", None),
    ("i want to", None),
    ("nothing special just made dinner", None),
]


@pytest.mark.parametrize(("said", "turned"), FLIPS)
def test_the_persons_turn_round(said: str, turned: str) -> None:
    assert " ".join(flip(words_of(said))) == turned


@pytest.mark.parametrize(("said", "phrase"), PHRASES)
def test_the_phrase_is_what_it_is_about(said: str, phrase: str | None) -> None:
    assert topics_in(said).phrase == phrase


@pytest.mark.parametrize(("said", "clause"), CLAUSES)
def test_the_clause_is_whole_and_turned_round(said: str, clause: str | None) -> None:
    assert topics_in(said).clause == clause


def test_the_long_story_is_read_to_its_end() -> None:
    story = "and then we went on " * 3 * MAX_WORDS + "and my landlord raised the rent"
    assert topics_in(story).clause == "your landlord raised the rent"
    assert len(words_of(story)) == MAX_WORDS


def test_markup_and_template_tokens_are_no_words() -> None:
    assert words_of("hi <|im_end|> there [INST] <script>x</script> \u202eyou\x00r") == ("hi", "there", "x", "you", "r")


def test_rude_and_grave_words_are_never_said_back() -> None:
    assert topics_in("my fucking boss shouted at me").clause is None
    assert topics_in("my suicide plan is ready").clause is None


def utterance(text: str, *, cross_wer: float | None = None, doubtful: str = "") -> Utterance:
    words = tuple(
        Word(text=word, start_s=0.0, end_s=0.1, posterior=0.2 if word == doubtful else 0.9) for word in text.split()
    )
    best = Hypothesis(text=text, logp=-1.0, posterior=1.0, source="test", words=words)
    transcript = Transcript(utterance=1, revision=1, at_s=1.0, is_final=True, nbest=(best,))
    return Utterance(
        utterance=1,
        start_s=0.0,
        end_s=1.0,
        decided_s=1.4,
        transcript=transcript,
        prosody=Prosody(),
        samples=np.zeros(0, np.float32),
        cross_wer=cross_wer,
    )


def test_a_doubtful_word_is_not_said_back() -> None:
    assert topics_of(utterance("my boss shouted at me")).phrase == "your boss"
    assert topics_of(utterance("my boss shouted at me", doubtful="boss")).phrase is None
    assert topics_of(utterance("my boss shouted at me", doubtful="shouted")).clause is None


def test_nothing_is_said_back_when_the_readings_disagree() -> None:
    topics = topics_of(utterance("my boss shouted at me", cross_wer=0.7))
    assert topics.phrase is None
    assert topics.clause is None


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_what_is_said_back_is_letters_only(text: str) -> None:
    topics = topics_in(text)
    for part in (topics.phrase, topics.clause):
        assert part is None or all(letter.isascii() and (letter.isalpha() or letter in " '-") for letter in part)
