from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.events import Word
from streaming.stability import StabilitySettings, StablePrefix


def words(text: str, *, each_s: float = 0.3) -> tuple[Word, ...]:
    return tuple(Word(text=w, start_s=i * each_s, end_s=(i + 1) * each_s) for i, w in enumerate(text.split()))


def texts(found: tuple[Word, ...]) -> str:
    return " ".join(word.text for word in found)


def test_words_that_agree_and_lie_behind_the_edge_become_stable():
    prefix = StablePrefix(StabilitySettings(n_agree=2, hold_back_s=0.3))
    prefix.feed(words("i am so"), heard_s=0.9)
    assert texts(prefix.stable) == ""
    shown = prefix.feed(words("i am so happy"), heard_s=1.2)
    assert texts(prefix.stable) == "i am so"
    assert texts(shown) == "i am so happy"


def test_words_near_the_edge_stay_a_guess():
    prefix = StablePrefix(StabilitySettings(n_agree=2, hold_back_s=0.7))
    for _ in range(3):
        prefix.feed(words("i am so happy"), heard_s=1.2)
    assert texts(prefix.stable) == "i"


def test_one_partial_that_disagrees_delays_the_promise():
    prefix = StablePrefix(StabilitySettings(n_agree=2, hold_back_s=0.0))
    prefix.feed(words("i am"), heard_s=9)
    prefix.feed(words("i was"), heard_s=9)
    assert texts(prefix.stable) == "i"


def test_the_engine_changing_its_mind_does_not_change_what_was_promised():
    prefix = StablePrefix(StabilitySettings(n_agree=1, hold_back_s=0.0))
    prefix.feed(words("i am so"), heard_s=9)
    shown = prefix.feed(words("you are so happy"), heard_s=9)
    assert texts(shown) == "i am so happy"
    assert texts(prefix.stable) == "i am so happy"


PARTIALS = st.lists(st.lists(st.sampled_from(["a", "b", "c"]), max_size=6).map(" ".join), max_size=12)


@given(PARTIALS, st.integers(1, 3), st.sampled_from([0.0, 0.3, 0.6]))
def test_stable_words_are_only_ever_added(partials: list[str], n_agree: int, hold_back_s: float):
    prefix = StablePrefix(StabilitySettings(n_agree=n_agree, hold_back_s=hold_back_s))
    before: tuple[Word, ...] = ()
    for i, partial in enumerate(partials):
        heard_s = 0.3 * i
        shown = prefix.feed(words(partial), heard_s=heard_s)
        assert prefix.stable[: len(before)] == before
        assert shown[: len(prefix.stable)] == prefix.stable
        assert all(word.end_s <= heard_s - hold_back_s for word in prefix.stable[len(before) :])
        before = prefix.stable


@given(PARTIALS)
def test_shown_words_are_in_order_of_time(partials: list[str]):
    prefix = StablePrefix()
    for i, partial in enumerate(partials):
        shown = prefix.feed(words(partial), heard_s=0.3 * i)
        assert [word.start_s for word in shown] == sorted(word.start_s for word in shown)


NORMALISED = StabilitySettings(n_agree=2, hold_back_s=0.0, normalised=True)


def test_case_and_punctuation_do_not_block_agreement_where_they_do_not_count():
    prefix = StablePrefix(NORMALISED)
    prefix.feed(words("So, i am"), heard_s=9)
    prefix.feed(words("so I am."), heard_s=9)
    assert texts(prefix.stable) == "so I am."
    exact = StablePrefix(StabilitySettings(n_agree=2, hold_back_s=0.0))
    exact.feed(words("So, i am"), heard_s=9)
    exact.feed(words("so I am."), heard_s=9)
    assert texts(exact.stable) == ""


def test_promised_words_are_known_again_though_their_times_wander():
    prefix = StablePrefix(NORMALISED)
    for _ in range(2):
        prefix.feed(words("i am so"), heard_s=9)
    shown = prefix.feed(words("I am so, happy", each_s=0.5), heard_s=9)
    assert texts(shown) == "i am so happy"
    assert [word.start_s for word in shown] == sorted(word.start_s for word in shown)


def test_words_of_marks_only_are_compared_as_they_are():
    prefix = StablePrefix(NORMALISED)
    prefix.feed(words("a - b"), heard_s=9)
    prefix.feed(words("a ? b"), heard_s=9)
    assert texts(prefix.stable) == "a"


@given(PARTIALS, st.integers(1, 3), st.sampled_from([0.0, 0.3]), st.lists(st.sampled_from([0.2, 0.3, 0.45])))
def test_stable_words_are_only_ever_added_when_normalised(
    partials: list[str], n_agree: int, hold_back_s: float, paces: list[float]
):
    settings = StabilitySettings(n_agree=n_agree, hold_back_s=hold_back_s, normalised=True)
    prefix, before = StablePrefix(settings), tuple[Word, ...]()
    for i, partial in enumerate(partials):
        said = partial.upper() if i % 2 else partial
        shown = prefix.feed(words(said, each_s=paces[i] if i < len(paces) else 0.3), heard_s=0.3 * i)
        assert prefix.stable[: len(before)] == before
        assert shown[: len(prefix.stable)] == prefix.stable
        assert [word.start_s for word in shown] == sorted(word.start_s for word in shown)
        before = prefix.stable


@pytest.mark.parametrize("wrong", [{"n_agree": 0}, {"hold_back_s": -0.1}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match="expected"):
        StabilitySettings(**wrong)  # pyright: ignore[reportArgumentType]
