"""Signs of what words hide, hints, turns as evidence, and the filter over turns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.backends.emotion.scripted import UNCLEAR, scripted_estimate
from agent.conversation import Conversation
from agent.distribution import normalise
from agent.events import EmotionEstimate, Evidence, TriggerWord, Turn, VoiceCue
from agent.fusion.evidence import hints_of, joined, turns_like
from agent.fusion.inertia import InertiaSettings, counted, filtered, staying
from agent.fusion.signs import hidden_in
from agent.labels import BIG_FOUR

CALM_WORDS = (0.05, 0.1, 0.8, 0.05)
SAD_SIDE = (0.1, 0.1, 0.1, 0.7)


def read(
    words: tuple[float, ...] | None = CALM_WORDS,
    voice: tuple[float, ...] | None = None,
    llm: tuple[float, ...] | None = None,
) -> EmotionEstimate:
    return replace(UNCLEAR, text_distribution=words, voice_distribution=voice, llm_distribution=llm)


def turn(utterance: int, top: str | None, *, seq: int | None = None) -> Turn:
    estimate = UNCLEAR if top is None else scripted_estimate(top)
    return Turn(
        session="s",
        seq=seq,
        utterance=utterance,
        start_s=10.0 * utterance,
        end_s=10.0 * utterance + 2,
        text="hm",
        nbest=(),
        estimate=estimate,
        prosody_words=(),
        reply="",
        interrupted=False,
    )


def test_a_sad_voice_under_calm_or_happy_words_is_hidden_sadness():
    assert hidden_in(read(voice=SAD_SIDE)) == "sad"
    assert hidden_in(read(words=(0.05, 0.85, 0.05, 0.05), voice=SAD_SIDE)) == "sad"


def test_nothing_is_hidden_where_words_show_it_or_were_not_read():
    assert hidden_in(read(words=(0.4, 0.3, 0.2, 0.1), voice=SAD_SIDE)) is None
    assert hidden_in(read(words=None, voice=SAD_SIDE)) is None
    assert hidden_in(read()) is None
    assert hidden_in(read(voice=(0.05, 0.8, 0.1, 0.05))) is None


def test_happy_words_in_an_excited_voice_are_no_hidden_anger():
    happy_words = (0.05, 0.85, 0.05, 0.05)
    excited = (0.55, 0.35, 0.05, 0.05)
    assert hidden_in(read(words=happy_words, voice=excited)) is None
    assert hidden_in(read(words=happy_words, voice=(0.8, 0.1, 0.05, 0.05))) == "angry"
    assert hidden_in(read(words=CALM_WORDS, voice=excited)) == "angry"


def test_context_counts_only_where_earlier_turns_bear_it_out():
    estimate = read(llm=SAD_SIDE)
    assert hidden_in(estimate) is None
    assert hidden_in(estimate, [turn(1, "sad"), turn(2, "angry")]) == "sad"
    assert hidden_in(estimate, [turn(1, "sad"), turn(2, "sad")] + [turn(n, "happy") for n in range(3, 7)]) is None
    assert hidden_in(read(), [turn(1, "sad"), turn(2, "sad")]) is None


def test_hints_are_the_top_labels_and_the_words_behind_them():
    words = tuple(TriggerWord(word=word, label="sad", weight=1.0) for word in ("gone", "cat", "gone"))
    estimate = replace(
        scripted_estimate("sad", confidence=0.7), distribution=(0.1, 0.05, 0.15, 0.7), evidence=Evidence(words=words)
    )
    assert hints_of(estimate, top_k=2) == ((("sad", 0.7), ("neutral", 0.15)), ("gone", "cat"))
    assert hints_of(UNCLEAR) == ((), ())


def test_earlier_turns_that_carried_the_same_label_are_named_by_their_place():
    conversation = Conversation(session="s", n_left=10)
    for at, top in enumerate(["sad", "happy", None, "sad"], start=1):
        conversation = conversation.with_turn(turn(at, top))
    assert turns_like(conversation, "sad", window=25) == (11, 14)
    assert turns_like(conversation, "sad", window=3) == (14,)
    assert turns_like(conversation, "sad", window=0) == ()
    assert turns_like(conversation, None, window=25) == ()
    assert turns_like(Conversation(session="s", turns=(turn(1, "sad", seq=7),)), "sad", window=5) == (7,)


def test_evidence_of_both_sides_is_named_once():
    own = Evidence(words=(TriggerWord(word="gone", label="sad", weight=2.0),))
    other = Evidence(
        words=(TriggerWord(word="gone", label="sad", weight=9.0), TriggerWord(word="cat", label="sad", weight=1.0)),
        cues=(VoiceCue(cue="low pitch", label="sad", weight=1.0),),
    )
    both = joined(own, other, turns=(1, 2))
    assert [(each.word, each.weight) for each in both.words] == [("gone", 2.0), ("cat", 1.0)]
    assert (both.cues, both.turns) == (other.cues, (1, 2))


def test_the_filter_is_off_by_default_and_then_changes_nothing():
    p = normalise([1.0, 2, 3, 4])
    assert not InertiaSettings().is_on
    assert filtered(p, previous=normalise([1.0, 0, 0, 0]), settings=InertiaSettings()) is p
    assert filtered(p, settings=InertiaSettings(inertia=1.0, contagion=1.0)) is p


def test_the_filter_is_the_printed_formula():
    p, q, r = normalise([1.0, 2, 3, 4]), normalise([5.0, 1, 1, 1]), normalise([1.0, 1, 1, 5])
    links = counted([["angry", "angry", "sad"], ["happy", "happy"]], labels=BIG_FOUR)
    settings = InertiaSettings(inertia=0.5, contagion=0.25, half_life_s=30)
    score = np.log(p) + 0.5 * 0.5 ** (60 / 30) * (q @ links) + 0.25 * (r @ links)
    found = filtered(p, previous=q, other=r, gap_s=60, settings=settings, links=links)
    assert found == pytest.approx(np.exp(score) / np.exp(score).sum())


def test_a_feeling_lasts_and_a_pause_lets_go_of_it():
    torn = normalise([1.0, 1, 1, 1.0])
    sad = normalise([0.05, 0.05, 0.05, 0.85])
    settings = InertiaSettings(inertia=1.0)
    near, far = (filtered(torn, previous=sad, gap_s=gap, settings=settings) for gap in (1.0, 600.0))
    assert float(near[3]) > float(far[3]) > 0.25
    assert float(far[3]) == pytest.approx(0.25, abs=0.01)


@given(st.lists(st.floats(0.01, 1), min_size=4, max_size=4), st.floats(-10, 1e6))
def test_what_comes_out_of_the_filter_is_a_distribution(shares: list[float], gap_s: float):
    settings = InertiaSettings(inertia=1.0)
    found = filtered(normalise(shares), previous=normalise(shares[::-1]), gap_s=gap_s, settings=settings)
    assert found.sum() == pytest.approx(1)
    assert np.isfinite(found).all()


def test_links_are_zero_where_nothing_is_known():
    assert staying(4, stay=0.25) == pytest.approx(np.zeros((4, 4)))
    assert counted([], labels=BIG_FOUR) == pytest.approx(np.zeros((4, 4)))


def test_counted_links_favour_what_follows_what():
    links = counted([["sad", "sad", "sad", "happy", "happy", "happy"]] * 5, labels=BIG_FOUR)
    happy, sad = BIG_FOUR.index("happy"), BIG_FOUR.index("sad")
    assert links[sad, sad] > 0 > links[happy, sad]


def test_settings_that_make_no_sense_are_refused():
    for values in ({"inertia": 1.5}, {"contagion": -0.1}, {"half_life_s": 0.0}):
        with pytest.raises(ValueError, match="must"):
            InertiaSettings(**values)
    with pytest.raises(ValueError, match="stay"):
        staying(4, stay=1.0)
    with pytest.raises(ValueError, match="smoothing"):
        counted([], labels=BIG_FOUR, smoothing=0)
