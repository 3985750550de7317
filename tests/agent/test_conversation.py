"""The window of a conversation: what is held, what is shown, and that it moves in blocks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.conversation import KEPT, Conversation
from agent.events import Turn


def turn(number: int) -> Turn:
    return Turn(
        session="s",
        seq=number,
        utterance=number,
        start_s=float(number),
        end_s=number + 0.5,
        text=f"turn {number}",
        nbest=(),
        estimate=None,
        prosody_words=(),
        reply="",
        interrupted=False,
    )


def after(n_turns: int) -> Conversation:
    conversation = Conversation(session="s")
    for number in range(n_turns):
        conversation = conversation.with_turn(turn(number))
    return conversation


@given(n_turns=st.integers(0, 3 * KEPT), window=st.integers(1, KEPT))
def test_a_window_that_moves_by_one_shows_exactly_the_last_turns(n_turns: int, window: int):
    shown = after(n_turns).recent(window, block=1)
    assert [t.utterance for t in shown] == list(range(max(0, n_turns - window), n_turns))


@given(n_turns=st.integers(1, 2 * KEPT), window=st.integers(2, 50))
def test_the_first_turn_shown_stays_while_a_block_fills(n_turns: int, window: int):
    now, then = after(n_turns).recent(window), after(n_turns + 1).recent(window)
    assert len(now) <= window
    assert now[-1].utterance == n_turns - 1
    moved = then[0].utterance - now[0].utterance
    assert moved in {0, window // 2}


def test_a_window_of_nothing_is_empty():
    assert after(3).recent(0) == ()


def test_no_more_turns_are_held_than_was_said():
    conversation = after(KEPT + 7)
    assert (len(conversation.turns), conversation.n_left) == (KEPT, 7)
