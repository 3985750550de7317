"""`attune-eval replay`: what it would do, what it does, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner, Result

from agent.errors import ConfigInvalid
from eval.commands_replay import register
from eval.errors import CorpusUnreadable
from eval.replay.ledger import RunRefused

if TYPE_CHECKING:
    from pathlib import Path


def evaluate(*words: str | Path) -> Result:
    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["replay", *map(str, words)])


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    lines = [
        {"id": f"{dialogue}{order}", "dialogue": dialogue, "order": order, "speaker": "A", "text": text}
        for dialogue in ("d", "e")
        for order, text in enumerate(("I am so happy", "this is terrible", "fine"))
    ]
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def test_a_corpus_becomes_a_ledger_and_the_same_command_goes_on(tmp_path: Path, manifest: Path):
    out = tmp_path / "out"
    part = evaluate("manifest", manifest, "--out", out, "--limit", "3")
    assert part.exit_code == 0, part.output
    assert "3 rows in" in part.stderr

    whole = evaluate("manifest", manifest, "--out", out)
    assert whole.exit_code == 0, whole.output
    assert "6 rows in" in whole.stderr
    assert "6 ok" in whole.stderr
    rows = [json.loads(line) for line in (out / "rows.jsonl").read_text("utf-8").splitlines()]
    assert [row["item"] for row in rows] == ["d0", "d1", "d2", "e0", "e1", "e2"]


def test_readings_context_and_answers_are_chosen_on_the_command_line(tmp_path: Path):
    path = tmp_path / "corpus.jsonl"
    readings = [{"name": "one", "text": "first"}, {"name": "two", "text": "second"}]
    item = {"dialogue": "d", "text": "truth", "hypotheses": readings}
    lines = [item | {"id": f"d{at}", "order": at} for at in range(2)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    words = ("--hypotheses", "corpus", "--reading", "two", "--reading", "one", "--nbest", "1", "--context", "0")
    ended = evaluate("manifest", path, "--out", tmp_path / "out", *words, "--answer")
    assert ended.exit_code == 0, ended.output
    rows = [json.loads(line) for line in (tmp_path / "out" / "rows.jsonl").read_text("utf-8").splitlines()]
    assert [one["text"] for one in rows[0]["nbest"]] == ["second", "first"]
    assert all(row["answer"] for row in rows)
    told = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))["provenance"]["settings"]
    assert (told["readings"], told["n_best"], told["context"]) == (["two", "one"], 1, 0)


def test_a_dry_run_says_what_is_left_and_writes_nothing(tmp_path: Path, manifest: Path):
    out = tmp_path / "out"
    before = evaluate("manifest", manifest, "--out", out, "--dry-run")
    assert before.exit_code == 0, before.output
    assert "6 items in 2 pieces" in before.stdout
    assert "calls of a language model: none" in before.stdout
    assert "not known" in before.stdout
    assert not out.exists()

    evaluate("manifest", manifest, "--out", out, "--limit", "3")
    after = evaluate("manifest", manifest, "--out", out, "--dry-run")
    assert "already there: 3; to be replayed: 3, 0 of them heard" in after.stdout
    assert "time: about 0 s" in after.stdout


def test_a_ledger_of_nothing_but_faults_leaves_with_3(tmp_path: Path):
    path = tmp_path / "corpus.jsonl"
    path.write_text(json.dumps({"id": "a", "audio": "missing.wav", "text": "hello"}) + "\n", "utf-8")
    ended = evaluate("manifest", path, "--out", tmp_path / "out")
    assert ended.exit_code == 3


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("nothing", "."), CorpusUnreadable),
        (("manifest", "no such file"), CorpusUnreadable),
        (("manifest", "{manifest}", "--profile", "nobody"), ConfigInvalid),
        (("manifest", "{manifest}", "--emotion", "off"), RunRefused),
        (("manifest", "{manifest}", "--hypotheses", "corpus", "--reading", "one"), ConfigInvalid),
        (("manifest", "{manifest}", "--translate", "klingon!"), ConfigInvalid),
        (("manifest", "{manifest}", "--translate-as", "base-1"), ConfigInvalid),
        (("manifest", "{manifest}", "--translate", "fr", "--translate-as", "sung"), ConfigInvalid),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    tmp_path: Path, manifest: Path, words: tuple[str, ...], error: type[Exception]
):
    out = tmp_path / "out"
    assert evaluate("manifest", manifest, "--out", out).exit_code == 0
    before = (out / "rows.jsonl").read_bytes()

    ended = evaluate(*(word.replace("{manifest}", str(manifest)) for word in words), "--out", out)

    assert isinstance(ended.exception, error)
    assert "\n" not in str(ended.exception)
    assert (out / "rows.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "wrong",
    [
        ("--workers", "0"),
        ("--limit", "0"),
        ("--hypotheses", "mine"),
        ("--nbest", "0"),
        ("--context", "-1"),
        ("--reading", "one"),
        ("--answer", "--translate", "fr"),
    ],
)
def test_wrong_usage_leaves_with_2(tmp_path: Path, manifest: Path, wrong: tuple[str, ...]):
    assert evaluate("manifest", manifest, "--out", tmp_path / "out", *wrong).exit_code == 2


def test_a_folder_that_cannot_be_written_is_an_error_of_the_disk(tmp_path: Path, manifest: Path):
    (tmp_path / "file").write_text("no folder")
    ended = evaluate("manifest", manifest, "--out", tmp_path / "file")
    assert isinstance(ended.exception, OSError)
