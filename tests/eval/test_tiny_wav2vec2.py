"""Tiny character recognisers: loadable, the same again, and they hear something."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from eval.tiny.wav2vec2 import Kind, tiny_ctc
from streaming.backends.ctc_model import CtcModel

if TYPE_CHECKING:
    from pathlib import Path


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", ["wav2vec2", "hubert", "wavlm", "data2vec"])
@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask:UserWarning")
def test_a_tiny_model_hears_letters_that_depend_on_the_sound(kind: Kind, tmp_path: Path):
    model = CtcModel.load(tiny_ctc(tmp_path / "model", kind=kind, seed=1), device="cpu")
    rng = np.random.default_rng(0)
    heard = [model.hear([rng.normal(scale=0.1, size=32_000).astype(np.float32)])[0] for _ in range(2)]
    assert all(isinstance(frames, np.ndarray) and frames.shape == (99, 32) for frames in heard)
    best = [np.asarray(frames).argmax(axis=1) for frames in heard]
    assert not np.array_equal(*best)
    assert all(len(np.unique(frames)) > 1 for frames in best)
    assert sum(path.stat().st_size for path in (tmp_path / "model").iterdir()) < 300_000


def test_seeds_make_the_weights_and_leave_the_generator_alone(tmp_path: Path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, same, other = (tiny_ctc(tmp_path / name, seed=seed) for name, seed in (("a", 3), ("b", 3), ("c", 4)))
    assert torch.equal(torch.rand(1), expected)
    assert digest(one) == digest(same) != digest(other)
