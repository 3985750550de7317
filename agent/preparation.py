"""How an answer comes about: estimate, crisis check, words, sound. Runs inside the answer's cancel scope.

Emotion has a budget: when the estimate is not there in time, the answer starts without it and the estimate follows as a
revision. The crisis check rests on the words alone: it works with every model down.

A translation is the user's own words: it is not vetted, and danger in it is translated like everything else. Who helps
is shown before it, at once, but not spoken: it is not meant for whom the user talks to.
"""

from __future__ import annotations

import math
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from streaming.errors import StreamingError
from streaming.events import EngineTrouble

from .answer import Answer, sentences
from .correction import corrected
from .errors import AgentError, SpeechFailed
from .events import EmotionSource, ReplyDelta
from .expression import style_for, tinted
from .llm.template import sanitised
from .ports import Explaining, Toned, Translator
from .safety import answer as crisis_answer
from .safety import check, for_speech, vet

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from anyio.abc import TaskGroup

    from streaming.events import Utterance

    from .conversation import Conversation
    from .correction import EmotionCorrection
    from .events import EmotionEstimate, SessionEvent
    from .loudspeaker import Sink
    from .ports import Corrector, EmotionRecognizer, Responder, SpeakingStyle, Speech
    from .safety import CrisisFinding, Helpline
    from .turnlog import TurnLog


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """What a session speaks and thinks with; without a log nothing is kept.

    `stand_in` answers where the responder fails before its first word: nobody is to meet silence. Without a `corrector`
    a correction in free words only marks the reading as the user's.
    """

    recognizer: EmotionRecognizer
    responder: Responder
    speech: Speech
    log: TurnLog | None = None
    stand_in: Responder | None = None
    corrector: Corrector | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparationSettings:
    """What an answer may rest on, how long it waits for the estimate (seconds, may be infinite), who helps in a crisis.

    Without a `place` the shipped helplines of the conversation's locale are named.
    """

    emotion: EmotionSource
    emotion_wait_s: float
    place: Helpline | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """Who keeps up with an answer.

    Attributes:
        sounding: told of each sentence whose first sound is ready, before that sound is played.
        estimated: given each estimate of the utterance; says whether it stands, and is told.
    """

    sounding: Callable[[Answer, str], None]
    estimated: Callable[[Answer, EmotionEstimate], bool]


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
        self._translates = isinstance(engines.responder, Translator)
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
        follower: Follower,
    ) -> None:
        """Fill `answer` until it is complete or cancelled; an engine that fails is told of and does without."""
        try:
            with answer.scope:
                danger = _danger_in(answer.utterance, conversation)
                answer.is_crisis = danger is not None
                # In the session's own group: an answer that is cancelled or started already still gets its estimate.
                tasks.start_soon(partial(self._read, answer, conversation, revision=revision, follower=follower))
                if danger is not None and self._translates:
                    await self._show(answer, f"[{self._help(answer, conversation, danger)}] ")
                await self._await_estimate(answer)
                words = self._words(answer, conversation, danger)
                await self._say_all(answer, words, conversation, sounding=follower.sounding)
                if not answer.text and self._engines.stand_in is not None:
                    words = self._engines.stand_in.respond(answer.utterance, answer.estimate, conversation)
                    await self._say_all(answer, words, conversation, sounding=follower.sounding)
                answer.is_complete = True
        finally:
            answer.done.set()

    @property
    def reads_emotion(self) -> bool:
        """Whether emotion is read at all."""
        return self._settings.emotion != "off"

    async def estimate(
        self, utterance: Utterance, conversation: Conversation, *, revision: int
    ) -> EmotionEstimate | None:
        """Return what `utterance` expresses; None when emotion is off or the recogniser failed."""
        if not self.reads_emotion:
            return None
        try:
            return await self._engines.recognizer.recognize(
                utterance, conversation, revision=revision, source=self._settings.emotion
            )
        except (AgentError, StreamingError) as trouble:
            await self._trouble(utterance, "emotion recogniser", trouble)
            return None

    async def corrected(self, estimate: EmotionEstimate, correction: EmotionCorrection) -> EmotionEstimate:
        """Return the estimate as the user would have it; words typed for it are read by whoever can."""
        corrector = self._engines.corrector
        # What was said in passing is answered next: it does not wait for a model.
        if corrector is not None and not correction.is_spoken:
            with suppress(AgentError, StreamingError):  # a label or a denial is understood without it
                return await corrector.correct(estimate, correction)
        return corrected(estimate, correction)

    async def explain(self, answer: Answer, conversation: Conversation, *, follower: Follower) -> None:
        """Have the recogniser say more about its estimate, where it can; told as a revision, waited for by nobody."""
        recognizer = self._engines.recognizer
        if not self.reads_emotion or not isinstance(recognizer, Explaining):
            return
        with answer.afterthought:
            await answer.was_read.wait()
            estimate = answer.estimate
            if estimate is None or estimate.is_corrected:
                return
            number = estimate.revision + 1
            try:
                revision = await recognizer.explain(answer.utterance, conversation, estimate=estimate, revision=number)
            except (AgentError, StreamingError) as trouble:
                await self._trouble(answer.utterance, "emotion recogniser", trouble)
                return
            if revision is not None and follower.estimated(answer, revision):
                await self._tell(revision)

    async def _read(self, answer: Answer, conversation: Conversation, *, revision: int, follower: Follower) -> None:
        estimate = await self.estimate(answer.utterance, conversation, revision=revision)
        answer.emotion_ms = self._ms_since(answer)
        if estimate is not None:
            answer.cached_share = estimate.cached_share
            if follower.estimated(answer, estimate):
                await self._tell(estimate)
        answer.was_read.set()

    async def _await_estimate(self, answer: Answer) -> None:
        # Live, a crisis answer waits for nothing; in lockstep every step is finished.
        wait_s = self._settings.emotion_wait_s
        with anyio.move_on_after(0 if self._is_urgent(answer) and math.isfinite(wait_s) else wait_s) as budget:
            await answer.was_read.wait()
        answer.estimate_was_late = budget.cancelled_caught

    async def _say_all(
        self,
        answer: Answer,
        words: AsyncGenerator[str, None],
        conversation: Conversation,
        *,
        sounding: Callable[[Answer, str], None],
    ) -> None:
        style = self._style(answer, conversation)
        has_voice = True
        try:
            async with aclosing(words), aclosing(sentences(words)) as whole:
                async for sentence in whole:
                    safe, spoken = self._checked(answer, sentence, locale=conversation.locale)
                    await self._show(answer, safe)
                    has_voice = has_voice and await self._speak(answer, (safe, spoken), style=style, sounding=sounding)
        except (AgentError, StreamingError) as trouble:
            await self._trouble(answer.utterance, "responder", trouble)
        if answer.sounds:
            answer.spoken.finish()
            self._sink.finish()

    def _style(self, answer: Answer, conversation: Conversation) -> SpeakingStyle:
        if self._is_urgent(answer):
            return style_for(answer.estimate, kind="crisis")
        style, responder = style_for(answer.estimate), self._engines.responder
        return tinted(style, responder.tone(answer.estimate, conversation)) if isinstance(responder, Toned) else style

    def _is_urgent(self, answer: Answer) -> bool:
        """Return whether the answer is the agent's own to danger."""
        return answer.is_crisis and not self._translates

    def _checked(self, answer: Answer, sentence: str, *, locale: str) -> tuple[str, str]:
        """Return a sentence as it may be written and as it may be spoken."""
        if self._translates:
            plain = sanitised(sentence)
            return plain, plain
        safe = sentence if answer.is_crisis else vet(sentence, locale=locale, place=self._settings.place)
        # A safe fallback may name a helpline too.
        return safe, for_speech(safe) if answer.is_crisis or safe != sentence else safe

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
        if danger is None or self._translates:
            return self._engines.responder.respond(answer.utterance, answer.estimate, conversation)
        return _once(self._help(answer, conversation, danger))

    def _help(self, answer: Answer, conversation: Conversation, danger: CrisisFinding) -> str:
        said = {turn.reply for turn in conversation.turns}
        number = answer.utterance.utterance
        place = self._settings.place
        return crisis_answer(danger, session=conversation.session, turn=number, avoid=said, place=place)

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
