"""What of a reply was heard, and how its loudness moves."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ConfigInvalid
from agent.playback import Fader, FadeSettings, SpokenReply

ONES = np.ones(16_000, np.float32)


def spoken(*sentences: tuple[str, int]) -> SpokenReply:
    reply = SpokenReply()
    for text, n_samples in sentences:
        reply.sentence(text)
        reply.sound(n_samples)
    reply.finish()
    return reply


TWO = spoken(("I am sorry. ", 16_000), ("What happened next?", 19_000))


@pytest.mark.parametrize(
    ("n_played", "heard"),
    [
        (0, ""),
        (1_000, ""),
        (2_000, "I"),
        (15_999, "I am"),
        (16_000, "I am sorry."),
        (19_999, "I am sorry."),
        (20_000, "I am sorry. What"),
        (30_000, "I am sorry. What happened"),
        (35_000, "I am sorry. What happened next?"),
        (99_000, "I am sorry. What happened next?"),
    ],
)
def test_only_whole_words_that_were_played_are_heard(n_played: int, heard: str):
    assert TWO.heard(n_played) == heard


def test_a_sentence_whose_sound_is_still_being_made_is_spread_over_its_usual_length():
    reply = SpokenReply()
    reply.sentence("one two three four five six")
    reply.sound(8_000)

    assert reply.heard(8_000) == "one two"


def test_text_without_sound_is_heard_when_the_sound_before_it_was():
    reply = spoken(("Hello. ", 8_000), ("...", 0))

    assert reply.heard(7_999) == ""
    assert reply.heard(8_000) == "Hello. ..."


def test_an_empty_reply_is_heard_as_nothing():
    assert SpokenReply().heard(1_000) == ""


def test_text_and_sound_add_up():
    assert TWO.text == "I am sorry. What happened next?"
    assert TWO.n_samples == 35_000


@given(
    sentences=st.lists(st.tuples(st.text("ab ,.", max_size=20), st.integers(0, 5_000)), max_size=5),
    cuts=st.lists(st.integers(0, 30_000), min_size=2, max_size=6),
)
def test_what_was_heard_is_a_beginning_of_the_text_and_only_grows(sentences: list[tuple[str, int]], cuts: list[int]):
    reply = spoken(*sentences)

    heard = [reply.heard(n) for n in sorted(cuts)]

    assert all(reply.text.startswith(text) for text in heard)
    assert all(later.startswith(earlier) for earlier, later in pairwise(heard))
    assert reply.heard(reply.n_samples) == reply.text.rstrip()


def test_a_fader_at_rest_changes_nothing():
    assert np.array_equal(Fader().process(ONES), ONES)


def test_ducking_reaches_eighteen_decibels_below_in_thirty_milliseconds():
    fader = Fader()
    fader.duck()

    sound = fader.process(ONES)

    assert 20 * np.log10(sound[479]) == pytest.approx(-18.0, abs=1e-4)
    assert sound[240] > sound[478] > sound[479]
    assert fader.gain == pytest.approx(10 ** (-18 / 20))


def test_resuming_takes_eighty_milliseconds():
    fader = Fader()
    fader.duck()
    fader.process(ONES)
    fader.resume()

    sound = fader.process(ONES)

    assert sound[1_270] < 1.0
    assert sound[1_280] == 1.0


def test_a_cancelled_voice_is_gone_within_thirty_milliseconds():
    fader = Fader()

    n_fade = fader.cancel()
    sound = fader.process(ONES)

    assert n_fade <= 480
    assert not sound[n_fade:].any()


ORDERS = st.lists(st.tuples(st.sampled_from(["duck", "resume", "cancel"]), st.integers(0, 900)), max_size=8)


@given(orders=ORDERS)
def test_loudness_never_jumps(orders: list[tuple[str, int]]):
    fader = Fader()
    parts = [fader.process(ONES[:10])]
    for order, n in orders:
        getattr(fader, order)()
        parts.append(fader.process(ONES[:n]))

    sound = np.concatenate(parts)

    assert np.abs(np.diff(sound)).max() <= 1 / (0.02 * 16_000) + 1e-6
    assert sound.min() >= 0.0
    assert sound.max() <= 1.0


@given(cuts=st.lists(st.integers(0, 700), max_size=10))
def test_a_fade_does_not_depend_on_how_the_sound_is_cut(cuts: list[int]):
    whole, cut = Fader(), Fader()
    whole.duck()
    cut.duck()

    parts = [cut.process(ONES[:n]) for n in cuts]

    assert np.array_equal(np.concatenate([*parts, ONES[:0]]), whole.process(np.ones(sum(cuts), np.float32)))


@pytest.mark.parametrize("wrong", [{"duck_db": 0.0}, {"duck_s": 0.0}, {"resume_s": -1.0}, {"cancel_s": 0.0}])
def test_fades_that_make_no_sense_are_refused(wrong: dict[str, float]):
    with pytest.raises(ConfigInvalid, match="fades need"):
        FadeSettings(**wrong)
