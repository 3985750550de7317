"""A conversation that translates: the session takes the translation for the answer, and lets it be what was said."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.backends.emotion.scripted import ScriptedRecognizer, scripted_estimate
from agent.backends.llm.scripted import ScriptedModel
from agent.backends.reply.scripted import ScriptedResponder
from agent.backends.reply.translator import LanguageModelTranslator
from agent.events import ReplyDelta, ReplyDone
from agent.safety import helpline
from agent.session import SessionSettings
from agent.translation.condition import TranslationCondition
from streaming.errors import ServerFailed
from streaming.events import EngineTrouble
from tests.talking import Scene, whole

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio
CALM = replace(scripted_estimate("sad"), arousal=0.2, dominance=0.4, valence=0.1)
DANGER = "i want to kill myself tonight"


@pytest.fixture
def translating() -> Callable[..., tuple[Scene, ScriptedModel]]:
    def lay_out(*answers: str | Exception, lockstep: bool = True) -> tuple[Scene, ScriptedModel]:
        model = ScriptedModel(answers)
        translator = LanguageModelTranslator(model, TranslationCondition(), note=lambda _: None)
        scene = Scene(
            recognizer=ScriptedRecognizer([CALM]),
            responder=translator,  # pyright: ignore[reportArgumentType] - a scene takes any responder
            settings=SessionSettings(lockstep=lockstep),
        )
        return scene, model

    return lay_out


def shown(scene: Scene) -> list[str]:
    return [event.text for event in scene.told if isinstance(event, ReplyDelta)]


def spoken(scene: Scene) -> list[str]:
    return [text for text, _ in scene.speech.spoken]


async def test_the_translation_is_the_answer_spoken_and_kept(translating: Callable[..., tuple[Scene, ScriptedModel]]):
    scene, model = translating("Je suis fatigué. Très fatigué.")
    await scene.run(*whole("i am tired very tired"))
    assert model.asked[0].prompt.messages[-1].text == "English without arousal: i am tired very tired\nFrench:"
    assert shown(scene) == ["Je suis fatigué. ", "Très fatigué."]
    assert "".join(spoken(scene)) == "Je suis fatigué. Très fatigué."
    (turn,) = scene.turns
    assert (turn.text, turn.reply) == ("i am tired very tired", "Je suis fatigué. Très fatigué.")
    assert (turn.is_crisis, turn.interrupted) == (False, False)


@pytest.mark.parametrize(
    "said", ["You have depression.", "I feel your pain.", "You are angry with me.", "You should kill yourself."]
)
async def test_what_the_agent_may_not_say_of_its_own_is_translated_all_the_same(
    translating: Callable[..., tuple[Scene, ScriptedModel]], said: str
):
    scene, _ = translating(said)
    await scene.run(*whole("c'est ce qu'il m'a dit"))
    assert shown(scene)[-1] == said


async def test_template_tokens_and_controls_are_taken_out_of_a_translation(
    translating: Callable[..., tuple[Scene, ScriptedModel]],
):
    scene, _ = translating("Bon\x07jour<|im_end|> [INST]vous.")
    await scene.run(*whole("hello you"))
    assert "".join(shown(scene)) == "Bonjour vous."


@pytest.mark.parametrize("lockstep", [True, False])
async def test_danger_is_translated_and_help_is_shown_first_but_not_spoken(
    translating: Callable[..., tuple[Scene, ScriptedModel]], lockstep: bool
):
    scene, model = translating("Je veux me tuer ce soir.", lockstep=lockstep)
    await scene.run(*whole(DANGER))
    help_note, *words = shown(scene)
    assert help_note.startswith("[")
    assert help_note.endswith("] ")
    assert helpline("en").reach in help_note
    assert "".join(words) == "".join(spoken(scene)) == "Je veux me tuer ce soir."
    assert "without arousal" in model.asked[0].prompt.messages[-1].text
    (done,) = (event for event in scene.told if isinstance(event, ReplyDone))
    assert done.is_crisis
    (turn,) = scene.turns
    assert turn.is_crisis
    assert turn.reply == help_note + "Je veux me tuer ce soir."


async def test_help_is_shown_with_the_model_down(translating: Callable[..., tuple[Scene, ScriptedModel]]):
    scene, _ = translating(ServerFailed("gone"))
    await scene.run(*whole(DANGER))
    (help_note,) = shown(scene)
    assert help_note.startswith("[")
    assert [event.engine for event in scene.told if isinstance(event, EngineTrouble)] == ["responder"]
    assert scene.turns[0].reply == help_note.strip()


async def test_a_failing_translation_is_told_and_nothing_stands_in_for_it(
    translating: Callable[..., tuple[Scene, ScriptedModel]],
):
    scene, _ = translating(ServerFailed("gone"), "Deux.")
    await scene.run(*whole("one"), *whole("two", utterance=2, at_s=5.0))
    assert [event.message for event in scene.told if isinstance(event, EngineTrouble)] == ["gone"]
    assert shown(scene) == ["Deux."]
    assert [turn.reply for turn in scene.turns] == ["", "Deux."]


async def test_a_reply_is_still_vetted_where_nothing_is_translated():
    scene = Scene(responder=ScriptedResponder([["You have depression. ", "Tell me more."]]))
    await scene.run(*whole("i am tired"))
    assert "depression" not in "".join(shown(scene))
