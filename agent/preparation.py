"""How an answer comes about: estimate, crisis check, words, sound. Runs inside the answer's cancel scope.

Emotion has a budget: when the estimate is not there in time, the answer starts without it and the estimate follows as a
revision. The crisis check rests on the words alone: it works with every model down.

A translation is the user's own words: it is not vetted, and danger in it is translated like everything else. Who helps
is shown before it, at once, but not spoken: it is not meant for whom the user talks to.
"""

from __future__ import annotations

import math
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from streaming.errors import StreamingError
from streaming.events import EngineTrouble

from .answer import Answer, sentences
from .errors import AgentError, SpeechFailed
from .events import ReplyDelta, ToolCalled
from .expression import style_for, tinted
from .llm.template import sanitised
from .ports import Toned, ToolCalling, Translator
from .safety import answer as crisis_answer
from .safety import check, for_speech, vet
from .timing import AsItComes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from streaming.events import Utterance

    from .conversation import Conversation
    from .events import SessionEvent
    from .keeping import Keeps
    from .loudspeaker import Sink
    from .ports import Corrector, EmotionRecognizer, Responder, SpeakingStyle, Speech
    from .safety import CrisisFinding, Helpline
    from .timing import Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """What a session speaks and thinks with; without a log nothing is kept.

    `stand_in` answers where the responder fails before its first word: nobody is to meet silence. Without a `corrector`
    a correction in free words only marks the reading as the user's.
    """

    recognizer: EmotionRecognizer
    responder: Responder
    speech: Speech
    log: Keeps | None = None
    stand_in: Responder | None = None
    corrector: Corrector | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparationSettings:
    """How long an answer waits for the estimate (seconds, may be infinite), and who helps in a crisis.

    Without a `place` the shipped helplines of the conversation's locale are named. `timing` is told of what is a matter
    of time.
    """

    emotion_wait_s: float
    place: Helpline | None = None
    timing: Timing = field(default_factory=AsItComes, compare=False)


