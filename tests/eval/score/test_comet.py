"""COMET where it is installed and its model is here, by a package made for the test; without it a reason."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from eval.metrics import Score
from eval.score.backends.comet_model import PYTHON, CometMissing, find_comet
from eval.score.backends.comet_worker import CHECKPOINT
from eval.score.measure import ScoreSettings
from eval.score.translation import translation_measures
from tests.eval.score.ledgers import row

if TYPE_CHECKING:
    from pathlib import Path

    from eval.score.measure import Measure

FAKE = """
import os
from pathlib import Path
from types import SimpleNamespace


def load_from_checkpoint(path, local_files_only=False):
    assert local_files_only and os.environ["HF_HUB_OFFLINE"] == "1"
    with open(os.environ["LOADED"], "a") as file:
        file.write("x")
    print("what packages like to say")
    said = Path(path).read_text()
    if said == "dying":
        os._exit(9)
    if said == "torn":
        raise Exception("no encoder\\nmore of it")

    class Model:
        def predict(self, told, batch_size, gpus, num_workers, progress_bar):
            assert all(set(one) == {"src", "mt", "ref"} for one in told)
            return SimpleNamespace(scores=[float(one["mt"] == one["ref"]) + (one["src"] == "") for one in told])

    return Model()
"""
TORCH = "from types import SimpleNamespace\ncuda = SimpleNamespace(is_available=lambda: False)\n"
HUB = "def snapshot_download(repo_id, local_files_only):\n    raise FileNotFoundError(repo_id)\n"
ROWS = [
    row("same", text="a dog", translation="un chien", target="fr", answer="un chien"),
    row("other", text="a cat", translation="un chat", target="fr", answer="un chien"),
    row("none", text="a hat", translation="un chapeau", target="fr"),
    row("untold", text="a bat", answer="un bat"),
]


def comet_of(model: Path | str) -> Measure:
    return next(one for one in translation_measures(ROWS, ScoreSettings(comet=str(model))) if one.name == "COMET")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts a package there; gives the folder of a model for it."""
    site = tmp_path / "site"
    told = site / "unbabel_comet-2.2.7.dist-info" / "METADATA"
    told.parent.mkdir(parents=True)
    told.write_text("Metadata-Version: 2.1\nName: unbabel-comet\nVersion: 2.2.7\n", "utf-8")
    (site / "comet.py").write_text(FAKE, "utf-8")
    (site / "torch.py").write_text(TORCH, "utf-8")
    (site / "huggingface_hub.py").write_text(HUB, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("LOADED", str(tmp_path / "loaded"))
    monkeypatch.setenv(PYTHON, sys.executable)
    checkpoint = tmp_path / "wmt-made-up" / CHECKPOINT
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_text("weights", "utf-8")
    return tmp_path / "wmt-made-up"


def test_translations_are_scored_once_and_the_mean_is_over_those_with_a_reference(model: Path):
    comet = comet_of(model)
    assert comet.of(comet.rows).value == pytest.approx(100 / 3)
    assert comet.of(comet.rows[:1]).value == pytest.approx(100.0)
    assert (model.parent / "loaded").read_text() == "x"
    assert (comet.how["model"], comet.how["comet"]) == ("wmt-made-up", "2.2.7")
    assert comet.of(comet.rows[:0]).reason == "no row tells a reference translation"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("torn", "its model cannot be loaded, the encoder it rests on has to be here, too: no encoder"),
        ("dying", "COMET ended with exit code 9: what packages like to say"),
    ],
)
def test_a_model_that_cannot_be_run_is_undefined_with_the_reason(model: Path, said: str, reason: str):
    (model / CHECKPOINT).write_text(said, "utf-8")
    comet = comet_of(model)
    assert comet.of(comet.rows) == Score(value=None, reason=reason)


@pytest.mark.usefixtures("model")
def test_a_model_that_is_not_here_is_not_downloaded():
    comet = comet_of("Nobody/never-was-here")
    assert comet.of(comet.rows).reason == "its model Nobody/never-was-here is not here, and nothing is downloaded"


def test_a_folder_without_a_checkpoint_is_no_model(model: Path):
    (model / CHECKPOINT).unlink()
    with pytest.raises(CometMissing, match=r"there is no checkpoints/model\.ckpt in wmt-made-up"):
        find_comet(str(model))


@pytest.mark.usefixtures("model")
def test_an_interpreter_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(PYTHON, "/no/such/python")
    comet = comet_of("m")
    assert comet.of(comet.rows).reason == f"{PYTHON} is /no/such/python, which cannot be run: No such file or directory"


def test_without_the_package_it_is_undefined_with_the_reason(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(PYTHON, raising=False)
    comet = comet_of("Unbabel/wmt22-comet-da")
    assert (comet.of(comet.rows).reason).startswith("unbabel-comet is not installed: install it into an environment")


def test_nothing_is_looked_for_where_nothing_is_translated(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(PYTHON, "/no/such/python")
    measured = {one.name: one for one in translation_measures([row("a", text="b")], ScoreSettings())}
    assert measured["COMET"].of(measured["COMET"].rows).reason == "no row tells a reference translation"
