from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.backends.whisper_values import HeardWord
from streaming.backends.whisper_words import aligned, joined, place_to_cut, spoken_pieces, timed_like, word_texts


def heard(text: str, *, each_s: float = 1.0, gap_s: float = 0.0) -> list[HeardWord]:
    step_s = each_s + gap_s
    return [HeardWord(text=w, start_s=i * step_s, end_s=i * step_s + each_s) for i, w in enumerate(text.split())]


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([" So", ",", " I", " am", "."], ["So,", "I", "am."]),
        ([" he", " said", ' "', "yes", '"', "."], ["he", "said", '"yes".']),
        (["\u00bf", "Qué", " pasa", "?"], ["\u00bfQué", "pasa?"]),
        ([" well", " -", " no"], ["well", "-no"]),
        ([" it", "'s"], ["it", "'s"]),
        ([".", " a"], [".", "a"]),
        ([], []),
    ],
)
def test_marks_go_with_their_words(pieces: list[str], words: list[str]):
    assert word_texts(pieces) == words


def test_pieces_of_words_are_counted():
    assert spoken_pieces([" he", " said", ' "', "yes", '"', "."]) == [("he", 0, 1), ("said", 1, 2), ('"yes".', 2, 6)]


def test_words_take_times_and_probabilities_from_the_alignment():
    path = [(0, 0), (0, 10), (1, 20), (1, 25), (2, 40), (3, 50), (3, 60)]
    words = aligned([" one", " two", "."], [1, 1, 1], path=path, probabilities=[0.5, 0.75, 0.25])
    assert words == (
        HeardWord(text="one", start_s=0.0, end_s=0.4, probability=0.5),
        HeardWord(text="two.", start_s=0.4, end_s=1.0, probability=0.5),
    )


def test_an_alignment_that_does_not_cover_the_words_is_none():
    assert aligned([" one", " two"], [1, 1], path=[(0, 0), (1, 5)], probabilities=[0.5, 0.5]) is None


def test_other_readings_take_the_times_of_the_words_they_share():
    known = heard("i told you that")
    words = timed_like(["I", "sold", "it", "you", "that"], known, heard_s=9.0)
    assert [(w.text, w.start_s, w.end_s) for w in words] == [
        ("I", 0.0, 1.0),
        ("sold", 1.0, 1.5),
        ("it", 1.5, 2.0),
        ("you", 2.0, 3.0),
        ("that", 3.0, 4.0),
    ]


WORDS = st.lists(st.sampled_from("abcd"), max_size=8)


@given(WORDS, WORDS)
def test_borrowed_times_are_in_order_and_words_complete(said: list[str], known: list[str]):
    words = timed_like(said, heard(" ".join(known)), heard_s=10.0)
    assert [word.text for word in words] == said
    edges = [edge for word in words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)


def test_a_long_utterance_is_cut_in_the_longest_gap_near_the_end():
    words = [
        *heard("a b c d"),
        HeardWord(text="e", start_s=6.0, end_s=7.0),
        HeardWord(text="f", start_s=7.0, end_s=9.0),
    ]
    assert place_to_cut(words, before_s=8.0) == (4, 5.0)


def test_a_long_silence_at_the_end_is_cut_behind_the_last_word():
    assert place_to_cut(heard("a b"), before_s=20.0) == (2, 11.0)


def test_no_word_in_time_is_no_place_to_cut():
    assert place_to_cut([HeardWord(text="aah", start_s=0.0, end_s=27.0)], before_s=25.0) is None
    assert place_to_cut([], before_s=25.0) is None


@pytest.mark.parametrize(("language", "text"), [("en", "a b"), ("ja", "ab"), (None, "a b")])
def test_words_are_joined_as_the_language_writes_them(language: str | None, text: str):
    assert joined(["a", "b"], language=language) == text
