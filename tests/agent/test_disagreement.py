"""Where hypotheses differ."""

from __future__ import annotations

import pytest

from agent.r3.disagreement import spots


@pytest.mark.parametrize(
    ("hypotheses", "expected"),
    [
        ((), ()),
        (("one",), ()),
        (("Hello, there!", "hello there"), ()),
        (("a b c", "a x c"), (("b", "x"),)),
        (("a b c", "a x c", "a x c", "a y c"), (("b", "x", "y"),)),
        (("a b c", "a c"), (("b", ""),)),
        (("a c", "a b c"), (("", "b"),)),
        (("", "a"), (("", "a"),)),
        (("a b c d", "x b c y"), (("a", "x"), ("d", "y"))),
    ],
)
def test_places_hold_the_words_of_the_best_and_of_the_others(hypotheses: tuple[str, ...], expected: tuple[object, ...]):
    assert spots(hypotheses) == expected


def test_at_most_so_many_places_are_told():
    best = " ".join(f"a{i} same{i}" for i in range(20))
    assert len(spots((best, best.replace("a", "b").replace("sbme", "same")), most=4)) == 4


def test_a_thousand_words_ten_times_are_compared():
    lists = tuple(" ".join(f"w{(i * j) % 37}" for i in range(1000)) for j in range(1, 11))
    assert len(spots(lists)) == 6
