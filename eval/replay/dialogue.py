"""Replays one conversation: its items go through the same listeners and session as live, in lockstep and unpaced."""

from __future__ import annotations

import time
from contextlib import aclosing, closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import anyio

from agent.backends.reply.reflective import ReflectiveResponder
from agent.backends.tts.choose import choose_speech
from agent.behaviour import Behaviour
from agent.conversation import Conversation
from agent.errors import AgentError
from agent.events import EmotionEstimate, Metrics, ReplyDelta
from agent.loudspeaker import SilentSink
from agent.ports import Explaining
from agent.preparation import Engines, danger_in
from agent.session import Session, SessionSettings
from streaming.errors import AudioUnreadable, StreamingError
from streaming.events import EngineTrouble, Transcript, Utterance
from streaming.pipeline import SILENT_DB, Heard

from .hearing import DialogueHearing
from .narrowed import narrowed
from .rows import Outcome
from .sound import Recordings
from .told import Told
from .words import lacks, readings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from agent.events import SessionEvent
    from agent.ports import EmotionRecognizer, Responder

    from ..corpora.item import Item
    from .calls import Tape
    from .hearing import Ears
    from .plan import ReplaySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What conversations are replayed with, loaded once for a process; `responder` makes one for each of them."""

    ears: Ears
    recognizer: EmotionRecognizer
    tape: Tape
    told: Told = field(default_factory=Told)
    responder: Callable[[], Responder] = ReflectiveResponder
    forget: Callable[[str], None] = lambda _: None


def replay_dialogue(items: Sequence[Item], *, session: str, bench: Bench, settings: ReplaySettings) -> list[Outcome]:
    """Return what comes of the items of one conversation, in order; without context each is a conversation of its own.

    Raises:
        EngineFailed, AgentError: an engine does not start, or died for good.
    """
    conversations = [(session, items)]
    if settings.context == 0 and len(items) > 1:
        conversations = [(f"{session}/{item.id}", [item]) for item in items]
    recordings = Recordings()

    async def run() -> list[Outcome]:
        found: list[Outcome] = []
        for name, some in conversations:
            found += await _Replayed(some, session=name, bench=bench, settings=settings, recordings=recordings).run()
        return found

    return anyio.run(run)


class _Replayed:
    def __init__(
        self,
        items: Sequence[Item],
        *,
        session: str,
        bench: Bench,
        settings: ReplaySettings,
        recordings: Recordings,
    ) -> None:
        self._items = items
        self._name = session
        self._bench = bench
        self._settings = settings
        self._recordings = recordings
        self._recognizer = narrowed(bench.recognizer, settings)
        self._hearing = DialogueHearing(bench.ears, takes_given=settings.hypotheses != "asr")
        self._outcomes: list[Outcome] = []
        self._has_help = False
        self._conversation = Conversation(session=session)
        self._session = Session(
            self._conversation,
            engines=Engines(recognizer=self._recognizer, responder=bench.responder(), speech=choose_speech("none")),
            sink=SilentSink(),
            tell=self._take,
            settings=SessionSettings(emotion=settings.emotion),
        )

    async def run(self) -> list[Outcome]:
        try:
            with closing(self._hearing):
                async with aclosing(self._heard()) as heard:
                    await self._session.run(heard)
        finally:
            self._bench.forget(self._name)
        return self._outcomes

    async def _heard(self) -> AsyncGenerator[Heard, None]:
        answers = self._settings.wants_words
        quiet = Behaviour(answers=answers, only_listens=not answers, speaks=False, emotion=self._settings.emotion)
        yield Heard(now_s=0.0, level_db=SILENT_DB, events=(), marks=(quiet,))
        for item in self._items:
            outcome = Outcome(item=item, is_answered=answers, target=self._settings.translate)
            self._outcomes.append(outcome)
            self._bench.told.begin(item)
            before = self._session.conversation
            began = time.perf_counter()
            try:
                async with aclosing(self._item(outcome)) as blocks:
                    async for block in blocks:
                        yield block
            except AudioUnreadable as trouble:
                outcome.is_unreadable = True
                # Where the corpus lies is no part of a row.
                outcome.troubles.append(str(trouble).replace(str(item.audio), item.audio.name if item.audio else ""))
            outcome.heard_ms = 1000 * (time.perf_counter() - began)
            if not answers:  # else the session itself does, once the answer is there
                await self._explain(outcome, before)
            outcome.took_ms = 1000 * (time.perf_counter() - began)
            outcome.model, outcome.costs = self._bench.tape.take()

    async def _item(self, outcome: Outcome) -> AsyncGenerator[Heard, None]:
        item, whose, only = outcome.item, self._settings.hypotheses, self._settings.readings
        words = readings(item, whose=whose, only=only)
        if (item.audio is None or only) and (problem := lacks(item, whose=whose, only=only)) is not None:
            outcome.is_unreadable = True
            outcome.troubles.append(problem)
        elif item.audio is not None:
            outcome.sound = sound = self._recordings.read(item)
            blocks = self._hearing.sound(sound.whole_blocks, speaker=item.speaker, words=words, language=item.language)
            for block in blocks:
                yield block
        elif words:
            yield self._hearing.writing(words, language=item.language)

    async def _explain(self, outcome: Outcome, before: Conversation) -> None:
        """Have the recogniser give its reasons, as it does live once the answer is under way."""
        recognizer = self._recognizer
        if not outcome.finals or not outcome.utterances or not isinstance(recognizer, Explaining):
            return
        last, said = outcome.finals[-1], outcome.utterances[-1]
        try:
            more = await recognizer.explain(said, before, estimate=last, revision=last.revision + 1)
        except (AgentError, StreamingError) as trouble:
            outcome.troubles.append(f"explanation: {trouble}")
            return
        if more is not None:
            outcome.finals.append(more)

    async def _take(self, event: SessionEvent) -> None:
        outcome = self._outcomes[-1]
        match event:
            case Utterance():
                self._has_help = self._settings.translate is not None and self._is_danger(event)
                # Its samples are not needed again, and a dialogue may have hours of them.
                outcome.utterances.append(event if self._explains else replace(event, samples=event.samples[:0]))
            case EmotionEstimate(is_final=True):
                outcome.finals.append(event)
            case EmotionEstimate():
                outcome.n_rolling += 1
            case Transcript(is_final=False):
                outcome.show(event, at_s=event.at_s - self._hearing.began_s)
            case ReplyDelta():
                self._say(outcome, event.text)
            case EngineTrouble():
                outcome.troubles.append(f"{event.engine}: {event.message}")
            case Metrics():
                outcome.emotion_ms, outcome.reply_ms = event.emotion_ms, event.reply_ms
            case _:
                pass

    def _is_danger(self, utterance: Utterance) -> bool:
        return danger_in(utterance, self._session.conversation) is not None

    def _say(self, outcome: Outcome, text: str) -> None:
        """Note what is said; the note on where to find help that stands before a translation is none of it."""
        if self._has_help:
            self._has_help = False
        else:
            outcome.say(text)

    @property
    def _explains(self) -> bool:
        return isinstance(self._recognizer, Explaining)
