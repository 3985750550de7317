"""Tiny real models: heard together as alone, and what is refused."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
from transformers import AutoModelForCTC, Wav2Vec2BertConfig, Wav2Vec2BertForCTC, Wav2Vec2FeatureExtractor

from streaming.backends.ctc_model import CtcModel
from streaming.errors import EngineFailed, ModelUnusable, OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from streaming.events import Samples

# torch says so whenever WavLM is given a padded batch; the two masks mean the same.
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask:UserWarning")

KINDS = [(kind, norm) for kind in ("wav2vec2", "hubert", "wavlm") for norm in ("group", "layer")]


def noise(n: int, *, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).normal(scale=0.1, size=n).astype(np.float32)


def loaded(path: Path) -> Any:
    auto = cast("Any", AutoModelForCTC)
    return auto.from_pretrained(str(path)).eval()


def answers(model: CtcModel, rows: list[Samples]) -> list[NDArray[np.float32]]:
    heard = model.hear(rows)
    assert not any(isinstance(row, EngineFailed) for row in heard)
    return cast("list[NDArray[np.float32]]", heard)


@pytest.mark.parametrize(("kind", "norm"), KINDS)
def test_sounds_heard_together_are_heard_as_alone(kind: str, norm: str, tiny_ctc_path: Callable[..., Path]):
    model = CtcModel.load(tiny_ctc_path(kind, norm=norm), device="cpu")
    assert model.pads
    rows = [noise(n, seed=n) for n in (8000, 400, 20_000, 12_345, 721)]
    for together, row in zip(answers(model, rows), rows, strict=True):
        (alone,) = answers(model, [row])
        assert together.shape == alone.shape == ((len(row) - 400) // 320 + 1, 32)
        np.testing.assert_allclose(together, alone, atol=2e-4)
        np.testing.assert_allclose(np.exp(alone).sum(axis=1), 1.0, atol=1e-4)


def test_a_model_that_hears_padding_is_only_given_equal_lengths(tiny_ctc_path: Callable[..., Path]):
    model = CtcModel.load(tiny_ctc_path("data2vec"), device="cpu")
    assert not model.pads
    assert model.bucket(8000) != model.bucket(8001)
    rows = [noise(8000, seed=1), noise(8000, seed=2)]
    for together, row in zip(answers(model, rows), rows, strict=True):
        np.testing.assert_allclose(together, answers(model, [row])[0], atol=2e-4)


@pytest.mark.parametrize(("kind", "norm"), [("wav2vec2", "group"), ("hubert", "layer"), ("wavlm", "group")])
def test_frames_are_those_of_transformers(kind: str, norm: str, tiny_ctc_path: Callable[..., Path]):
    path = tiny_ctc_path(kind, norm=norm)
    sound = noise(9000)
    features: Any = Wav2Vec2FeatureExtractor.from_pretrained(str(path))(
        sound, sampling_rate=16_000, return_tensors="pt"
    )
    with torch.inference_mode():
        expected = torch.log_softmax(loaded(path)(features.input_values).logits, -1)[0].numpy()
    np.testing.assert_allclose(answers(CtcModel.load(path, device="cpu"), [sound])[0], expected, atol=1e-4)


def test_lengths_that_are_near_share_a_bucket(tiny_ctc_path: Callable[..., Path]):
    model = CtcModel.load(tiny_ctc_path(), device="cpu")
    assert model.bucket(32_000) == model.bucket(33_000)
    assert model.bucket(16_000) != model.bucket(32_000)
    assert (model.stride, model.n_least) == (320, 400)


def test_a_language_model_beside_the_weights_is_left_alone(tiny_ctc_path: Callable[..., Path], tmp_path: Path):
    path = shutil.copytree(tiny_ctc_path(), tmp_path / "with-lm")
    (path / "language_model").mkdir()
    (path / "alphabet.json").write_text("{}", "utf-8")
    settings = json.loads((path / "preprocessor_config.json").read_text("utf-8"))
    settings["processor_class"] = "Wav2Vec2ProcessorWithLM"
    (path / "preprocessor_config.json").write_text(json.dumps(settings), "utf-8")
    assert CtcModel.load(path, device="cpu").name == "with-lm"


def test_a_model_of_spectra_is_refused(tiny_ctc_path: Callable[..., Path], tmp_path: Path):
    path = shutil.copytree(tiny_ctc_path(), tmp_path / "bert")
    config = Wav2Vec2BertConfig(
        vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    Wav2Vec2BertForCTC(config).save_pretrained(path)
    with pytest.raises(ModelUnusable, match="is a Wav2Vec2BertForCTC; expected one that hears samples"):
        CtcModel.load(path, device="cpu")


def test_values_that_are_not_numbers_fail_the_row(tiny_ctc_path: Callable[..., Path], tmp_path: Path):
    path = shutil.copytree(tiny_ctc_path(), tmp_path / "nan")
    broken = loaded(path)
    broken.lm_head.bias.data[5] = float("nan")
    broken.save_pretrained(path)
    (heard,) = CtcModel.load(path, device="cpu").hear([noise(4000)])
    assert isinstance(heard, EngineFailed)
    assert "not numbers" in str(heard)


def test_memory_that_runs_out_is_told(tiny_ctc_path: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    model = CtcModel.load(tiny_ctc_path(), device="cpu")

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "log_softmax", full)
    with pytest.raises(OutOfMemory):
        model.hear([noise(4000)])


def without(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def replaced(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content, "utf-8")


def rewritten(name: str, **values: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        known = json.loads((folder / name).read_text("utf-8"))
        (folder / name).write_text(json.dumps(known | values), "utf-8")

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without("vocab.json"), "has no vocab.json"),
        (without("preprocessor_config.json"), "feature extractor of .* cannot be loaded"),
        (without("model.safetensors"), "cannot be loaded"),
        (rewritten("preprocessor_config.json", sampling_rate=8000), "hears 8000 Hz, expected 16000"),
        (rewritten("vocab.json", **{"€": 32}), "33 symbols, the model has 32 outputs"),
        (replaced("vocab.json", "["), "vocabulary of .* cannot be loaded"),
        (replaced("vocab.json", '{"<pad>": 0, "|": 1}'), "holds no character"),
    ],
)
def test_folders_that_are_no_character_model_are_refused(
    damage: Callable[[Path], object], message: str, tiny_ctc_path: Callable[..., Path], tmp_path: Path
):
    path = shutil.copytree(tiny_ctc_path(), tmp_path / "model")
    damage(path)
    with pytest.raises(ModelUnusable, match=message):
        CtcModel.load(path, device="cpu")
