"""One answer on its way: its words, the sentences that are ready to be spoken, and what the user has heard of it.

Knows neither engines nor devices: the session's tasks fill it, and a count of played samples says what was heard.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from .behaviour import Behaviour
from .events import Metrics, Turn
from .playback import SpokenReply
from .revision import stands
from .sentences import SentenceCutter
from .speculation import Speculated

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from streaming.events import Utterance

    from .behaviour import ToolCall
    from .events import EmotionEstimate
    from .safety import CrisisFinding


async def sentences(pieces: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """Yield the words of `pieces` sentence by sentence, the spaces after each kept; joined they are the same text."""
    cutter = SentenceCutter()
    async for piece in pieces:
        for sentence in cutter.feed(piece):
            yield sentence
    for sentence in cutter.flush():
        yield sentence


@dataclass(slots=True, kw_only=True, eq=False)
class Answer:
    """The state of one answer.

    Attributes:
        heard_at: wall-clock second at which the utterance was there; latencies count from it.
        sounds: True once there is sound of it; without a voice it is read, and counts as heard at once.
        cached_share: what the model had worked through of the question for the first final estimate.
        speculated: what was done ahead of the utterance.
        scope: cancelling it stops the responder and the voice.
        n_rolled: how many estimates were begun while the utterance was being said.
        is_complete: no more words or sound will follow.
        done: set when its preparation is over, complete or not.
        was_read: set when the recogniser is through with the utterance, with or without an estimate.
        afterthought: cancelling it stops what is still thought about the estimate once the words are there.
        danger: what in the words says that somebody may be in danger, looked for once.
        behaviour: what is wanted of it.
        request: who asked for it; None when it comes by itself.
        is_apart: it is no part of the conversation.
        calls: the tools that were asked for in its place.
        has_failed: the responder failed.
        is_hidden: engines are not to be shown it; the turn log keeps it.
    """

    utterance: Utterance
    heard_at: float
    danger: CrisisFinding | None = None
    behaviour: Behaviour = field(default_factory=Behaviour)
    request: str | None = None
    is_apart: bool = False
    calls: tuple[ToolCall, ...] = ()
    has_failed: bool = False
    is_hidden: bool = False
    estimate: EmotionEstimate | None = None
    estimate_was_late: bool = False
    text: str = ""
    spoken: SpokenReply = field(default_factory=SpokenReply)
    sounds: bool = False
    n_rolled: int = 0
    is_complete: bool = False
    emotion_ms: float | None = None
    reply_ms: float | None = None
    sound_ms: float | None = None
    cached_share: float | None = None
    speculated: Speculated = field(default_factory=Speculated)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    done: anyio.Event = field(default_factory=anyio.Event)
    was_read: anyio.Event = field(default_factory=anyio.Event)
    afterthought: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def is_crisis(self) -> bool:
        """Whether somebody may be in danger."""
        return self.danger is not None

    def revise(self, estimate: EmotionEstimate) -> bool:
        """Take an estimate if it stands over the present one; tell whether it does."""
        if not stands(estimate, over=self.estimate):
            return False
        self.estimate = estimate
        return True

    def heard(self, n_played: int) -> str:
        """Return what the user got when `n_played` samples were heard; all that was shown, when nothing sounds."""
        return (self.spoken.heard(n_played) if self.sounds else self.text).strip()


def turn_of(answer: Answer, *, session: str, reply: str, interrupted: bool) -> Turn:
    """Return what is kept of an answered utterance."""
    utterance = answer.utterance
    return Turn(
        session=session,
        seq=None,
        utterance=utterance.utterance,
        start_s=utterance.start_s,
        end_s=utterance.end_s,
        text=utterance.transcript.text,
        nbest=tuple((hypothesis.text, hypothesis.posterior) for hypothesis in utterance.transcript.nbest),
        estimate=answer.estimate,
        prosody_words=utterance.prosody.words,
        reply=reply,
        interrupted=interrupted,
        is_crisis=answer.is_crisis,
    )


def metrics_of(answer: Answer) -> Metrics:
    """Return where the time of an answer went."""
    return Metrics(
        utterance=answer.utterance.utterance,
        endpoint_wait_ms=1000 * (answer.utterance.decided_s - answer.utterance.end_s),
        emotion_ms=answer.emotion_ms,
        reply_ms=answer.reply_ms,
        sound_ms=answer.sound_ms,
        emotion_was_late=int(answer.estimate_was_late),
        cached_share=answer.cached_share,
        prefills_dropped=answer.speculated.n_dropped,
        prefills_failed=answer.speculated.n_failed,
    )
