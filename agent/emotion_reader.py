"""What utterances express, for one session: read beside the answer, corrected by the user, explained afterwards.

Emotion has a budget: whoever answers waits for `Answer.was_read` as long as it likes; what comes later is a revision.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from streaming.errors import StreamingError
from streaming.events import EngineTrouble

from .correction import corrected
from .errors import AgentError
from .ports import Explaining, Foresighted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

    from streaming.events import Utterance

    from .answer import Answer
    from .conversation import Conversation
    from .correction import EmotionCorrection
    from .events import EmotionEstimate, EmotionSource, SessionEvent
    from .ports import Corrector, EmotionRecognizer
    from .timing import Timing


class EmotionReader:
    """Has utterances read; an engine that fails is told of, and leaves them unread.

    `revise` is given each estimate of an answer's utterance, and says whether it stands and is to be told.
    """

    def __init__(
        self,
        recognizer: EmotionRecognizer,
        *,
        corrector: Corrector | None,
        tell: Callable[[SessionEvent], Awaitable[None]],
        revise: Callable[[Answer, EmotionEstimate], bool],
        clock: Callable[[], float],
        timing: Timing,
    ) -> None:
        self._recognizer = recognizer
        self._corrector = corrector
        self._tell = tell
        self._revise = revise
        self._clock = clock
        self._timing = timing
        self.source: EmotionSource = "both"
        """What emotion may be read from at present."""

    def begin(self, answer: Answer, conversation: Conversation, *, tasks: TaskGroup) -> None:
        """Start to read the utterance of an answer, whether or not that is ever given."""
        if answer.is_apart:
            answer.was_read.set()
            return
        # In the session's own group: an answer that is cancelled or started already still gets its estimate.
        tasks.start_soon(partial(self._read, answer, conversation))

    @property
    def reads_emotion(self) -> bool:
        """Whether emotion is read at all."""
        return self.source != "off"

    async def estimate(
        self, utterance: Utterance, conversation: Conversation, *, revision: int
    ) -> EmotionEstimate | None:
        """Return what `utterance` expresses; None when emotion is off or the recogniser failed."""
        if not self.reads_emotion:
            return None
        moment = "read" if utterance.is_final else "rolled"
        try:
            read = await self._recognizer.recognize(utterance, conversation, revision=revision, source=self.source)
        except (AgentError, StreamingError) as trouble:
            await self._timing.reach(moment, utterance.utterance)
            await self._trouble(utterance, trouble)
            return None
        await self._timing.reach(moment, utterance.utterance)
        # Whoever took back that it may be read is not told of it any more.
        return read if self.reads_emotion else None

    async def prepare(self, utterance: Utterance | None, conversation: Conversation) -> None:
        """Have the recogniser work ahead, where emotion is read and it can (`agent.ports.Foresighted`)."""
        if self.reads_emotion and isinstance(self._recognizer, Foresighted):
            await self._recognizer.prepare(utterance, conversation)

    async def corrected(self, estimate: EmotionEstimate, correction: EmotionCorrection) -> EmotionEstimate:
        """Return the estimate as the user would have it; words typed for it are read by whoever can."""
        corrector = self._corrector
        # What was said in passing is answered next: it does not wait for a model.
        if corrector is not None and not correction.is_spoken:
            with suppress(AgentError, StreamingError):  # a label or a denial is understood without it
                return await corrector.correct(estimate, correction)
        return corrected(estimate, correction)

    async def explain(self, answer: Answer, conversation: Conversation) -> None:
        """Have the recogniser say more about its estimate, where it can; told as a revision, waited for by nobody."""
        recognizer = self._recognizer
        if answer.is_apart or not self.reads_emotion or not isinstance(recognizer, Explaining):
            return
        with answer.afterthought:
            await answer.was_read.wait()
            await self._timing.reach("explaining", answer.utterance.utterance)
            estimate = answer.estimate
            if estimate is None or estimate.is_corrected:
                return
            number = estimate.revision + 1
            try:
                revision = await recognizer.explain(answer.utterance, conversation, estimate=estimate, revision=number)
            except (AgentError, StreamingError) as trouble:
                await self._timing.reach("explained", answer.utterance.utterance)
                await self._trouble(answer.utterance, trouble)
                return
            await self._timing.reach("explained", answer.utterance.utterance)
            if revision is not None and self._revise(answer, revision):
                await self._tell(revision)

    async def _read(self, answer: Answer, conversation: Conversation) -> None:
        estimate = await self.estimate(answer.utterance, conversation, revision=answer.n_rolled + 1)
        answer.emotion_ms = 1000 * (self._clock() - answer.heard_at)
        if estimate is not None:
            answer.cached_share = estimate.cached_share
            if self._revise(answer, estimate):
                await self._tell(estimate)
        answer.was_read.set()

    async def _trouble(self, utterance: Utterance, trouble: Exception) -> None:
        number, at_s = utterance.utterance, utterance.decided_s
        await self._tell(EngineTrouble(utterance=number, at_s=at_s, engine="emotion recogniser", message=str(trouble)))
