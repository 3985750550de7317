"""An estimate whose arousal, dominance and valence are measured off the voice, whoever recognised the emotion."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio

from streaming.errors import StreamingError

from ...ports import Explaining, Foresighted

if TYPE_CHECKING:
    from streaming.events import Samples, Utterance

    from ...conversation import Conversation
    from ...events import EmotionEstimate, EmotionSource
    from ...labels import Affect
    from ...ports import DimensionsReader, EmotionRecognizer

_LOG = logging.getLogger(__name__)


class MeasuredRecognizer:
    """`agent.ports.EmotionRecognizer`: a recogniser and, at the same time, a reader of dimensions.

    A reader that fails leaves the recogniser's own dimensions in place; `EmotionEstimate.method` tells which they are,
    and the first failure of a row is logged.
    """

    def __init__(self, recognizer: EmotionRecognizer, dimensions: DimensionsReader) -> None:
        self._recognizer = recognizer
        self._dimensions = dimensions
        self._is_failing = False

    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        """Return the recogniser's estimate; with the voice in use and its sound at hand, the dimensions are measured.

        Raises:
            AgentError, EngineFailed: the recogniser failed.
        """
        if source not in {"voice", "both"} or not utterance.samples.size:
            return await self._recognizer.recognize(utterance, conversation, revision=revision, source=source)
        read: list[Affect | None] = []
        failure: Exception | None = None
        estimate: EmotionEstimate | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._read, utterance.samples, read)
            try:
                estimate = await self._recognizer.recognize(utterance, conversation, revision=revision, source=source)
            except Exception as trouble:  # noqa: BLE001 - raised below as it is, not in a group
                failure = trouble
                tasks.cancel_scope.cancel()
        if estimate is None:
            assert failure is not None
            raise failure
        return self._with(estimate, read[0])

    async def prepare(self, utterance: Utterance | None, conversation: Conversation) -> None:
        """Let the recogniser work ahead, where it can (`agent.ports.Foresighted`)."""
        if isinstance(self._recognizer, Foresighted):
            await self._recognizer.prepare(utterance, conversation)

    async def explain(
        self, utterance: Utterance, conversation: Conversation, *, estimate: EmotionEstimate, revision: int
    ) -> EmotionEstimate | None:
        """Return what the recogniser adds to an estimate, the measured dimensions kept (`agent.ports.Explaining`)."""
        if not isinstance(self._recognizer, Explaining):
            return None
        told = await self._recognizer.explain(utterance, conversation, estimate=estimate, revision=revision)
        if told is None:
            return None
        return replace(
            told,
            arousal=estimate.arousal,
            dominance=estimate.dominance,
            valence=estimate.valence,
            method=estimate.method,
        )

    def close(self) -> None:
        """Free the reader; the recogniser stays its owner's. Idempotent."""
        self._dimensions.close()

    async def _read(self, samples: Samples, read: list[Affect | None]) -> None:
        try:
            read.append(await self._dimensions.read(samples))
            self._is_failing = False
        except StreamingError as trouble:
            read.append(None)
            if not self._is_failing:
                _LOG.warning("%s cannot read the dimensions of an utterance: %s", self._dimensions.name, trouble)
            self._is_failing = True

    def _with(self, estimate: EmotionEstimate, affect: Affect | None) -> EmotionEstimate:
        if affect is None:
            return replace(estimate, method=f"{estimate.method} ({self._dimensions.name} failed)")
        return replace(
            estimate,
            arousal=affect.arousal,
            dominance=affect.dominance,
            valence=affect.valence,
            method=f"{estimate.method} + {self._dimensions.name}",
        )
