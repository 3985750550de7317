"""Cutting an answer into sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sentences import SentenceCutter, sentences_of, speakable


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", []),
        ("Hello", ["Hello"]),
        ("I see. What then?", ["I see. ", "What then?"]),
        ('He said "no!" Really?', ['He said "no!" ', "Really?"]),
        ("Dr. Smith came at 3.5 p.m. today", ["Dr. Smith came at 3.5 p.m. today"]),
        ("I said no. Then I left.", ["I said no. ", "Then I left."]),
        ("Line one\nLine two", ["Line one\n", "Line two"]),
        ("Well... yes", ["Well... ", "yes"]),
    ],
)
def test_sentences_end_where_a_reader_would_breathe(text: str, sentences: list[str]):
    assert sentences_of(text) == sentences


def test_a_sentence_is_given_as_soon_as_the_next_begins():
    cutter = SentenceCutter()

    assert cutter.feed("I am sor") == []
    assert cutter.feed("ry. ") == []
    assert cutter.feed("What") == ["I am sorry. "]
    assert cutter.flush() == ["What"]
    assert cutter.flush() == []


def test_endless_sentences_are_cut_at_a_comma_or_a_space_or_anywhere():
    assert sentences_of("one and two and three, and four and five", longest=30) == [
        "one and two and three, ",
        "and four and five",
    ]
    assert sentences_of("aaaa bbbb cccc", longest=10) == ["aaaa bbbb ", "cccc"]
    assert sentences_of("a" * 25, longest=10) == ["a" * 10, "a" * 10, "a" * 5]


@given(pieces=st.lists(st.text("ab .,!?\n", max_size=30), max_size=10), longest=st.integers(5, 40))
def test_nothing_is_lost_and_nothing_is_too_long(pieces: list[str], longest: int):
    cutter = SentenceCutter(longest=longest)

    cut = [sentence for piece in pieces for sentence in cutter.feed(piece)] + cutter.flush()

    assert "".join(cut) == "".join(pieces)
    assert max(map(len, cut), default=0) <= longest
    assert all(cut)


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("a\x00b\x1b[31m red", "a b 31m red"),
        ("[[h@l@U]] <speak> {x} *very* _good_ `code`", "h@l@U speak x very good 'code'"),
        ("  two\n lines\t", "two lines"),
        ("it\N{RIGHT SINGLE QUOTATION MARK}s\N{ZERO WIDTH SPACE}fine", "it's fine"),
        ("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "caf\N{LATIN SMALL LETTER E WITH ACUTE}"),
        ("\ud800", ""),
        ("hi \N{GRINNING FACE}\N{VARIATION SELECTOR-16} 20\N{DEGREE SIGN}", "hi 20\N{DEGREE SIGN}"),
        ("well\N{EM DASH}yes, \N{LEFT DOUBLE QUOTATION MARK}ok\N{RIGHT DOUBLE QUOTATION MARK}", 'well, yes, "ok"'),
    ],
)
def test_only_what_can_be_spoken_reaches_a_voice(text: str, spoken: str):
    assert speakable(text) == spoken
