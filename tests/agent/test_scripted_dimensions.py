"""Dimensions by script, alone and in an estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.backends.dims.scripted import MIDDLE, ScriptedDimensions
from agent.labels import Affect
from streaming.errors import EngineFailed

if TYPE_CHECKING:
    from agent.ports import DimensionsReader

pytestmark = pytest.mark.anyio

SOUND = np.zeros(160, np.float32)
HIGH = Affect(arousal=1.0, dominance=0.5, valence=0.5)
LOW = Affect(arousal=0.0, dominance=0.5, valence=0.5)


async def test_it_follows_its_script_and_stays_at_the_end():
    reader: DimensionsReader = ScriptedDimensions([HIGH, LOW])
    assert [await reader.read(SOUND) for _ in range(3)] == [HIGH, LOW, LOW]
    reader.close()


async def test_without_a_script_everything_lies_in_the_middle():
    reader = ScriptedDimensions()
    assert await reader.read(SOUND) == MIDDLE
    assert reader.heard == [SOUND]


async def test_it_fails_when_told_to():
    with pytest.raises(EngineFailed, match="no card"):
        await ScriptedDimensions(fails="no card").read(SOUND)
