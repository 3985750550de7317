"""A conversation that is cut off: cancelled at every await there is, and raced at every await there is."""

from __future__ import annotations

import asyncio
import random
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from agent.backends.emotion.scripted import ScriptedRecognizer, scripted_estimate
from agent.backends.reply.scripted import ScriptedResponder
from agent.backends.tts.scripted import ScriptedSpeech
from agent.conversation import Conversation
from agent.errors import SpeechFailed
from agent.events import Metrics, ReplyDelta, ReplyDone, StorageDegraded, Turn, TurnSaved
from agent.loudspeaker import SilentSink
from agent.preparation import Engines
from agent.session import Session, SessionSettings
from agent.turnlog import Saving
from streaming.audio import silence
from streaming.events import EngineTrouble, Hypothesis, Prosody, SpeechEnded, SpeechStarted, Transcript, Utterance
from streaming.pipeline import Heard

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence

    from agent.events import EmotionEstimate, EmotionSource, SessionEvent
    from agent.ports import SpeakingStyle
    from streaming.events import ListenerEvent, Samples

pytestmark = pytest.mark.anyio
STEP_S = 0.02
ANSWER = ["I see. Go ", "on, tell me more. And then?"]
SPOKEN = "".join(ANSWER)


def said(text: str, *, utterance: int, start_s: float, end_s: float) -> list[tuple[float, ListenerEvent]]:
    """What a listener says of one utterance, with the stream time at which it says it."""
    decided_s = end_s + 0.5
    reading = Hypothesis(text=text, logp=-1.0, posterior=1.0, source="script")

    def transcript(at_s: float, *, is_final: bool) -> Transcript:
        return Transcript(utterance=utterance, revision=1, at_s=at_s, is_final=is_final, nbest=(reading,))

    final = transcript(decided_s, is_final=True)
    whole = Utterance(
        utterance=utterance,
        start_s=start_s,
        end_s=end_s,
        decided_s=decided_s,
        transcript=final,
        prosody=Prosody(),
        samples=silence(0),
    )
    ended = SpeechEnded(utterance=utterance, start_s=start_s, end_s=end_s, decided_s=decided_s, reason="endpoint")
    half_s = (start_s + end_s) / 2
    return [
        (start_s, SpeechStarted(utterance=utterance, at_s=start_s)),
        (half_s, transcript(half_s, is_final=False)),
        (decided_s, ended),
        (decided_s, final),
        (decided_s, whole),
    ]


class Sink(SilentSink):
    """A virtual loudspeaker that knows whether it is ducked, as the real one does: a cancelled reply ends a duck."""

    is_ducked = False
    n_begun = 0

    def begin(self, *, at_s: float) -> None:
        self.n_begun += 1
        super().begin(at_s=at_s)

    def duck(self) -> None:
        self.is_ducked = True

    def resume(self) -> None:
        self.is_ducked = False

    def cancel(self, *, at_s: float) -> int:
        if self._open:
            self.is_ducked = False
        return super().cancel(at_s=at_s)


class Stage:
    """A session on engines whose every await calls `pause`."""

    def __init__(self, pause: Callable[[], Awaitable[None]], *, is_live: bool) -> None:
        self.pause, self.is_live = pause, is_live
        self.told: list[Any] = []
        self.turns: list[Turn] = []
        self.sink = Sink()
        self.voice: ScriptedSpeech = _Voice(pause)
        self.responder: ScriptedResponder = _Words(pause)
        self.recognizer = _Ears(pause)

    def saving(self, turn: Turn) -> Saving:
        self.turns.append(turn)
        seq: Future[int] = Future()
        seq.set_running_or_notify_cancel()  # as in the turn log: whoever waits cannot take the turn back
        self.write(seq)
        return Saving(turn=turn, seq=seq)

    def write(self, seq: Future[int]) -> None:
        asyncio.get_running_loop().call_later(0, seq.set_result, len(self.turns))

    async def tell(self, event: SessionEvent) -> None:
        self.told.append(event)
        await self.pause()

    async def run(self, script: Sequence[tuple[float, ListenerEvent]], *, until_s: float) -> Session:
        engines = Engines(
            recognizer=self.recognizer,
            responder=self.responder,
            speech=self.voice,
            log=self,  # pyright: ignore[reportArgumentType] - a log with the one method that is used
        )
        settings = SessionSettings(lockstep=not self.is_live)
        session = Session(Conversation(session="s"), engines=engines, sink=self.sink, tell=self.tell, settings=settings)
        await session.run(self.stream(script, until_s=until_s))
        return session

    async def stream(self, script: Sequence[tuple[float, ListenerEvent]], *, until_s: float) -> AsyncIterator[Heard]:
        left = list(script)
        for n in range(1, round(until_s / STEP_S) + 1):
            now_s = n * STEP_S
            events = tuple(event for at_s, event in left if at_s <= now_s + 1e-9)
            left = left[len(events) :]
            yield Heard(now_s=now_s, level_db=-40.0, events=events)
            await anyio.lowlevel.checkpoint()

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]


