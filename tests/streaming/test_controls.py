from __future__ import annotations

from typing import Any

import pytest

from streaming.controls import TurnDetection


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"threshold": 0.0}, "threshold is 0.0, expected a number between 0 and 1"),
        ({"threshold": 1.0}, "threshold is 1.0"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"pre_roll_s": -0.1}, "pre_roll_s is -0.1, expected 0 to 1 second"),
        ({"pre_roll_s": 1.1}, "pre_roll_s is 1.1"),
        ({"silence_s": 0.05}, "silence_s is 0.05, expected 0.1 to 10 seconds"),
        ({"silence_s": 11.0}, "silence_s is 11.0"),
    ],
)
def test_values_out_of_range_are_refused_by_name(wrong: dict[str, Any], expected: str):
    with pytest.raises(ValueError, match=expected):
        TurnDetection(**wrong)


def test_the_ends_of_the_ranges_are_fine():
    TurnDetection(threshold=0.01, pre_roll_s=0.0, silence_s=0.1)
    TurnDetection(threshold=0.99, pre_roll_s=1.0, silence_s=10.0)
