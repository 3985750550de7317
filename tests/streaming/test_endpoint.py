from __future__ import annotations

import pytest

from streaming.endpoint import Endpoint, EndpointSettings


def waits(pauses_s: list[float], n: int = 30) -> float:
    endpoint = Endpoint(EndpointSettings())
    for _ in range(n):
        for pause_s in pauses_s:
            endpoint.learn(pause_s)
    return endpoint.wait_s


def test_the_first_wait_lies_in_the_middle():
    assert waits([], n=0) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("pauses_s", "expected"),
    [([0.2], 0.4), ([0.25], 0.45), ([0.4], 0.6), ([0.9], 0.7), ([0.25, 5.0], 0.45)],
    ids=["hasty", "quick", "slow", "slower than the longest wait", "turns are no pauses"],
)
def test_the_wait_follows_the_speakers_pauses_within_bounds(pauses_s: list[float], expected: float):
    assert waits(pauses_s) == pytest.approx(expected, abs=0.005)


def test_one_pause_moves_the_wait_a_little():
    endpoint = Endpoint(EndpointSettings())
    endpoint.learn(0.6)
    assert 0.5 < endpoint.wait_s < 0.6


@pytest.mark.parametrize(
    "wrong", [{"min_s": 0.8}, {"min_s": 0.0}, {"weight": 0.0}, {"weight": 1.5}, {"margin_s": -0.1}, {"regret_s": -1.0}]
)
def test_settings_that_could_not_work_are_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match=r"expected|must"):
        EndpointSettings(**wrong)
