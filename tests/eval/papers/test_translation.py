"""Paper 002's tables: which cells there are, how each is made, and how open points are settled."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

import agent.backends.choose
from agent.backends.dims.scripted import ScriptedDimensions
from agent.backends.llm.scripted import ScriptedModel
from agent.labels import Affect
from agent.translation.condition import is_above_middle, read_condition
from eval import commands_paper
from eval.corpora.item import Corpus, Item
from eval.errors import CorpusUnreadable
from eval.papers.cell import PaperRun
from eval.papers.contrast import contrasts
from eval.papers.discrepancies import settle
from eval.papers.published import TableUnknown
from eval.papers.replayed import Replayed
from eval.papers.translation import NUMBERS, table
from eval.papers.tuned import Tuned
from eval.tiny.llama import tiny_llama
from tests.eval.corpora.released import wav
from tests.eval.papers.scripted import PROFILE, behind_a_profile, run_of

if TYPE_CHECKING:
    from pathlib import Path

    from eval.papers.cell import Cell, Table

SETTINGS = """
[profiles.asking]
language_model = { engine = "openai", url = "http://127.0.0.1:1/v1", model = "by-script" }
dimensions = { engine = "wav2vec2", model = "/weights" }
"""


def corpus_of(*splits: str) -> Corpus:
    items = tuple(
        Item(
            id=f"{split}{at}",
            text=f"it rains {at}",
            translation=f"il pleut {at}",
            target="fr",
            split=split,
        )
        for split in splits
        for at in range(3)
    )
    return Corpus(name="book", items=items)


def cells_of(told: Table, row: str) -> list[Cell]:
    return [cell for cell in told.cells if cell.row == row]


@pytest.mark.parametrize("number", NUMBERS)
def test_all_that_the_paper_prints_stands_in_its_place(number: str):
    told = table(number, profiles=[None], settled=settle([]), corpus=corpus_of("train", "dev", "test"))
    tower = {cell.column: cell.published for cell in cells_of(told, "TowerBase")}
    assert tower == {"BLEU dev": 24.0, "BLEU test": 20.6, "COMET dev": 73.8, "COMET test": 72.9}
    assert sum(cell.published is not None for cell in told.cells) == {"1": 20, "2": 40}[number]
    assert {cell.row for cell in told.cells} == set(told.rows)
    assert {cell.column for cell in told.cells} == set(told.columns)


def test_table_1_has_rows_of_ours_with_either_template_for_each_profile():
    told = table("1", profiles=["a", "b"], settled=settle([]), corpus=corpus_of("train", "dev", "test"))
    ours = [row for row in told.rows if row not in {"Mistral", "MistralInstruct", "TowerBase", "TowerInstruct", "ALMA"}]
    assert ours == ["a, template 1", "a, template 2", "b, template 1", "b, template 2"]
    (source, *_) = (cell.source for cell in cells_of(told, "b, template 2"))
    assert isinstance(source, Tuned)
    assert (source.settings.profile, source.settings.translate_as, source.name) == ("b", "base-2", "BLEU")
    assert (source.folds[0].train, source.folds[0].held_out, source.folds[0].test) == (("train",), ("dev",), ("dev",))
    assert all(cell.why for row in told.rows if row not in ours for cell in cells_of(told, row))


def test_table_2_asks_each_dimension_in_each_template():
    told = table("2", profiles=["a"], settled=settle(["tuning=none"]), corpus=corpus_of("train", "dev", "test"))
    ways = {cell.row: cell.source.settings for cell in told.cells if isinstance(cell.source, Replayed)}
    assert {row: way.translate_as for row, way in ways.items()} == {
        "TowerBase": "base-1",
        **{f"+{name}{n}": f"base-{name}{n}" for name in ("arousal", "dominance", "valence") for n in (3, 4, 5)},
    }
    assert {(way.hypotheses, way.translate, way.context) for way in ways.values()} == {("text", "fr", 0)}
    assert {row for row, way in ways.items() if way.emotion == "off"} == {"TowerBase"}


def test_table_2_compares_each_way_with_the_template_without_emotion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = corpus_of("train", "dev", "test")
    told = table("2", profiles=["a", "b"], settled=settle([]), corpus=whole)
    assert len(told.against) == 9 * 8
    assert told.against["+arousal4", "BLEU test, b"] == ("TowerBase", "BLEU test, b")
    without_test = table("2", profiles=["a"], settled=settle([]), corpus=corpus_of("train", "dev"))
    assert {column for _, column in without_test.against} == {"BLEU dev", "COMET dev"}

    behind_a_profile([" il pleut"] * 40, home=tmp_path, monkeypatch=monkeypatch)
    asked = table("2", profiles=[PROFILE], settled=settle(["tuning=none"]), corpus=whole)
    found = contrasts(asked, run_of(whole, tmp_path / "out"), trials=10)
    bleu = {one.cell.row: one for one in found if one.cell.column == "BLEU test"}
    assert bleu["+arousal4"].published == pytest.approx(3.5)
    assert bleu["+arousal4"].difference.n == 3
    assert bleu["+arousal4"].difference.difference.value == 0.0


@pytest.mark.parametrize(
    ("chosen", "way", "words"),
    [
        ([], "base-arousal3", "text"),
        (["half=above"], "base-arousal3-from-middle", "text"),
        (["style=chat"], "chat-arousal3", "text"),
        (["source-text=asr"], "base-arousal3", "asr"),
    ],
)
def test_open_points_are_settled_by_name(chosen: list[str], way: str, words: str):
    told = table("2", profiles=["a"], settled=settle(chosen), corpus=corpus_of("train", "dev", "test"))
    (source, *_) = (cell.source for cell in cells_of(told, "+arousal3"))
    assert isinstance(source, Tuned)
    assert (source.settings.translate_as, source.settings.hypotheses) == (way, words)


def test_where_the_middle_belongs_is_part_of_a_way_s_name():
    asked = read_condition("chat-valence4-from-middle", target="fr")
    assert (asked.name, asked.from_middle) == ("chat-valence4-from-middle", True)
    assert [is_above_middle(value, from_middle=True) for value in (0.4999, 0.5, 0.5001, None)] == [
        False,
        True,
        True,
        None,
    ]
    assert [is_above_middle(value) for value in (0.4999, 0.5, 0.5001)] == [False, False, True]
    with pytest.raises(ValueError, match="no way to translate"):
        read_condition("base-1-from-middle", target="fr")


@pytest.mark.parametrize(
    ("splits", "chosen", "why"),
    [
        (("dev", "test"), [], "nothing to train on"),
        (("train", "dev"), [], "no translations of a test set"),
        (("train",), ["tuning=none"], "no translations of a dev set"),
    ],
)
def test_a_cell_that_cannot_be_made_says_why(splits: tuple[str, ...], chosen: list[str], why: str):
    told = table("2", profiles=[None], settled=settle(chosen), corpus=corpus_of(*splits))
    assert any(why in cell.why for cell in told.cells)
    assert all(bool(cell.why) == (cell.source is None) for cell in told.cells)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_target_that_is_no_language_is_one_clear_error(number: str):
    whole = corpus_of("train", "dev", "test")
    odd = replace(whole, items=tuple(replace(item, target="klingon") for item in whole.items))
    with pytest.raises(CorpusUnreadable, match="book is translated into 'klingon', expected a code such as fr"):
        table(number, profiles=[None], settled=settle([]), corpus=odd)


def test_the_other_name_of_a_test_set_is_known():
    told = table("2", profiles=[None], settled=settle(["tuning=none"]), corpus=corpus_of("tst-COMMON"))
    sources = [cell.source for cell in told.cells if cell.column == "BLEU test"]
    assert all(isinstance(source, Replayed) and source.splits == ("tst-COMMON",) for source in sources)


def test_a_table_that_is_not_there_is_refused():
    with pytest.raises(TableUnknown):
        table("3", profiles=[None], settled=settle([]), corpus=corpus_of("train"))


def test_the_dimension_that_the_profile_reads_off_the_voice_stands_in_the_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "xdg_config_home" / "attune" / "config.toml"
    path.parent.mkdir(parents=True)
    (tmp_path / "weights").mkdir()
    path.write_text(SETTINGS.replace("/weights", str(tmp_path / "weights")), "utf-8")
    models: list[ScriptedModel] = []
    places = [Affect(arousal=value, dominance=0.5, valence=0.5) for value in (0.9, 0.5, 0.1)]

    def load(*_: Any) -> ScriptedModel:
        models.append(ScriptedModel([" il pleut"]))
        return models[-1]

    monkeypatch.setattr(agent.backends.choose, "_language_model", load)

    def read(*_: Any) -> ScriptedDimensions:
        return ScriptedDimensions(places)

    monkeypatch.setattr(agent.backends.choose, "_dimensions", read)
    corpus = corpus_of("test")
    corpus = replace(
        corpus, items=tuple(replace(item, audio=wav(tmp_path / f"{item.id}.wav")) for item in corpus.items)
    )
    told = table("2", profiles=["asking"], settled=settle(["tuning=none", "half=above"]), corpus=corpus)
    run = PaperRun(corpus=corpus, root=tmp_path, out=tmp_path / "out", settled={})
    found = {
        (cell.row, cell.column): cell.source.figure(run)
        for cell in told.cells
        if cell.source is not None and cell.row in {"TowerBase", "+arousal3", "+arousal5"}
    }

    assert {name for name, figure in found.items() if figure.value is None} <= {
        (row, "COMET test") for row in ("TowerBase", "+arousal3", "+arousal5")
    }
    assert all(figure.reason for figure in found.values() if figure.value is None)
    asked = [call.prompt.messages[0].text for model in models for call in model.asked if call.call == "stream"]
    assert asked == [
        *(f"English: it rains {at}\nFrench:" for at in range(3)),
        *(f"English {how} arousal: it rains {at}\nFrench:" for at, how in enumerate(("with", "with", "without"))),
        *(
            f"English: [arousal {how}] it rains {at}\nFrench:"
            for at, how in enumerate(("positive", "positive", "negative"))
        ),
    ]


def test_the_command_fine_tunes_replays_and_writes_theirs_beside_ours(tmp_path: Path):
    model = tiny_llama(tmp_path / "model", n_layers=1, width=32, context=1024)
    path = tmp_path / "xdg_config_home" / "attune" / "config.toml"
    path.parent.mkdir(parents=True)
    told = f'{{ engine = "transformers", model = "{model.hf}", device = "cpu" }}'
    path.write_text(f"[profiles.tiny]\nlanguage_model = {told}\n", "utf-8")
    lines = [
        {
            "id": f"{split}{at}",
            "text": f"it rains {at}",
            "translation": f"il pleut {at}",
            "target": "fr",
            "split": split,
        }
        for split in ("train", "dev", "test")
        for at in range(2)
    ]
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    app = typer.Typer()
    commands_paper.register(app)
    words = ["paper", "translation", "manifest", str(manifest), "--table", "1", "--profile", "tiny"]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "out")])

    assert done.exit_code == 0, done.output
    (ours,) = (line for line in done.stdout.splitlines() if line.startswith("| tiny, template 2"))
    assert "[" in ours
    assert "| TowerBase | 24.0 |" in done.stdout
    assert "tuned:lora#" in done.stdout
    assert (tmp_path / "out" / "translation-table1.csv").is_file()
    adapters = {folder.name.rpartition("-")[0] for folder in (tmp_path / "out" / "runs" / "adapters").iterdir()}
    assert adapters == {"base-1", "base-2"}
