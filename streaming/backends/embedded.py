"""The stages that need no download, no GPU and no key, put together: the one place that names them."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Lock
from typing import TYPE_CHECKING

from ..acoustics import AcousticsTracker
from ..listener import Listener, ListenerSettings, Stages
from ..prosody import ProsodyTracker
from ..segmenter import Segmenter
from .pocketsphinx import PocketSphinxTranscriber
from .pocketsphinx_engine import PocketSphinxEngine
from .praat import PraatAnalyst, praat_workers
from .voice_activity import FusedActivity

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..controls import TurnDetection
    from ..ports import Transcriber, VoiceAnalyst


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
    with ExitStack() as undo:
        analyst = PraatAnalyst()
        undo.callback(analyst.close)
        listener = _listener((transcriber or PocketSphinxTranscriber)(), analyst, settings)
        undo.pop_all()
    return listener


class EmbeddedEngines:
    """The embedded engines, loaded once for all speakers of a process. Thread-safe.

    A worker that dies is replaced, and what it was asked is asked once more; sessions do not notice but for the wait.

    Args:
        n_analysts: processes that measure voice quality.
        transcribes: load the embedded recogniser now; without, only a listener that needs it does.

    Raises:
        EngineFailed: an engine's package is not installed, or its worker does not start.
    """

    def __init__(self, *, n_analysts: int = 1, transcribes: bool = True) -> None:
        FusedActivity()  # loads the network, which streams share
        self._lock = Lock()
        self._recogniser = PocketSphinxEngine() if transcribes else None
        with ExitStack() as undo:
            if self._recogniser is not None:
                undo.callback(self._recogniser.close)
                self._recogniser.warm()
            self._analysts = praat_workers(n_analysts)
            undo.pop_all()

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that are running: the recogniser's first."""
        pid = None if self._recogniser is None else self._recogniser.pid
        return [*([] if pid is None else [pid]), *self._analysts.pids]

    def listener(
        self,
        settings: ListenerSettings | None = None,
        *,
        transcriber: Callable[[], Transcriber] | None = None,
        detection: TurnDetection | None = None,
    ) -> Listener:
        """Return a listener for one speaker, in a few milliseconds; its `close` leaves the shared engines alone.

        Args:
            settings: of the listener.
            transcriber: opens another engine than the embedded one.
            detection: how utterances are told apart at first.

        Raises:
            EngineFailed: a worker does not start, or the engines are closed.
        """
        opened = self._transcriber() if transcriber is None else transcriber()
        listener = _listener(opened, PraatAnalyst(self._analysts), settings)
        if detection is not None:
            listener.control(detection)
        return listener

    def close(self) -> None:
        """End the workers, after the listeners. Idempotent."""
        if self._recogniser is not None:
            self._recogniser.close()
        self._analysts.close()

    def _transcriber(self) -> Transcriber:
        with self._lock:
            if self._recogniser is None:
                self._recogniser = PocketSphinxEngine()
        return PocketSphinxTranscriber(engine=self._recogniser)


def _listener(transcriber: Transcriber, analyst: VoiceAnalyst, settings: ListenerSettings | None) -> Listener:
    stages = Stages(
        segmenter=Segmenter(FusedActivity()),
        transcriber=transcriber,
        prosody=ProsodyTracker(),
        acoustics=AcousticsTracker(),
        analyst=analyst,
    )
    return Listener(stages, settings)
