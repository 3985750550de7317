"""The server under load, in a process of its own: `python -m eval.bench.service.gateway KIND`.

Prints its port when it is ready. Kinds: "scripted" (nothing is recognised for real: what is left is our own cost),
"real" (the shipped voice activity, prosody and acoustics, and the embedded emotion model; only the words are scripted).
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Final

import anyio

from agent.backends.choose import ProfileEngines
from agent.backends.emotion.scripted import ScriptedRecognizer, scripted_estimate
from agent.backends.reply.scripted import ScriptedResponder
from agent.backends.tts.scripted import ScriptedSpeech
from agent.config import Config
from agent.hosting import open_host
from agent.server.app import serve
from agent.server.collector import come_seldom
from agent.server.dialogue import HostedDialogues
from agent.server.settings import ServerSettings
from streaming.acoustics import AcousticsTracker
from streaming.audio import VAD_FRAME, Blocks
from streaming.backends.scripted import ScriptedTranscriber
from streaming.backends.voice_activity import FusedActivity
from streaming.listener import Listener, Stages
from streaming.prosody import ProsodyTracker
from streaming.segmenter import Segmenter

from .speaker import WORDS

if TYPE_CHECKING:
    from streaming.events import Samples
    from streaming.listener import ListenerSettings
    from streaming.pitch import PitchTrack

KINDS: Final = ("scripted", "real")

LOUD: Final = 0.01


class LoudActivity:
    """Voice is what is loud: costs nearly nothing."""

    def __init__(self) -> None:
        self._blocks = Blocks(VAD_FRAME)

    def feed(self, samples: Samples) -> list[float]:
        """See `streaming.ports.VoiceActivity`."""
        frames = self._blocks.run(samples).reshape(-1, VAD_FRAME)
        return (frames.max(axis=1) > LOUD).astype(float).tolist() if frames.size else []

    def flush(self) -> list[float]:
        """See `streaming.ports.VoiceActivity`."""
        rest = self._blocks.flush()
        return [float(rest.max() > LOUD)] if rest.size else []

    def reset(self) -> None:
        """See `streaming.ports.VoiceActivity`."""
        self._blocks = Blocks(VAD_FRAME)


class SilentProsody(ProsodyTracker):
    """Measures nothing, at no cost."""

    def feed(self, samples: Samples) -> PitchTrack:
        """See `ProsodyTracker`."""
        return super().feed(samples[:0])


class BenchListeners:
    """Opens listeners of one kind."""

    def __init__(self, kind: str) -> None:
        self._is_real = kind == "real"

    def listener(self, settings: ListenerSettings) -> Listener:
        """See `agent.hosting.Listeners`."""
        stages = Stages(
            segmenter=Segmenter(FusedActivity() if self._is_real else LoudActivity()),
            transcriber=ScriptedTranscriber(WORDS),
            prosody=ProsodyTracker() if self._is_real else SilentProsody(),
            acoustics=AcousticsTracker() if self._is_real else None,
        )
        return Listener(stages, settings)


def engines_of(kind: str) -> ProfileEngines:
    """Return the engines of a kind."""
    return ProfileEngines(
        profile=f"bench-{kind}",
        recognizer=ScriptedRecognizer([scripted_estimate("happy")]),
        responder=ScriptedResponder([["That is good to hear."]]),
        speech=ScriptedSpeech(s_per_character=0.04),
    )


async def _run(kind: str) -> None:
    settings = ServerSettings(
        port=0, page=False, history=False, max_sessions=5000, max_sessions_per_address=5000, max_sessions_per_token=5000
    )
    come_seldom()
    config = Config(emotion="both")
    async with (
        open_host(
            engines_of(kind),
            config=config,
            listeners=BenchListeners(kind),
            keeps=False,
            note=lambda _: None,
        ) as host,
        serve(settings, HostedDialogues(host)) as server,
    ):
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                break


if __name__ == "__main__":
    anyio.run(_run, sys.argv[1], backend_options={"use_uvloop": "--no-uvloop" not in sys.argv})
