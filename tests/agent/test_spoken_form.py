"""What a recogniser would have returned for a text, and where negation reaches."""

from __future__ import annotations

import pytest

from agent.backends.emotion.spoken import spell_number, tokens_of, words_of


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("I can\u2019t BELIEVE it!!!", "i can't believe it"),
        ("[NAME] won \U0001f389\U0001f389 :-)", "won"),
        ("It's 3 o'clock, 100% sure", "it's three o'clock one hundred percent sure"),
        ("sooooo goooood", "soo good"),
        ("dont worry, Im fine", "don't worry i'm fine"),
        ("see https://example.org/x?y=1 or /r/pics", "see or"),
        ("you & me", "you and me"),
        ("1,234,567 times", "many times"),
        ("<unk> ...", ""),
        ("", ""),
        ("well ill-timed", "well ill timed"),
    ],
)
def test_written_text_becomes_what_a_recogniser_returns(written: str, spoken: str):
    assert " ".join(words_of(written)) == spoken


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "zero"), (19, "nineteen"), (42, "forty two"), (305, "three hundred five"), (2026, "two thousand twenty six")],
)
def test_numbers_are_spelt(number: int, words: str):
    assert spell_number(number) == words


def test_spoken_form_of_spoken_form_is_itself():
    once = words_of("I'm NOT 21, don't ask [NAME]... sooo annoying!")
    assert words_of(" ".join(once)) == once


@pytest.mark.parametrize(
    ("text", "negated"),
    [
        ("i am not happy about this at all", ["happy", "about", "this"]),
        ("i am not happy but glad", ["happy"]),
        ("no i really like it", []),
        ("i have no friends", ["friends"]),
        ("i can't stop crying", []),
        ("i have never been so happy", ["been"]),
        ("happy", []),
    ],
)
def test_negation_reaches_three_words_within_the_clause(text: str, negated: list[str]):
    assert [token.word for token in tokens_of(text) if token.negation] == negated


def test_a_negated_word_is_shown_with_all_words_from_its_negator():
    assert [token.shown for token in tokens_of("i don't feel good")] == ["i", "don't", "don't feel", "don't feel good"]


@pytest.mark.parametrize(
    ("text", "telling"),
    [
        ("i am not happy", ["not happy"]),
        ("nothing makes me happy", ["nothing", "nothing makes me happy"]),
        ("i'm not sad anymore", ["not sad"]),
        ("you and i", []),
    ],
)
def test_only_the_word_a_negator_meets_can_be_evidence(text: str, telling: list[str]):
    assert [token.shown for token in tokens_of(text) if token.is_telling] == telling
