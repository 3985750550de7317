"""Phrases turn like wheels: no frame comes back before the others, no sentence before all are used."""

from __future__ import annotations

import pytest

from agent.phrases import Frame, frame_of, pool_of, stable_hash

FRAMES = ["[a|b|c] one[.|!]", "two [d|e|f] {slot}[.|!]", "[g|h|i] three [j|k]."]


def test_a_frame_gives_every_combination_once() -> None:
    frame = frame_of("[one|two] {slot} [three|four|five]")
    said = {frame.fill(index, {"slot": ("x", "y")}) for index in range(frame.fillings({"slot": ("x", "y")}))}
    assert len(said) == 12
    assert "One x three" in said


def test_slots_are_known_and_an_empty_slot_leaves_no_double_space() -> None:
    frame = frame_of("about {topic} [and {more}|alone]")
    assert frame.slots == {"topic", "more"}
    assert frame.fill(0, {"topic": "", "more": "x"}) in {"About and x", "About alone"}


@pytest.mark.parametrize("text", ["[open", "close]", "{slot", "[[nested]]", "{two words}"])
def test_a_frame_that_cannot_be_read_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="brackets and braces must pair up"):
        frame_of(text)


def test_an_empty_pool_says_so() -> None:
    with pytest.raises(ValueError, match="write at least one phrase"):
        pool_of("none", [])


@pytest.mark.parametrize("session", ["a", "b", "8f0c", ""])
def test_nothing_is_said_twice_within_the_capacity(session: str) -> None:
    pool = pool_of("test", FRAMES)
    said = [pool.pick(turn, session=session, slots={"slot": "x"}) for turn in range(pool.capacity)]
    assert len(set(said)) == pool.capacity


def test_a_frame_comes_back_only_after_the_others() -> None:
    pool = pool_of("test", FRAMES)
    marks = ["one", "two", "three"]
    used = [
        next(mark for mark in marks if mark in pool.pick(turn, session="s", slots={}).lower()) for turn in range(60)
    ]
    assert all(len({*used[turn : turn + 3]}) == 3 for turn in range(58))


def test_what_was_said_is_stepped_over_while_others_are_left() -> None:
    pool = pool_of("test", ["[a|b]."])
    first = pool.pick(0, session="s", slots={})
    second = pool.pick(0, session="s", slots={}, avoid={first})
    assert {first, second} == {"A.", "B."}
    assert pool.pick(0, session="s", slots={}, avoid={"A.", "B."}) == first


def test_the_hash_is_the_same_in_every_run() -> None:
    assert stable_hash("session", 1) == 15125733663351840701
    assert stable_hash("a", "b") != stable_hash("ab")


def test_a_frame_without_brackets_is_itself() -> None:
    assert frame_of("plain words.") == Frame(parts=(("plain words.",),))
