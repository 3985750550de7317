"""What was said, given in writing: hypotheses, utterances, earlier turns."""

from __future__ import annotations

import json

import pytest

from agent.given import NBestInvalid, conversation_of, given, parse_nbest, utterance_of
from streaming.audio import SAMPLE_RATE, silence


def test_texts_are_hypotheses_that_share_the_probability_and_blank_ones_are_none():
    assert [(h.text, h.posterior) for h in given("a b", "", "a c", None, "  ")] == [("a b", 0.5), ("a c", 0.5)]
    assert given("") == given(None) == given() == ()


def test_a_file_holds_a_hypothesis_a_line():
    found = parse_nbest("\n i am fine \r\n\ni am find\n")
    assert [(h.text, h.posterior) for h in found] == [("i am fine", 0.5), ("i am find", 0.5)]
    assert parse_nbest("") == ()


def test_a_final_of_the_command_that_transcribes_is_read_with_its_posteriors():
    final = {"type": "transcript.final", "nbest": [{"text": "a", "posterior": 0.7, "logp": -1.0}, {"text": "b"}, "c"]}
    found = parse_nbest(json.dumps(final) + "\n" + json.dumps({"nbest": []}))
    assert [(h.text, h.posterior, h.logp) for h in found] == [("a", 0.7, -1.0), ("b", 0.0, 0.0), ("c", 0.0, 0.0)]


@pytest.mark.parametrize(
    "lines",
    [
        "{",
        "{}",
        '{"nbest": 7}',
        '{"nbest": [7]}',
        '{"nbest": [{"posterior": 1}]}',
        '{"nbest": [{"text": 7}]}',
        '{"nbest": [{"text": "a", "posterior": "much"}]}',
        '{"nbest": [{"text": "a", "posterior": NaN}]}',
        '{"nbest": ' + "[" * 100_000,
    ],
)
def test_json_that_holds_no_hypotheses_is_told(lines: str):
    with pytest.raises(NBestInvalid, match="expected a hypothesis a line"):
        parse_nbest(lines)


def test_an_utterance_knows_how_far_its_hypotheses_disagree_and_how_long_its_sound_is():
    alike, apart = utterance_of(given("a b", "a b")), utterance_of(given("a b", "c d"), samples=silence(SAMPLE_RATE))
    assert (alike.cross_wer, apart.cross_wer) == (0.0, 1.0)
    assert (alike.end_s, apart.end_s) == (0.0, 1.0)
    assert utterance_of().transcript.nbest == ()
    assert apart.transcript.text == "a b"


def test_what_was_said_before_stands_in_a_conversation_oldest_first():
    conversation = conversation_of(["one", "two"], session="s")
    assert [(turn.seq, turn.text, turn.reply) for turn in conversation.recent(5)] == [(1, "one", ""), (2, "two", "")]
    assert conversation_of().turns == ()
