"""The stages that need no download, no GPU and no key, put together: the one place that names them."""

from __future__ import annotations

from contextlib import ExitStack

from ..acoustics import AcousticsTracker
from ..listener import Listener, ListenerSettings, Stages
from ..prosody import ProsodyTracker
from ..segmenter import Segmenter
from .pocketsphinx import PocketSphinxTranscriber
from .praat import PraatAnalyst
from .voice_activity import FusedActivity


def embedded_listener(settings: ListenerSettings | None = None) -> Listener:
    """Return a listener for one speaker. Its worker processes start now and end with `Listener.close`.

    Raises:
        EngineFailed: an engine's package is not installed, or its worker does not start.
    """
    segmenter = Segmenter(FusedActivity())
    with ExitStack() as undo:
        analyst = PraatAnalyst()
        undo.callback(analyst.close)
        stages = Stages(
            segmenter=segmenter,
            transcriber=PocketSphinxTranscriber(),
            prosody=ProsodyTracker(),
            acoustics=AcousticsTracker(),
            analyst=analyst,
        )
        undo.pop_all()
    return Listener(stages, settings)
