"""How steady partial words are: counted by hand, whatever was said in the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.score.measure import ScoreSettings
from eval.score.partials import NO_WORDS, NOT_SHOWN, n_unstable, partials_measures
from tests.eval.score.ledgers import row

if TYPE_CHECKING:
    from eval.metrics import Score
    from eval.replay.row import Row

TEXTS = st.lists(st.lists(st.sampled_from("abc"), max_size=4), min_size=1, max_size=6)


def shown(name: str, *partials: str, final: str | None = None, **told: Any) -> Row:
    made = row(name, heard=[] if final is None else [final], **told)
    return replace(made, partials=[{"at_s": at / 10, "text": text} for at, text in enumerate(partials)])


def scores(*rows: Row) -> list[Score]:
    return [each.of(each.rows) for each in partials_measures(rows, ScoreSettings())]


def values(*rows: Row) -> list[float | None]:
    return [score.value for score in scores(*rows)]


def test_words_behind_the_first_change_are_unstable():
    one = shown("one", "I", "I am", "I am so", "Eye am so", final="Eye am so happy.")
    # "I am so" is taken back as a whole, for "eye am so": 3 of 4 final words; 3 + 3 of 10 edits were not needed.
    assert values(one) == [pytest.approx(3 / 4), pytest.approx(6 / 10)]


def test_words_that_only_grow_are_steady_and_case_and_marks_do_not_count():
    assert values(shown("one", "i", "I am", final="I am, happy!")) == [0.0, 0.0]


def test_rows_are_pooled_and_those_without_partials_count_with_their_words():
    steady = shown("steady", final="three more words")
    shaky = shown("shaky", "a", "b", final="b")
    context = shown("context", "a", "b", "c", "d", final="d", is_to_be_scored=False)
    assert values(steady, shaky, context)[0] == pytest.approx(1 / 4)


def test_words_that_all_vanish_are_unstable():
    assert values(shown("gone", "a b"), shown("kept", final="one two")) == [1.0, pytest.approx(4 / 6)]


def test_what_is_not_there_has_its_reason():
    assert scores(shown("given", final="words")) == [NOT_SHOWN, NOT_SHOWN]
    assert scores() == [NOT_SHOWN, NOT_SHOWN]
    ratio, overhead = scores(shown("gone", "a"))
    assert ratio == NO_WORDS
    assert overhead.value == 1.0


@given(TEXTS)
def test_edit_overhead_is_what_was_done_beyond_writing_the_final(texts: list[list[str]]):
    n_edits, before = 0, list[str]()
    for text in texts:
        while before != text[: len(before)]:
            before = before[:-1]
            n_edits += 1
        n_edits += len(text) - len(before)
        before = text
    made = shown("one", *(" ".join(text) for text in texts[:-1]), final=" ".join(texts[-1]))
    overhead = values(made)[1]
    assert n_edits == len(texts[-1]) + 2 * n_unstable(texts)
    if overhead is not None:
        assert overhead == pytest.approx((n_edits - len(texts[-1])) / n_edits)
