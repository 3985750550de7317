"""Engines that take their time, each time another, and whose answers betray all that they were shown."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import anyio

from agent.backends.emotion.scripted import scripted_estimate
from agent.backends.tts.scripted import ScriptedSpeech
from agent.labels import BIG_FOUR
from streaming.backends.scripted import ScriptedTranscriber
from streaming.backends.scripted_activity import ScriptedActivity
from streaming.listener import Listener, Stages
from streaming.prosody import ProsodyTracker
from streaming.segmenter import Segmenter
from tests.agent.server.hosted import scripted_engines

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from random import Random

    from agent.backends.choose import ProfileEngines
    from agent.conversation import Conversation
    from agent.events import EmotionEstimate, EmotionSource
    from agent.ports import SpeakingStyle
    from streaming.events import Samples, Transcript, Utterance
    from streaming.listener import ListenerSettings
    from streaming.ports import Pending


def shown(conversation: Conversation) -> str:
    """Return in a few characters what an engine was shown of a conversation."""
    turns = [
        f"{turn.utterance}{turn.estimate.top if turn.estimate else 'unread'}{turn.reply}" for turn in conversation.turns
    ]
    return f"{len(turns)}{sum(map(ord, ''.join(turns))) % 9973:04d}"


@dataclass
class Moods:
    """How long things take: up to `longest_s`, drawn anew for each."""

    random: Random
    longest_s: float

    async def wait(self) -> None:
        await anyio.sleep(self.random.random() ** 3 * self.longest_s)

    def due_s(self) -> float:
        return time.monotonic() + self.random.random() * self.longest_s / 2


class MoodyRecognizer:
    def __init__(self, moods: Moods) -> None:
        self._moods = moods

    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        await self._moods.wait()
        seen = shown(conversation)
        top = BIG_FOUR[(int(seen) + len(utterance.transcript.text)) % len(BIG_FOUR)]
        return replace(
            scripted_estimate(top),
            utterance=utterance.utterance,
            revision=revision,
            is_final=utterance.is_final,
            at_s=utterance.decided_s,
            reason=seen,
            method=source,
        )

    async def explain(
        self, utterance: Utterance, conversation: Conversation, *, estimate: EmotionEstimate, revision: int
    ) -> EmotionEstimate | None:
        del utterance
        await self._moods.wait()
        return replace(estimate, revision=revision, reason=f"because of {shown(conversation)}")


class MoodyResponder:
    def __init__(self, moods: Moods) -> None:
        self._moods = moods

    async def respond(
        self, utterance: Utterance, estimate: EmotionEstimate | None, conversation: Conversation
    ) -> AsyncGenerator[str, None]:
        read = "nothing yet" if estimate is None else f"{estimate.top} at {estimate.revision}"
        for piece in (
            f"I heard {read}. ",
            f"It was utterance {utterance.utterance}. ",
            f"I know {shown(conversation)}.",
        ):
            await self._moods.wait()
            yield piece


class MoodySpeech(ScriptedSpeech):
    def __init__(self, moods: Moods) -> None:
        super().__init__(s_per_character=0.02)
        self._moods = moods

    async def speak(self, text: str, style: SpeakingStyle) -> AsyncGenerator[Samples, None]:
        await self._moods.wait()
        async for block in super().speak(text, style):
            await anyio.sleep(self._moods.random.random() * 0.01)
            yield block


@dataclass
class Late:
    """An answer that is there when it is there."""

    answer: Pending[Transcript]
    due_s: float

    def done(self) -> bool:
        return time.monotonic() >= self.due_s

    def result(self) -> Transcript:
        time.sleep(max(0.0, self.due_s - time.monotonic()))
        return self.answer.result()

    def cancel(self) -> None:
        self.answer.cancel()


class MoodyTranscriber(ScriptedTranscriber):
    def __init__(self, script: Sequence[str], moods: Moods) -> None:
        super().__init__(script)
        self._moods = moods

    def partial(self) -> Any:
        return Late(super().partial(), self._moods.due_s())

    def finish(self) -> Any:
        return Late(super().finish(), self._moods.due_s() - self._moods.longest_s / 4)


@dataclass(kw_only=True)
class MoodyListeners:
    spans: Sequence[tuple[float, float]]
    words: Sequence[str]
    moods: Moods

    def listener(self, settings: ListenerSettings) -> Listener:
        stages = Stages(
            segmenter=Segmenter(ScriptedActivity(self.spans)),
            transcriber=MoodyTranscriber(self.words, self.moods),
            prosody=ProsodyTracker(),
        )
        return Listener(stages, settings)


def moody_engines(moods: Moods) -> ProfileEngines:
    return scripted_engines(
        recognizer=MoodyRecognizer(moods), responder=MoodyResponder(moods), speech=MoodySpeech(moods)
    )
