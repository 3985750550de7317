"""A conversation whose engines are slow: what they do ahead, late or afterwards never holds up the answer."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import pytest

from agent.backends.emotion.embedded import EmbeddedRecognizer
from agent.backends.emotion.r3 import R3Recognizer
from agent.backends.emotion.scripted import ScriptedRecognizer, scripted_estimate
from agent.backends.llm.scripted import ScriptedModel
from agent.backends.tts.scripted import ScriptedSpeech
from agent.correction import EmotionCorrection
from agent.events import EmotionEstimate, Metrics, ReplyDelta, ReplyDone, TurnSaved
from agent.r3.conditions import condition
from agent.session import SessionSettings
from streaming.events import EngineTrouble, RollingProsody, SpeechEnded, Utterance
from tests.talking import NOTHING, FarSighted, Gate, Scene, ended, partly, paused, resumed, settled, started, whole

if TYPE_CHECKING:
    from agent.conversation import Conversation
    from agent.events import EmotionSource

pytestmark = pytest.mark.anyio
AT_ONCE = SessionSettings(lockstep=False, emotion_wait_s=0.0)


def finals(scene: Scene) -> list[EmotionEstimate]:
    return [event for event in scene.of(EmotionEstimate) if event.is_final]


class TestAhead:
    async def test_what_is_stable_is_worked_through_while_the_user_speaks_and_the_rest_at_the_pause(self):
        scene = Scene()
        await scene.run(started(), partly("i am"), paused(), resumed(), partly("i am sad"), paused(generation=2))
        begun = [call for call in scene.recognizer.calls if ":" not in call]
        assert begun == ["warm", "rolling i am", "ahead i am", "rolling i am sad", "ahead i am sad"]

    async def test_a_voice_that_is_back_stops_what_the_pause_began(self):
        scene = Scene()
        ahead = scene.recognizer.ahead
        await scene.run(started(), partly("i am"), ahead.hold, paused(), resumed(), ahead.let_go, partly("i am sad"))
        assert "ahead i am: stopped" in scene.recognizer.calls
        assert "ahead i am: done" not in scene.recognizer.calls

    async def test_work_that_hangs_is_dropped_at_the_end_and_holds_up_neither_estimate_nor_answer(self):
        scene = Scene()
        scene.recognizer.ahead.hold()
        await scene.run(*whole("i am sad"), NOTHING)
        assert [call for call in scene.recognizer.calls if call.endswith("stopped")] == [
            "warm: stopped",
            "ahead i am sad: stopped",
        ]
        assert scene.turns[0].reply == "I see. Go on."
        assert scene.turns[0].estimate is not None
        assert scene.only(Metrics).prefills_dropped == 2
        assert not scene.of(EngineTrouble)

    async def test_work_that_fails_is_counted_and_nobody_hears_of_it(self):
        scene = Scene()
        scene.recognizer.fails = {"prepare"}
        await scene.run(*whole("i am sad"), NOTHING)
        assert scene.only(Metrics).prefills_failed == 2
        assert not scene.of(EngineTrouble)
        assert len(finals(scene)) == 2  # the estimate and its reason

    async def test_a_pause_before_the_first_words_begins_nothing(self):
        scene = Scene()
        await scene.run(started(), paused(), resumed())
        assert scene.recognizer.calls == ["warm", "warm: done"]

    async def test_a_noise_that_is_no_utterance_drops_what_was_begun(self):
        scene = Scene()
        scene.recognizer.ahead.hold()
        noise = SpeechEnded(utterance=1, start_s=0.5, end_s=0.6, decided_s=1.0, reason="endpoint")
        await scene.run(started(), [noise], NOTHING)
        assert scene.recognizer.calls == ["warm", "warm: stopped"]
        assert not scene.of(ReplyDone)

    async def test_a_turn_that_is_kept_while_the_user_speaks_already_is_worked_through_too(self):
        scene = Scene(settings=AT_ONCE)
        await scene.run(*whole("i am sad"), NOTHING, started(2), partly("and", utterance=2, at_s=3.0))
        assert [len(talk.turns) for talk in scene.recognizer.conversations] == [0, 0, 1]

    async def test_with_emotion_off_the_recogniser_does_nothing_ahead(self):
        scene = Scene(settings=SessionSettings(lockstep=False, emotion="off"))
        await scene.run(*whole("i am sad"), NOTHING)
        assert scene.recognizer.calls == []

    async def test_the_share_that_was_cached_is_told_with_the_times_of_the_turn(self):
        scene = Scene(recognizer=FarSighted(cached_share=0.93))
        await scene.run(*whole("i am sad"), NOTHING)
        assert scene.only(Metrics).cached_share == 0.93

    async def test_in_lockstep_nothing_that_is_told_differs_but_what_was_cached(self):
        def plain(scene: Scene) -> list[Any]:
            skipped = Utterance | RollingProsody | Metrics
            return [event for event in scene.told if not isinstance(event, skipped)]

        lockstep = SessionSettings()
        far, near = FarSighted(), ScriptedRecognizer([scripted_estimate("sad")])
        far.explains = False
        scenes = [Scene(recognizer=engine, settings=lockstep) for engine in (far, near)]
        for scene in scenes:
            await scene.run(*whole("i am sad"), NOTHING, *whole("so it is", utterance=2, at_s=5.0), NOTHING)
        assert plain(scenes[0]) == plain(scenes[1])
        assert [call for call in far.calls if call.startswith(("warm", "ahead")) and "done" in call] == [
            "warm: done",
            "ahead i am sad: done",
            "warm: done",
            "ahead so it is: done",
        ]

    async def test_r3_finds_most_of_its_prompt_in_the_cache_at_the_end_of_an_utterance(self):
        model = ScriptedModel(["Reason: so it is"], scores=[{" sad": -0.1}], others=-40.0)
        recognizer = R3Recognizer(model, condition=condition("live"), small=EmbeddedRecognizer())
        scene = Scene(recognizer=recognizer)
        await scene.run(*whole("i am sad"), NOTHING)
        assert [asked.call for asked in model.asked] == ["prefill", "prefill", "score", "stream"]
        assert {asked.conversation for asked in model.asked} == {"s/emotion"}
        share = scene.only(Metrics).cached_share
        assert share is not None
        assert share > 0.8


class TestRolling:
    async def test_live_a_slow_recogniser_does_not_hold_up_the_stream_and_the_newest_words_win(self):
        scene = Scene()
        rolling = scene.recognizer.rolling
        rolling.hold()
        words = ["i", "i am", "i am so", "i am so sad"]
        await scene.run(started(), *(partly(text, at_s=1 + i / 4) for i, text in enumerate(words)), rolling.let_go)
        assert len(scene.of(RollingProsody)) == 4
        done = [call for call in scene.recognizer.calls if call.startswith("rolling") and "done" in call]
        assert done == ["rolling i: done", "rolling i am so sad: done"]
        assert [event.revision for event in scene.of(EmotionEstimate)] == [1, 2]

    async def test_live_what_is_not_ready_at_the_end_is_dropped_and_the_final_estimate_is_the_last(self):
        scene = Scene()
        scene.recognizer.rolling.hold()
        scene.recognizer.explains = False
        await scene.run(*whole("i am sad"), scene.recognizer.rolling.let_go, NOTHING)
        (estimate,) = scene.of(EmotionEstimate)
        assert (estimate.is_final, estimate.revision) == (True, 2)
        assert "rolling i am sad: stopped" in scene.recognizer.calls

    async def test_live_an_utterance_never_gets_the_rolling_estimate_of_the_one_before(self):
        scene = Scene()
        scene.recognizer.rolling.hold()
        await scene.run(started(), partly("i am"), started(2), scene.recognizer.rolling.let_go, NOTHING)
        assert not scene.of(EmotionEstimate)

    async def test_a_rolling_estimate_that_fails_is_told_of_and_the_next_is_tried(self):
        scene = Scene()
        scene.recognizer.fails = {"rolling"}
        await scene.run(started(), partly("i"), partly("i am"), scene.recognizer.fails.clear, partly("i am sad"))
        assert len(scene.of(EngineTrouble)) == 2
        assert scene.only(EmotionEstimate).revision == 3


class TestLate:
    async def test_an_estimate_that_comes_while_the_answer_sounds_is_kept_with_the_turn(self):
        scene = Scene(settings=AT_ONCE, speech=sounding())
        scene.recognizer.final.hold()
        scene.recognizer.explains = False
        await scene.run(*whole("i am sad"), NOTHING, scene.recognizer.final.let_go, later(10.0))
        assert scene.told.index(scene.of(ReplyDelta)[0]) < scene.told.index(finals(scene)[0])
        assert scene.turns[0].estimate == finals(scene)[0]
        assert scene.only(Metrics).emotion_was_late == 1

    async def test_an_estimate_that_comes_after_the_turn_was_kept_is_known_to_the_conversation(self):
        scene = Scene(settings=AT_ONCE)
        scene.recognizer.final.hold()
        scene.recognizer.explains = False
        await scene.run(*whole("i am sad"), NOTHING, scene.recognizer.final.let_go, NOTHING)
        assert scene.told.index(scene.only(TurnSaved)) < scene.told.index(finals(scene)[0])
        assert scene.turns[0].estimate is None
        assert scene.session.conversation.turns[0].estimate == finals(scene)[0]

    async def test_an_estimate_that_comes_while_the_end_is_told_is_kept_with_the_turn(self):
        class Telling(Scene):
            async def tell(self, event: Any) -> None:
                if isinstance(event, ReplyDone):
                    self.recognizer.final.let_go()
                    await settled()
                await super().tell(event)

        scene = Telling(settings=AT_ONCE)
        scene.recognizer.final.hold()
        await scene.run(*whole("i am sad"), NOTHING)
        assert scene.turns[0].estimate is not None


class TestAfterthought:
    async def test_the_reason_follows_as_a_revision_once_the_words_are_there_and_is_kept_with_the_turn(self):
        scene = Scene(speech=sounding())
        await scene.run(*whole("i am sad"), later(10.0))
        read, explained = finals(scene)
        assert explained == replace(read, revision=read.revision + 1, reason="because")
        assert scene.told.index(scene.of(ReplyDelta)[-1]) < scene.told.index(explained)
        assert scene.turns[0].estimate == explained

    async def test_a_reason_that_comes_late_is_known_to_the_conversation_and_held_nothing_up(self):
        scene = Scene()
        scene.recognizer.reason.hold()
        await scene.run(*whole("i am sad"), NOTHING, scene.recognizer.reason.let_go)
        assert scene.told.index(scene.only(TurnSaved)) < scene.told.index(finals(scene)[1])
        assert scene.turns[0].estimate == finals(scene)[0]
        assert scene.session.conversation.turns[0].estimate == finals(scene)[1]

    async def test_the_next_utterance_stops_what_is_still_thought_about_the_last(self):
        scene = Scene()
        scene.recognizer.reason.hold()
        await scene.run(*whole("i am sad"), NOTHING, started(2), partly("so", utterance=2), paused(2), NOTHING)
        assert "explain i am sad: stopped" in scene.recognizer.calls
        assert len(finals(scene)) == 1

    async def test_an_estimate_that_is_late_is_explained_when_it_is_there(self):
        scene = Scene(settings=AT_ONCE)
        scene.recognizer.final.hold()
        await scene.run(*whole("i am sad"), NOTHING, scene.recognizer.final.let_go)
        assert [estimate.reason for estimate in finals(scene)] == [None, "because"]

    async def test_a_reason_that_fails_leaves_the_estimate_as_it_is(self):
        scene = Scene()
        scene.recognizer.fails = {"explain"}
        await scene.run(*whole("i am sad"), NOTHING)
        assert scene.only(EngineTrouble).engine == "emotion recogniser"
        assert scene.turns[0].estimate == finals(scene)[0]

    async def test_an_estimate_that_failed_is_not_explained(self):
        scene = Scene()
        scene.recognizer.fails = {"final"}
        await scene.run(*whole("i am sad"), NOTHING)
        assert not any(call.startswith("explain") for call in scene.recognizer.calls)

    async def test_an_answer_that_was_cut_off_is_not_thought_about(self):
        scene = Scene(settings=AT_ONCE, speech=sounding())
        scene.recognizer.final.hold()
        second = [
            partly("no stop that", utterance=2, at_s=3.0),
            ended("no stop that", utterance=2, start_s=2.5, end_s=4),
        ]
        await scene.run(*whole("i am sad"), started(2, at_s=2.5), *second, scene.recognizer.final.let_go)
        assert scene.turns[0].interrupted

    async def test_in_lockstep_the_reason_is_there_before_the_answer_has_been_heard(self):
        scene = Scene(settings=SessionSettings())
        await scene.run(*whole("i am sad"), NOTHING)
        assert scene.turns[0].estimate == finals(scene)[1]
        assert scene.told.index(finals(scene)[1]) < scene.told.index(scene.only(ReplyDone))


class Wavering(FarSighted):
    """Everything it does takes a number of turns of the loop that nobody knows."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance

    async def _do(self, call: str, kind: str, gate: Gate) -> None:
        for _ in range(self.chance.choice([0, 1, 3, 20, 200])):
            await anyio.lowlevel.checkpoint()
        await super()._do(call, kind, gate)


