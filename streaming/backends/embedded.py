"""The stages that need no download, no GPU and no key, put together: the one place that names them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from ..acoustics import AcousticsTracker
from ..listener import Listener, ListenerSettings, Stages
from ..prosody import ProsodyTracker
from ..segmenter import Segmenter
from .pocketsphinx import PocketSphinxTranscriber
from .praat import PraatAnalyst
from .voice_activity import FusedActivity

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..ports import Transcriber


def embedded_listener(
    settings: ListenerSettings | None = None, *, transcriber: Callable[[], Transcriber] | None = None
) -> Listener:
    """Return a listener for one speaker. Its worker processes start now and end with `Listener.close`.

    Args:
        settings: of the listener.
        transcriber: opens another engine than the embedded one.

    Raises:
        EngineFailed: an engine's package is not installed, or its worker does not start.
    """
    segmenter = Segmenter(FusedActivity())
    with ExitStack() as undo:
        analyst = PraatAnalyst()
        undo.callback(analyst.close)
        stages = Stages(
            segmenter=segmenter,
            transcriber=(transcriber or PocketSphinxTranscriber)(),
            prosody=ProsodyTracker(),
            acoustics=AcousticsTracker(),
            analyst=analyst,
        )
        undo.pop_all()
    return Listener(stages, settings)
