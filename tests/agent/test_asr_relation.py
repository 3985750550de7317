"""Block 6: how emotion, recognition errors and length go together."""

from __future__ import annotations

import pytest

from agent.errors import ConfigInvalid
from agent.r3.asr_relation import Findings, Spoken, estimate, percent, read, sentence, written

ROWS = (
    Spoken(emotion="angry", reference="Go away, now!", hypotheses=("go a way now", "go away now")),  # 2 errors of 6
    Spoken(
        emotion="neutral",
        reference="one two three four five six seven",
        hypotheses=("one two three four five six seven",) * 2,
    ),
    Spoken(emotion="neutral", reference="[noise]", hypotheses=("something", "else")),
    Spoken(emotion="sad", reference="i lost it", hypotheses=("", "i lost it")),  # 3 errors of 6
)


def test_rates_are_errors_over_words_of_all_recognisers():
    found = estimate(ROWS, source="four rows")
    assert found.by_emotion == pytest.approx({"angry": 2 / 6, "neutral": 0.0, "sad": 3 / 6})
    assert found.by_length == pytest.approx({"1-5": 5 / 12, "6-10": 0.0})
    assert found.n_words == 13


@pytest.mark.parametrize(
    ("n", "name"), [(1, "1-5"), (5, "1-5"), (6, "6-10"), (10, "6-10"), (11, "11-20"), (20, "11-20"), (21, ">20")]
)
def test_lengths_are_binned(n: int, name: str):
    row = Spoken(emotion="sad", reference=" ".join("w" * n), hypotheses=("w",))
    assert list(estimate([row], source="x").by_length) == [name]


def test_the_sentence_names_the_extremes():
    assert sentence(estimate(ROWS, source="x")) == (
        "Utterances with emotion sad tend to have more recognition errors than those with emotion neutral (average WER "
        "50% against 0%). Errors are more frequent in short utterances (1-5 words: 42%)."
    )


@pytest.mark.parametrize("rows", [(), ROWS[:1]])
def test_without_two_emotions_only_the_direction_is_told(rows: tuple[Spoken, ...]):
    told = "Emotional speech tends to have more recognition errors than neutral speech."
    assert sentence(estimate(rows, source="x")) == told
    assert sentence(None) == told


def test_one_length_says_nothing_of_lengths():
    assert "Errors are" not in sentence(estimate((ROWS[0], ROWS[3]), source="x"))


def test_long_utterances_may_be_the_worst():
    found = Findings(by_emotion={"a": 0.1, "b": 0.2}, by_length={"1-5": 0.1, ">20": 1.23}, n_words=1, source="x")
    assert sentence(found).endswith("in long utterances (>20 words: 123%).")


def test_a_file_comes_back_as_it_was_written():
    found = estimate(ROWS, source="four rows")
    assert read(written(found)) == found


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", '{"source": "x", "n_words": 1, "wer_by_emotion": [], "wer_by_length": {}}',
     '{"source": "x", "n_words": 1, "wer_by_emotion": {"sad": "high"}, "wer_by_length": {}}',
     '{"source": "x", "n_words": 1, "wer_by_emotion": {"sad": NaN}, "wer_by_length": {}}',
     '{"source": "x", "n_words": 1, "wer_by_emotion": {"sad": -0.1}, "wer_by_length": {}}'],
)  # fmt: skip
def test_a_file_that_is_none_is_told(text: str):
    with pytest.raises(ConfigInvalid, match="expected"):
        read(text)


def test_percents_are_whole():
    assert [percent(share) for share in (0.0, 0.128, 1.0)] == ["0", "13", "100"]
