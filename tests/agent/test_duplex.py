"""Not listening while the agent speaks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.duplex import HalfDuplexGate
from agent.errors import ConfigInvalid

ONES = np.ones(1_000, np.float32)


def test_the_microphone_is_heard_while_nobody_speaks():
    assert HalfDuplexGate().filter(ONES, speaking=False) is ONES


def test_the_microphone_is_silent_while_the_agent_speaks_and_time_goes_on():
    heard = HalfDuplexGate().filter(ONES, speaking=True)

    assert heard.shape == ONES.shape
    assert not heard.any()
    assert ONES.all()


@given(cuts=st.lists(st.integers(0, 3_000), min_size=1, max_size=20))
def test_the_tail_is_a_quarter_of_a_second_however_the_sound_is_cut(cuts: list[int]):
    gate = HalfDuplexGate()
    gate.filter(ONES, speaking=True)

    heard = np.concatenate([gate.filter(np.ones(n, np.float32), speaking=False) for n in [*cuts, 8_000]])

    assert not heard[:4_000].any()
    assert heard[4_000:].all()


def test_a_new_reply_inside_the_tail_starts_it_anew():
    gate = HalfDuplexGate(tail_s=0.1)
    gate.filter(ONES, speaking=True)
    gate.filter(ONES, speaking=False)
    gate.filter(ONES, speaking=True)

    assert not gate.filter(ONES, speaking=False).any()
    assert gate.filter(ONES, speaking=False)[600:].all()


def test_a_tail_below_zero_is_refused():
    with pytest.raises(ConfigInvalid, match="at least 0"):
        HalfDuplexGate(tail_s=-0.1)
