"""How an answer comes about: estimate, crisis check, words, sound. Runs inside the answer's cancel scope.

Emotion has a budget: when the estimate is not there in time, the answer starts without it and the estimate follows as a
revision. The crisis check rests on the words alone: it works with every model down.
"""

from __future__ import annotations

import math
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from streaming.errors import StreamingError
from streaming.events import EngineTrouble

from .answer import Answer, sentences
from .errors import AgentError, SpeechFailed
from .events import EmotionSource, ReplyDelta
from .expression import style_for
from .safety import answer as crisis_answer
from .safety import check, for_speech, vet

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from anyio.abc import TaskGroup

    from streaming.events import Utterance

    from .conversation import Conversation
    from .events import EmotionEstimate, SessionEvent
    from .loudspeaker import Sink
    from .ports import EmotionRecognizer, Responder, SpeakingStyle, Speech
    from .safety import CrisisFinding, Helpline
    from .turnlog import TurnLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """What a session speaks and thinks with; without a log nothing is kept.

    `stand_in` answers where the responder fails before its first word: nobody is to meet silence.
    """

    recognizer: EmotionRecognizer
    responder: Responder
    speech: Speech
    log: TurnLog | None = None
    stand_in: Responder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparationSettings:
    """What an answer may rest on, how long it waits for the estimate (seconds, may be infinite), who helps in a crisis.

    Without a `place` the shipped helplines of the conversation's locale are named.
    """

    emotion: EmotionSource
    emotion_wait_s: float
    place: Helpline | None = None


