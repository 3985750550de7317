"""Which estimate stands."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from agent.backends.emotion.scripted import scripted_estimate
from agent.conversation import Conversation
from agent.events import EmotionEstimate, Turn
from agent.revision import revised, stands, turn_with


def estimate(revision: int, *, is_corrected: bool = False, utterance: int = 1) -> EmotionEstimate:
    read = scripted_estimate("sad")
    return replace(read, utterance=utterance, revision=revision, is_corrected=is_corrected)


def turn(utterance: int, read: EmotionEstimate | None = None) -> Turn:
    return Turn(
        session="s",
        seq=None,
        utterance=utterance,
        start_s=0.0,
        end_s=1.0,
        text="well",
        nbest=(),
        estimate=read,
        prosody_words=(),
        reply="",
        interrupted=False,
    )


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        (estimate(1), None, True),
        (estimate(2), estimate(1), True),
        (estimate(1), estimate(2), False),
        (estimate(2), estimate(2), False),
        (estimate(9), estimate(1, is_corrected=True), False),
        (estimate(1, is_corrected=True), estimate(9), True),
        (estimate(2, is_corrected=True), estimate(1, is_corrected=True), True),
        (estimate(1, is_corrected=True), estimate(2, is_corrected=True), False),
    ],
)
def test_the_newest_stands_but_nothing_stands_over_what_the_user_said(
    new: EmotionEstimate, old: EmotionEstimate | None, expected: bool
):
    assert stands(new, over=old) is expected


def test_in_whatever_order_estimates_come_the_same_one_stands():
    all_of_them = [estimate(1), estimate(2), estimate(3, is_corrected=True), estimate(4), estimate(5)]
    for order in permutations(all_of_them):
        conversation = Conversation(session="s").with_turn(turn(1))
        for read in order:
            conversation = revised(conversation, read)
        assert conversation.turns[0].estimate == all_of_them[2]


def test_only_the_turn_of_the_utterance_is_revised_the_last_where_numbers_began_anew():
    conversation = Conversation(session="s")
    for number in (1, 2, 1, 3):
        conversation = conversation.with_turn(turn(number))
    changed = revised(conversation, estimate(1))
    assert [t.estimate is not None for t in changed.turns] == [False, False, True, False]
    assert turn_with(changed, 1) is changed.turns[2]


def test_what_does_not_stand_or_has_no_turn_leaves_the_conversation_as_it_is():
    conversation = Conversation(session="s").with_turn(turn(1, estimate(3)))
    assert revised(conversation, estimate(2)) is conversation
    assert revised(conversation, estimate(9, utterance=7)) is conversation
    assert turn_with(conversation, 7) is None
