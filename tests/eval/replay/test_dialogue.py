"""One conversation replayed: what went before is known, each speaker has a listener, models are asked once."""

from __future__ import annotations

from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING

import pytest

from agent.backends.emotion.choose import Asking, recognizer_of_condition
from agent.backends.emotion.embedded import EmbeddedRecognizer
from agent.backends.llm.scripted import ScriptedModel
from agent.errors import AgentError
from eval.corpora.item import Item
from eval.replay.calls import CallShelf, KeptModel, Tape
from eval.replay.dialogue import Bench, replay_dialogue
from eval.replay.hearing import Ears
from eval.replay.plan import ReplaySettings
from eval.replay.rows import row_of
from streaming.backends.embedded import EmbeddedEngines
from streaming.errors import EngineFailed
from tests.eval.replay.toy import voice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from eval.replay.row import Row
    from streaming.events import Samples

CONDITION = "live"
SAD = {" sad": -0.1}


@pytest.fixture(scope="module")
def ears() -> Iterator[Ears]:
    with closing(EmbeddedEngines(transcribes=False)) as engines:
        yield Ears(embedded=lambda: engines)


@cache
def no_ears() -> EmbeddedEngines:
    raise AssertionError("nothing is to be heard")


SILENT = Ears(embedded=no_ears)


def rows_of(items: Sequence[Item], bench: Bench, settings: ReplaySettings) -> list[Row]:
    outcomes = replay_dialogue(items, session="toy/d", bench=bench, settings=settings)
    reads = settings.emotion != "off"
    return [row_of(one, corpus="toy", run="r", labels={}, reads=reads) for one in outcomes]


def plain(ears: Ears = SILENT) -> Bench:
    return Bench(ears=ears, recognizer=EmbeddedRecognizer(), tape=Tape())


def asking(model: ScriptedModel, shelf: CallShelf) -> Bench:
    tape = Tape()
    kept = KeptModel(model, identity="scripted", shelf=shelf, tape=tape)
    recognizer = recognizer_of_condition(kept, CONDITION, asking=Asking(note=print))
    return Bench(ears=SILENT, recognizer=recognizer, tape=tape)


TALK = (
    Item(id="one", dialogue="d", order=0, speaker="A", text="my dog died"),
    Item(id="two", dialogue="d", order=1, speaker="B", text="how awful"),
)
IN_WORDS = ReplaySettings(hypotheses="text")


def test_a_model_knows_what_was_said_before_and_nothing_of_what_comes() -> None:
    model = ScriptedModel(["reason"], scores=[SAD], others=-99.0)
    rows = rows_of(TALK, asking(model, CallShelf(None)), IN_WORDS)

    scored = ["\n".join(m.text for m in asked.prompt.messages) for asked in model.asked if asked.call == "score"]
    assert len(scored) == 2
    assert "my dog died" in scored[0]
    assert "how awful" not in scored[0]
    assert "my dog died" in scored[1]
    assert [row.estimates[-1]["top"] for row in rows] == ["sad", "sad"]
    assert [row.model[0]["call"] for row in rows] == ["score", "score"]


def test_what_was_asked_before_is_not_asked_again_and_gives_the_same_rows(tmp_path: Path) -> None:
    shelf = CallShelf(tmp_path)
    first = rows_of(TALK, asking(ScriptedModel(["because"], scores=[SAD], others=-99.0), shelf), IN_WORDS)

    dumb = ScriptedModel([EngineFailed("not to be asked")], scores=[EngineFailed("not to be asked")])
    bench = asking(dumb, shelf)
    outcomes = replay_dialogue(TALK, session="toy/d", bench=bench, settings=IN_WORDS)

    assert not [asked for asked in dumb.asked if asked.call != "count_tokens"]
    assert rows_of(TALK, bench, IN_WORDS) == first
    assert all(cost["from_cache"] for outcome in outcomes for cost in outcome.costs)
    assert outcomes[0].costs


def test_without_a_shelf_a_model_is_asked_anew() -> None:
    model = ScriptedModel(["because"], scores=[SAD], others=-99.0)
    bench = asking(model, CallShelf(None))
    rows_of(TALK, bench, IN_WORDS)
    n_asked = len(model.asked)
    rows_of(TALK, bench, IN_WORDS)
    assert len(model.asked) == 2 * n_asked