class Preparation:
    """Prepares answers, one after another."""

    def __init__(
        self,
        engines: Engines,
        *,
        sink: Sink,
        tell: Callable[[SessionEvent], Awaitable[None]],
        settings: PreparationSettings,
        clock: Callable[[], float],
    ) -> None:
        self._engines = engines
        self._sink = sink
        self._tell = tell
        self._settings = settings
        self._clock = clock
        # Their rules are read now rather than during the first answer.
        check("")
        vet(".")

    async def run(
        self,
        answer: Answer,
        conversation: Conversation,
        *,
        revision: int,
        tasks: TaskGroup,
        sounding: Callable[[Answer, str], None],
    ) -> None:
        """Fill `answer` until it is complete or cancelled; an engine that fails is told of and does without.

        `sounding` is told of each sentence whose first sound is ready, before that sound is played.
        """
        try:
            with answer.scope:
                danger = _danger_in(answer.utterance, conversation)
                answer.is_crisis = danger is not None
                await self._await_estimate(answer, conversation, revision=revision, tasks=tasks)
                words = self._words(answer, conversation, danger)
                await self._say_all(answer, words, locale=conversation.locale, sounding=sounding)
                if not answer.text and self._engines.stand_in is not None:
                    words = self._engines.stand_in.respond(answer.utterance, answer.estimate, conversation)
                    await self._say_all(answer, words, locale=conversation.locale, sounding=sounding)
                answer.is_complete = True
        finally:
            answer.done.set()

    async def estimate(
        self, utterance: Utterance, conversation: Conversation, *, revision: int
    ) -> EmotionEstimate | None:
        """Return what `utterance` expresses; None when emotion is off or the recogniser failed."""
        if self._settings.emotion == "off":
            return None
        try:
            return await self._engines.recognizer.recognize(
                utterance, conversation, revision=revision, source=self._settings.emotion
            )
        except (AgentError, StreamingError) as trouble:
            await self._trouble(utterance, "emotion recogniser", trouble)
            return None

    async def _await_estimate(
        self, answer: Answer, conversation: Conversation, *, revision: int, tasks: TaskGroup
    ) -> None:
        there = anyio.Event()

        async def recognize() -> None:
            estimate = await self.estimate(answer.utterance, conversation, revision=revision)
            answer.emotion_ms = self._ms_since(answer)
            answer.estimate = estimate
            if estimate is not None:
                await self._tell(estimate)
            there.set()

        # In the session's own group: an answer that is cancelled or started already still gets its estimate.
        tasks.start_soon(recognize)
        # Live, a crisis answer waits for nothing; in lockstep every step is finished.
        wait_s = self._settings.emotion_wait_s
        with anyio.move_on_after(0 if answer.is_crisis and math.isfinite(wait_s) else wait_s) as budget:
            await there.wait()
        answer.estimate_was_late = budget.cancelled_caught

    async def _say_all(
        self, answer: Answer, words: AsyncGenerator[str, None], *, locale: str, sounding: Callable[[Answer, str], None]
    ) -> None:
        style = style_for(answer.estimate, kind="crisis" if answer.is_crisis else "answer")
        has_voice = True
        try:
            async with aclosing(words), aclosing(sentences(words)) as whole:
                async for sentence in whole:
                    safe = sentence if answer.is_crisis else vet(sentence, locale=locale, place=self._settings.place)
                    await self._show(answer, safe)
                    # A safe fallback may name a helpline too.
                    spoken = for_speech(safe) if answer.is_crisis or safe != sentence else safe
                    has_voice = has_voice and await self._speak(answer, (safe, spoken), style=style, sounding=sounding)
        except (AgentError, StreamingError) as trouble:
            await self._trouble(answer.utterance, "responder", trouble)
        if answer.sounds:
            answer.spoken.finish()
            self._sink.finish()

    async def _show(self, answer: Answer, sentence: str) -> None:
        await anyio.lowlevel.checkpoint_if_cancelled()  # nothing of an answer is told after its end
        if answer.reply_ms is None:
            answer.reply_ms = self._ms_since(answer)
        answer.text += sentence
        answer.spoken.sentence(sentence)  # without a voice it counts as heard after what was heard before it
        await self._tell(ReplyDelta(utterance=answer.utterance.utterance, text=sentence))

    def _words(
        self, answer: Answer, conversation: Conversation, danger: CrisisFinding | None
    ) -> AsyncGenerator[str, None]:
        """Return where the words come from: danger is answered before any responder is asked."""
        if danger is None:
            return self._engines.responder.respond(answer.utterance, answer.estimate, conversation)
        said = {turn.reply for turn in conversation.turns}
        number = answer.utterance.utterance
        place = self._settings.place
        return _once(crisis_answer(danger, session=conversation.session, turn=number, avoid=said, place=place))

    async def _speak(
        self, answer: Answer, words: tuple[str, str], *, style: SpeakingStyle, sounding: Callable[[Answer, str], None]
    ) -> bool:
        """Let the voice say a sentence, given as written and as spoken. Returns False when it cannot any more."""
        sentence, spoken = words
        is_first = True
        try:
            async with aclosing(self._engines.speech.speak(spoken, style)) as sound:
                async for samples in sound:
                    await anyio.lowlevel.checkpoint_if_cancelled()
                    if answer.sound_ms is None:
                        answer.sound_ms = self._ms_since(answer)
                    if is_first:
                        sounding(answer, sentence)
                        is_first = False
                    answer.spoken.sound(len(samples))
                    await self._sink.play(samples)
        except (SpeechFailed, StreamingError) as trouble:
            await self._trouble(answer.utterance, "voice", trouble)
            return False
        return True

    async def _trouble(self, utterance: Utterance, engine: str, trouble: Exception) -> None:
        at_s = utterance.decided_s
        await self._tell(EngineTrouble(utterance=utterance.utterance, at_s=at_s, engine=engine, message=str(trouble)))

    def _ms_since(self, answer: Answer) -> float:
        return 1000 * (self._clock() - answer.heard_at)


def _danger_in(utterance: Utterance, conversation: Conversation) -> CrisisFinding | None:
    nbest = utterance.transcript.nbest
    others = [hypothesis.text for hypothesis in nbest[1:]]
    return check(utterance.transcript.text, alternatives=others, locale=conversation.locale)


async def _once(text: str) -> AsyncGenerator[str, None]:
    yield text
