"""Whole runs: the same bytes however often they are killed and by however many workers; nothing is left out."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent.errors import ConfigInvalid
from eval.corpora.item import Corpus, Item, Problem
from eval.errors import CorpusUnreadable
from eval.replay.ledger import RunFolder, RunRefused
from eval.replay.plan import ALONE_AT_ONCE, ReplaySettings
from eval.replay.run import plan_of, replay
from streaming.errors import EngineFailed
from tests.eval.replay.toy import toy_corpus, voice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streaming.events import Samples

    WriteWav = Callable[[Path, Samples], Path]

WRITTEN = ("rows.jsonl", "run.json", "summary.json")
BY_TEXT = ReplaySettings(emotion="text", hypotheses="text")


def run_of(corpus: Corpus, out: Path, *, workers: int = 1, settings: ReplaySettings = BY_TEXT) -> dict[str, Any]:
    return replay(plan_of(corpus, settings, out=out), workers=workers, note=print)


def rows_in(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "rows.jsonl").read_text("utf-8").splitlines()]


def written(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in WRITTEN]


def test_every_item_has_a_row_in_the_order_of_the_corpus(tmp_path: Path) -> None:
    corpus = toy_corpus()

    summary = run_of(corpus, tmp_path)

    rows = rows_in(tmp_path)
    assert [row["item"] for row in rows] == [item.id for item in corpus.items]
    assert {row["status"] for row in rows} == {"ok"}
    assert rows[0]["estimates"][-1]["top"] == "happy"
    assert rows[-1]["estimates"][-1]["top"] == "sad"
    assert summary["n_items"] == len(rows)
    assert summary["problems"] == [{"where": "d9", "why": "no label"}]
    times = (tmp_path / "times.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["item"] for line in times] == [item.id for item in corpus.items]


def test_truth_goes_by_our_labels_and_keeps_those_that_have_no_place_there(tmp_path: Path) -> None:
    run_of(toy_corpus(), tmp_path)

    first, *_, last = rows_in(tmp_path)
    assert first["truth"]["emotion"] == "happy"
    assert first["truth"]["votes"] == {"happy": 2, "fru": 1}
    assert "emotion" not in last["truth"]
    assert last["truth"]["label"] == "fru"
    assert (last["split"], last["dialogue"]) == ("test", None)


def test_two_workers_write_the_bytes_of_one(tmp_path: Path) -> None:
    corpus = toy_corpus(n_dialogues=5, n_alone=ALONE_AT_ONCE + 1)

    run_of(corpus, tmp_path / "one")
    run_of(corpus, tmp_path / "two", workers=2)

    assert written(tmp_path / "two") == written(tmp_path / "one")


def test_a_finished_run_replays_nothing(tmp_path: Path) -> None:
    corpus = toy_corpus()
    run_of(corpus, tmp_path)
    before = written(tmp_path)

    plan = plan_of(corpus, BY_TEXT, out=tmp_path)
    told: list[int] = []
    replay(plan, progress=told.append, note=print)

    assert (plan.n_missing, told) == (0, [])
    assert written(tmp_path) == before


def test_a_higher_limit_goes_on_with_what_is_there(tmp_path: Path) -> None:
    corpus = toy_corpus()
    replay(plan_of(corpus, BY_TEXT, out=tmp_path / "grown", limit=3), note=print)
    assert len(rows_in(tmp_path / "grown")) == 3

    grown = plan_of(corpus, BY_TEXT, out=tmp_path / "grown")
    assert grown.n_missing == len(corpus.items) - 3
    replay(grown, note=print)
    run_of(corpus, tmp_path / "whole")
    assert written(tmp_path / "grown") == written(tmp_path / "whole")


def test_a_part_that_is_not_whole_is_made_again(tmp_path: Path) -> None:
    corpus = toy_corpus()
    run_of(corpus, tmp_path)
    before = written(tmp_path)
    part = max((tmp_path / "parts").glob("*.jsonl"), key=lambda path: path.stat().st_size)
    part.write_bytes(part.read_bytes()[:-10])

    assert plan_of(corpus, BY_TEXT, out=tmp_path).n_missing > 0
    run_of(corpus, tmp_path)
    assert written(tmp_path) == before


def test_a_folder_with_another_run_is_refused_and_left_alone(tmp_path: Path) -> None:
    run_of(toy_corpus(), tmp_path)
    before = written(tmp_path)

    with pytest.raises(RunRefused, match="settings differs"):
        run_of(toy_corpus(), tmp_path, settings=replace(BY_TEXT, emotion="off"))
    with pytest.raises(RunRefused, match="items_sha256 differs"):
        run_of(toy_corpus(n_alone=1), tmp_path)
    assert written(tmp_path) == before


@pytest.mark.parametrize("held", ["[]", "{}", '{"provenance": 1}', "no JSON"])
def test_a_folder_whose_header_is_none_is_refused_in_words(tmp_path: Path, held: str) -> None:
    (tmp_path / "run.json").write_text(held, "utf-8")
    with pytest.raises(RunRefused, match=r"its header differs"):
        run_of(toy_corpus(), tmp_path)
    assert (tmp_path / "run.json").read_text("utf-8") == held


def test_two_runs_at_once_into_one_folder_are_refused(tmp_path: Path) -> None:
    plan = plan_of(toy_corpus(), BY_TEXT, out=tmp_path)
    with RunFolder(tmp_path).taken(plan.header), pytest.raises(RunRefused, match="being written by another run"):
        replay(plan, note=print)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ((), "holds no items"),
        ((Item(id="a", text="one"), Item(id="a", text="two")), "'a' stands twice"),
        ((Item(id="a", dialogue="d", order=1), Item(id="b", dialogue="d", order=0)), "not in one piece and in order"),
        (
            (Item(id="a", dialogue="d"), Item(id="b", dialogue="e"), Item(id="c", dialogue="d", order=1)),
            "not in one piece and in order",
        ),
    ],
)
def test_a_corpus_that_is_no_corpus_is_refused(tmp_path: Path, items: tuple[Item, ...], message: str) -> None:
    with pytest.raises(CorpusUnreadable, match=message):
        plan_of(replace(toy_corpus(), items=items), BY_TEXT, out=tmp_path)


def test_what_cannot_be_heard_is_told_and_counted_never_skipped(tmp_path: Path, write_wav: WriteWav) -> None:
    heard = write_wav(tmp_path / "heard.wav", voice())
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "cut.wav").write_bytes(heard.read_bytes()[:20_000])
    (tmp_path / "text.wav").write_text("not sound")
    items = (
        Item(id="heard", audio=heard, text="hello there"),
        Item(id="wordless", audio=heard),
        Item(id="missing", audio=tmp_path / "missing.wav", text="hello"),
        Item(id="empty", audio=tmp_path / "empty.wav", text="hello"),
        Item(id="cut", audio=tmp_path / "cut.wav", text="hello"),
        Item(id="renamed", audio=tmp_path / "text.wav", text="hello"),
        Item(id="beyond", audio=heard, start_s=2.0, end_s=3.0, text="hello"),
        Item(id="past the end", audio=heard, start_s=0.5, end_s=3.0, text="hello"),
        Item(id="nothing"),
        Item(id="surrogate", text="odd \ud800 one", valence=float("nan")),
    )

    summary = run_of(replace(toy_corpus(), items=items), tmp_path / "out", settings=ReplaySettings(hypotheses="text"))

    rows = {row["item"]: row for row in rows_in(tmp_path / "out")}
    assert {name: row["status"] for name, row in rows.items()} == {
        "heard": "ok",
        "wordless": "no_speech",
        "missing": "unreadable",
        "empty": "unreadable",
        "cut": "ok",
        "renamed": "unreadable",
        "beyond": "unreadable",
        "past the end": "ok",
        "nothing": "unreadable",
        "surrogate": "ok",
    }
    assert summary["statuses"] == {"no_speech": 1, "ok": 4, "unreadable": 5}
    assert rows["missing"]["problem"] == "missing.wav does not exist"
    assert "1.00 s long" in rows["past the end"]["problem"]
    assert rows["past the end"]["audio_s"] == pytest.approx(0.5)
    assert rows["cut"]["problem"]
    assert rows["heard"]["problem"] is None
    assert rows["heard"]["prosody"]["voiced_s"] > 0.5
    assert "valence" not in rows["surrogate"]["truth"]


def test_half_a_surrogate_pair_in_a_problem_does_not_lose_the_summary(tmp_path: Path) -> None:
    corpus = replace(toy_corpus(), problems=(Problem(where="odd \ud800", why="no label"),))
    assert run_of(corpus, tmp_path)["n_items"] == len(corpus.items)
    told = json.loads((tmp_path / "summary.json").read_text("utf-8"))
    assert told["problems"] == [{"where": "odd ?", "why": "no label"}]


def test_a_recording_that_changed_is_heard_again_though_it_is_as_long(tmp_path: Path, write_wav: WriteWav) -> None:
    sound = tmp_path / "a.wav"
    corpus = Corpus(name="one", items=(Item(id="a", audio=sound, text="so happy"),))
    shas: list[str] = []
    for hz in (150.0, 250.0):
        write_wav(sound, voice(hz=hz))
        run_of(corpus, tmp_path / "out")
        shas += [row["audio_sha256"] for row in rows_in(tmp_path / "out")]
    assert len(set(shas)) == 2


def test_where_a_corpus_lies_changes_no_byte(tmp_path: Path, write_wav: WriteWav) -> None:
    written_at: list[list[bytes]] = []
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        audio = write_wav(tmp_path / place / "a.wav", voice())
        items = (Item(id="a", audio=audio, text="hello"), Item(id="b", audio=audio.with_name("b.wav")))
        run_of(replace(toy_corpus(), items=items), tmp_path / place / "out")
        written_at.append(written(tmp_path / place / "out"))
    assert written_at[0] == written_at[1]


def test_a_worker_that_dies_ends_the_run_and_what_is_done_stays(tmp_path: Path) -> None:
    corpus = toy_corpus(n_dialogues=9)
    plan = plan_of(corpus, BY_TEXT, out=tmp_path / "out")

    def kill_all(_: int) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    with pytest.raises(EngineFailed, match=r"a worker died .* goes on where it stood"):
        replay(plan, workers=2, progress=kill_all, note=print)

    again = plan_of(corpus, BY_TEXT, out=tmp_path / "out")
    assert 0 < again.n_missing < len(corpus.items)
    replay(again, note=print)
    run_of(corpus, tmp_path / "whole")
    assert written(tmp_path / "out") == written(tmp_path / "whole")


def test_what_a_worker_cannot_load_is_told_as_it_is_without_workers(tmp_path: Path) -> None:
    plan = plan_of(toy_corpus(), BY_TEXT, out=tmp_path)
    unknown = replace(plan, job=replace(plan.job, settings=replace(BY_TEXT, profile="nobody")))
    for workers in (1, 2):
        with pytest.raises(ConfigInvalid, match="profile is 'nobody'"):
            replay(unknown, workers=workers, note=print)