class Preparation:
    """Prepares answers, one after another."""

    def __init__(
        self,
        engines: Engines,
        *,
        sink: Sink,
        tell: Callable[[SessionEvent], Awaitable[None]],
        settings: PreparationSettings,
        sounding: Callable[[Answer, str], None],
        clock: Callable[[], float],
    ) -> None:
        """Prepare answers with `engines`; `sounding` is told of each sentence when its first sound is ready to play."""
        self._engines = engines
        self._sink = sink
        self._tell = tell
        self._settings = settings
        self._clock = clock
        self._sounding = sounding
        self._timing = settings.timing
        self._translates = isinstance(engines.responder, Translator)
        # Their rules are read now rather than during the first answer.
        check("")
        vet(".")

    async def run(self, answer: Answer, conversation: Conversation) -> None:
        """Fill `answer`, that was begun, until it is complete or cancelled; an engine that fails is told of."""
        try:
            with answer.scope:
                danger = answer.danger
                if danger is not None and self._translates:
                    await self._show(answer, f"[{self._help(answer, conversation, danger)}] ")
                await self._await_estimate(answer)
                if danger is None:
                    await self._choose_tools(answer, conversation)
                if not answer.calls:
                    await self._fill(answer, conversation, danger)
                await self._reach("complete", answer)
                answer.is_complete = True
        finally:
            answer.done.set()

    async def _choose_tools(self, answer: Answer, conversation: Conversation) -> None:
        """Let the responder ask for tools in place of an answer; where it cannot it answers."""
        responder, wanted = self._engines.responder, answer.behaviour
        if not (isinstance(responder, ToolCalling) and wanted.tools and wanted.tool_choice != "none"):
            return
        try:
            calls = await responder.choose(answer.utterance, answer.estimate, conversation)
        except (AgentError, StreamingError) as trouble:
            await self._trouble(answer, "responder", trouble)
            return
        await self._reach("chose", answer)
        answer.calls = calls
        for call in answer.calls:
            number = answer.utterance.utterance
            await self._tell(ToolCalled(utterance=number, call=call.call, name=call.name, arguments=call.arguments))

    async def _fill(self, answer: Answer, conversation: Conversation, danger: CrisisFinding | None) -> None:
        """Let the responder speak, and where it says nothing, whoever stands in for it."""
        await self._reach("asked", answer)
        words = self._words(answer, conversation, danger)
        await self._say_all(answer, words, conversation)
        if not answer.text and self._engines.stand_in is not None:
            words = self._engines.stand_in.respond(answer.utterance, answer.estimate, conversation)
            await self._say_all(answer, words, conversation)

    async def _await_estimate(self, answer: Answer) -> None:
        # Live, a crisis answer waits for nothing; in lockstep every step is finished.
        wait_s = self._timing.patience_s(answer.utterance.utterance, self._settings.emotion_wait_s)
        with anyio.move_on_after(0 if self.is_urgent(answer) and math.isfinite(wait_s) else wait_s) as budget:
            await answer.was_read.wait()
        if budget.cancelled_caught:
            await self._reach("late", answer)
        answer.estimate_was_late = budget.cancelled_caught

    async def _say_all(self, answer: Answer, words: AsyncGenerator[str, None], conversation: Conversation) -> None:
        style = self._style(answer, conversation)
        has_voice = answer.behaviour.speaks
        try:
            async with aclosing(words), aclosing(sentences(words)) as whole:
                async for sentence in whole:
                    safe, spoken = self._checked(answer, sentence, locale=conversation.locale)
                    await self._show(answer, safe)
                    has_voice = has_voice and await self._speak(answer, safe, spoken=spoken, style=style)
        except (AgentError, StreamingError) as trouble:
            await self._trouble(answer, "responder", trouble)
            answer.has_failed = True
        if answer.sounds:
            await self._reach("said", answer)
            answer.spoken.finish()
            self._sink.finish()

    def _style(self, answer: Answer, conversation: Conversation) -> SpeakingStyle:
        if self.is_urgent(answer):
            return style_for(answer.estimate, kind="crisis")
        style, responder = style_for(answer.estimate), self._engines.responder
        return tinted(style, responder.tone(answer.estimate, conversation)) if isinstance(responder, Toned) else style

    def is_urgent(self, answer: Answer) -> bool:
        """Tell whether the answer is the agent's own to danger."""
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
        await self._reach("wrote", answer)
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

    async def _speak(self, answer: Answer, sentence: str, *, spoken: str, style: SpeakingStyle) -> bool:
        """Let the voice say a sentence, given as written and as spoken. Returns False when it cannot any more."""
        is_first = True
        try:
            async with aclosing(self._engines.speech.speak(spoken, style)) as sound:
                async for samples in sound:
                    await anyio.lowlevel.checkpoint_if_cancelled()
                    await self._reach("sound", answer)
                    if answer.sound_ms is None:
                        answer.sound_ms = self._ms_since(answer)
                    if is_first:
                        self._sounding(answer, sentence)
                        is_first = False
                    answer.spoken.sound(len(samples))
                    await self._sink.play(samples)
        except (SpeechFailed, StreamingError) as trouble:
            await self._trouble(answer, "voice", trouble)
            return False
        return True

    async def _trouble(self, answer: Answer, engine: str, trouble: Exception) -> None:
        await self._reach("failed", answer)
        number, at_s = answer.utterance.utterance, answer.utterance.decided_s
        await self._tell(EngineTrouble(utterance=number, at_s=at_s, engine=engine, message=str(trouble)))

    async def _reach(self, moment: str, answer: Answer) -> None:
        await self._timing.reach(moment, answer.utterance.utterance)

    def _ms_since(self, answer: Answer) -> float:
        return 1000 * (self._clock() - answer.heard_at)


def danger_in(utterance: Utterance, conversation: Conversation) -> CrisisFinding | None:
    """Return what in any reading of an utterance says that somebody may be in danger; by the words alone."""
    nbest = utterance.transcript.nbest
    others = [hypothesis.text for hypothesis in nbest[1:]]
    return check(utterance.transcript.text, alternatives=others, locale=conversation.locale)


async def _once(text: str) -> AsyncGenerator[str, None]:
    yield text
