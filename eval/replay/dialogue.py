"""Replays one conversation: its items go through the same listeners and session as live, in lockstep and unpaced."""

from __future__ import annotations

import time
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio

from agent.backends.reply.reflective import ReflectiveResponder
from agent.backends.tts.choose import choose_speech
from agent.behaviour import Behaviour
from agent.conversation import Conversation
from agent.errors import AgentError
from agent.events import EmotionEstimate, Metrics
from agent.loudspeaker import SilentSink
from agent.ports import Explaining
from agent.preparation import Engines
from agent.session import Session, SessionSettings
from streaming.errors import AudioUnreadable, StreamingError
from streaming.events import EngineTrouble, Utterance
from streaming.pipeline import SILENT_DB, Heard

from .hearing import DialogueHearing
from .rows import Outcome
from .sound import Recordings
from .words import readings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from agent.events import SessionEvent
    from agent.ports import EmotionRecognizer

    from ..corpora.item import Item
    from .calls import Tape
    from .hearing import Ears
    from .plan import ReplaySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What conversations are replayed with, loaded once for a process."""

    ears: Ears
    recognizer: EmotionRecognizer
    tape: Tape
    forget: Callable[[str], None] = lambda _: None


def replay_dialogue(items: Sequence[Item], *, session: str, bench: Bench, settings: ReplaySettings) -> list[Outcome]:
    """Return what comes of the items of one conversation, in order.

    Raises:
        EngineFailed, AgentError: an engine does not start, or died for good.
    """
    return anyio.run(_Replayed(items, session=session, bench=bench, settings=settings).run)


class _Replayed:
    def __init__(self, items: Sequence[Item], *, session: str, bench: Bench, settings: ReplaySettings) -> None:
        self._items = items
        self._name = session
        self._bench = bench
        self._settings = settings
        self._recordings = Recordings()
        self._hearing = DialogueHearing(bench.ears, takes_given=settings.hypotheses != "asr")
        self._outcomes: list[Outcome] = []
        self._conversation = Conversation(session=session)
        self._session = Session(
            self._conversation,
            engines=Engines(recognizer=bench.recognizer, responder=ReflectiveResponder(), speech=choose_speech("none")),
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
        quiet = Behaviour(answers=False, only_listens=True, speaks=False, emotion=self._settings.emotion)
        yield Heard(now_s=0.0, level_db=SILENT_DB, events=(), marks=(quiet,))
        for item in self._items:
            outcome = Outcome(item=item)
            self._outcomes.append(outcome)
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
            await self._explain(outcome, before)
            outcome.model, outcome.costs = self._bench.tape.take()

    async def _item(self, outcome: Outcome) -> AsyncGenerator[Heard, None]:
        item, whose = outcome.item, self._settings.hypotheses
        words = readings(item, whose=whose)
        if item.audio is not None:
            outcome.sound = sound = self._recordings.read(item)
            for block in self._hearing.sound(sound.whole_blocks, speaker=item.speaker, words=words):
                yield block
        elif words:
            yield self._hearing.writing(words)
        else:
            outcome.is_unreadable = True
            outcome.troubles.append("there is neither sound nor words")

    async def _explain(self, outcome: Outcome, before: Conversation) -> None:
        """Have the recogniser give its reasons, as it does live once the answer is under way."""
        recognizer = self._bench.recognizer
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
                # Its samples are not needed again, and a dialogue may have hours of them.
                outcome.utterances.append(event if self._explains else replace(event, samples=event.samples[:0]))
            case EmotionEstimate(is_final=True):
                outcome.finals.append(event)
            case EmotionEstimate():
                outcome.n_rolling += 1
            case EngineTrouble():
                outcome.troubles.append(f"{event.engine}: {event.message}")
            case Metrics():
                outcome.emotion_ms = event.emotion_ms
            case _:
                pass

    @property
    def _explains(self) -> bool:
        return isinstance(self._bench.recognizer, Explaining)
