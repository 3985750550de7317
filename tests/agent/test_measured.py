"""Dimensions measured beside whatever recognises the emotion."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import numpy as np
import pytest

from agent.backends.emotion.measured import MeasuredRecognizer
from agent.backends.emotion.scripted import ScriptedRecognizer, scripted_estimate
from agent.conversation import Conversation
from agent.labels import Affect
from streaming.errors import EngineFailed
from streaming.events import Prosody, Transcript, Utterance

if TYPE_CHECKING:
    from agent.events import EmotionEstimate, EmotionSource
    from streaming.events import Samples

pytestmark = pytest.mark.anyio

MEASURED = Affect(arousal=0.9, dominance=0.8, valence=0.1)


class Reader:
    """A reader that gives MEASURED, or fails when told to."""

    def __init__(self) -> None:
        self.asked: list[Samples] = []
        self.fails: Exception | None = None
        self.is_closed = False
        self.wait: anyio.Event | None = None
        self.was_cancelled = False

    @property
    def name(self) -> str:
        return "told"

    async def read(self, samples: Samples) -> Affect:
        self.asked.append(samples)
        if self.wait is not None:
            try:
                await self.wait.wait()
            except BaseException:
                self.was_cancelled = True
                raise
        if self.fails is not None:
            raise self.fails
        return MEASURED

    def close(self) -> None:
        self.is_closed = True


class Failing:
    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        await anyio.lowlevel.checkpoint()
        raise EngineFailed("no emotion here")


def heard(n: int = 160) -> Utterance:
    return Utterance(
        utterance=3,
        start_s=0.0,
        end_s=1.0,
        decided_s=1.5,
        transcript=Transcript(utterance=3, revision=1, at_s=1.5, is_final=True, nbest=()),
        prosody=Prosody(),
        samples=np.zeros(n, np.float32),
        is_final=n > 0,
    )


async def estimate(
    recognizer: MeasuredRecognizer, utterance: Utterance, *, source: EmotionSource = "both"
) -> EmotionEstimate:
    return await recognizer.recognize(utterance, Conversation(session="s"), revision=2, source=source)


HAPPY = ScriptedRecognizer([scripted_estimate("happy")])


@pytest.mark.parametrize("source", ["voice", "both"])
async def test_the_dimensions_are_the_measured_ones(source: EmotionSource):
    found = await estimate(MeasuredRecognizer(HAPPY, Reader()), heard(), source=source)

    assert (found.arousal, found.dominance, found.valence) == (0.9, 0.8, 0.1)
    assert found.top == "happy"
    assert found.method == "scripted + told"


@pytest.mark.parametrize("source", ["off", "text"])
async def test_the_voice_is_not_read_where_it_may_not(source: EmotionSource):
    reader = Reader()
    found = await estimate(MeasuredRecognizer(HAPPY, reader), heard(), source=source)

    assert not reader.asked
    assert found.arousal is None
    assert "told" not in found.method


async def test_a_snapshot_without_sound_is_left_as_it_is():
    reader = Reader()
    found = await estimate(MeasuredRecognizer(HAPPY, reader), heard(0))

    assert not reader.asked
    assert found.method == "scripted"


async def test_a_failing_reader_leaves_the_estimate_and_is_logged_once(caplog: pytest.LogCaptureFixture):
    reader = Reader()
    reader.fails = EngineFailed("the card is gone")
    recognizer = MeasuredRecognizer(HAPPY, reader)
    first, second = await estimate(recognizer, heard()), await estimate(recognizer, heard())

    assert first == second
    assert (first.top, first.arousal) == ("happy", None)
    assert first.method == "scripted (told failed)"
    assert [record.message for record in caplog.records] == [
        "told cannot read the dimensions of an utterance: the card is gone"
    ]

    reader.fails = None
    assert (await estimate(recognizer, heard())).arousal == 0.9
    reader.fails = EngineFailed("gone again")
    await estimate(recognizer, heard())
    assert len(caplog.records) == 2


async def test_a_failing_recogniser_fails_as_itself_and_stops_the_reader():
    reader = Reader()
    reader.wait = anyio.Event()
    with anyio.fail_after(5), pytest.raises(EngineFailed, match="no emotion here"):
        await estimate(MeasuredRecognizer(Failing(), reader), heard())

    assert reader.was_cancelled


async def test_both_work_at_the_same_time():
    reader = Reader()
    reader.wait = anyio.Event()

    class Releasing(ScriptedRecognizer):
        async def recognize(
            self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
        ) -> EmotionEstimate:
            while not reader.asked:
                await anyio.lowlevel.checkpoint()
            assert reader.wait is not None
            reader.wait.set()
            return await super().recognize(utterance, conversation, revision=revision, source=source)

    with anyio.fail_after(5):
        found = await estimate(MeasuredRecognizer(Releasing(), reader), heard())
    assert found.arousal == 0.9


async def test_cancelling_stops_the_reader():
    reader = Reader()
    reader.wait = anyio.Event()
    with anyio.move_on_after(0.01):
        await estimate(MeasuredRecognizer(HAPPY, reader), heard())

    assert reader.was_cancelled


def test_closing_closes_the_reader():
    reader = Reader()
    MeasuredRecognizer(HAPPY, reader).close()
    assert reader.is_closed


class Foreseeing(ScriptedRecognizer):
    """Works ahead, and knows more afterwards."""

    def __init__(self) -> None:
        super().__init__([scripted_estimate("happy")])
        self.prepared: list[Utterance | None] = []

    async def prepare(self, utterance: Utterance | None, conversation: Conversation) -> None:
        await anyio.lowlevel.checkpoint()
        assert conversation.session == "s"
        self.prepared.append(utterance)

    async def explain(
        self, utterance: Utterance, conversation: Conversation, *, estimate: EmotionEstimate, revision: int
    ) -> EmotionEstimate | None:
        await anyio.lowlevel.checkpoint()
        assert conversation.session == "s"
        more = replace(estimate, arousal=0.5, method="other", reason="a flat voice", revision=revision)
        return more if utterance.samples.size else None


async def test_a_recogniser_that_works_ahead_does_so_behind_the_reader():
    inner = Foreseeing()
    recognizer = MeasuredRecognizer(inner, Reader())
    await recognizer.prepare(None, Conversation(session="s"))
    assert inner.prepared == [None]
    await MeasuredRecognizer(HAPPY, Reader()).prepare(None, Conversation(session="s"))


async def test_what_is_explained_later_keeps_the_measured_dimensions():
    recognizer = MeasuredRecognizer(Foreseeing(), Reader())
    found = await estimate(recognizer, heard())
    told = await recognizer.explain(heard(), Conversation(session="s"), estimate=found, revision=7)
    assert told == replace(found, reason="a flat voice", revision=7)
    assert await recognizer.explain(heard(0), Conversation(session="s"), estimate=found, revision=7) is None
    plain = MeasuredRecognizer(HAPPY, Reader())
    assert await plain.explain(heard(), Conversation(session="s"), estimate=found, revision=7) is None
