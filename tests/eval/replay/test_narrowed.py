"""What a recogniser is shown of what there is: chosen readings, the best ones, the last turns, none at all."""

from __future__ import annotations

from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING

import pytest

from agent.backends.emotion.choose import Asking, recognizer_of_condition
from agent.backends.emotion.embedded import EmbeddedRecognizer
from agent.backends.llm.scripted import ScriptedModel
from agent.errors import ConfigInvalid
from agent.ports import Explaining, Foresighted
from eval.corpora.item import Item
from eval.replay.calls import CallShelf, KeptModel, Tape
from eval.replay.dialogue import Bench, replay_dialogue
from eval.replay.hearing import Ears
from eval.replay.narrowed import narrowed
from eval.replay.plan import ReplaySettings
from eval.replay.rows import row_of
from eval.replay.run import plan_of
from streaming.backends.embedded import EmbeddedEngines
from tests.eval.replay.toy import toy_corpus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from eval.replay.row import Row

TALK = tuple(
    Item(
        id=str(at),
        dialogue="d",
        order=at,
        speaker="AB"[at % 2],
        text=f"truth {at}",
        hypotheses=(("one", f"reading one of {at}"), ("two", f"reading two of {at}"), ("three", f"third way {at}")),
    )
    for at in range(4)
)


@cache
def no_ears() -> EmbeddedEngines:
    raise AssertionError("nothing is to be heard")


def shown(settings: ReplaySettings, items: Sequence[Item] = TALK) -> tuple[list[str], list[Row]]:
    """Return what the model was shown of each item that it was asked about, and the rows."""
    model, tape = ScriptedModel(["because"], scores=[{" sad": -0.1}], others=-99.0), Tape()
    kept = KeptModel(model, identity="scripted", shelf=CallShelf(None), tape=tape)
    recognizer = recognizer_of_condition(kept, "live", asking=Asking(note=print))
    bench = Bench(ears=Ears(embedded=no_ears), recognizer=recognizer, tape=tape)
    outcomes = replay_dialogue(items, session="toy/d", bench=bench, settings=settings)
    asked = ["\n".join(m.text for m in one.prompt.messages) for one in model.asked if one.call == "score"]
    return asked, [row_of(one, corpus="toy", run="r", labels={}, reads=True) for one in outcomes]


def test_only_the_readings_named_are_taken_in_the_order_named():
    asked, rows = shown(ReplaySettings(hypotheses="corpus", readings=("three", "one")))
    assert [one["source"] for one in rows[0].nbest] == ["three", "one"]
    assert [one["posterior"] for one in rows[0].nbest] == [0.5, 0.5]
    assert "third way 0" in asked[0]
    assert "reading two" not in "".join(asked)


def test_an_item_without_the_reading_named_is_unreadable_and_one_whose_reading_is_blank_says_nothing():
    items = [
        Item(id="other", text="truth", hypotheses=(("two", "heard"),)),
        Item(id="blank", text="truth", hypotheses=(("one", " "), ("two", "heard"))),
        Item(id="all blank", text="truth", hypotheses=(("one", ""), ("two", " "))),
        Item(id="written", text="truth"),
    ]
    settings = ReplaySettings(hypotheses="corpus", readings=("one",))
    _, rows = shown(settings, items)
    assert [row.status for row in rows] == ["unreadable", "no_speech", "no_speech", "ok"]
    assert rows[0].problem == "it brings no reading by one"
    # What no recogniser was asked to hear is its transcript, and says so.
    assert rows[3].nbest[0]["source"] == "transcript"
    _, rows = shown(ReplaySettings(hypotheses="corpus"), items)
    assert [row.status for row in rows] == ["ok", "ok", "no_speech", "ok"]


def test_the_best_readings_are_shown_and_all_of_them_kept():
    asked, rows = shown(ReplaySettings(hypotheses="corpus", n_best=2))
    assert "reading one of 0" in asked[0]
    assert '(best of 2 hypotheses, 50%)\nOr: "one" as "two".' in asked[0]
    assert "third way" not in "".join(asked)
    assert len(rows[0].nbest) == 3
    alone, _ = shown(ReplaySettings(hypotheses="corpus", readings=("one", "two")))
    assert asked == alone


@pytest.mark.parametrize("context", [1, 2])
def test_only_the_last_turns_are_known(context: int):
    asked, _ = shown(ReplaySettings(hypotheses="text", context=context))
    for at, prompt in enumerate(asked):
        known = [before for before in range(len(TALK)) if before != at and f"truth {before}" in prompt]
        assert known == list(range(max(0, at - context), at))


def test_without_context_each_item_is_a_conversation_of_its_own():
    asked, rows = shown(ReplaySettings(hypotheses="text", context=0))
    alone = [shown(ReplaySettings(hypotheses="text"), [item]) for item in TALK]
    assert asked == [prompt for prompts, _ in alone for prompt in prompts]
    assert rows == [row for _, some in alone for row in some]
    assert "truth 0" not in asked[1]


def test_without_context_nothing_is_known_of_how_a_speaker_usually_sounds(spoken: Callable[..., Path]):
    recordings = [spoken("I am so happy to see you"), spoken("this is a terrible day")]
    items = [Item(id=str(at), dialogue="d", speaker="A", audio=path) for at, path in enumerate(recordings)]
    settings = ReplaySettings(hypotheses="text", emotion="voice")
    items = [Item(id=one.id, dialogue="d", speaker="A", audio=one.audio, text="said", order=at)
             for at, one in enumerate(items)]  # fmt: skip

    def heard(some: Sequence[Item], context: int | None) -> list[Row]:
        with closing(EmbeddedEngines(transcribes=False)) as engines:
            bench = Bench(ears=Ears(embedded=lambda: engines), recognizer=EmbeddedRecognizer(), tape=Tape())
            chosen = ReplaySettings(hypotheses=settings.hypotheses, emotion=settings.emotion, context=context)
            outcomes = replay_dialogue(some, session="toy/d", bench=bench, settings=chosen)
        return [row_of(one, corpus="toy", run="r", labels={}, reads=True) for one in outcomes]

    alone = heard(items, 0)
    assert alone == [*heard(items[:1], None), *heard(items[1:], None)]
    assert alone[1] != heard(items, None)[1]


def test_what_is_not_narrowed_is_left_as_it_is():
    model = KeptModel(ScriptedModel(["x"]), identity="scripted", shelf=CallShelf(None), tape=Tape())
    asking = recognizer_of_condition(model, "live", asking=Asking(note=print))
    assert narrowed(asking, ReplaySettings()) is asking
    assert isinstance(narrowed(asking, ReplaySettings(n_best=1)), Explaining)
    plain = narrowed(EmbeddedRecognizer(), ReplaySettings(context=3))
    assert not isinstance(plain, Explaining | Foresighted)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"readings": ("one",)}, "chosen among the corpus's own"),
        ({"n_best": 0}, "at least one reading"),
        ({"context": -1}, "0 turns or more"),
        ({"answers": True, "translate": "fr"}, "answered or translated"),
        ({"translate": "no language"}, "no language 'no language'"),
        ({"translate": "fr", "translate_as": "sung"}, "no way to translate called 'sung'"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(wrong: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        ReplaySettings(**wrong)  # pyright: ignore[reportArgumentType]


def test_a_reading_that_a_corpus_does_not_bring_is_refused(tmp_path: Path):
    settings = ReplaySettings(hypotheses="corpus", readings=("one", "four"))
    with pytest.raises(ConfigInvalid, match="toy brings no readings by four, only one, two, three"):
        plan_of(toy_corpus(), settings, out=tmp_path)
