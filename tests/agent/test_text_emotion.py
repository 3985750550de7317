"""Emotion from words with the shipped weights: right on plain sentences, additive, sane in its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.backends.emotion.spoken import FUNCTION_WORDS
from agent.backends.emotion.text import TRIGGER_WEIGHT, WEIGHTS, load_text_model, read_text_weights
from agent.errors import ConfigInvalid
from agent.labels import BIG_FOUR

if TYPE_CHECKING:
    from pathlib import Path

EVERYDAY = """
happy|i got the job i am so happy
sad|my dog died yesterday
angry|leave me alone i am so angry with you
angry sad|i am not happy about this
neutral|the meeting is at three
sad|i can't stop crying
happy|that is wonderful news
sad angry|why does this always happen to me
neutral|can you tell me what time it is
happy|thank you so much for your help
sad|i feel so lonely since she left
angry|this is ridiculous i have been waiting for an hour
happy|we are going on holiday tomorrow i can't wait
angry|stop talking to me like that
neutral|i went to the shop and bought some bread
sad|i miss my mother so much
happy|i love this song
angry|i hate it when people lie to me
neutral|please turn the page and read the next line
sad|i failed my exam again
happy|i passed my exam
angry|you never listen to me
happy|it is a beautiful day and i feel great
neutral|the train leaves from platform two at nine
sad|i am sorry for your loss
happy|my sister had a baby and we are all so excited
sad|i don't feel good today
neutral|my name is anna and i live in london
happy|no i really like it
angry|how dare you talk to me like that
angry|i'm furious
happy|haha that was so funny
sad|i lost my job last week
sad|my grandmother passed away
angry|shut up
angry|you ruined everything
""".strip()


def top_of(text: str) -> str:
    return BIG_FOUR[int(load_text_model().estimate(text).big_four.argmax())]


def test_most_sentences_people_would_try_first_are_read_right():
    rows = [line.split("|") for line in EVERYDAY.splitlines()]
    wrong = [(top_of(text), text) for labels, text in rows if top_of(text) not in labels.split()]
    assert len(wrong) <= len(rows) * 0.2, wrong


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("i got the job i am so happy", "happy"),
        ("my dog died yesterday", "sad"),
        ("leave me alone i am so angry with you", "angry"),
        ("the meeting is at three", "neutral"),
        ("i can't stop crying", "sad"),
    ],
)
def test_the_plainest_sentences_are_never_misread(text: str, label: str):
    assert top_of(text) == label


def test_distributions_are_distributions():
    estimate = load_text_model().estimate("i do not know what to say")
    for distribution, n in ((estimate.big_four, 4), (estimate.eight, 8)):
        assert distribution.shape == (n,)
        assert distribution.sum() == pytest.approx(1)
        assert (distribution >= 0).all()


def test_case_punctuation_and_emoji_change_nothing():
    model = load_text_model()
    written, spoken = model.estimate_many(["I'm SO happy today!!! \U0001f600", "i'm so happy today"])
    assert written.big_four.tolist() == spoken.big_four.tolist()


def test_contributions_of_the_words_add_up_to_the_logits():
    for text in ("i love love this song and it's not bad", "no", "why would you hate me"):
        estimate = load_text_model().estimate(text)
        logits = estimate.contributions.sum(axis=0) + estimate.constant
        assert logits - logits.mean() == pytest.approx(np.log(estimate.big_four) - np.log(estimate.big_four).mean())


def test_pulls_are_the_logit_less_the_mean_of_the_others():
    estimate = load_text_model().estimate("i love this song")
    others = [at for at in range(4) if at != 1]
    expected = estimate.contributions[:, 1] - estimate.contributions[:, others].mean(axis=1)
    assert estimate.pulls(1) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["i'm scared", "that is disgusting", "i am terrified of the dark"])
def test_fear_and_disgust_are_not_neutral(text: str):
    assert top_of(text) != "neutral"


def test_a_list_of_hypotheses_is_read_like_each_alone():
    model = load_text_model()
    texts = ["i am so sad", "", "i am so glad", "zzz qqq", "i am not sad at all but happy"]
    for together, alone in zip(model.estimate_many(texts), map(model.estimate, texts), strict=True):
        assert together.big_four == pytest.approx(alone.big_four)
        assert together.contributions == pytest.approx(alone.contributions)
        assert together.n_known == alone.n_known


def test_nothing_said_is_nothing_known():
    model = load_text_model()
    assert model.estimate("").n_known == 0
    assert model.estimate("...!? \U0001f600").n_known == 0
    assert model.estimate_many([]) == []


def test_triggers_are_strong_content_words_strongest_first():
    triggers = load_text_model().estimate("i hate this stupid thing so much").triggers(BIG_FOUR.index("angry"))
    assert {"hate", "stupid"} <= {trigger.word for trigger in triggers}
    assert not {trigger.word for trigger in triggers} & FUNCTION_WORDS
    weights = [trigger.weight for trigger in triggers]
    assert weights == sorted(weights, reverse=True)
    assert min(weights) >= TRIGGER_WEIGHT
    assert {trigger.label for trigger in triggers} == {"angry"}


@pytest.mark.parametrize("text", ["i am not happy about this", "i don't love you", "nothing makes me happy"])
def test_a_negated_word_never_speaks_for_its_plain_meaning(text: str):
    estimate = load_text_model().estimate(text)
    words = {trigger.word for label in range(4) for trigger in estimate.triggers(label)}
    assert not words & {"happy", "love"}
    assert estimate.big_four[BIG_FOUR.index("happy")] < 0.3


def test_a_word_said_twice_is_one_trigger():
    triggers = load_text_model().estimate("sad so very sad").triggers(BIG_FOUR.index("sad"))
    assert [trigger.word for trigger in triggers] == ["sad"]


def test_a_very_long_text_and_odd_characters_do_no_harm():
    estimate = load_text_model().estimate("happy \x00\ufffd \u202e " * 3000)
    assert estimate.big_four.sum() == pytest.approx(1)


def test_weights_fit_the_package():
    assert sum(path.stat().st_size for path in WEIGHTS.parent.iterdir()) < 1_000_000
    assert WEIGHTS.stat().st_size < 600_000


def test_a_file_that_holds_no_weights_is_told(tmp_path: Path):
    wrong = tmp_path / "text.npz"
    wrong.write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(ConfigInvalid, match="holds no emotion weights"):
        read_text_weights(wrong)
    with pytest.raises(ConfigInvalid, match="holds no emotion weights"):
        read_text_weights(tmp_path / "missing.npz")
