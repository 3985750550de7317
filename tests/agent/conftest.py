"""Fixtures of the command's tests: a line by script, so that no engine is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import agent.assembly
import agent.cli.talk
from streaming.audio import SAMPLE_RATE, silence
from streaming.backends.scripted import ScriptedTranscriber
from streaming.backends.scripted_activity import ScriptedActivity
from streaming.listener import Listener, Stages
from streaming.prosody import ProsodyTracker
from streaming.segmenter import Segmenter
from streaming.sources import Pace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streaming.events import Samples

SPANS = ((0.5, 1.5), (9.0, 10.0))
SCRIPT = ("i am so happy", "i am so sad")


def scripted_listener() -> Listener:
    stages = Stages(
        segmenter=Segmenter(ScriptedActivity(SPANS)),
        transcriber=ScriptedTranscriber(SCRIPT),
        prosody=ProsodyTracker(),
    )
    return Listener(stages)


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_wav: Callable[[Path, Samples], Path]) -> Path:
    """A file in which the scripted line hears two utterances."""
    monkeypatch.setattr(agent.assembly, "embedded_listener", scripted_listener)
    return write_wav(tmp_path / "two.wav", silence(12 * SAMPLE_RATE) + np.float32(0.1))


@pytest.fixture
def instant_pace(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """`--paced` on a clock that is moved instead of waited for; what was slept."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(agent.cli.talk, "Pace", lambda: Pace(clock=lambda: sum(slept), sleep=sleep))
    return slept
