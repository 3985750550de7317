"""One recording as one utterance, for corpora whose items are utterances already. Each is a new speaker's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .acoustics import AcousticsTracker
from .audio import FRAME, Blocks
from .prosody import ProsodyTracker

if TYPE_CHECKING:
    from .events import Prosody, Samples, Transcript
    from .ports import Transcriber, VoiceAnalyst


def prosody_of(samples: Samples, *, analyst: VoiceAnalyst) -> Prosody:
    """Return how a recording is said.

    Raises:
        EngineFailed: the analyst died.
    """
    quality = analyst.analyse(samples)
    prosody, acoustics = ProsodyTracker(), AcousticsTracker()
    prosody.start(0.0)
    acoustics.start()
    for block in _blocks(samples):
        acoustics.feed(block, prosody.feed(block))
    return replace(prosody.finish(quality.result()), acoustics=acoustics.read(tail=prosody.tail()))


def transcript_of(samples: Samples, *, transcriber: Transcriber) -> Transcript:
    """Return the final n-best of a recording.

    Raises:
        EngineFailed: the transcriber died.
    """
    transcriber.start(1, 0.0)
    for block in _blocks(samples):
        transcriber.accept(block)
    return transcriber.finish().result()


def _blocks(samples: Samples) -> list[Samples]:
    """Return 20 ms blocks, as the line feeds its stages; the last may be shorter."""
    blocks = Blocks(FRAME)
    whole = blocks.feed(samples)
    rest = blocks.flush()
    return [*whole, rest] if rest.size else whole
