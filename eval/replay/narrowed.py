"""Shows a recogniser less than there is: fewer readings, fewer turns. Pure but for whom it asks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent.ports import Explaining
from streaming.nbest import cross_wer

if TYPE_CHECKING:
    from agent.conversation import Conversation
    from agent.events import EmotionEstimate, EmotionSource
    from agent.ports import EmotionRecognizer
    from streaming.events import Utterance

    from .plan import ReplaySettings


@dataclass(frozen=True, slots=True)
class View:
    """How much is shown: the best `n_best` readings, the last `context` turns; None: all there are."""

    n_best: int | None
    context: int | None

    def said(self, utterance: Utterance) -> Utterance:
        """Return an utterance with the readings shown: their shares sum to 1, and how far they disagree is theirs."""
        nbest = utterance.transcript.nbest[: self.n_best]
        if len(nbest) == len(utterance.transcript.nbest):
            return utterance
        total = sum(one.posterior for one in nbest)
        share = 1 / len(nbest)
        shown = tuple(replace(one, posterior=one.posterior / total if total else share) for one in nbest)
        transcript = replace(utterance.transcript, nbest=shown)
        return replace(utterance, transcript=transcript, cross_wer=cross_wer(shown))

    def before(self, conversation: Conversation) -> Conversation:
        """Return a conversation with the turns shown; the others count as said, and are not held any more."""
        turns = conversation.turns
        n_gone = 0 if self.context is None else max(0, len(turns) - self.context)
        if not n_gone:
            return conversation
        return replace(conversation, turns=turns[n_gone:], n_left=conversation.n_left + n_gone)


class Narrowed:
    """`agent.ports.EmotionRecognizer`: another one, that is shown so much. It does not work ahead: nobody waits."""

    def __init__(self, recognizer: EmotionRecognizer, view: View) -> None:
        self._recognizer = recognizer
        self._view = view

    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        """See `EmotionRecognizer`."""
        said, before = self._view.said(utterance), self._view.before(conversation)
        return await self._recognizer.recognize(said, before, revision=revision, source=source)


class NarrowedExplaining(Narrowed):
    """The same of a recogniser that explains."""

    def __init__(self, recognizer: EmotionRecognizer, view: View, *, explaining: Explaining) -> None:
        super().__init__(recognizer, view)
        self._explaining = explaining

    async def explain(
        self, utterance: Utterance, conversation: Conversation, *, estimate: EmotionEstimate, revision: int
    ) -> EmotionEstimate | None:
        """See `agent.ports.Explaining`."""
        said, before = self._view.said(utterance), self._view.before(conversation)
        return await self._explaining.explain(said, before, estimate=estimate, revision=revision)


def narrowed(recognizer: EmotionRecognizer, settings: ReplaySettings) -> EmotionRecognizer:
    """Return a recogniser that is shown what the settings leave; the same one where that is everything."""
    view = View(n_best=settings.n_best, context=settings.context)
    if view.n_best is None and view.context is None:
        return recognizer
    if isinstance(recognizer, Explaining):
        return NarrowedExplaining(recognizer, view, explaining=recognizer)
    return Narrowed(recognizer, view)
