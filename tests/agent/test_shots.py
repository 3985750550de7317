"""Worked examples from a pool."""

from __future__ import annotations

from collections import Counter

import pytest

from agent.r3.condition import Shot
from agent.r3.shots import Pooled, chosen

LABELS = ("angry", "happy", "neutral", "sad")
POOL = [
    Pooled(
        key=f"{label}{i}",
        speaker=f"speaker{i % 5}",
        dialogue=f"dialogue{i % 7}",
        shot=Shot(hypotheses=(f"{label} {i}", "<s>"), label=label, transcript=f"{label}\n{i}"),
    )
    for label in (*LABELS, "frustrated")
    for i in range(20)
]


@pytest.mark.parametrize("n", [0, 1, 5, 10, 40])
def test_labels_take_turns(n: int):
    counts = Counter(shot.label for shot in chosen(POOL, LABELS, n=n))
    assert counts.total() == n
    assert all(n // 4 <= counts[label] <= -(-n // 4) for label in LABELS)


def test_the_same_seed_gives_the_same_whatever_the_order_of_the_pool():
    assert chosen(POOL, LABELS, n=10, seed=3) == chosen(POOL[::-1], LABELS, n=10, seed=3)
    assert chosen(POOL, LABELS, n=10, seed=3) != chosen(POOL, LABELS, n=10, seed=4)


def test_ten_shots_begin_with_the_five():
    assert chosen(POOL, LABELS, n=10)[:5] == chosen(POOL, LABELS, n=5)


def test_who_is_under_test_is_never_an_example():
    for out in range(5):
        shots = chosen(POOL, LABELS, n=60, speakers=[f"speaker{out}"], dialogues=["dialogue3"])
        numbers = {int(shot.transcript.split()[1]) for shot in shots}
        assert numbers
        assert not any(i % 5 == out or i % 7 == 3 for i in numbers)


def test_a_label_that_runs_out_is_passed_over():
    few = [one for one in POOL if one.shot.label != "sad" or one.key == "sad0"]
    counts = Counter(shot.label for shot in chosen(few, LABELS, n=10))
    assert counts == {"angry": 3, "happy": 3, "neutral": 3, "sad": 1}
    assert chosen([], LABELS, n=5) == ()


def test_examples_are_cleaned():
    shot = chosen(POOL, LABELS, n=1)[0]
    assert "\n" not in shot.transcript
    assert len(shot.hypotheses) == 1
