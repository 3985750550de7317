"""What is said in answer to items, or their translation; and what was shown of their words while they were said."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import agent.backends.choose
from agent.backends.emotion.embedded import EmbeddedRecognizer
from agent.backends.llm.scripted import ScriptedModel
from agent.backends.reply.reflective import ReflectiveResponder
from agent.given import given, utterance_of
from agent.llm.values import Decoding, Message, Prompt
from eval.corpora.item import Corpus, Item
from eval.replay.calls import CallShelf, KeptModel, Tape
from eval.replay.dialogue import Bench, replay_dialogue
from eval.replay.hearing import Ears
from eval.replay.plan import ReplaySettings
from eval.replay.rows import Outcome, line_of, row_of
from eval.replay.run import plan_of, replay
from streaming.backends.embedded import EmbeddedEngines
from streaming.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from eval.replay.row import Row

PROFILES = """
[profiles.asking]
language_model = { engine = "openai", url = "http://127.0.0.1:1/v1", model = "by-script" }
reply = "language-model"
"""
TALK = Corpus(
    name="toy",
    items=(
        Item(id="one", dialogue="d", order=0, text="my dog died", translation="mon chien est mort", target="fr"),
        Item(id="two", dialogue="d", order=1, text="how awful", translation="wie furchtbar", target="de"),
    ),
)
FRENCH = ReplaySettings(hypotheses="text", profile="asking", translate="fr")


@cache
def no_ears() -> EmbeddedEngines:
    raise AssertionError("nothing is to be heard")


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ScriptedModel]:
    """Puts a model by script behind the profile."""
    path = tmp_path / "xdg_config_home" / "attune" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(PROFILES, "utf-8")

    def put(*answers: str | Exception) -> ScriptedModel:
        model = ScriptedModel(answers)

        def load(*_: object) -> ScriptedModel:
            return model

        monkeypatch.setattr(agent.backends.choose, "_language_model", load)
        return model

    return put


def rows_of(settings: ReplaySettings, out: Path, *, corpus: Corpus = TALK) -> list[dict[str, Any]]:
    replay(plan_of(corpus, settings, out=out), note=print)
    return [json.loads(line) for line in (out / "rows.jsonl").read_text("utf-8").splitlines()]


def streamed(model: ScriptedModel) -> list[str]:
    return ["\n".join(m.text for m in one.prompt.messages) for one in model.asked if one.call == "stream"]


def test_utterances_are_translated_with_what_they_express_and_stand_beside_references(
    tmp_path: Path, says: Callable[..., ScriptedModel]
):
    model = says("Mon chien est mort.", "Comme c'est affreux.")
    one, two = rows_of(FRENCH, tmp_path / "out")
    assert [one["answer"], two["answer"]] == ["Mon chien est mort.", "Comme c'est affreux."]
    assert one["answer_in"] == two["answer_in"] == "fr"
    assert (one["truth"]["translation"], one["truth"]["target"]) == ("mon chien est mort", "fr")
    # A reference in another language is none of this translation.
    assert "translation" not in two["truth"]
    assert "arousal" in streamed(model)[0]
    assert [call["call"] for call in one["model"]] == ["stream"]
    assert one["estimates"]


def test_how_a_translation_is_asked_for_is_chosen(tmp_path: Path, says: Callable[..., ScriptedModel]):
    model = says("Mon chien est mort.\nno more")
    (row,) = rows_of(
        replace(FRENCH, translate_as="base-1", emotion="off"),
        tmp_path / "out",
        corpus=replace(TALK, items=TALK.items[:1]),
    )
    assert row["answer"] == "Mon chien est mort."
    assert row["estimates"] == []
    assert "arousal" not in streamed(model)[0]
    assert streamed(model)[0].endswith("French:")


def test_what_is_kept_is_not_translated_again_though_the_model_was_stopped_before_its_end(
    tmp_path: Path, says: Callable[..., ScriptedModel]
):
    first = says("Voilà.\n\nA note on this translation, and more.")
    rows_of(FRENCH, tmp_path / "out")
    assert first.n_stopped
    before = (tmp_path / "out" / "rows.jsonl").read_bytes()
    for part in (tmp_path / "out" / "parts").iterdir():
        part.unlink()
    again = says(EngineFailed("not to be asked"))
    rows_of(FRENCH, tmp_path / "out")
    assert (tmp_path / "out" / "rows.jsonl").read_bytes() == before
    assert streamed(again) == []


def test_an_answer_whose_reader_was_cancelled_is_not_kept(tmp_path: Path):
    async def main() -> None:
        gate = anyio.Event()
        model = KeptModel(ScriptedModel(["one two three"]), identity="i", shelf=CallShelf(tmp_path), tape=Tape())
        prompt = Prompt(messages=(Message(role="user", text="go"),))

        async def read() -> None:
            stream = model.stream(prompt, Decoding(max_tokens=9))
            try:
                async for _ in stream:
                    gate.set()
                    await anyio.sleep_forever()
            finally:
                await stream.aclose()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await gate.wait()
            tasks.cancel_scope.cancel()

    anyio.run(main)
    assert not [*tmp_path.rglob("*.json")]


def test_a_translation_that_fails_is_a_row_that_says_so(tmp_path: Path, says: Callable[..., ScriptedModel]):
    says(EngineFailed("it is down"))
    rows = rows_of(FRENCH, tmp_path / "out")
    assert [(row["status"], row["answer"]) for row in rows] == [("failed", None)] * 2
    assert rows[0]["problem"] == "responder: it is down"


def test_the_note_on_where_to_find_help_is_no_part_of_a_translation(tmp_path: Path, says: Callable[..., ScriptedModel]):
    says("Je veux me tuer.")
    item = Item(id="one", text="I want to kill myself")
    (row,) = rows_of(FRENCH, tmp_path / "out", corpus=Corpus(name="toy", items=(item,)))
    assert row["answer"] == "Je veux me tuer."


def test_what_is_said_in_the_language_asked_for_is_passed_on(tmp_path: Path, says: Callable[..., ScriptedModel]):
    model = says("never")
    item = Item(id="one", text="mon chien est mort", language="fr")
    (row,) = rows_of(FRENCH, tmp_path / "out", corpus=Corpus(name="toy", items=(item,)))
    assert row["answer"] == "mon chien est mort"
    assert streamed(model) == []


def test_translating_without_a_language_model_is_refused(tmp_path: Path):
    plan = plan_of(TALK, replace(FRENCH, profile="embedded"), out=tmp_path)
    with pytest.raises(EngineFailed, match="translating asks a language model, and profile embedded has none"):
        replay(plan, note=print)


def test_utterances_are_answered_and_answers_are_part_of_the_conversation(
    tmp_path: Path, says: Callable[..., ScriptedModel]
):
    model = says("I am sorry to hear that.", "It is hard.")
    settings = ReplaySettings(hypotheses="text", profile="asking", answers=True)
    rows = rows_of(settings, tmp_path / "out")
    assert [row["answer"] for row in rows] == ["I am sorry to hear that.", "It is hard."]
    assert {row["answer_in"] for row in rows} == {None}
    assert "I am sorry to hear that." in streamed(model)[1]
    assert rows[0]["truth"]["target"] == "fr"
    times = [json.loads(line) for line in (tmp_path / "out" / "times.jsonl").read_text("utf-8").splitlines()]
    assert all(one["reply_ms"] >= 0 for one in times)


def test_the_reflective_listener_answers_without_any_model():
    bench = Bench(
        ears=Ears(embedded=no_ears), recognizer=EmbeddedRecognizer(), tape=Tape(), responder=ReflectiveResponder
    )
    settings = ReplaySettings(hypotheses="text", answers=True)
    first, again = (replay_dialogue(TALK.items, session="toy/d", bench=bench, settings=settings) for _ in range(2))
    said = [one.answer for one in first]
    assert all(said)
    assert said == [one.answer for one in again]
    assert [
        one.answer
        for one in replay_dialogue(TALK.items, session="toy/d", bench=bench, settings=replace(settings, answers=False))
    ] == ["", ""]


def test_what_is_said_and_shown_of_an_item_in_several_utterances_is_put_together():
    outcome = Outcome(item=Item(id="a"))
    one, two = (utterance_of(given(text)) for text in ("one", "two"))
    outcome.show(one.transcript, at_s=0.2)
    outcome.utterances.append(one)
    outcome.say("Un.")
    outcome.say(" Voilà.")
    for at_s in (1.0, 1.2):
        outcome.show(two.transcript, at_s=at_s)
    outcome.utterances.append(two)
    outcome.say("Deux.")
    assert outcome.answer == "Un. Voilà. Deux."
    assert outcome.partials == [{"at_s": 0.2, "text": "one"}, {"at_s": 1.0, "text": "one two"}]


def heard(items: Sequence[Item]) -> list[Row]:
    with closing(EmbeddedEngines(transcribes=False)) as engines:
        bench = Bench(ears=Ears(embedded=lambda: engines), recognizer=EmbeddedRecognizer(), tape=Tape())
        outcomes = replay_dialogue(items, session="toy/d", bench=bench, settings=ReplaySettings())
    return [row_of(one, corpus="toy", run="r", labels={}, reads=True) for one in outcomes]


def test_partials_are_told_by_when_in_the_item_they_were_shown_and_repeat(spoken: Callable[..., Path]):
    path = spoken("I am so happy to see you")
    items = [Item(id=str(at), dialogue="d", order=at, speaker="A", audio=path) for at in range(2)]
    rows = heard(items)
    for row in rows:
        times = [shown["at_s"] for shown in row.partials]
        texts = [shown["text"] for shown in row.partials]
        assert len(texts) > 1
        assert times == sorted(times)
        assert row.audio_s is not None
        assert 0 < times[0] < times[-1] <= row.audio_s + 0.02
        assert all(one != other for one, other in pairwise(texts))
        assert "happy" in texts[-1]
    assert [line_of(row) for row in heard(items)] == [line_of(row) for row in rows]


def test_partials_and_answers_are_the_same_bytes_for_two_workers(tmp_path: Path, spoken: Callable[..., Path]):
    paths = [spoken("I am so happy to see you"), spoken("this is a terrible day", voice="rms")]
    items = tuple(Item(id=str(at), dialogue=str(at), speaker="A", audio=path) for at, path in enumerate(paths))
    plans = [
        plan_of(Corpus(name="toy", items=items), ReplaySettings(answers=True), out=tmp_path / name)
        for name in ("1", "2")
    ]
    for n_workers, plan in enumerate(plans, 1):
        replay(plan, workers=n_workers, note=print)
    one, two = ((tmp_path / name / "rows.jsonl").read_bytes() for name in ("1", "2"))
    assert one == two
    assert all(json.loads(line)["partials"] and json.loads(line)["answer"] for line in one.splitlines())


def test_given_words_are_not_shown_before_they_are_over(spoken: Callable[..., Path]):
    item = Item(id="a", text="said", audio=spoken("I am so happy to see you"))
    with closing(EmbeddedEngines(transcribes=False)) as engines:
        bench = Bench(ears=Ears(embedded=lambda: engines), recognizer=EmbeddedRecognizer(), tape=Tape())
        (one,) = replay_dialogue([item], session="s", bench=bench, settings=ReplaySettings(hypotheses="text"))
    assert one.partials == []
