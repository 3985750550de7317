from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.endings import CANNOT_END, MAY_GO_ON, openness


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0.0),
        ("   ", 0.0),
        ("i feel fine", 0.0),
        ("i feel fine.", 0.0),
        ("i went there and", 1.0),
        ("I went there, and...", 1.0),
        ("well i think um", 1.0),
        ("because", 1.0),
        ("it was the", 1.0),
        ("and then i'm", 1.0),
        ("and then I\u2019m", 1.0),
        ("what are you looking for", 0.5),
        ("what are you looking for?", 0.0),
        ("so do i", 0.5),
        ("So do I!", 0.5),
        ("first of all,", 1.0),
        ("no \u2013", 1.0),
        ("mm-hmm", 0.0),
        ("the sand", 0.0),
    ],
)
def test_the_last_word_and_its_sign_say_whether_more_is_to_come(text: str, expected: float):
    assert openness(text) == expected


def test_other_languages_are_judged_by_their_signs_alone():
    assert openness("ich rufe an", language="de") == 0.0
    assert openness("ich rufe an ...", language="de") == 1.0
    assert openness("it is an", language="en-US") == 1.0


def test_no_word_is_in_both_lists():
    assert not CANNOT_END & MAY_GO_ON


@given(st.text())
def test_any_text_gets_an_answer(text: str):
    assert openness(text) in {0.0, 0.5, 1.0}
