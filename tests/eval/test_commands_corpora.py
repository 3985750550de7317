"""`attune-eval corpora`: the list, the check, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner, Result

from eval.commands_corpora import register
from eval.corpora.choose import READERS, reader
from eval.errors import CorpusUnreadable
from tests.eval.corpora.released import entry, gensec, iemocap, meld, msp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def evaluate(*words: str | Path) -> Result:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, ["corpora", *map(str, words)])


def test_every_reader_says_from_whom_its_corpus_comes():
    listed = evaluate("list").stdout
    for name, each in READERS.items():
        assert each.name == name
        assert f"| {name} | {each.where_from.replace('|', '/')} |" in listed


def gensec_folder(root: Path) -> Path:
    return gensec(root / "train.json")


@pytest.mark.parametrize(
    ("name", "make"), [("iemocap", iemocap), ("gensec", gensec_folder), ("msp-podcast", msp), ("meld", meld)]
)
def test_what_is_made_in_the_right_shape_is_whole(tmp_path: Path, name: str, make: Callable[[Path], Path]):
    make(tmp_path)
    told = evaluate("check", name, tmp_path, "--audio", "--json")
    assert told.exit_code == 0, told.output
    problems = json.loads(told.stdout)["problems"]
    known = ("fold is not there", "in common (Joey, Monica, Phoebe)")
    assert [each for each in problems if not any(why in each["why"] for why in known)] == []


def test_the_check_counts_and_lists(tmp_path: Path):
    (meld(tmp_path, splits=("train", "dev")) / "dev_splits_complete" / "dia0_utt0.wav").unlink()
    told = evaluate("check", "meld", tmp_path)
    assert told.exit_code == 0
    for line in (
        "| dev | 4 |",
        "| joy | happy | 2 |",
        "| Monica | 4 |",
        "- train and dev: 3 (Joey, Monica, Phoebe)",
        "3 problems:",
        "- splits train and dev: 3 speakers in common (Joey, Monica, Phoebe): figures of one tell less of strangers",
        "- test_sent_emo.csv: not there: the split is not read",
    ):
        assert line in told.stdout.splitlines(), line


def test_as_json_everything_is_there(tmp_path: Path):
    held = json.loads(evaluate("check", "gensec", gensec(tmp_path / "a.json"), "--json").stdout)
    assert held["corpus"] == "gensec"
    assert held["by_split"] == {"Ses01": 3, "Ses02": 1}
    assert {"label": "exc", "ours": "happy", "n": 1} in held["by_label"]
    assert held["shared_speakers"] == []


def test_what_a_corpus_calls_its_speakers_cannot_steer_the_terminal(tmp_path: Path):
    told = evaluate("check", "gensec", gensec(tmp_path / "a.json", [entry("Ses01F_a_F000", speaker="\x1b[31m|x\n_F")]))
    assert "| \\x1b[31m/x\\x0a_F | 1 |" in told.stdout.splitlines()


def test_strict_leaves_with_an_error_when_there_is_any_problem(tmp_path: Path):
    path = iemocap(tmp_path)
    assert evaluate("check", "iemocap", path).exit_code == 0
    assert isinstance(evaluate("check", "iemocap", path, "--strict").exception, CorpusUnreadable)


def test_what_is_missing_is_told_with_where_to_get_it(tmp_path: Path):
    trouble = evaluate("check", "iemocap", tmp_path).exception
    assert isinstance(trouble, CorpusUnreadable)
    assert "no Session1" in str(trouble)
    assert "sail.usc.edu/iemocap" in str(trouble)


def test_an_unknown_name_is_told_with_those_there_are():
    with pytest.raises(CorpusUnreadable, match="no corpus is called 'mled': expected one of iemocap, gensec"):
        reader("mled")