@pytest.mark.parametrize("seed", range(60))
async def test_no_order_of_what_is_done_ahead_late_or_afterwards_breaks_a_conversation(seed: int):
    chance = random.Random(seed)
    wavering = Wavering(chance)
    wavering.fails = set(chance.sample(["prepare", "rolling", "explain", "final"], chance.choice([0, 0, 1, 2])))
    scene = Scene(recognizer=wavering, settings=AT_ONCE if seed % 2 else SessionSettings(lockstep=False))
    steps: list[Any] = []
    for utterance in (1, 2, 3):
        at_s = 5.0 * utterance
        steps += [started(utterance, at_s=at_s), partly("i am", utterance=utterance, at_s=at_s + 0.4)]
        for generation in range(1, chance.choice([1, 2, 4])):
            steps += [paused(utterance, generation=generation, at_s=at_s + 0.5), resumed(utterance, at_s=at_s + 0.6)]
        steps += [partly("i am sad", utterance=utterance, at_s=at_s + 0.8), paused(utterance, generation=9)]
        steps.append(ended("i am sad", utterance=utterance, start_s=at_s, end_s=at_s + 1))
        if chance.random() < 0.5:
            corrected = EmotionCorrection(utterance=utterance, label="happy")
            steps.append(lambda said=corrected: scene.session.correct(said))
    await scene.run(*steps, *[NOTHING] * 10)
    assert [turn.utterance for turn in scene.turns] == [1, 2, 3]
    assert all(turn.reply == "I see. Go on." for turn in scene.turns)
    for number in (1, 2, 3):
        told = [event for event in scene.of(EmotionEstimate) if event.utterance == number]
        finality = [event.is_final for event in told]
        assert finality == sorted(finality), "a rolling estimate after a final one"
        correction = [event.is_corrected for event in told]
        assert correction == sorted(correction), "something read after what the user said"
        by_engines = [event.revision for event in told if not event.is_corrected]
        assert by_engines == sorted(set(by_engines))
        turn = next(turn for turn in scene.session.conversation.turns if turn.utterance == number)
        last = [event for event in told if event.is_final][-1:]
        assert [turn.estimate] == (last or [None])


async def test_of_two_utterances_in_one_block_the_first_is_not_read_as_if_it_had_been_answered_before():
    seen: dict[int, list[int]] = {}

    class Seeing(FarSighted):
        async def recognize(
            self, utterance: Utterance, conversation: Conversation, *, revision: int, source: EmotionSource
        ) -> EmotionEstimate:
            seen[utterance.utterance] = [turn.utterance for turn in conversation.turns]
            return await super().recognize(utterance, conversation, revision=revision, source=source)

    both = [*ended("i am sad"), *started(2, at_s=2.0), *ended("so sad", utterance=2, start_s=2.0, end_s=3.0)]
    await Scene(recognizer=Seeing()).run(both, NOTHING)
    assert seen == {1: [], 2: [1]}


def sounding() -> ScriptedSpeech:
    """A voice that takes its time."""
    return ScriptedSpeech(s_per_character=0.1)


def later(at_s: float) -> list[Any]:
    """A block at a later time in which nothing is heard but noise."""
    return started(99, at_s=at_s)