class _Words(ScriptedResponder):
    def __init__(self, pause: Callable[[], Awaitable[None]]) -> None:
        super().__init__([ANSWER])
        self.pause = pause
        self.n_open = 0

    async def respond(
        self, utterance: Utterance, estimate: EmotionEstimate | None, conversation: Conversation
    ) -> AsyncGenerator[str, None]:
        self.n_open += 1
        try:
            async for piece in super().respond(utterance, estimate, conversation):
                await self.pause()
                yield piece
        finally:
            self.n_open -= 1


class _Voice(ScriptedSpeech):
    def __init__(self, pause: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self.pause = pause

    async def speak(self, text: str, style: SpeakingStyle) -> AsyncGenerator[Samples, None]:
        async for block in super().speak(text, style):
            await self.pause()
            yield block


class _Ears(ScriptedRecognizer):
    def __init__(self, pause: Callable[[], Awaitable[None]]) -> None:
        super().__init__([scripted_estimate("sad")])
        self.pause = pause

    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        await self.pause()
        return await super().recognize(utterance, conversation, revision=revision, source=source)


def check_order(stage: Stage) -> None:
    """Each answer ends once, is kept once and after that, and nothing of it is told after its end."""
    ended: list[int] = []
    for event in stage.told:
        match event:
            case ReplyDelta():
                assert event.utterance not in ended, "a piece of an answer that is over"
            case ReplyDone():
                assert event.utterance not in ended, "an answer that ends twice"
                ended.append(event.utterance)
            case TurnSaved():
                assert event.utterance in ended, "a turn that is saved before its answer ended"
            case _:
                pass
    assert [turn.utterance for turn in stage.turns] == ended
    assert not isinstance(stage.responder, _Words) or stage.responder.n_open == 0
    assert not stage.sink.is_ducked


TWO = said("i am sad", utterance=1, start_s=0.1, end_s=0.3) + said(
    "no that is not it", utterance=2, start_s=1.3, end_s=2.0
)


async def cancelled_at(place: int, *, is_live: bool) -> tuple[Stage, int]:
    """Run a conversation that is cancelled at its await number `place`; also returns how many awaits there were."""
    n_awaits = 0

    async def pause() -> None:
        nonlocal n_awaits
        n_awaits += 1
        if n_awaits == place:
            scope.cancel()
        await anyio.lowlevel.checkpoint()

    stage = Stage(pause, is_live=is_live)
    with anyio.CancelScope() as scope:
        await stage.run(TWO, until_s=7)
    return stage, n_awaits


@pytest.mark.parametrize("is_live", [False, True])
async def test_cancelling_at_any_await_loses_no_answer_that_was_begun_and_ends_each_once(is_live: bool):
    whole, n_awaits = await cancelled_at(0, is_live=is_live)
    check_order(whole)
    assert [turn.interrupted for turn in whole.turns] == [True, False]
    for place in range(1, n_awaits + 1):
        stage, _ = await cancelled_at(place, is_live=is_live)
        check_order(stage)
        begun = {event.utterance for event in stage.of(ReplyDelta)}
        assert begun <= {turn.utterance for turn in stage.turns}, f"cancelled at await {place}"
        assert {event.utterance for event in stage.of(TurnSaved)} == {turn.utterance for turn in stage.turns}


@pytest.mark.parametrize("seed", range(60))
async def test_live_no_order_of_the_tasks_breaks_the_order_of_the_answers(seed: int):
    chance = random.Random(seed)

    async def pause() -> None:
        for _ in range(chance.choice([0, 0, 1, 2, 5, 9])):
            await anyio.lowlevel.checkpoint()

    second_s = 0.8 + chance.choice([0.02, 0.04, 0.1, 0.5, 1.0])
    script = said("i am sad", utterance=1, start_s=0.1, end_s=0.3)
    script += said("no that is not it", utterance=2, start_s=second_s, end_s=second_s + chance.choice([0.1, 0.5, 1.2]))
    third_s = script[-1][0] + chance.choice([0.02, 0.04, 0.2, 1.0])
    script += said("stop it", utterance=3, start_s=third_s, end_s=third_s + chance.choice([0.02, 0.4, 1.0]))
    stage = Stage(pause, is_live=True)
    session = await stage.run(script, until_s=third_s + 8)
    check_order(stage)
    assert stage.turns[-1].reply == SPOKEN
    assert not stage.turns[-1].interrupted
    assert [turn.utterance for turn in session.conversation.turns] == [turn.utterance for turn in stage.turns]


async def test_live_the_last_answer_is_heard_out_where_nobody_listens():
    stage = Stage(anyio.lowlevel.checkpoint, is_live=True)
    await stage.run(said("i am sad", utterance=1, start_s=0.1, end_s=0.3), until_s=1)
    (done,) = stage.of(ReplyDone)
    assert (done.text, done.interrupted) == (SPOKEN, False)
    assert done.at_s > 1


async def test_a_listener_of_events_that_breaks_does_not_cost_the_turn():
    class Deaf(Stage):
        async def tell(self, event: SessionEvent) -> None:
            await super().tell(event)
            if isinstance(event, ReplyDone):
                raise BrokenPipeError("nobody reads")

    stage = Deaf(anyio.lowlevel.checkpoint, is_live=False)
    with pytest.raises(ExceptionGroup):
        await stage.run(said("i am sad", utterance=1, start_s=0.1, end_s=0.3), until_s=6)
    assert [turn.reply for turn in stage.turns] == [SPOKEN]


async def test_a_disk_that_does_not_answer_is_told_of_and_does_not_hold_up_leaving(monkeypatch: pytest.MonkeyPatch):
    class Stuck(Stage):
        def write(self, seq: Future[int]) -> None:
            del seq

    monkeypatch.setattr("agent.session.KEEP_S", 0.0)
    stage = Stuck(anyio.lowlevel.checkpoint, is_live=True)
    await stage.run(said("i am sad", utterance=1, start_s=0.1, end_s=0.3), until_s=6)
    (degraded,) = stage.of(StorageDegraded)
    assert "held in memory" in degraded.message
    assert len(stage.turns) == len(stage.of(ReplyDone)) == 1
    assert not stage.of(TurnSaved)


async def test_a_voice_that_fails_half_way_leaves_all_the_words():
    class Hoarse(ScriptedSpeech):
        async def speak(self, text: str, style: SpeakingStyle) -> AsyncGenerator[Samples, None]:
            if self.spoken:
                raise SpeechFailed("flite died")
            async for block in super().speak(text, style):
                yield block

    stage = Stage(anyio.lowlevel.checkpoint, is_live=False)
    stage.voice = Hoarse()
    await stage.run(said("i am sad", utterance=1, start_s=0.1, end_s=0.3), until_s=6)
    assert len(stage.of(EngineTrouble)) == 1
    assert stage.turns[0].reply == SPOKEN
    assert len(stage.of(Metrics)) == 1


class LateWords(ScriptedResponder):
    """Waits with its first answer until it is let go."""

    def __init__(self, go: anyio.Event) -> None:
        super().__init__([ANSWER])
        self.go = go

    async def respond(
        self, utterance: Utterance, estimate: EmotionEstimate | None, conversation: Conversation
    ) -> AsyncGenerator[str, None]:
        await self.go.wait()
        async for piece in super().respond(utterance, estimate, conversation):
            yield piece


class LateVoice(ScriptedSpeech):
    """Waits with its first sound until it is let go."""

    def __init__(self, go: anyio.Event) -> None:
        super().__init__()
        self.go = go

    async def speak(self, text: str, style: SpeakingStyle) -> AsyncGenerator[Samples, None]:
        async for block in super().speak(text, style):
            await self.go.wait()
            yield block


@pytest.mark.parametrize("late", ["words", "sound"])
async def test_live_what_comes_in_the_very_moment_an_answer_ends_is_not_told_any_more(late: str):
    go = anyio.Event()

    class Prompt(Stage):
        async def tell(self, event: SessionEvent) -> None:
            self.told.append(event)
            if isinstance(event, Utterance) and event.utterance == 2:
                go.set()  # the task that waits is to go on, and the answer is stopped before it does

    stage = Prompt(anyio.lowlevel.checkpoint, is_live=True)
    if late == "words":
        stage.responder = LateWords(go)
    else:
        stage.voice = LateVoice(go)
    await stage.run(TWO, until_s=7)
    check_order(stage)
    assert stage.sink.n_begun == 1, "a reply that was over has begun to sound"
    assert stage.turns[-1].reply == SPOKEN
