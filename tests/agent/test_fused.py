"""Several recognisers at once: who is asked, who is waited for, what stands when one is late or fails."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import numpy as np
import pytest

from agent.backends.emotion.embedded import EmbeddedRecognizer
from agent.backends.emotion.fused import FAILED, LATE, SILENT, FusedRecognizer, FusedSettings
from agent.backends.emotion.scripted import UNCLEAR, ScriptedRecognizer, scripted_estimate
from agent.conversation import Conversation
from agent.events import Turn
from agent.fusion.inertia import InertiaSettings
from agent.labels import ANCHORS
from agent.ports import Explaining, Foresighted
from streaming.errors import EngineFailed
from streaming.events import Hypothesis, Prosody, Transcript, Utterance

if TYPE_CHECKING:
    from agent.events import EmotionEstimate, EmotionSource
    from agent.labels import Affect
    from streaming.events import Samples

pytestmark = pytest.mark.anyio

ALONE = Conversation(session="s")
NOW = FusedSettings(patience_s=0.0)


class Written:
    """A language model's side that says `told`, when `gate` is open; it knows how it was asked."""

    def __init__(self, told: EmotionEstimate | Exception, gate: anyio.Event | None = None) -> None:
        self.told = told
        self.gate = gate
        self.asked: list[EmotionSource] = []
        self.prepared: list[Utterance | None] = []
        self.explained = 0
        self.was_cancelled = False

    async def recognize(
        self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
    ) -> EmotionEstimate:
        self.asked.append(source)
        try:
            if self.gate is not None:
                await self.gate.wait()
        except BaseException:
            self.was_cancelled = True
            raise
        await anyio.lowlevel.checkpoint()
        if isinstance(self.told, Exception):
            raise self.told
        return replace(self.told, utterance=utterance.utterance, revision=revision, method="r3:told")

    async def prepare(self, utterance: Utterance | None, conversation: Conversation) -> None:
        self.prepared.append(utterance)

    async def explain(
        self, utterance: Utterance, conversation: Conversation, *, estimate: EmotionEstimate, revision: int
    ) -> EmotionEstimate | None:
        self.explained += 1
        return replace(estimate, revision=revision, reason="because", revised_text="well", top="angry")


class Reader:
    def __init__(self, told: Affect | Exception) -> None:
        self.told = told

    @property
    def name(self) -> str:
        return "reader"

    async def read(self, samples: Samples) -> Affect:
        await anyio.lowlevel.checkpoint()
        if isinstance(self.told, Exception):
            raise self.told
        return self.told

    def close(self) -> None:
        pass


def said(text: str = "my cat is gone", *, is_final: bool = True, n: int = 160) -> Utterance:
    hypothesis = Hypothesis(text=text, logp=0.0, posterior=1.0, source="test")
    return Utterance(
        utterance=3,
        start_s=20.0,
        end_s=21.0,
        decided_s=21.5,
        transcript=Transcript(utterance=3, revision=1, at_s=21.5, is_final=is_final, nbest=(hypothesis,)),
        prosody=Prosody(),
        samples=np.zeros(n, np.float32),
        is_final=is_final,
    )


async def estimate(
    recognizer: FusedRecognizer,
    utterance: Utterance | None = None,
    conversation: Conversation = ALONE,
    *,
    source: EmotionSource = "both",
) -> EmotionEstimate:
    return await recognizer.recognize(utterance or said(), conversation, revision=2, source=source)


def after(*tops: str) -> Conversation:
    conversation = ALONE
    for at, top in enumerate(tops, start=1):
        told = Turn(
            session="s",
            seq=None,
            utterance=at,
            start_s=at,
            end_s=at + 0.5,
            text="hm",
            nbest=(),
            estimate=scripted_estimate(top),
            prosody_words=(),
            reply="",
            interrupted=False,
        )
        conversation = conversation.with_turn(told)
    return conversation


SMALL = ScriptedRecognizer([scripted_estimate("neutral", confidence=0.5)])
SAD = scripted_estimate("sad", confidence=0.8)


