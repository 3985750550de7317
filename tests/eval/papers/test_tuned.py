"""Cells that fine-tune first: folds, what is shared and gone on with, adapters that are there already."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent.errors import ConfigInvalid
from eval.corpora.item import Corpus, Item
from eval.papers.cell import PaperRun
from eval.papers.tuned import AdapterMissing, Fold, Tuned, left_out
from eval.replay.engines import provenance_here
from eval.replay.plan import ReplaySettings, run_of
from eval.tiny.llama import tiny_llama
from eval.training.adapter import AdapterRefused, AdapterSettings
from streaming.errors import EngineFailed

if TYPE_CHECKING:
    from pathlib import Path

ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head")
LEARNS = AdapterSettings(learning_rate=1e-2, epochs=40, batch=8, rank=16, alpha=32, targets=ALL)
QUICK = AdapterSettings(epochs=1, learning_rate=1e-3)
PAIRS = (("I am glad", "Je suis bien content ici"), ("it rains", "il pleut encore ce soir"))
TRANSLATES = ReplaySettings(
    emotion="off", hypotheses="text", profile="tiny", context=0, translate="fr", translate_as="base-1"
)
NAMES = ReplaySettings(hypotheses="corpus", profile="tiny", condition="baseline")
BOOK = Corpus(
    name="book",
    items=tuple(
        Item(id=f"{split}{at}", text=said, translation=french, target="fr", split=split)
        for split in ("train", "dev", "test")
        for at, (said, french) in enumerate(PAIRS)
    ),
)
TALKS = Corpus(
    name="talks",
    labels={"hap": "happy", "sad": "sad"},
    items=tuple(
        Item(
            id=f"{split}_{dialogue}_{order}",
            dialogue=f"{split}_{dialogue}",
            order=order,
            speaker=f"{split}{order}",
            text=said,
            hypotheses=(("one", said),),
            emotion=emotion,
            split=split,
        )
        for split in ("Ses01", "Ses02", "Ses03")
        for dialogue in range(2)
        for order, (said, emotion) in enumerate((("I am so glad", "hap"), ("I am so sorry", "sad")))
    ),
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("tiny"), n_layers=1, width=32, context=4096).hf


@pytest.fixture(autouse=True)
def profiles(tmp_path: Path, base: Path) -> None:  # pyright: ignore[reportUnusedFunction]
    path = tmp_path / "xdg_config_home" / "attune" / "config.toml"
    path.parent.mkdir(parents=True)
    model = f'{{ engine = "transformers", model = "{base}", device = "cpu" }}'
    path.write_text(f"[profiles.tiny]\nlanguage_model = {model}\n", "utf-8")


def run_in(folder: Path, corpus: Corpus, notes: list[str] | None = None) -> PaperRun:
    note = print if notes is None else notes.append
    return PaperRun(corpus=corpus, root=folder, out=folder / "out", settled={}, note=note)


def test_a_model_translates_what_it_was_fine_tuned_on_and_the_base_does_not(tmp_path: Path):
    run = run_in(tmp_path, BOOK)
    fold = Fold(train=("train",), held_out=("dev",), test=("test",))
    cell = Tuned(settings=TRANSLATES, name="BLEU", folds=(fold,), training=LEARNS)
    assert "fine-tuned for 40 epochs on 2 items, the best by 2 others; then " in cell.forecast(run)
    assert not (tmp_path / "out").exists()

    rows = cell.ledger(run).rows
    assert [(row.item, row.answer) for row in rows] == [(f"test{at}", french) for at, (_, french) in enumerate(PAIRS)]
    figure = cell.figure(run)
    assert figure.value == pytest.approx(100)
    assert figure.n == 2
    told = dict(figure.signature.fields)
    assert (told["profile"], told["translate"], told["splits"], told["folds"]) == ("tiny", "fr base-1", "test", "1")
    base = replace(cell, training=QUICK).figure(run)
    assert base.value is not None
    assert base.value < 20
    assert base.signature.get("tuned") != told["tuned"]
    assert "fine-tuned" not in cell.forecast(run)


def test_each_fold_is_named_by_a_model_that_has_not_seen_it(tmp_path: Path):
    notes: list[str] = []
    run = run_in(tmp_path, TALKS, notes)
    folds = left_out(TALKS)
    assert [(fold.train, fold.test) for fold in folds] == [
        (("Ses02", "Ses03"), ("Ses01",)),
        (("Ses01", "Ses03"), ("Ses02",)),
        (("Ses01", "Ses02"), ("Ses03",)),
    ]
    cell = Tuned(settings=NAMES, name="WA", folds=folds, training=replace(LEARNS, epochs=15))
    figure = cell.figure(run)

    assert figure.value == pytest.approx(1.0), figure.reason
    assert figure.n == len(TALKS.items)
    ledger = cell.ledger(run)
    assert {row.item for row in ledger.rows} == {item.id for item in TALKS.items}
    assert len({row.run for row in ledger.rows}) == len(folds)
    assert len([note for note in notes if "8 pairs to train on" in note]) == len(folds)  # trained once


def test_adapters_and_replays_are_shared_and_made_anew_where_anything_differs(tmp_path: Path):
    run = run_in(tmp_path, BOOK)
    fold = Fold(train=("train",), test=("test",))
    cell = Tuned(settings=TRANSLATES, name="BLEU", folds=(fold,), training=QUICK)
    one = cell.adapter(run, fold)
    assert replace(cell, name="chrF2").adapter(run, fold) == one
    assert replace(cell, folds=(replace(fold, test=("dev",)),)).adapter(run, replace(fold, test=("dev",))) == one
    others = [
        replace(cell, training=replace(QUICK, seed=1)).adapter(run, fold),
        replace(cell, settings=replace(TRANSLATES, translate_as="base-2")).adapter(run, fold),
        cell.adapter(replace(run, limit=1), fold),
    ]
    assert len({one, *others}) == 4


def test_estimates_are_made_once_for_all_dimensions_and_templates(tmp_path: Path):
    notes: list[str] = []
    run = run_in(tmp_path, BOOK, notes)
    fold = Fold(train=("train",), test=("test",))
    for way in ("base-arousal3", "base-arousal4", "base-valence3"):
        settings = replace(TRANSLATES, emotion="both", translate_as=way)
        Tuned(settings=settings, folds=(fold,), training=QUICK).adapter(run, fold)
    assert len([note for note in notes if "to be replayed" in note]) == 1
    assert len([note for note in notes if "to train on" in note]) == 3


def test_an_adapter_that_is_there_is_taken(tmp_path: Path):
    run = run_in(tmp_path, BOOK)
    fold = Fold(train=("train",), test=("test",))
    cell = Tuned(settings=TRANSLATES, name="BLEU", folds=(fold,), training=QUICK)
    trained = cell.train(run, fold, place=tmp_path / "mine" / "base-1").path
    notes: list[str] = []
    taking = replace(run, adapters=tmp_path / "mine", note=notes.append)
    assert cell.adapter(taking, fold) == trained
    assert not notes
    assert cell.figure(taking).n == 2
    with pytest.raises(AdapterMissing, match="base-1 holds no adapter"):
        cell.figure(replace(run, adapters=tmp_path / "none"))
    trained.parent.rename(tmp_path / "out" / "adapters")
    assert cell.adapter(run, fold) == tmp_path / "out" / "adapters" / "base-1"


def test_an_adapter_makes_another_run_and_is_known_by_what_it_holds(tmp_path: Path):
    run = run_in(tmp_path, BOOK)
    fold = Fold(train=("train",), test=("test",))
    cells = [Tuned(settings=TRANSLATES, folds=(fold,), training=replace(QUICK, seed=seed)) for seed in (0, 1)]
    folders = [cell.adapter(run, fold) for cell in cells]
    settings = [TRANSLATES, *(replace(TRANSLATES, adapter=str(folder)) for folder in folders)]
    runs = [run_of(provenance_here(one)) for one in settings]
    assert len(set(runs)) == 3
    moved = folders[0].rename(tmp_path / folders[0].name)
    config = moved / "adapter_config.json"
    config.write_text(
        json.dumps(json.loads(config.read_text("utf-8")) | {"base_model_name_or_path": "/there"}), "utf-8"
    )
    assert run_of(provenance_here(replace(TRANSLATES, adapter=str(moved)))) == runs[1]
    (moved / "adapter_model.safetensors").write_bytes(b"others")
    assert run_of(provenance_here(replace(TRANSLATES, adapter=str(moved)))) not in runs


def test_what_cannot_be_tuned_is_said(tmp_path: Path):
    run = run_in(tmp_path, BOOK)
    fold = Fold(train=("train",), test=("test",))
    for settings, trouble, why in (
        (replace(TRANSLATES, profile="embedded"), ConfigInvalid, "profile embedded is none"),
        (replace(NAMES, profile="tiny"), AdapterRefused, "there are no pairs to train on"),  # no labels in a book
        (replace(TRANSLATES, adapter="/nowhere"), EngineFailed, "/nowhere holds no adapter"),
    ):
        with pytest.raises(trouble, match=why):
            Tuned(settings=settings, folds=(fold,), training=QUICK).figure(run)
    with pytest.raises(AdapterMissing, match="no splits"):
        Tuned(settings=TRANSLATES, folds=left_out(Corpus(name="x", items=()))).figure(run)
    assert json.dumps([fold.train for fold in left_out(replace(BOOK, items=BOOK.items[:2]))]) == "[]"
