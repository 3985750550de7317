"""The small model, the language model and measured dimensions as one recogniser: asked at once, combined as experts."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import numpy as np

from ...distribution import decide
from ...elicitation.ambiguity import ambiguity
from ...events import Evidence
from ...fusion.evidence import joined, turns_like
from ...fusion.experts import combined, eight_with, over, says_something
from ...fusion.inertia import InertiaSettings, filtered
from ...fusion.signs import SignSettings, hidden_in
from ...ports import Explaining, Foresighted
from .fusion_weights import load_fusion_weights

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streaming.events import Utterance

    from ...conversation import Conversation
    from ...events import EmotionEstimate, EmotionSource
    from ...fusion.experts import FusionWeights
    from ...labels import Affect
    from ...ports import DimensionsReader, EmotionRecognizer

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

LATE: Final = "language model late"
FAILED: Final = "language model failed"
SILENT: Final = "language model said nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class FusedSettings:
    """How a fused estimate comes about.

    Attributes:
        patience_s: how long the language model is waited for once the small one has answered, wall-clock seconds.
            Infinite by default: files and replay give the same whatever the machine, and live the session has a budget
            of its own. With a bound the small estimate stands in time and `explain` brings the rest.
        window: earlier turns that may be named as evidence.
        inertia: the filter over turns; off by default.
        signs: when a hidden feeling is told.
    """

    patience_s: float = math.inf
    window: int = 25
    inertia: InertiaSettings = field(default_factory=InertiaSettings)
    signs: SignSettings = field(default_factory=SignSettings)

    def __post_init__(self) -> None:
        """Refuse a negative patience or window.

        Raises:
            ValueError: a value is out of range.
        """
        if not self.patience_s >= 0 or self.window < 0:
            raise ValueError(f"expected patience_s and window of 0 or more, got {self.patience_s} and {self.window}")


@dataclass(slots=True, kw_only=True, eq=False)
class _Readings:
    """What was read so far, what did not work out in a few words, and why the small model failed."""

    small: EmotionEstimate | None = None
    llm: EmotionEstimate | None = None
    affect: Affect | None = None
    notes: list[str] = field(default_factory=list[str])
    trouble: Exception | None = None


class FusedRecognizer:
    """`agent.ports.EmotionRecognizer`: several at the same time, one estimate.

    While the user speaks, and wherever words may not be used, the language model is not asked. When it is late, fails
    or says nothing the small one's estimate stands; `EmotionEstimate.method` tells so, and the first failure of a row
    is logged. When the small one fails, the language model's stands alone.
    """

    def __init__(
        self,
        small: EmotionRecognizer,
        llm: EmotionRecognizer,
        *,
        weights: FusionWeights | None = None,
        settings: FusedSettings | None = None,
        dimensions: DimensionsReader | None = None,
    ) -> None:
        """Combine two recognisers, and a reader of dimensions where there is one; all stay their owner's.

        Raises:
            ConfigInvalid: the shipped weights cannot be read.
        """
        self._small = small
        self._llm = llm
        self._weights = weights or load_fusion_weights()
        self._settings = settings or FusedSettings()
        self._dimensions = dimensions
        self._failing: set[str] = set()

    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        """Return the fused estimate.

        Raises:
            AgentError, EngineFailed: the small model and the language model both failed; the small one's trouble.
        """
        asks = utterance.is_final and source in {"text", "both"}
        if not asks and (self._dimensions is None or not utterance.samples.size or source not in {"voice", "both"}):
            return await self._small.recognize(utterance, conversation, revision=revision, source=source)
        readings = await self._read(utterance, conversation, revision=revision, source=source, asks=asks)
        return self._whole(utterance, conversation, readings)

    async def prepare(self, utterance: Utterance | None, conversation: Conversation) -> None:
        """Let the language model work ahead, where it can (`agent.ports.Foresighted`)."""
        if isinstance(self._llm, Foresighted):
            await self._llm.prepare(utterance, conversation)

    async def explain(
        self, utterance: Utterance, conversation: Conversation, *, estimate: EmotionEstimate, revision: int
    ) -> EmotionEstimate | None:
        """Return `estimate` with reason and revised text; where the language model was late, fused with it now.

        None when there is nothing to add (`agent.ports.Explaining`).

        Raises:
            AgentError, EngineFailed: the language model failed; the estimate stands.
        """
        if estimate.is_corrected:
            return None
        late = f" ({LATE})"
        if late in estimate.method:
            # Whether the voice may be used is seen from whether it was.
            source: EmotionSource = "text" if estimate.voice_distribution is None else "both"
            written = await self._llm.recognize(utterance, conversation, revision=revision, source=source)
            if not says_something(written):
                return None
            before = replace(estimate, revision=revision, method=estimate.method.replace(late, ""))
            return self._whole(utterance, conversation, _Readings(small=before, llm=written))
        if not isinstance(self._llm, Explaining) or estimate.llm_distribution is None:
            return None
        told = await self._llm.explain(utterance, conversation, estimate=estimate, revision=revision)
        if told is None:
            return None
        return replace(estimate, revision=revision, reason=told.reason, revised_text=told.revised_text)

    async def _read(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource, asks: bool
    ) -> _Readings:
        """Ask everybody at once, and wait for the language model no longer than may be."""
        readings = _Readings()
        hears = self._dimensions is not None and utterance.samples.size > 0 and source in {"voice", "both"}
        limit = anyio.CancelScope()
        async with anyio.create_task_group() as tasks:
            if hears:
                tasks.start_soon(self._measure, utterance, readings)
            if asks:
                ask = partial(self._llm.recognize, utterance, conversation, revision=revision, source=source)
                tasks.start_soon(self._ask, ask, limit, readings)
            asked = self._small.recognize(utterance, conversation, revision=revision, source=source)
            readings.small, readings.trouble = await _outcome(asked)
            self._failed("the small model", readings.trouble)
            if readings.small is not None:
                limit.deadline = anyio.current_time() + self._settings.patience_s
        return readings

    async def _ask(
        self, ask: Callable[[], Awaitable[EmotionEstimate]], limit: anyio.CancelScope, readings: _Readings
    ) -> None:
        with limit:
            readings.llm, trouble = await _outcome(ask())
            if self._failed("the language model", trouble):
                readings.notes.append(FAILED)
        if limit.cancelled_caught:
            readings.notes.append(LATE)

    async def _measure(self, utterance: Utterance, readings: _Readings) -> None:
        assert self._dimensions is not None
        readings.affect, trouble = await _outcome(self._dimensions.read(utterance.samples))
        if self._failed(self._dimensions.name, trouble):
            readings.notes.append(f"{self._dimensions.name} failed")

    def _failed(self, who: str, trouble: Exception | None) -> bool:
        """Note whether an engine failed; the first time of a row is logged."""
        if trouble is None:
            self._failing.discard(who)
            return False
        if who not in self._failing:
            _LOG.warning("%s cannot read the emotion of an utterance: %s", who, trouble)
        self._failing.add(who)
        return True

    def _whole(self, utterance: Utterance, conversation: Conversation, readings: _Readings) -> EmotionEstimate:
        """Combine what was read, then look at it in the light of the turns before."""
        small, llm = readings.small, readings.llm
        if small is None:
            if llm is None:
                assert readings.trouble is not None
                raise readings.trouble
            alone = replace(llm, method=f"{llm.method} (small model failed)", llm_distribution=llm.distribution)
            return self._in_context(alone, utterance, conversation, llm=llm)
        if llm is not None and not says_something(llm):
            readings.notes.append(SILENT)
        estimate = combined(small, llm, measured=readings.affect, weights=self._weights)
        names = [small.method]
        if llm is not None and estimate.llm_distribution is not None:
            names.append(llm.method)
        if readings.affect is not None and self._dimensions is not None:
            names.append(self._dimensions.name)
        method = " + ".join(names) + "".join(f" ({note})" for note in readings.notes)
        return self._in_context(replace(estimate, method=method), utterance, conversation, llm=llm)

    def _in_context(
        self,
        estimate: EmotionEstimate,
        utterance: Utterance,
        conversation: Conversation,
        *,
        llm: EmotionEstimate | None,
    ) -> EmotionEstimate:
        """Say what the turns before change, which of them are alike, what is mixed and what is hidden."""
        settings = self._settings
        now = self._smoothed(estimate, utterance, conversation)
        # The small model sees no turn but this one: without anybody who does, no turn is evidence.
        sees_turns = now.llm_distribution is not None or now is not estimate
        turns = turns_like(conversation, now.top, window=settings.window) if sees_turns else ()
        other = Evidence() if llm is None or now.llm_distribution is None else llm.evidence
        is_told = says_something(now)
        return replace(
            now,
            evidence=joined(now.evidence, other, turns=turns),
            compound=(ambiguity(np.array(now.distribution), now.labels).compound or ()) if is_told else (),
            hidden=hidden_in(now, conversation.turns, settings=settings.signs),
        )

    def _smoothed(self, estimate: EmotionEstimate, utterance: Utterance, conversation: Conversation) -> EmotionEstimate:
        """Return the estimate after the filter over turns; the same object where that is off or has no turn."""
        last = conversation.turns[-1] if conversation.turns else None
        if not self._settings.inertia.inertia or last is None or last.estimate is None:
            return estimate
        previous = over(estimate.labels, last.estimate) if says_something(last.estimate) else None
        if previous is None or not says_something(estimate):
            return estimate
        gap_s = utterance.start_s - last.end_s
        shares = np.array(estimate.distribution)
        result = filtered(shares, previous=previous, gap_s=gap_s, settings=self._settings.inertia)
        top = decide(result, threshold=self._weights.threshold(len(estimate.labels)))
        return replace(
            estimate,
            distribution=tuple(result.tolist()),
            top=None if top is None else estimate.labels[top],
            confidence=float(result.max()),
            eight=eight_with(estimate.labels, result, small=estimate),
        )


async def _outcome(asked: Awaitable[T]) -> tuple[T | None, Exception | None]:
    """Return what was asked for, or why it did not come."""
    try:
        return await asked, None
    except Exception as trouble:  # noqa: BLE001 - whatever one engine does, the others are heard; the caller logs it
        return None, trouble