async def test_both_are_asked_and_one_estimate_comes_back():
    found = await estimate(FusedRecognizer(SMALL, Written(SAD)))
    assert (found.top, found.method) == ("sad", "scripted + r3:told")
    assert (found.utterance, found.revision, found.at_s) == (3, 2, 21.5)
    assert found.llm_distribution == pytest.approx(SAD.distribution)


async def test_the_language_model_is_asked_beside_the_small_one_and_not_after_it():
    seen = anyio.Event()

    class Waiting:
        async def recognize(
            self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
        ) -> EmotionEstimate:
            await seen.wait()
            return scripted_estimate("happy", confidence=0.6)

    class Telling(Written):
        async def recognize(
            self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
        ) -> EmotionEstimate:
            seen.set()
            return await super().recognize(utterance, conversation, revision=revision, source=source)

    with anyio.fail_after(5):
        assert (await estimate(FusedRecognizer(Waiting(), Telling(SAD)))).llm_distribution is not None


@pytest.mark.parametrize(("source", "is_final"), [("off", True), ("voice", True), ("both", False), ("text", False)])
async def test_it_is_not_asked_where_words_may_not_be_used_or_are_not_whole(source: EmotionSource, is_final: bool):
    llm = Written(SAD)
    small = EmbeddedRecognizer()
    utterance = said(is_final=is_final)
    found = await estimate(FusedRecognizer(small, llm), utterance, source=source)
    assert llm.asked == []
    assert found == small.estimate(utterance, revision=2, source=source)


async def test_late_the_small_estimate_stands_and_the_rest_follows():
    llm = Written(SAD, gate=anyio.Event())
    recognizer = FusedRecognizer(SMALL, llm, settings=NOW)
    with anyio.fail_after(5):
        found = await estimate(recognizer)
    assert (found.top, found.method, found.llm_distribution) == ("neutral", f"scripted ({LATE})", None)
    assert llm.was_cancelled
    assert llm.gate is not None
    llm.gate.set()
    later = await recognizer.explain(said(), ALONE, estimate=found, revision=3)
    assert later is not None
    assert (later.top, later.revision, later.method) == ("sad", 3, "scripted + r3:told")


async def test_a_failure_leaves_the_small_estimate_and_is_logged_once(caplog: pytest.LogCaptureFixture):
    recognizer = FusedRecognizer(SMALL, Written(EngineFailed("the server is gone")))
    with caplog.at_level(logging.WARNING):
        first, second = await estimate(recognizer), await estimate(recognizer)
    assert first == second
    assert (first.top, first.method) == ("neutral", f"scripted ({FAILED})")
    assert [record.getMessage().count("the server is gone") for record in caplog.records] == [1]


@pytest.mark.parametrize("shares", [(0.25,) * 4, (math.nan,) * 4, (0.0,) * 4])
async def test_an_answer_that_says_nothing_is_told_and_changes_nothing(shares: tuple[float, ...]):
    found = await estimate(FusedRecognizer(SMALL, Written(replace(UNCLEAR, distribution=shares))))
    assert (found.top, found.method) == ("neutral", f"scripted ({SILENT})")
    assert found.distribution == scripted_estimate("neutral", confidence=0.5).distribution


async def test_when_the_small_one_fails_the_language_model_stands_alone():
    found = await estimate(FusedRecognizer(Written(EngineFailed("no weights")), Written(SAD)))
    assert (found.top, found.method) == ("sad", "r3:told (small model failed)")


async def test_when_both_fail_the_small_ones_trouble_is_raised_as_it_is():
    recognizer = FusedRecognizer(Written(EngineFailed("no weights")), Written(EngineFailed("no server")))
    with pytest.raises(EngineFailed, match="no weights"):
        await estimate(recognizer)


