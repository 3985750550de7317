"""Conversations that are held to be recorded, and replayed on engines by script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.backends.tts.scripted import ScriptedSpeech
from agent.config import Config
from agent.recording.recorder import Recordings, about_engines
from eval.replay.recorded import replay_recording
from tests.agent.server.hosted import ScriptedListeners, scripted_engines

if TYPE_CHECKING:
    from pathlib import Path

    from agent.recording.reader import Recording
    from eval.replay.recorded import Replayed

SPEECH = ScriptedSpeech(s_per_character=0.05)
"""Answers that take a second: there is time to interrupt them."""


def recordings_in(folder: Path) -> Recordings:
    return Recordings(folder=folder, about=about_engines("scripted", Config()))


async def again(
    recording: Recording, *, patience_s: float = 10, listeners: Any = None, engines: Any = None
) -> Replayed:
    """Have a recorded conversation happen again."""
    return await replay_recording(
        recording,
        engines=engines or scripted_engines(speech=SPEECH),
        config=Config(),
        listeners=listeners or ScriptedListeners(),
        patience_s=patience_s,
    )
