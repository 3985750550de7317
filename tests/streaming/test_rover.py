from __future__ import annotations

import pytest

from streaming.events import Word
from streaming.rover import Ballot, RoverSettings, vote


def words(text: str, p: float | None = None) -> tuple[Word, ...]:
    return tuple(Word(text=word, start_s=i, end_s=i + 0.5, posterior=p) for i, word in enumerate(text.split()))


def ballots(*texts: str) -> list[Ballot]:
    return [Ballot(words=words(text), weight=1.0) for text in texts]


def text(said: tuple[Word, ...]) -> str:
    return " ".join(word.text for word in said)


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        (["a b c"], "a b c"),
        (["the cat sat", "the cat sat", "a cat sad"], "the cat sat"),  # each its own mistake, voted away
        (["the hat sat", "the cat sad", "a cat sat"], "the cat sat"),  # nobody said it, most say each of its words
        (["i am not sad", "i am sad", "i am sad"], "i am sad"),  # what most do not have goes
        (["i am sad", "i am not sad", "i am not sad"], "i am not sad"),  # what most have comes
        (["a b", "x a b", "x a b"], "x a b"),
        (["a b", "a b x", "a b x"], "a b x"),
        (["one", "two"], "one"),  # of equals the pivot's
        (["so so good", "so good", "so so good"], "so so good"),
        (["", "a b", "a b"], "a b"),
        (["a b", "", ""], ""),
        ([], ""),
    ],
)
def test_most_votes_win(readings: list[str], expected: str):
    assert text(vote(ballots(*readings))) == expected


def test_words_added_by_several_readings_share_a_slot():
    assert text(vote(ballots("go now", "go home now", "go home now", "go hone now"))) == "go home now"


def test_weights_count():
    light = [Ballot(words=words("i am glad"), weight=1.0), Ballot(words=words("i am glad"), weight=1.0)]
    heavy = Ballot(words=words("i am sad"), weight=2.5)
    assert text(vote([*light, heavy])) == "i am sad"
    assert text(vote([*light, Ballot(words=heavy.words, weight=1.5)])) == "i am glad"


def test_a_word_counts_by_how_sure_it_is():
    unsure = [Ballot(words=words("bad", 0.3), weight=1.0), Ballot(words=words("bad", 0.3), weight=1.0)]
    assert text(vote([*unsure, Ballot(words=words("sad", 0.9), weight=1.0)])) == "sad"


def test_an_unsure_reading_is_unsure_of_what_it_leaves_out():
    without = Ballot(words=words("i am sad", 0.4), weight=1.0)
    with_it = Ballot(words=words("i am not sad", 0.9), weight=1.0)
    assert text(vote([without, with_it])) == "i am not sad"
    assert text(vote([with_it, without])) == "i am not sad"
    assert text(vote([without, with_it], settings=RoverSettings(nothing=3.0))) == "i am sad"


def test_the_posterior_is_the_share_of_the_votes():
    said = vote(ballots("the cat", "the hat", "the cat", "the cat"))
    assert [word.posterior for word in said] == pytest.approx([1.0, 0.75])


def test_readings_are_compared_by_word_and_keep_their_spelling():
    said = vote([Ballot(words=words("Hello, world!"), weight=2.0), Ballot(words=words("hello world"), weight=1.0)])
    assert text(said) == "Hello, world!"
    assert said[0].posterior == pytest.approx(1.0)


def test_times_never_go_back():
    late = tuple(Word(text=w, start_s=9.0 + i, end_s=9.5 + i) for i, w in enumerate(["a", "b", "x"]))
    early = words("a b c d")
    said = vote([Ballot(words=late, weight=1.0), Ballot(words=early, weight=0.9), Ballot(words=early, weight=0.9)])
    assert text(said) == "a b c d"
    edges = [time for word in said for time in (word.start_s, word.end_s)]
    assert edges == sorted(edges)


@pytest.mark.parametrize(
    ("wrong", "message"), [({"p_unknown": 0.0}, "p_unknown is 0"), ({"nothing": 0.0}, "nothing is 0")]
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float], message: str):
    with pytest.raises(ValueError, match=message):
        RoverSettings(**wrong)