async def test_dimensions_are_measured_at_the_same_time():
    recognizer = FusedRecognizer(SMALL, Written(SAD), dimensions=Reader(ANCHORS["sad"]))
    found = await estimate(recognizer)
    assert (found.arousal, found.method) == (ANCHORS["sad"].arousal, "scripted + r3:told + reader")
    assert (await estimate(recognizer, source="text")).method == "scripted + r3:told"
    assert (await estimate(recognizer, said(n=0))).method == "scripted + r3:told"
    assert (await estimate(recognizer, source="voice")).method == "scripted + reader"


async def test_dimensions_that_fail_are_told():
    found = await estimate(FusedRecognizer(SMALL, Written(SAD), dimensions=Reader(EngineFailed("no sound"))))
    assert found.method == "scripted + r3:told (reader failed)"


async def test_earlier_turns_with_the_same_label_are_evidence_only_beside_a_model_that_sees_them():
    conversation = after("sad", "happy", "sad")
    found = await estimate(FusedRecognizer(SMALL, Written(SAD)), conversation=conversation)
    assert found.evidence.turns == (1, 3)
    failed = await estimate(FusedRecognizer(SMALL, Written(EngineFailed("gone"))), conversation=after("neutral"))
    assert failed.evidence.turns == ()


async def test_hidden_feelings_and_mixed_ones_are_told():
    voice = replace(
        scripted_estimate("neutral", confidence=0.5),
        text_distribution=(0.05, 0.1, 0.8, 0.05),
        voice_distribution=(0.1, 0.1, 0.1, 0.7),
    )
    found = await estimate(FusedRecognizer(ScriptedRecognizer([voice]), Written(EngineFailed("gone"))))
    assert found.hidden == "sad"
    mixed = replace(UNCLEAR, distribution=(0.42, 0.05, 0.05, 0.48))
    small = ScriptedRecognizer([replace(mixed, top="sad")])
    assert (await estimate(FusedRecognizer(small, Written(mixed)))).compound == ("sad", "angry")


async def test_inertia_is_off_by_default_and_on_when_asked_for():
    torn = replace(UNCLEAR, distribution=(0.3, 0.1, 0.3, 0.3))
    for inertia, is_changed in ((0.0, False), (1.0, True)):
        settings = FusedSettings(inertia=InertiaSettings(inertia=inertia))
        recognizer = FusedRecognizer(ScriptedRecognizer([torn]), Written(torn), settings=settings)
        first, after_sad = await estimate(recognizer), await estimate(recognizer, conversation=after("sad"))
        assert (after_sad.distribution[3] > first.distribution[3]) == is_changed


async def test_it_lets_the_language_model_work_ahead_and_explain():
    llm = Written(SAD)
    recognizer = FusedRecognizer(SMALL, llm)
    assert isinstance(recognizer, Foresighted)
    assert isinstance(recognizer, Explaining)
    await recognizer.prepare(None, ALONE)
    assert llm.prepared == [None]
    found = await estimate(recognizer)
    more = await recognizer.explain(said(), ALONE, estimate=found, revision=3)
    assert more == replace(found, revision=3, reason="because", revised_text="well")


async def test_nothing_is_explained_that_no_model_read_or_the_user_corrected():
    llm = Written(EngineFailed("gone"))
    recognizer = FusedRecognizer(SMALL, llm)
    found = await estimate(recognizer)
    assert await recognizer.explain(said(), ALONE, estimate=found, revision=3) is None
    corrected = replace(found, is_corrected=True)
    assert await recognizer.explain(said(), ALONE, estimate=corrected, revision=3) is None
    assert llm.explained == 0


async def test_one_that_cannot_work_ahead_is_left_in_peace():
    recognizer = FusedRecognizer(SMALL, ScriptedRecognizer([SAD]))
    await recognizer.prepare(None, ALONE)
    found = await estimate(recognizer)
    assert await recognizer.explain(said(), ALONE, estimate=found, revision=3) is None


def test_settings_that_make_no_sense_are_refused():
    wrong: list[dict[str, Any]] = [{"patience_s": -1.0}, {"patience_s": math.nan}, {"window": -1}]
    for values in wrong:
        with pytest.raises(ValueError, match="0 or more"):
            FusedSettings(**values)
