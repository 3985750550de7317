"""A conversation on scripted engines: order, barge-in, lateness, failures, cancellation. Time is the stream's."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from agent.backends.emotion.scripted import ScriptedRecognizer, scripted_estimate
from agent.backends.reply.scripted import ScriptedResponder
from agent.backends.tts.scripted import ScriptedSpeech
from agent.conversation import Conversation
from agent.errors import AgentError, TurnLogFailed
from agent.events import EmotionEstimate, Metrics, ReplyDelta, ReplyDone, StorageDegraded, Turn, TurnSaved
from agent.loudspeaker import SilentSink
from agent.preparation import Engines
from agent.session import Session, SessionSettings
from agent.turnlog import Saving
from streaming.audio import silence
from streaming.errors import ServerFailed
from streaming.events import (
    EngineTrouble,
    Hypothesis,
    Prosody,
    RollingProsody,
    SpeechEnded,
    SpeechStarted,
    Transcript,
    Utterance,
)
from streaming.pipeline import Heard

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from agent.events import EmotionSource, SessionEvent
    from streaming.events import ListenerEvent

pytestmark = pytest.mark.anyio
STEP_S = 0.02


def transcript(text: str, *, utterance: int, at_s: float, is_final: bool) -> Transcript:
    hypothesis = Hypothesis(text=text, logp=-1.0, posterior=1.0, source="script")
    return Transcript(utterance=utterance, revision=1, at_s=at_s, is_final=is_final, nbest=(hypothesis,))


def said(text: str, *, utterance: int, start_s: float, end_s: float) -> list[tuple[float, ListenerEvent]]:
    """What a listener says of one utterance, with the stream time at which it says it."""
    decided_s = end_s + 0.5
    final = transcript(text, utterance=utterance, at_s=decided_s, is_final=True)
    whole = Utterance(
        utterance=utterance,
        start_s=start_s,
        end_s=end_s,
        decided_s=decided_s,
        transcript=final,
        prosody=Prosody(),
        samples=silence(0),
    )
    half_s = (start_s + end_s) / 2
    ended = SpeechEnded(utterance=utterance, start_s=start_s, end_s=end_s, decided_s=decided_s, reason="endpoint")
    return [
        (start_s + 0.1, SpeechStarted(utterance=utterance, at_s=start_s)),
        (half_s, transcript(text, utterance=utterance, at_s=half_s, is_final=False)),
        (half_s + STEP_S, RollingProsody(utterance=utterance, at_s=half_s, prosody=Prosody())),
        (decided_s, ended),
        (decided_s, final),
        (decided_s, whole),
    ]


async def stream(script: Sequence[tuple[float, ListenerEvent]], *, until_s: float) -> AsyncIterator[Heard]:
    left = list(script)
    for n in range(1, round(until_s / STEP_S) + 1):
        now_s = n * STEP_S
        events = [event for at_s, event in left if at_s <= now_s + 1e-9]
        left = left[len(events) :]
        yield Heard(now_s=now_s, level_db=-40.0, events=tuple(events))
        await anyio.lowlevel.checkpoint()


@dataclass
class FakeLog:
    """A turn log in memory; fails, or never comes to an end, while it is told to."""

    turns: list[Turn] = field(default_factory=list[Turn])
    fails: bool = False
    hangs: bool = False

    def saving(self, turn: Turn) -> Saving:
        seq: Future[int] = Future()
        seq.set_running_or_notify_cancel()  # as in the turn log: whoever waits cannot take the turn back
        if self.fails:
            seq.set_exception(TurnLogFailed("the disk is full"))
        else:
            self.turns.append(turn)
            if not self.hangs:
                seq.set_result(len(self.turns))
        return Saving(turn=turn, seq=seq)


@dataclass
class Table:
    """A session laid out for a test."""

    responder: ScriptedResponder = field(
        default_factory=lambda: ScriptedResponder([["I see. Go ", "on, tell me more."]])
    )
    recognizer: object = field(default_factory=lambda: ScriptedRecognizer([scripted_estimate("sad")]))
    speech: ScriptedSpeech = field(default_factory=ScriptedSpeech)
    log: FakeLog = field(default_factory=FakeLog)
    settings: SessionSettings = field(default_factory=SessionSettings)
    told: list[Any] = field(default_factory=list[Any])
    sink: SilentSink = field(default_factory=SilentSink)
    stand_in: ScriptedResponder | None = None

    def session(self) -> Session:
        async def tell(event: SessionEvent) -> None:
            self.told.append(event)

        engines = Engines(
            recognizer=self.recognizer,  # pyright: ignore[reportArgumentType] - tests bring recognisers that fail
            responder=self.responder,
            speech=self.speech,
            log=self.log,  # pyright: ignore[reportArgumentType] - a fake with the one method that is used
            stand_in=self.stand_in,
        )
        conversation = Conversation(session="s")
        return Session(conversation, engines=engines, sink=self.sink, tell=tell, settings=self.settings)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]

    def only(self, kind: type) -> Any:
        (event,) = self.of(kind)
        return event


async def test_an_utterance_is_estimated_answered_heard_and_saved_in_that_order():
    table = Table()
    await table.session().run(stream(said("i am sad", utterance=1, start_s=0.5, end_s=1.5), until_s=10))
    order = [type(event).__name__ for event in table.told if not isinstance(event, ReplyDelta)]
    start = order.index("Utterance")
    assert order[start:] == ["Utterance", "ReplyStarted", "EmotionEstimate", "ReplyDone", "TurnSaved", "Metrics"]
    rolling, final = table.of(EmotionEstimate)
    assert isinstance(rolling, EmotionEstimate)
    assert isinstance(final, EmotionEstimate)
    assert (rolling.is_final, final.is_final) == (False, True)
    assert final.revision > rolling.revision
    (turn,) = table.log.turns
    assert turn.text == "i am sad"
    assert turn.reply == "I see. Go on, tell me more."
    assert not turn.interrupted


async def test_the_reply_ends_when_its_sound_has_been_heard():
    table = Table()
    await table.session().run(stream(said("i am sad", utterance=1, start_s=0.5, end_s=1.5), until_s=20))
    done = table.only(ReplyDone)
    assert isinstance(done, ReplyDone)
    spoken_s = sum(len(text.strip()) / 15 / style.rate for text, style in table.speech.spoken)
    assert done.at_s == pytest.approx(2.0 + spoken_s, abs=0.05)


async def test_the_same_stream_gives_the_same_conversation():
    script = said("i am sad", utterance=1, start_s=0.5, end_s=1.5) + said("yes", utterance=2, start_s=8.0, end_s=9.0)
    tables = [Table(), Table()]
    for table in tables:
        await table.session().run(stream(script, until_s=12))
    first, second = ([e for e in t.told if not isinstance(e, Metrics | Utterance | RollingProsody)] for t in tables)
    assert first == second


async def test_a_user_who_talks_over_the_reply_cancels_it_and_only_what_was_heard_is_kept():
    table = Table()
    script = said("i am sad", utterance=1, start_s=0.5, end_s=1.5)
    script += said("no that is not what i meant", utterance=2, start_s=2.6, end_s=4.0)
    await table.session().run(stream(script, until_s=12))
    first, second = table.log.turns
    assert first.interrupted
    assert "I see. Go on, tell me more.".startswith(first.reply)
    assert len(first.reply) < len("I see. Go on, tell me more.")
    assert second.text == "no that is not what i meant"
    assert not second.interrupted


async def test_a_back_channel_neither_stops_the_reply_nor_is_it_answered():
    table = Table()
    script = said("i am sad", utterance=1, start_s=0.5, end_s=1.5)
    script += said("mm hmm", utterance=2, start_s=2.2, end_s=2.6)
    await table.session().run(stream(script, until_s=12))
    (turn,) = table.log.turns
    assert not turn.interrupted
    assert turn.reply == "I see. Go on, tell me more."


async def test_the_agents_own_words_from_the_loudspeaker_are_not_a_turn():
    table = Table()
    script = said("i am sad", utterance=1, start_s=0.5, end_s=1.5)
    script += said("go on tell me", utterance=2, start_s=2.5, end_s=3.2)
    await table.session().run(stream(script, until_s=12))
    (turn,) = table.log.turns
    assert not turn.interrupted


async def test_without_a_voice_the_answer_counts_as_heard_at_once():
    table = Table(speech=ScriptedSpeech(s_per_character=0.0))
    await table.session().run(stream(said("i am sad", utterance=1, start_s=0.5, end_s=1.5), until_s=3))
    done = table.only(ReplyDone)
    assert isinstance(done, ReplyDone)
    assert done.at_s == pytest.approx(2.0, abs=0.03)
    assert table.log.turns[0].reply == "I see. Go on, tell me more."


async def test_a_voice_that_fails_leaves_the_words():
    table = Table(speech=ScriptedSpeech(fails="flite died"))
    await table.session().run(stream(said("i am sad", utterance=1, start_s=0.5, end_s=1.5), until_s=4))
    trouble = table.only(EngineTrouble)
    assert isinstance(trouble, EngineTrouble)
    assert trouble.engine == "voice"
    assert table.log.turns[0].reply == "I see. Go on, tell me more."


class BrokenRecognizer:
    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        raise AgentError("no model")


async def test_a_recogniser_that_fails_does_not_stop_the_conversation():
    table = Table(recognizer=BrokenRecognizer())
    await table.session().run(stream(said("i am sad", utterance=1, start_s=0.5, end_s=1.5), until_s=4))
    assert table.of(EngineTrouble)
    assert not table.of(EmotionEstimate)
    assert table.log.turns[0].estimate is None
    assert table.log.turns[0].reply


class SlowRecognizer(ScriptedRecognizer):
    """Answers finals only when it is let go."""

    def __init__(self) -> None:
        super().__init__([scripted_estimate("sad")])
        self.go = anyio.Event()

    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        if utterance.is_final:
            await self.go.wait()
        return await super().recognize(utterance, conversation, revision=revision, source=source)


class FailingResponder(ScriptedResponder):
    """A responder whose model fails after so many pieces."""

    def __init__(self, *pieces: str) -> None:
        super().__init__([list(pieces)])

    async def respond(
        self, utterance: Utterance, estimate: EmotionEstimate | None, conversation: Conversation
    ) -> AsyncGenerator[str, None]:
        async for piece in super().respond(utterance, estimate, conversation):
            yield piece
        raise ServerFailed("the server is down; expected an answer")


@pytest.mark.parametrize(("pieces", "reply"), [((), "Go on."), (("I see. Go ",), "I see.")])
async def test_a_model_that_fails_before_its_first_word_is_stood_in_for_and_told_of(
    pieces: tuple[str, ...], reply: str
):
    table = Table(responder=FailingResponder(*pieces), stand_in=ScriptedResponder([["Go on."]]))
    await table.session().run(stream(said("i am sad", utterance=1, start_s=0.5, end_s=1.5), until_s=10))
    assert table.only(EngineTrouble).engine == "responder"
    assert table.only(ReplyDone).text == reply
    assert not table.only(ReplyDone).interrupted


async def test_live_an_estimate_that_is_late_does_not_hold_up_the_answer_and_follows():
    slow = SlowRecognizer()
    table = Table(recognizer=slow, settings=SessionSettings(lockstep=False, emotion_wait_s=0.0))

    async def live() -> AsyncIterator[Heard]:
        async for block in stream(said("i am sad", utterance=1, start_s=0.5, end_s=1.5), until_s=3):
            yield block
            await anyio.wait_all_tasks_blocked()
        slow.go.set()
        await anyio.wait_all_tasks_blocked()

    await table.session().run(live())
    kinds: list[type] = [type(event) for event in table.told]
    final = next(e for e in table.told if isinstance(e, EmotionEstimate) and e.is_final)
    assert kinds.index(ReplyDelta) < table.told.index(final)
    metrics = table.only(Metrics)
    assert isinstance(metrics, Metrics)
    assert metrics.emotion_was_late == 1


async def test_live_a_crisis_answer_does_not_wait_for_the_estimate():
    slow = SlowRecognizer()
    table = Table(recognizer=slow, settings=SessionSettings(lockstep=False, emotion_wait_s=3600.0))
    script = said("i want to kill myself", utterance=1, start_s=0.5, end_s=1.5)

    async def live() -> AsyncIterator[Heard]:
        async for block in stream(script, until_s=3):
            yield block
            await anyio.wait_all_tasks_blocked()
        assert table.of(ReplyDelta)
        slow.go.set()
        await anyio.wait_all_tasks_blocked()

    await table.session().run(live())
    assert table.log.turns[0].is_crisis


async def test_with_emotion_off_nothing_is_estimated():
    table = Table(settings=SessionSettings(emotion="off"))
    await table.session().run(stream(said("i am sad", utterance=1, start_s=0.5, end_s=1.5), until_s=4))
    assert not table.of(EmotionEstimate)
    assert table.log.turns[0].estimate is None


async def test_a_crisis_is_answered_before_any_responder_and_names_a_helpline():
    table = Table()
    table.log = FakeLog()
    script = said("i want to kill myself", utterance=1, start_s=0.5, end_s=1.5)
    await table.session().run(stream(script, until_s=40))
    (turn,) = table.log.turns
    assert turn.is_crisis
    assert "I see. Go on" not in turn.reply
    assert any(character.isdigit() for character in turn.reply) or "findahelpline" in turn.reply


async def test_a_disk_that_is_full_is_told_and_the_conversation_goes_on():
    table = Table(log=FakeLog(fails=True))
    script = said("i am sad", utterance=1, start_s=0.5, end_s=1.5) + said("so", utterance=2, start_s=8, end_s=9)
    await table.session().run(stream(script, until_s=14))
    assert len(table.of(StorageDegraded)) == 2
    assert not table.of(TurnSaved)
    assert len(table.of(ReplyDone)) == 2


async def test_live_a_disk_that_hangs_does_not_make_the_agent_deaf(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("agent.session.KEEP_S", 0.0)
    table = Table(log=FakeLog(hangs=True), settings=SessionSettings(lockstep=False))
    script = said("i am sad", utterance=1, start_s=0.5, end_s=1.5) + said("so", utterance=2, start_s=8, end_s=9)

    async def live() -> AsyncIterator[Heard]:
        async for block in stream(script, until_s=14):
            yield block
            await anyio.wait_all_tasks_blocked()

    with anyio.move_on_after(60) as too_long:
        await table.session().run(live())
    assert not too_long.cancelled_caught
    assert len(table.of(ReplyDone)) == 2
    assert [turn.text for turn in table.log.turns] == ["i am sad", "so"]


async def test_leaving_in_the_middle_of_a_reply_keeps_the_turn_as_far_as_it_was_heard():
    table = Table(settings=SessionSettings(lockstep=False))

    async def cut_off() -> AsyncIterator[Heard]:
        async for block in stream(said("i am sad", utterance=1, start_s=0.5, end_s=1.5), until_s=2.8):
            yield block
            await anyio.wait_all_tasks_blocked()
        raise KeyboardInterrupt

    with pytest.raises(BaseExceptionGroup):
        await table.session().run(cut_off())
    (turn,) = table.log.turns
    assert turn.interrupted
    assert turn.reply
    assert len(turn.reply) < len("I see. Go on, tell me more.")


async def test_in_half_duplex_nothing_is_heard_while_the_agent_speaks():
    table = Table(settings=SessionSettings(half_duplex=True))
    session = table.session()
    loud = silence(320) + 0.5
    heard: list[tuple[float, bool]] = []

    async def gated() -> AsyncIterator[Heard]:
        async for block in stream(said("i am sad", utterance=1, start_s=0.5, end_s=1.5), until_s=8):
            heard.append((block.now_s, bool(session.gate(loud).any())))
            yield block

    await session.run(gated())
    deaf = [now_s for now_s, is_heard in heard if not is_heard]
    done = table.only(ReplyDone)
    assert isinstance(done, ReplyDone)
    assert min(deaf) == pytest.approx(2.02, abs=0.03)
    assert max(deaf) == pytest.approx(done.at_s + 0.25, abs=0.05)