@pytest.mark.parametrize("held", ["{}", "[]", "", '{"text": 3, "labels": 3}'])
def test_an_answer_that_is_not_whole_is_asked_for_again(tmp_path: Path, held: str) -> None:
    model = ScriptedModel(["because"], scores=[SAD], others=-99.0)
    rows = rows_of(TALK, asking(model, CallShelf(tmp_path)), IN_WORDS)
    kept = sorted(tmp_path.rglob("*.json"))
    for place in kept:
        place.write_text(held, "utf-8")
    assert rows_of(TALK, asking(model, CallShelf(tmp_path)), IN_WORDS) == rows
    n_asked = len(model.asked)
    assert rows_of(TALK, asking(model, CallShelf(tmp_path)), IN_WORDS) == rows
    assert len(model.asked) == n_asked


def test_a_model_that_fails_is_a_row_that_says_so() -> None:
    broken = ScriptedModel([EngineFailed("it is down")], scores=[EngineFailed("it is down")])
    rows = rows_of(TALK, asking(broken, CallShelf(None)), IN_WORDS)
    assert [row.item for row in rows] == ["one", "two"]
    assert all("it is down" in row.estimates[-1]["reason"] for row in rows)


class Broken:
    """A recogniser that raises."""

    async def recognize(self, *_: object, **__: object) -> None:
        raise AgentError("it is broken")


def test_a_recogniser_that_raises_is_a_failed_row() -> None:
    bench = Bench(ears=SILENT, recognizer=Broken(), tape=Tape())  # pyright: ignore[reportArgumentType]
    rows = rows_of(TALK, bench, IN_WORDS)
    assert [row.status for row in rows] == ["failed", "failed"]
    assert rows[0].problem == "emotion recogniser: it is broken"


def test_emotion_switched_off_gives_words_and_no_estimate() -> None:
    rows = rows_of(TALK, plain(), ReplaySettings(emotion="off", hypotheses="text"))
    assert [row.status for row in rows] == ["ok", "ok"]
    assert all(row.estimates == [] and row.nbest for row in rows)


def test_the_corpus_s_readings_keep_their_order_and_names_and_blank_ones_are_none() -> None:
    item = Item(id="a", text="truth", hypotheses=(("one", "first"), ("two", " "), ("three", "third")))
    (by_corpus,) = rows_of([item], plain(), ReplaySettings(hypotheses="corpus"))
    (by_text,) = rows_of([item], plain(), IN_WORDS)
    assert [(one["source"], one["text"], one["posterior"]) for one in by_corpus.nbest] == [
        ("one", "first", 0.5),
        ("three", "third", 0.5),
    ]
    assert [(one["source"], one["text"]) for one in by_text.nbest] == [("transcript", "truth")]


def test_what_is_heard_is_one_utterance_an_item_with_its_words_timed_from_its_start(
    ears: Ears, spoken: Callable[..., Path]
) -> None:
    one, other = spoken("I am so happy to see you"), spoken("this is a terrible day", voice="rms")
    items = [
        Item(id=str(at), dialogue="d", order=at, speaker="AB"[at % 2], audio=(one, other)[at % 2]) for at in range(3)
    ]
    rows = rows_of(items, plain(ears), ReplaySettings())

    assert [row.status for row in rows] == ["ok", "ok", "ok"]
    assert "happy" in rows[0].nbest[0]["text"]
    for row in rows:
        assert row.audio_s is not None
        ends = [word["end_s"] for word in row.nbest[0]["words"]]
        assert 0 < ends[-1] <= row.audio_s + 0.1
        assert row.estimates[-1]["top"]
        assert row.estimates[0]["n_rolling"] >= 1
    assert rows[0].audio_sha256 == rows[2].audio_sha256
    # Each speaker is compared with themselves: who speaks between changes nothing of how they sound.
    alone = rows_of([items[0], items[2]], plain(ears), ReplaySettings())
    assert [row.prosody for row in alone] == [rows[0].prosody, rows[2].prosody]
    assert rows[0].prosody != rows[2].prosody


def test_an_item_longer_than_an_utterance_may_be_is_still_one_row(
    ears: Ears, tmp_path: Path, write_wav: Callable[[Path, Samples], Path]
) -> None:
    recording = write_wav(tmp_path / "long.wav", voice(31.0))
    (row,) = rows_of([Item(id="a", audio=recording, text="said")], plain(ears), ReplaySettings(hypotheses="text"))
    assert row.audio_s is not None
    assert row.audio_s == pytest.approx(31.0)
    assert row.nbest[0]["text"] == "said"
    assert row.status == "ok"
