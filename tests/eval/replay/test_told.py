"""What a corpus tells of who speaks: gender in a word, and examples that are by others and the same every time."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from agent.r3.condition import Shot
from eval.corpora.item import Item
from eval.replay.plan import ReplaySettings
from eval.replay.told import Told, gender_of, pool_of
from tests.eval.papers.talks import talks

SHOTS = ReplaySettings(hypotheses="corpus", profile="asking", condition="shots-5", readings=("hubertlarge",))


@pytest.mark.parametrize(
    ("told", "said"),
    [("F", "female"), ("m", "male"), ("Female", "female"), ("non-binary", "non-binary"), (" ", None), (None, None)],
)
def test_gender_is_said_in_a_word(told: str | None, said: str | None):
    assert gender_of(Item(id="a", gender=told)) == said


def test_a_speaker_without_a_gender_is_told_none_though_the_one_before_had_one():
    told = Told()
    told.begin(Item(id="a", gender="F"))
    told.show((Shot(hypotheses=("yes",), label="sad", transcript="yes"),))
    assert (told.facts.gender, len(told.facts.shots or ())) == ("female", 1)
    told.begin(Item(id="b"))
    assert (told.facts.gender, len(told.facts.shots or ())) == (None, 1)
    told.show(None)
    assert told.facts.shots is None


def test_examples_are_of_other_speakers_and_conversations_with_the_readings_that_are_shown():
    corpus = talks(n_sessions=4)
    pool = pool_of(corpus, SHOTS)
    assert pool is not None
    under_test = corpus.items[4:8]
    shots = pool.shots(under_test)
    assert [shot.label for shot in shots] == ["angry", "happy", "neutral", "sad", "angry"]
    assert not any("words 2 " in shot.transcript for shot in shots)
    assert all(shot.hypotheses == (shot.transcript.replace("true words", "hubertlarge heard"),) for shot in shots)
    again = pool_of(replace(corpus, items=tuple(reversed(corpus.items))), SHOTS)
    assert again is not None
    assert again.shots(under_test) == shots


def test_what_is_heard_lends_its_transcript_and_context_only_utterances_lend_nothing():
    corpus = talks()
    pool = pool_of(corpus, replace(SHOTS, hypotheses="asr", readings=()))
    assert pool is not None
    assert {one.shot.hypotheses for one in pool.utterances} == {(item.text,) for item in corpus.items}
    context = replace(corpus, items=tuple(replace(item, is_to_be_scored=False) for item in corpus.items))
    nothing = pool_of(context, SHOTS)
    assert nothing is not None
    assert nothing.shots(corpus.items[:4]) == ()


def test_workers_get_the_same_pool():
    pool = pool_of(talks(), SHOTS)
    assert pickle.loads(pickle.dumps(pool)) == pool


@pytest.mark.parametrize("condition", [None, "r3", "majority-voting"])
def test_conditions_without_examples_have_no_pool(condition: str | None):
    assert pool_of(talks(), replace(SHOTS, condition=condition)) is None
