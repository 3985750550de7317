"""Error correction alone (whole prompts: test_r3_golden)."""

from __future__ import annotations

import pytest

from agent.r3.error_correction import correction


def test_a_single_hypothesis_has_no_others():
    (message,) = correction(("hello",), framing="alpaca").messages
    assert "Other-hypothesis" not in message.text
    assert correction(("hello",), framing="alpaca").is_raw
    assert "the best hypothesis." in correction(("hello",)).messages[-1].text


def test_roles_take_turns_and_the_user_has_the_last_word():
    roles = [message.role for message in correction(("a", "b"), framing="task_activating").messages]
    assert roles == ["user", "assistant"] * 3 + ["user"]


def test_nothing_cannot_be_corrected():
    with pytest.raises(ValueError, match="at least one hypothesis"):
        correction(())
