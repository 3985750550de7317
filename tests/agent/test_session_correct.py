"""A user who says what they feel: it stands above what was read, whenever it is said."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from agent.backends.emotion.description import DescriptionReader
from agent.backends.emotion.embedded import EmbeddedRecognizer
from agent.backends.emotion.scripted import scripted_estimate
from agent.backends.tts.scripted import ScriptedSpeech
from agent.correction import EmotionCorrection
from agent.errors import AgentError
from agent.events import EmotionEstimate, ReplyDone, StorageDegraded
from agent.labels import BIG_FOUR
from agent.session import SessionSettings
from tests.talking import NOTHING, FarSighted, Gate, Scene, started, whole

pytestmark = pytest.mark.anyio
AT_ONCE = SessionSettings(lockstep=False, emotion_wait_s=0.0)
HAPPY = EmotionCorrection(utterance=1, label="happy")
TYPED = EmotionCorrection(utterance=1, text="i was so happy and excited, what a wonderful day")


def sounding() -> ScriptedSpeech:
    """A voice that takes its time."""
    return ScriptedSpeech(s_per_character=0.1)


def finals(scene: Scene) -> list[EmotionEstimate]:
    return [event for event in scene.of(EmotionEstimate) if event.is_final]


def in_window(scene: Scene) -> EmotionEstimate:
    estimate = scene.session.conversation.turns[0].estimate
    assert estimate is not None
    return estimate


async def test_a_correction_while_the_reply_sounds_is_told_as_a_revision_and_kept_with_the_turn():
    scene = Scene(speech=sounding())
    await scene.run(*whole("i am sad"), NOTHING, lambda: scene.session.correct(HAPPY), started(9, at_s=10.0))
    corrected = finals(scene)[-1]
    assert (corrected.utterance, corrected.top, corrected.is_corrected, corrected.is_final) == (1, "happy", True, True)
    assert corrected.revision > finals(scene)[0].revision
    assert scene.told.index(corrected) < scene.told.index(scene.only(ReplyDone))
    assert scene.turns[0].estimate == corrected


async def test_a_correction_of_a_turn_that_was_kept_is_known_to_the_conversation():
    scene = Scene()
    await scene.run(*whole("i am sad"), NOTHING, lambda: scene.session.correct(HAPPY))
    assert in_window(scene) == finals(scene)[-1]
    assert in_window(scene).top == "happy"


@pytest.mark.parametrize("late", ["final", "reason"])
async def test_neither_a_late_estimate_nor_a_late_reason_stands_over_a_correction_or_is_told(late: str):
    scene = Scene(settings=AT_ONCE, speech=sounding())
    gate = getattr(scene.recognizer, late)
    gate.hold()
    said = scene.session.correct
    await scene.run(*whole("i am sad"), NOTHING, lambda: said(HAPPY), gate.let_go, started(9, at_s=10.0))
    assert finals(scene)[-1].is_corrected
    assert scene.turns[0].estimate == finals(scene)[-1]
    assert finals(scene)[-1].top == "happy"


async def test_a_correction_of_a_correction_stands():
    scene = Scene()
    say = scene.session.correct
    again = EmotionCorrection(utterance=1, label="angry")
    await scene.run(*whole("i am sad"), NOTHING, lambda: say(HAPPY), lambda: say(again))
    assert in_window(scene).top == "angry"


async def test_what_is_asked_next_is_asked_with_the_correction_known():
    scene = Scene()
    correct = scene.session.correct
    await scene.run(*whole("i am sad"), NOTHING, lambda: correct(HAPPY), *whole("so", utterance=2, at_s=5.0))
    known = scene.recognizer.conversations[-1].turns[0].estimate
    assert known is not None
    assert known.is_corrected


async def test_what_is_not_held_cannot_be_corrected():
    scene = Scene()
    assert await scene.session.correct(HAPPY) is None
    await scene.run(*whole("i am sad"), NOTHING)
    n_told = len(scene.told)
    assert await scene.session.correct(EmotionCorrection(utterance=7, label="happy")) is None
    assert len(scene.told) == n_told


async def test_words_typed_freely_move_the_reading_towards_what_they_express():
    scene = Scene(recognizer=EmbeddedRecognizer(), corrector=DescriptionReader())
    await scene.run(*whole("the meeting is at three"), NOTHING, lambda: scene.session.correct(TYPED))
    read, corrected = finals(scene)
    happy = BIG_FOUR.index("happy")
    assert corrected.distribution[happy] > read.distribution[happy]
    assert sum(corrected.distribution) == pytest.approx(1)


class Reader:
    """Reads typed words when it is let go, or fails."""

    def __init__(self, *, fails: bool = False) -> None:
        self.gate = Gate()
        self.fails = fails
        self.asked: list[EmotionCorrection] = []

    async def correct(self, estimate: EmotionEstimate, correction: EmotionCorrection) -> EmotionEstimate:
        self.asked.append(correction)
        await self.gate.passed()
        if self.fails:
            raise AgentError("no words")
        return replace(estimate, top="happy", revision=estimate.revision + 1, is_corrected=True)


async def test_words_that_cannot_be_read_leave_the_reading_and_mark_it_as_the_users():
    for corrector in (None, Reader(fails=True)):
        scene = Scene(corrector=corrector)
        correct = scene.session.correct
        await scene.run(*whole("i am sad"), NOTHING, lambda correct=correct: correct(TYPED))
        assert in_window(scene).is_corrected
        assert in_window(scene).distribution == pytest.approx(scripted_estimate("sad").distribution)


async def test_what_comes_while_typed_words_are_read_does_not_stand_over_them():
    reader = Reader()
    reader.gate.hold()
    scene = Scene(settings=AT_ONCE, corrector=reader)
    scene.recognizer.final.hold()
    told: list[EmotionEstimate | None] = []
    async with anyio.create_task_group() as tasks:

        async def correct() -> None:
            told.append(await scene.session.correct(TYPED))

        steps = [scene.recognizer.final.let_go, NOTHING, reader.gate.let_go, NOTHING]
        await scene.run(*whole("i am sad"), NOTHING, lambda: tasks.start_soon(correct), NOTHING, *steps)
    assert told == [in_window(scene)]
    assert in_window(scene).top == "happy"
    assert in_window(scene).revision > max(e.revision for e in finals(scene) if not e.is_corrected)


async def test_a_correction_while_the_end_of_the_answer_is_told_is_kept_with_the_turn():
    scene = Scene()
    corrections: list[EmotionEstimate | None] = []

    async def tell(event: object) -> None:
        scene.told.append(event)
        if isinstance(event, ReplyDone):
            corrections.append(await scene.session.correct(HAPPY))

    scene.tell = tell
    scene.__post_init__()  # the session tells whom it was given
    await scene.run(*whole("i am sad"), NOTHING)
    assert corrections == [in_window(scene)]
    assert scene.turns[0].estimate == corrections[0]


async def test_a_correction_before_the_final_estimate_counts_on_from_those_told_while_it_was_said():
    scene = Scene(settings=AT_ONCE, speech=sounding())
    scene.recognizer.final.hold()
    correct = scene.session.correct
    first, partial, *rest = whole("i am sad")
    await scene.run(first, partial, partial, *rest, lambda: correct(HAPPY), started(9, at_s=10.0))
    numbers = [estimate.revision for estimate in scene.of(EmotionEstimate)]
    assert len(numbers) == 3
    assert numbers == sorted(set(numbers))


async def test_what_was_said_in_passing_is_not_read_twice():
    reader = Reader()
    scene = Scene(recognizer=FarSighted(top="angry"), corrector=reader)
    await scene.run(*whole("leave it there"), NOTHING, *whole("i'm not angry", utterance=2, at_s=5.0), NOTHING)
    assert in_window(scene).is_corrected
    assert not reader.asked


@pytest.mark.parametrize("is_lockstep", [True, False])
async def test_a_correction_goes_to_the_log_and_a_disk_that_fails_is_told_of(is_lockstep: bool):
    scene = Scene(settings=SessionSettings(lockstep=is_lockstep))
    again = EmotionCorrection(utterance=1, label="angry")
    correct = scene.session.correct

    def fail() -> None:
        scene.log_fails = True

    await scene.run(*whole("i am sad"), NOTHING, lambda: correct(HAPPY), fail, lambda: correct(again), NOTHING)
    assert [correction for correction, _ in scene.corrections] == [HAPPY]
    assert scene.corrections[0][1].top == "happy"
    assert "disk" in scene.only(StorageDegraded).message
    assert in_window(scene).top == "angry"


async def test_where_nothing_was_read_the_user_is_believed_all_the_same():
    recognizer = FarSighted()
    recognizer.fails = {"final"}
    scene = Scene(recognizer=recognizer)
    await scene.run(*whole("i am sad"), NOTHING, lambda: scene.session.correct(HAPPY))
    assert in_window(scene).top == "happy"


@pytest.mark.parametrize("is_lockstep", [True, False])
async def test_a_correction_in_passing_is_heeded_before_what_was_said_is_answered(is_lockstep: bool):
    recognizer = FarSighted(top="angry")
    scene = Scene(recognizer=recognizer, settings=SessionSettings(lockstep=is_lockstep))
    await scene.run(*whole("leave it there"), NOTHING, *whole("i'm not angry", utterance=2, at_s=5.0), NOTHING)
    corrected = next(estimate for estimate in finals(scene) if estimate.is_corrected)
    assert (corrected.utterance, corrected.top == "angry") == (1, False)
    assert in_window(scene) == corrected
    second = next(estimate for estimate in finals(scene) if estimate.utterance == 2)
    assert scene.told.index(corrected) < scene.told.index(second)


async def test_what_is_no_correction_changes_nothing():
    scene = Scene(recognizer=FarSighted(top="angry"))
    await scene.run(*whole("leave it"), NOTHING, *whole("he's not angry with me", utterance=2, at_s=5.0), NOTHING)
    assert not any(estimate.is_corrected for estimate in finals(scene))
