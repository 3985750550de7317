"""`attune-eval paper`: what it prints and writes on small fixtures, and how it ends."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner, Result

from agent.errors import ConfigInvalid
from eval.commands_paper import register
from eval.errors import CorpusUnreadable
from streaming.errors import EngineFailed
from tests.eval.corpora.released import entry, gensec
from tests.eval.papers.scripted import PROFILE, behind_a_profile

if TYPE_CHECKING:
    from pathlib import Path

    from agent.backends.llm.scripted import ScriptedModel

LABELS = ("ang", "hap", "neu", "sad")
SAID = ("angry", "happy", "neutral", "neutral")
SAYS = [f"Transcript: yes\nReason: words\nEmotion: {label}" for label in SAID]


def evaluate(*words: str | Path) -> Result:
    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["paper", *map(str, words)])


@pytest.fixture
def heard(tmp_path: Path) -> Path:
    """Three sessions as the challenge gives them, four utterances each."""
    entries = [
        entry(f"Ses0{session}F_impro01_{'FM'[order % 2]}00{order}", emotion=emotion)
        for session in range(1, 4)
        for order, emotion in enumerate(LABELS)
    ]
    return gensec(tmp_path / "gensec.json", entries)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ScriptedModel]:
    return behind_a_profile(SAYS * 100, home=tmp_path, monkeypatch=monkeypatch)


def cells(folder: Path, name: str) -> dict[tuple[str, str], dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return {(line["row"], line["column"]): line for line in csv.DictReader(file)}


def asks(*words: str) -> tuple[str, ...]:
    return ("--profile", PROFILE, *words)


@pytest.mark.usefixtures("models")
def test_all_tables_of_r3_are_printed_and_written(tmp_path: Path, heard: Path):
    out = tmp_path / "out"
    ended = evaluate("r3", "gensec", heard, "--out", out, "--table", "all", *asks())
    assert ended.exit_code == 0, ended.output

    for number in "123456":
        name = f"r3-table{number}"
        assert (out / f"{name}.md").read_text("utf-8") in ended.stdout
        assert (out / f"{name}.svg").read_bytes().startswith(b"<?xml")
    filled = cells(out, "r3-table4")
    assert filled["R3", "Llama-2-7b"]["paper"] == "49.72"
    assert filled["R3", PROFILE]["ours"] == "75.0"
    assert filled["R3", PROFILE]["n"] == "12"
    assert "condition:r3|" in filled["R3", PROFILE]["signature"]
    assert "an adapter goes on a model in the form of transformers" in cells(out, "r3-table5")["R3", "PEFT"]["why"]
    assert "no sound" in cells(out, "r3-table3")["Para info", "IEMOCAP"]["why"]
    missing = {
        (number, *at)
        for number in "12456"
        for at, line in cells(out, f"r3-table{number}").items()
        if at[1] in {PROFILE, "Ground truth", "HuBERT large", "R3"} and not line["ours"]
    }
    assert missing == {("2", "4 Paraling", "Ground truth"), ("2", "4 Paraling", "HuBERT large")}


def test_the_same_command_again_asks_nothing_and_gives_the_same_bytes(
    tmp_path: Path, heard: Path, models: list[ScriptedModel]
):
    out = tmp_path / "out"
    first = evaluate("r3", "gensec", heard, "--out", out, "--table", "4", *asks())
    written = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    n_loaded = len(models)

    again = evaluate("r3", "gensec", heard, "--out", out, "--table", "4", *asks())

    assert (again.exit_code, again.stdout) == (0, first.stdout)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == written
    assert len(models) == n_loaded


def test_a_dry_run_tells_each_run_once_and_runs_nothing(tmp_path: Path, heard: Path, models: list[ScriptedModel]):
    out = tmp_path / "out"
    ended = evaluate("r3", "gensec", heard, "--out", out, "--table", "1", "--table", "6", "--dry-run", *asks())
    assert ended.exit_code == 0, ended.output
    lines = ended.stdout.splitlines()
    # Eleven transcripts and two more prompts; Table VI's Predict and Order A,H,N,S are Table I's ground truth.
    assert len(lines) == 11 + 2
    assert all("12 items" in line and "up to 12" in line for line in lines)
    assert not models
    assert not out.exists()


@pytest.mark.usefixtures("models")
def test_a_dry_run_says_which_cell_cannot_be_made(tmp_path: Path, heard: Path):
    ended = evaluate("r3", "gensec", heard, "--out", tmp_path / "out", "--table", "5", "--dry-run", *asks())
    assert ended.exit_code == 0, ended.output
    *runs, peft = ended.stdout.splitlines()
    assert len(runs) == 4
    assert "R3, PEFT: cannot be made: an adapter goes on a model in the form of transformers" in peft


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("r3", "--table", "6"), "baseline asks a language model, and profile embedded has none here"),
        (("translation", "--table", "2", "--settle", "tuning=none"), "base-1 asks a language model, and profile embe"),
    ],
)
def test_a_dry_run_fails_where_the_run_would_for_want_of_a_model(tmp_path: Path, words: tuple[str, ...], said: str):
    lines: list[dict[str, Any]] = [
        {"id": split, "text": "well", "emotion": "sad", "translation": "bien", "target": "fr", "split": split}
        for split in ("dev", "test")
    ]
    paper, *others = words
    place = manifest(tmp_path / "m.jsonl", lines)
    ended = evaluate(paper, "manifest", place, "--out", tmp_path / "out", "--dry-run", *others)
    assert isinstance(ended.exception, EngineFailed)
    assert said in str(ended.exception)


def test_a_dry_run_of_typed_says_that_nobody_adjusts_labels(tmp_path: Path):
    lines: list[dict[str, Any]] = [
        {"id": split, "text": "well", "votes": {"sad": 3}, "description": "Concerned", "split": split}
        for split in ("train", "test")
    ]
    place = manifest(tmp_path / "m.jsonl", lines)
    words = ("typed", "manifest", place, "--table", "4", "--out", tmp_path / "out", "--dry-run")
    ended = evaluate(*words)
    assert ended.exit_code == 0, ended.output
    assert "W/: cannot be made: soft labels are adjusted by a language model, and profile embedded" in ended.stdout
    assert "adjusted by word-model" in evaluate(*words, "--settle", "annotator=word-model").stdout
    assert "W/: cannot be made: " in evaluate(*words, "--relabelled", tmp_path / "none.csv").stdout


def test_a_dry_run_of_nothing_says_where_the_reasons_stand(tmp_path: Path):
    place = manifest(tmp_path / "m.jsonl", [{"id": "one", "text": "well", "emotion": "sad"}])
    ended = evaluate("r3", "manifest", place, "--table", "4", "--out", tmp_path / "out", "--dry-run")
    assert (ended.exit_code, ended.stdout) == (
        0,
        "nothing is to be run; without --dry-run it says why below the table\n",
    )


@pytest.mark.usefixtures("models")
def test_a_limit_an_open_point_and_two_profiles_are_taken(tmp_path: Path, heard: Path):
    out = tmp_path / "out"
    config = tmp_path / "xdg_config_home" / "attune" / "config.toml"
    config.write_text(config.read_text("utf-8") + config.read_text("utf-8").replace(PROFILE, "other"), "utf-8")
    words = ("--table", "4", "--limit", "4", "--settle", "ua=accuracy", "--profile", "other")
    ended = evaluate("r3", "gensec", heard, "--out", out, *words, *asks())
    assert ended.exit_code == 0, ended.output
    filled = cells(out, "r3-table4")
    assert [filled["R3", name]["n"] for name in ("other", PROFILE)] == ["4", "4"]
    assert "metric:WA" in filled["R3", "other"]["signature"]
    assert "accuracy" in ended.stdout


@pytest.fixture
def rated(tmp_path: Path) -> Path:
    """Utterances that raters disagree on."""
    lines: list[dict[str, Any]] = [
        {"id": f"u{at}", "speaker": f"s{at % 5}", "text": f"well {at}", "emotion": "happy", "votes": votes}
        for at, votes in enumerate(({"happy": 2, "sad": 1}, {"happy": 3}) * 5)
    ]
    return manifest(tmp_path / "rated.jsonl", lines)


def manifest(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def test_tables_and_the_figure_of_ambiguity_are_printed(tmp_path: Path, rated: Path, monkeypatch: pytest.MonkeyPatch):
    behind_a_profile(["Happiness: 60%, Neutral: 0%, Sadness: 40%, Anger: 0%"], home=tmp_path, monkeypatch=monkeypatch)
    out = tmp_path / "out"
    ended = evaluate("ambiguity", "manifest", rated, "--out", out, "--table", "1", "--figure", "3", *asks())
    assert ended.exit_code == 0, ended.output
    text = cells(out, "ambiguity-table1")["Text", "KL"]
    assert text["paper"] == "2.05"
    assert float(text["ours"]) > 0
    assert (out / "ambiguity-figure3.md").is_file()


def test_open_points_are_listed():
    ended = evaluate("discrepancies")
    assert ended.exit_code == 0
    assert "| ua | r3 |" in ended.stdout
    assert "| kl | ambiguity |" in ended.stdout


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("r3", "gensec", "{heard}"), "no table named"),
        (("r3", "gensec", "{heard}", "--table", "7"), "no --table 7 here: expected --table 1 or"),
        (("r3", "gensec", "{heard}", "--figure", "3"), "no --figure 3 here"),
        (("ambiguity", "gensec", "{heard}", "--table", "4"), "or --figure 3"),
        (("r3", "gensec", "{heard}", "--table", "1", "--settle", "ua"), "expected one of macro-recall, accuracy"),
        (("r3", "gensec", "{heard}", "--table", "1", "--settle", "kl=other"), "nothing called 'kl' is open"),
        (("typed", "gensec", "{heard}", "--table", "4", "--upstream", "WavLM"), "'WavLM' is no upstream"),
        (("r3", "gensec", "{heard}", "--table", "1", "--limit", "0"), "greater than or equal to 1"),
    ],
)
def test_wrong_usage_leaves_with_2_and_says_what_is_right(
    tmp_path: Path, heard: Path, words: tuple[str, ...], said: str
):
    ended = evaluate(*(word.format(heard=heard) for word in words), "--out", tmp_path / "out")
    assert ended.exit_code == 2
    assert said in " ".join(ended.output.replace("│", " ").split())


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("r3", "nothing", "{heard}", "--table", "1"), CorpusUnreadable),
        (("r3", "gensec", "{heard}.json", "--table", "1"), CorpusUnreadable),
        (("r3", "gensec", "{heard}", "--table", "1", "--profile", "nobody"), ConfigInvalid),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    tmp_path: Path, heard: Path, words: tuple[str, ...], error: type[Exception]
):
    ended = evaluate(*(word.format(heard=heard) for word in words), "--out", tmp_path / "out")
    assert isinstance(ended.exception, error)
    assert "\n" not in str(ended.exception)


def test_a_cell_that_fails_leaves_the_others_and_ends_with_4(tmp_path: Path, heard: Path, models: list[ScriptedModel]):
    out = tmp_path / "out"
    evaluate("r3", "gensec", heard, "--out", out, "--table", "6", *asks())
    (select,) = (out / "runs").glob("*select*")
    (select / "run.json").write_text("{}", "utf-8")

    ended = evaluate("r3", "gensec", heard, "--out", out, "--table", "6", *asks())

    assert ended.exit_code == 4
    assert "1 cells could not be made" in ended.stderr
    filled = cells(out, "r3-table6")
    assert "holds another run" in filled["Baseline", "Select"]["why"]
    assert filled["Baseline", "Predict"]["ours"] == "75.0"
    assert len(models) == 3


@pytest.mark.usefixtures("models")
def test_a_folder_that_cannot_be_written_is_an_error_of_the_disk(tmp_path: Path, heard: Path):
    (tmp_path / "file").write_text("no folder")
    ended = evaluate("r3", "gensec", heard, "--out", tmp_path / "file", "--table", "6", *asks())
    assert isinstance(ended.exception, OSError)
