"""`attune-eval report`: from ledgers to a file, and how it ends where it cannot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner, Result

import eval.commands_replay
import eval.commands_report
from eval.errors import CorpusUnreadable
from eval.score.errors import LedgerInvalid
from tests.eval.report.page_tree import parse
from tests.eval.score.ledgers import made, write

if TYPE_CHECKING:
    from pathlib import Path

QUICK = ("--draws", "20", "--trials", "20")


def evaluate(*words: str | Path) -> Result:
    app = typer.Typer(pretty_exceptions_enable=False)
    eval.commands_report.register(app)
    eval.commands_replay.register(app)
    return CliRunner().invoke(app, [*map(str, words)])


def test_a_replay_becomes_a_page_with_its_settings_and_times(tmp_path: Path):
    lines = [
        {"id": f"a{at}", "dialogue": "d", "order": at, "speaker": "A", "text": text, "emotion": label}
        for at, (text, label) in enumerate(
            (("I am so happy", "happy"), ("this is terrible", "sad"), ("fine", "neutral"))
        )
    ]
    manifest = tmp_path / "corpus.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    ledger, out = tmp_path / "ledger", tmp_path / "report.html"
    assert evaluate("replay", "manifest", manifest, "--out", ledger, "--emotion", "text").exit_code == 0
    result = evaluate("report", ledger, "--out", out, "--audio", manifest, "--title", "three lines", *QUICK)
    assert result.exit_code == 0, result.output
    assert "0 with sound" in result.stderr
    page = parse(out.read_text("utf-8"))
    assert page.one("h1").text == "Run over three lines"
    assert "feeling from words" in page.one("header").text
    assert "hearing an item" in page.one("section", id="time").text
    assert "the words were given, not heard" in page.one("section", id="summary").text
    # Nor are words that were given shown as words that were all heard right.
    assert "no word wrong" not in page.one("section", id="words").text
    assert page.one("section", id="words").text.count("the words were given") == 2


def test_two_ledgers_are_compared(tmp_path: Path):
    a, b = write(tmp_path / "a.jsonl", made(30)), write(tmp_path / "b.jsonl", made(30, seed=4, run="r2"))
    out = tmp_path / "pair.html"
    result = evaluate("report", a, "--against", b, "--out", out, "--worst", "3", *QUICK)
    assert result.exit_code == 0, result.output
    assert parse(out.read_text("utf-8")).one("h1").text == "A and B on made"
    before = out.read_bytes()
    assert evaluate("report", a, "--against", b, "--out", out, "--worst", "3", *QUICK).exit_code == 0
    assert out.read_bytes() == before


def test_labels_and_mapping_go_through_to_the_figures(tmp_path: Path):
    a = write(tmp_path / "a.jsonl", made(30))
    out = tmp_path / "r.html"
    assert evaluate("report", a, "--out", out, "--labels", "happy,sad", "--map", "angry=sad", *QUICK).exit_code == 0
    page = parse(out.read_text("utf-8"))
    assert "Over the labels happy, sad;" in page.one("section", id="feelings").text
    assert "map:angry=sad" in page.one("section", id="signatures").text


def test_what_is_no_ledger_no_corpus_or_no_place_to_write_is_said(tmp_path: Path):
    a = write(tmp_path / "a.jsonl", made(6))
    out = tmp_path / "r.html"
    with pytest.raises(LedgerInvalid):
        raise_of(evaluate("report", tmp_path / "none", "--out", out))
    with pytest.raises(CorpusUnreadable):
        raise_of(evaluate("report", a, "--out", out, "--audio", tmp_path))
    with pytest.raises(OSError, match="nowhere"):
        raise_of(evaluate("report", a, "--out", tmp_path / "nowhere" / "r.html", *QUICK))
    # Said at once, not after minutes of drawing again: nothing was read by then.
    for place in (tmp_path, tmp_path / "nowhere" / "r.html"):
        with pytest.raises(OSError, match=f"{place.parent.name if place.name == 'r.html' else place.name}'$"):
            raise_of(evaluate("report", tmp_path / "none", "--out", place))
    assert evaluate("report", a, "--out", out, "--labels", "one").exit_code == 2
    assert not out.exists()


def raise_of(result: Result) -> None:
    assert result.exception is not None
    raise result.exception
