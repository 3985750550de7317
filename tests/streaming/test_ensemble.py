"""Lists of several systems merged into one: probabilities, order, diversity, what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.ensemble import ROVER, EnsembleSettings, SystemNbest, falling, is_plausible, merge
from streaming.events import Hypothesis, Word
from streaming.nbest import normalise, posteriors, word_error_rate

SPAN = (10.0, 13.0)
GIVEN = EnsembleSettings(order="given", max_per_system=1)


def spoken(text: str) -> tuple[Word, ...]:
    return tuple(Word(text=word, start_s=10 + i, end_s=10.5 + i) for i, word in enumerate(text.split()))


def system(source: str, *readings: tuple[str, float], weight: float = 1.0, timed: bool = False) -> SystemNbest:
    """A system that gives these readings these probabilities."""
    total = sum(p for _, p in readings)
    nbest = tuple(
        Hypothesis(
            text=text,
            logp=1000 * math.log(p),  # on a scale of its own: it must not matter
            posterior=p / total,
            source=source,
            words=tuple(Word(text=w, start_s=10 + i, end_s=10.5 + i) for i, w in enumerate(text.split()))
            if timed
            else (),
        )
        for text, p in readings
    )
    return SystemNbest(nbest=nbest, weight=weight)


def by_text(nbest: tuple[Hypothesis, ...]) -> dict[str, float]:
    return {h.text: h.posterior for h in nbest}


def test_probabilities_are_the_weighted_means_over_the_systems():
    merged = merge(
        [system("a", ("i am sad", 0.7), ("i am mad", 0.3), weight=3), system("b", ("I am mad.", 0.6), ("i ham", 0.4))],
        span=SPAN,
    )
    assert by_text(merged) == pytest.approx({"i am sad": 0.75 * 0.7, "i am mad": 0.75 * 0.3 + 0.15, "i ham": 0.1})
    assert [h.logp for h in merged] == pytest.approx([math.log(h.posterior) for h in merged])


def test_a_reading_keeps_source_and_spelling_of_the_system_that_gives_it_most():
    merged = merge(
        [system("small", ("yes please", 0.4), ("guess", 0.6)), system("big", ("Yes, please.", 1.0))], span=SPAN
    )
    assert (merged[0].text, merged[0].source) == ("Yes, please.", "big")


def test_raw_scores_of_different_systems_are_never_compared():
    one = SystemNbest(nbest=(Hypothesis(text="alpha beta", logp=-9000.0, posterior=1.0, source="a"),), weight=2)
    other = SystemNbest(nbest=(Hypothesis(text="gamma delta", logp=-0.1, posterior=1.0, source="b"),))
    assert merge([one, other], span=SPAN)[0].source == "a"


def test_temperature_flattens_each_system_alone():
    lists = [system("a", ("one two", 0.9), ("one too", 0.1))]
    hot = merge(lists, span=SPAN, settings=EnsembleSettings(temperature=2.0))
    assert [h.posterior for h in hot] == pytest.approx(posteriors([math.log(0.9), math.log(0.1)], temperature=2.0))


def test_the_first_has_the_least_expected_word_error_rate():
    """The most probable reading is far from all others; those agree with one another."""
    lists = [
        system("a", ("completely different words here", 0.4), ("i am so happy", 0.3), ("i am so happy now", 0.3)),
    ]
    merged = merge(lists, span=SPAN)
    risks = [sum(h.posterior * word_error_rate(h.text, text) for h in lists[0].nbest) for text in map(_text, merged)]
    assert merged[0].text == "i am so happy"
    assert risks == sorted(risks)
    # 0.3 stands before 0.4: they share.
    assert [h.posterior for h in merged] == pytest.approx([1 / 3, 1 / 3, 1 / 3])


def _text(hypothesis: Hypothesis) -> str:
    return hypothesis.text


def test_readings_that_differ_in_meaning_come_before_those_that_do_not():
    wanted = EnsembleSettings(n_best=3)
    same = [("the dog ran", 0.40), ("a dog ran", 0.25), ("that dog ran", 0.2)]
    lists = [system("a", *same, ("the log ran", 0.1), ("the dog sang", 0.05))]
    assert {h.text for h in merge(lists, span=SPAN, settings=wanted)} == {"the dog ran", "the log ran", "the dog sang"}


def test_no_system_fills_the_list_alone_when_there_are_others():
    chatty = system("chatty", *((f"reading number {word} of mine", 0.1) for word in "abcdefghij"), weight=5)
    merged = merge([chatty, system("terse", ("something else", 1.0))], span=SPAN)
    assert [h.source for h in merged].count("chatty") == 6
    assert [h.source for h in merged].count("terse") == 1
    assert len(merge([chatty], span=SPAN)) == 10


def test_in_the_given_order_each_system_gives_its_first_reading():
    """The paper's ten best: one reading of each of ten systems, in the order of their error rates."""
    lists = [system(f"s{i}", (f"reading {word}", 0.9), (f"other {word}", 0.1)) for i, word in enumerate("abcdefghij")]
    merged = merge(lists, span=SPAN, settings=GIVEN)
    assert [h.text for h in merged] == [f"reading {word}" for word in "abcdefghij"]
    assert [h.source for h in merged] == [f"s{i}" for i in range(10)]
    assert sum(h.posterior for h in merged) == pytest.approx(1.0)


def test_in_the_given_order_what_was_said_before_is_left_out_and_second_readings_come_second():
    lists = [system("a", ("one", 0.6), ("two", 0.4)), system("b", ("One!", 0.9), ("three", 0.1))]
    twice = EnsembleSettings(order="given", max_per_system=2)
    assert [(h.text, h.source) for h in merge(lists, span=SPAN, settings=twice)] == [
        ("one", "a"),
        ("two", "a"),
        ("three", "b"),
    ]
    assert [h.text for h in merge(lists, span=SPAN, settings=GIVEN)] == ["one"]


