"""Which items a page shows, what it says of them, and the sound they come with."""

from __future__ import annotations

import base64
import io
import wave
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from eval.corpora.item import Item
from eval.errors import CorpusUnreadable
from eval.replay.sound import Recordings
from eval.report.cases import compared
from eval.report.render import render
from eval.report.run import Showing, run_page
from eval.report.sound import MOST_S, Sounds
from eval.score.ledger import Ledger
from eval.score.measure import ScoreSettings
from eval.statistics import Resampling
from streaming.audio import SAMPLE_RATE
from streaming.wav import wav_bytes
from tests.eval.report.page_tree import parse
from tests.eval.score.ledgers import estimate, row

if TYPE_CHECKING:
    from pathlib import Path

    from eval.replay.row import Row
    from eval.report.values import CaseList

QUICK = ScoreSettings(resampling=Resampling(draws=20))


def lists(*rows: Row, worst: int = 10) -> tuple[CaseList, ...]:
    return run_page(Ledger(rows=rows), QUICK, showing=Showing(worst=worst)).lists


def told(item: str, truth: str, *shares: float, top: str = "", order: int = 0, **more: object) -> Row:
    labels = ("angry", "happy", "neutral", "sad")
    said = top or labels[int(np.argmax(shares))]
    return row(item, emotion=truth, dialogue="d", order=order, estimates=[estimate(said, *shares)], **more)  # pyright: ignore[reportArgumentType]


def test_the_surest_wrong_answer_comes_first_and_right_ones_do_not_come():
    feelings, _, _ = lists(
        told("mild", "sad", 0.1, 0.1, 0.5, 0.3),
        told("right", "sad", 0.0, 0.0, 0.0, 1.0),
        told("sure", "sad", 0.9, 0.05, 0.05, 0.0),
        told("same", "sad", 0.1, 0.1, 0.5, 0.3),
    )
    assert [case.item for case in feelings.cases] == ["sure", "mild", "same"]
    assert feelings.n_all == 3
    assert feelings.cases[0].told[0][1].shares == (("angry", 90), ("happy", 5), ("neutral", 5))
    assert feelings.cases[0].why == "the true label got 0 %"


def test_an_estimate_that_abstains_says_what_it_counts_as():
    feelings, _, _ = lists(told("a", "sad", 0.3, 0.3, 0.2, 0.2, top="unclear"), told("b", "sad", 0, 0, 0, 1.0))
    ((_, said),) = feelings.cases[0].told
    assert said.top == "unclear, counts as neutral"


def test_words_heard_worst_come_by_error_rate_then_length():
    _, words, _ = lists(
        row("one", text="yes", heard=["no"]),
        row("fine", text="yes", heard=["Yes."]),
        row("two", text="well then", heard=["oh dear"]),
        row("half", text="well then", heard=["well dear"]),
        row("given", text="well then", heard=[]),
    )
    assert [case.item for case in words.cases] == ["two", "given", "one", "half"]
    assert words.cases[3].why == "1 error in 2 words"


def test_what_is_only_context_is_not_among_the_words_heard_worst():
    _, words, _ = lists(
        row("scored", text="yes", heard=["no"]),
        row("context", text="well then", heard=["oh dear"], is_to_be_scored=False),
    )
    assert ([case.item for case in words.cases], words.n_all) == (["scored"], 1)


def test_the_lists_say_of_how_many_they_show_how_many():
    rows = [told(f"i{at}", "sad", 0.7, 0.1, 0.1, 0.1, order=at) for at in range(5)]
    page = run_page(Ledger(rows=tuple(rows)), QUICK, showing=Showing(worst=2))
    assert [len(some.cases) for some in page.lists] == [2, 0, 0]
    text = parse(render(page)).one("section", id="worst").text
    assert "2 of 5, by how much more share" in text
    assert "The words were given, or no item tells its text." in text
    assert not run_page(Ledger(rows=tuple(rows)), QUICK, showing=Showing(worst=0)).cases


def test_what_failed_is_listed_with_its_reason():
    failed = replace(row("b", status="failed", emotion="sad"), problem="the model is gone")
    _, _, undone = lists(row("a", status="no_speech"), failed, told("c", "sad", 0, 0, 0, 1.0))
    assert [(case.item, case.why) for case in undone.cases] == [("a", "no word was heard"), ("b", "an engine failed")]
    assert "the model is gone" in undone.cases[1].notes


