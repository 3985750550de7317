"""What words said over the agent mean."""

from __future__ import annotations

import pytest

from agent.overlap import BACK_CHANNELS, STOPS, Overlap, overlap, words_of


def look(text: str, *, agent: str = "") -> Overlap:
    return overlap(words_of(text), agent=words_of(agent), max_back_channels=2, echo_share=0.6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Mm-hmm.", ("mm", "hmm")),
        ("That\N{RIGHT SINGLE QUOTATION MARK}s right!", ("that's", "right")),
        ("  ", ()),
        ("24 hours", ("24", "hours")),
    ],
)
def test_words_are_compared_without_case_and_punctuation(text: str, words: tuple[str, ...]):
    assert words_of(text) == words


@pytest.mark.parametrize("phrase", BACK_CHANNELS)
def test_each_back_channel_holds_no_real_word(phrase: str):
    assert look(phrase) == Overlap(n_words=len(phrase.split()))


@pytest.mark.parametrize("phrase", STOPS)
def test_each_stop_phrase_stops(phrase: str):
    assert look(phrase).is_stop


@pytest.mark.parametrize(
    ("text", "n_real"),
    [
        ("", 0),
        ("um uh hmm oh", 0),
        ("yeah yeah", 0),
        ("yeah yeah yeah", 3),
        ("i see a problem", 2),
        ("right but no", 2),
        ("really tired", 1),
    ],
)
def test_real_words_are_those_that_no_listener_says(text: str, n_real: int):
    assert look(text).n_real == n_real


def test_a_stop_word_inside_a_sentence_is_an_ordinary_word():
    assert not look("I couldn't stop crying").is_stop


def test_the_agents_stop_words_are_echo():
    assert look("wait for me", agent="I will wait for me and you") == Overlap(n_words=3, is_echo=True)


def test_single_shared_words_are_no_echo():
    assert look("you are wrong and the", agent="the end and you know").n_real == 5


def test_words_in_another_order_are_no_echo():
    assert not look("today work at happened", agent="happened at work today").is_echo