def test_the_vote_comes_first_as_a_reading_of_its_own():
    lists = [
        system("a", ("the hat sat", 1.0), timed=True),
        system("b", ("the cat sad", 1.0), timed=True),
        system("c", ("a cat sat", 1.0)),
    ]
    merged = merge(lists, span=SPAN, settings=EnsembleSettings(rover_first=True))
    assert (merged[0].text, merged[0].source) == ("the cat sat", ROVER)
    assert [word.text for word in merged[0].words] == ["the", "cat", "sat"]
    assert all(SPAN[0] <= word.start_s <= word.end_s <= SPAN[1] for word in merged[0].words)
    assert [h.posterior for h in merged] == pytest.approx([0.25] * 4)


def test_a_vote_that_a_system_said_too_is_that_systems():
    lists = [
        system("a", ("i am sad", 1.0)),
        system("b", ("i am sad", 0.6), ("i am mad", 0.4)),
        system("c", ("i ham sad", 1.0)),
    ]
    merged = merge(lists, span=SPAN, settings=EnsembleSettings(rover_first=True))
    assert merged[0].text == "i am sad"
    assert merged[0].source in {"a", "b"}
    assert len(merged) == 3


def test_the_vote_makes_room_at_the_end():
    lists = [system(f"s{i}", (f"the {word} cat", 1.0)) for i, word in enumerate("abcdefghijkl")]
    lists += [system("x", ("a dog cat x", 1.0)), system("y", ("the dog bat", 1.0))]
    assert len(merge(lists, span=SPAN, settings=EnsembleSettings(rover_first=True))) == 10


@pytest.mark.parametrize(
    ("text", "is_speech"),
    [
        ("the weather is nice today", True),
        ("yes", True),
        ("", False),
        ("[NOISE] ...", False),
        ("thank you " * 30, False),  # round in circles
        ("x" * 80, False),  # more than can be said in 3 s
    ],
)
def test_what_cannot_be_speech_is_told_apart(text: str, is_speech: bool):
    assert is_plausible(text, seconds=3.0) == is_speech


def test_a_system_that_makes_things_up_does_not_count():
    lists = [system("good", ("i am here", 1.0)), system("mad", ("thanks for watching " * 20, 0.9), ("i am hear", 0.1))]
    assert by_text(merge(lists, span=SPAN)) == pytest.approx({"i am here": 0.5, "i am hear": 0.5})
    only = [system("good", ("i am here", 1.0)), system("mad", ("thanks for watching " * 20, 1.0), weight=9)]
    assert by_text(merge(only, span=SPAN)) == {"i am here": 1.0}
    assert merge([only[1]], span=SPAN) == ()


def test_when_most_heard_nothing_nothing_was_said():
    words, nothing = system("a", ("bless you", 1.0)), SystemNbest(nbest=())
    assert merge([words, nothing], span=SPAN) != ()
    assert merge([words, nothing, nothing], span=SPAN) == ()
    assert merge([nothing], span=SPAN) == ()
    assert merge([], span=SPAN) == ()


WORDS = st.lists(st.sampled_from(["the", "a", "cat", "hat", "not", "sad", "mad"]), min_size=1, max_size=5).map(" ".join)
READINGS = st.dictionaries(WORDS, st.floats(0.01, 1.0), min_size=1, max_size=8)
LISTS = st.lists(st.tuples(READINGS, st.floats(0.1, 5.0)), min_size=1, max_size=5)


@given(lists=LISTS, order=st.sampled_from(["mbr", "given"]), rover_first=st.booleans(), n_best=st.integers(1, 10))
@settings(deadline=None, max_examples=150)
def test_merged_lists_keep_the_contract(
    lists: list[tuple[dict[str, float], float]], order: str, rover_first: bool, n_best: int
):
    systems = [
        system(f"s{i}", *sorted(readings.items(), key=lambda entry: -entry[1]), weight=weight)
        for i, (readings, weight) in enumerate(lists)
    ]
    chosen = EnsembleSettings(order=order, rover_first=rover_first, n_best=n_best)  # pyright: ignore[reportArgumentType]
    merged = merge(systems, span=SPAN, settings=chosen)
    assert 1 <= len(merged) <= n_best
    assert len({normalise(h.text) for h in merged}) == len(merged)
    assert sum(h.posterior for h in merged) == pytest.approx(1.0)
    logps = [h.logp for h in merged]
    assert all(math.isfinite(logp) for logp in logps)
    assert logps == sorted(logps, reverse=True)
    assert merge(systems, span=SPAN, settings=chosen) == merged


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3, 2, 1], [3, 2, 1]),
        ([1, 3], [2, 2]),
        ([5, 1, 3, 4, 0], [5, 8 / 3, 8 / 3, 8 / 3, 0]),
        ([], []),
        ([1, 2, 3], [2, 2, 2]),
    ],
)
def test_falling_pools_what_stands_the_wrong_way_round(values: list[float], expected: list[float]):
    assert falling(values) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"order": "best"}, "order is 'best'"),
        ({"n_best": 31}, "n_best is 31"),
        ({"max_per_system": 0}, "max_per_system is 0"),
        ({"temperature": 0.0}, "expected above 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float], message: str):
    with pytest.raises(ValueError, match=message):
        EnsembleSettings(**wrong)  # pyright: ignore[reportArgumentType] - one wrong value at a time