def test_readings_answers_and_the_model_s_own_words_can_be_unfolded():
    one = row(
        "a",
        emotion="sad",
        text="the cat",
        heard=["a cat", "the cat"],
        translation="le chat",
        answer="un chat",
        model=[{"call": "stream", "text": "I think <happy>."}, {"call": "score", "labels": ["sad"], "logps": [0.0]}],
        estimates=[estimate("happy", words_only={"happy": 0.6, "sad": 0.4}, voice_only={"sad": 0.9, "happy": 0.1})],
    )
    (case,) = lists(one)[0].cases
    assert case.notes == ("words alone: happy 60 %; voice alone: sad 90 %",)
    assert dict(case.details) == {
        "Readings": ("a cat", "the cat"),
        "Answer": ("said: un chat", "reference: le chat"),
        "What the model wrote": ("I think <happy>.",),
    }
    page = parse(render(run_page(Ledger(rows=(one,)), QUICK)))
    assert "I think <happy>." in [line.text for line in page.all("article", data_item="a")[0].all("li")]


def test_the_two_turns_before_an_item_stand_with_it():
    shares = (0.7, 0.1, 0.1, 0.1)
    rows = [told(f"i{at}", "sad", *shares, order=at, speaker="Ann", text=f"turn {at}") for at in range(4)]
    feelings, _, _ = lists(*rows)
    assert feelings.cases[3].before == (("Ann", "turn 1"), ("Ann", "turn 2"))
    assert feelings.cases[0].before == ()


@pytest.mark.parametrize(
    ("said", "heard", "wanted"),
    [
        ("The cat sat.", "the cat sat", [("the cat sat", "same")]),
        (
            "the cat sat",
            "the hat sat down",
            [("the", "same"), ("cat", "missed"), ("hat", "added"), ("sat", "same"), ("down", "added")],
        ),
        ("the cat", "", [("the cat", "missed")]),
        ("", "the cat", [("the cat", "added")]),
        ("", "", []),
        (None, "the cat", [("the cat", "same")]),
    ],
)
def test_words_are_compared_one_by_one(said: str | None, heard: str, wanted: list[tuple[str, str]]):
    one = row("a", heard=[heard] if heard else [])
    one = one if said is None else replace(one, truth={"text": said})
    assert [(word.text, word.kind) for word in compared(one, "words")] == wanted


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    lines: list[str] = []
    for name, seconds in (("short", 1.0), ("long", MOST_S + 5)):
        times = np.arange(round(seconds * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
        (tmp_path / f"{name}.wav").write_bytes(wav_bytes(0.1 * np.sin(440 * times).astype(np.float32)))
        lines.append(f'{{"id": "{name}", "audio": "{name}.wav"}}\n')
    (tmp_path / "manifest.jsonl").write_text("".join(lines), "utf-8")
    return tmp_path


def heard(corpus: Path, name: str) -> Row:
    sound = Recordings().read(Item(id=name, audio=corpus / f"{name}.wav"))
    return replace(row(name, status="failed"), corpus="manifest", audio_sha256=sound.sha256)


def seconds_of(address: str) -> float:
    head, _, data = address.partition(",")
    assert head == "data:audio/wav;base64"
    with wave.open(io.BytesIO(base64.b64decode(data))) as sound:
        assert sound.getframerate() == SAMPLE_RATE
        return sound.getnframes() / SAMPLE_RATE


def test_cases_come_with_their_sound_cut_where_it_is_long(corpus: Path):
    sounds = Sounds(corpus, ["manifest"])
    address, note = sounds(heard(corpus, "short"))
    assert seconds_of(address) == pytest.approx(1.0)
    assert not note
    address, note = sounds(heard(corpus, "long"))
    assert seconds_of(address) == MOST_S
    assert note == "the first 15 of 20.0 s"
    assert sounds(heard(corpus, "short")) == ("", "to be heard further up")


def test_only_the_very_sound_that_was_heard_is_played(corpus: Path):
    sounds = Sounds(corpus, ["manifest"])
    first = heard(corpus, "short")
    assert "not the one" in sounds(replace(first, audio_sha256="0" * 64))[1]
    assert "no sound of this item" in sounds(replace(first, audio_sha256=None))[1]
    assert "no sound of this item" in sounds(replace(first, item="other"))[1]
    (corpus / "short.wav").write_bytes(b"")
    assert "cannot be heard" in Sounds(corpus, ["manifest"])(first)[1]
    with pytest.raises(CorpusUnreadable):
        Sounds(corpus / "nowhere", ["manifest"])


def test_a_page_holds_so_much_sound_and_says_what_it_left_out(corpus: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("eval.report.sound.MOST_BYTES", 40_000)
    rows = heard(corpus, "short"), heard(corpus, "long")
    page = run_page(Ledger(rows=rows), QUICK, showing=Showing(sounding=Sounds(corpus, ["manifest"])))
    tree = parse(render(page))
    assert [case.item for case in page.cases if case.sound] == ["short"]
    assert tree.one("audio").attrs["src"].startswith("data:audio/wav")
    assert "the page holds no more sound" in tree.one("article", data_item="long").text
