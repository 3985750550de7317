"""Devices, number types and loading errors, on a real tiny model."""

from __future__ import annotations

import json
import shutil
import weakref
from typing import TYPE_CHECKING

import pytest
import torch
import transformers
from transformers.utils import logging

from streaming.backends import torch_runtime
from streaming.backends.torch_runtime import (
    load_pretrained,
    load_whole,
    need_transformers,
    torch_device,
    torch_dtype,
    translated_memory_errors,
)
from streaming.errors import EngineFailed, EngineMissing, ModelUnusable, OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AUTO = transformers.AutoModelForCTC


def damaged(source: Path, folder: Path, damage: Callable[[Path], object]) -> Path:
    shutil.copytree(source, folder)
    damage(folder)
    return folder


def cut(name: str, n_bytes: int) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:n_bytes])


def without(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def replaced(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def configured(**values: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")

    return change


def test_the_device_is_the_one_asked_for(monkeypatch: pytest.MonkeyPatch):
    assert torch_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (torch_device("auto"), torch_device("cuda"), torch_device("cpu")) == ("cuda", "cuda", "cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert torch_device() == "cpu"
    with pytest.raises(EngineFailed, match="torch sees none"):
        torch_device("cuda")
    with pytest.raises(EngineFailed, match="'tpu' is unknown"):
        torch_device("tpu")


def test_numbers_are_halved_on_a_gpu_only(monkeypatch: pytest.MonkeyPatch):
    assert torch_dtype("cpu") is torch.float32
    assert torch_dtype("cpu", "float16") is torch.float16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert torch_dtype("cuda") is torch.bfloat16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert torch_dtype("cuda") is torch.float16
    with pytest.raises(EngineFailed, match="'int3' is unknown"):
        torch_dtype("cpu", "int3")


def test_memory_that_runs_out_is_told_as_such():
    with pytest.raises(OutOfMemory, match=r"memory ran out: .*allocate"), translated_memory_errors():
        torch.zeros(10**15)
    with pytest.raises(OutOfMemory), translated_memory_errors():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
    with pytest.raises(OutOfMemory), translated_memory_errors():
        raise MemoryError
    with pytest.raises(RuntimeError, match="shapes"), translated_memory_errors():
        raise RuntimeError("shapes do not match")


def test_what_did_not_fit_is_let_go_before_the_error_is_seen():
    kept: list[weakref.ref[torch.Tensor]] = []

    def greedy() -> None:
        big = torch.zeros(10)
        kept.append(weakref.ref(big))
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(OutOfMemory) as caught, translated_memory_errors():
        greedy()
    assert kept[0]() is None
    assert caught.value is not None


def test_a_model_is_loaded_quietly_and_ready_to_be_used(
    tiny_ctc_path: Callable[..., Path], capfd: pytest.CaptureFixture[str]
):
    logging.enable_progress_bar()
    verbosity = logging.get_verbosity()
    model = load_whole(AUTO, tiny_ctc_path(), what="ctc model")
    assert not model.training
    assert capfd.readouterr().err == ""
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (verbosity, True)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut("model.safetensors", 60_000), "incomplete metadata"),
        (cut("model.safetensors", 0), "cannot be loaded"),
        (replaced("model.safetensors", b"<html>" * 99), "cannot be loaded"),
        (without("model.safetensors"), "no file named model.safetensors"),
        (without("config.json"), "model_type"),
        (cut("config.json", 9), "not a valid JSON"),
        (configured(model_type="llama"), "Unrecognized configuration"),
        (configured(model_type="nonesuch"), "nonesuch"),
        (configured(vocab_size=99), "cannot be loaded"),
    ],
)
def test_a_damaged_model_is_told_in_one_line(
    damage: Callable[[Path], object], message: str, tiny_ctc_path: Callable[..., Path], tmp_path: Path
):
    path = damaged(tiny_ctc_path(), tmp_path / "model", damage)
    with pytest.raises(ModelUnusable, match=message) as caught:
        load_whole(AUTO, path, what="ctc model")
    assert str(caught.value).startswith(f"ctc model {path}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300 + len(str(path))


def test_a_path_that_is_not_there_is_never_looked_for_elsewhere(tmp_path: Path):
    with pytest.raises(ModelUnusable, match="does not exist; expected a folder"):
        load_whole(AUTO, tmp_path / "facebook" / "wav2vec2-base-960h", what="ctc model")


def test_weights_that_are_missing_are_not_made_up(tiny_ctc_path: Callable[..., Path], tmp_path: Path):
    model = load_whole(AUTO, tiny_ctc_path(), what="ctc model")
    model.base_model.save_pretrained(tmp_path)
    with pytest.raises(ModelUnusable, match=r"lacks 2 weights \(lm_head.bias, lm_head.weight\); expected .*ForCTC"):
        load_whole(AUTO, tmp_path, what="ctc model")
    assert load_whole(AUTO, tmp_path, what="ctc model", may_lack={"weight", "bias"}) is not None


def test_errors_of_ours_pass_and_others_are_wrapped(tmp_path: Path):
    def missing() -> None:
        raise EngineMissing("no such package")

    def odd() -> None:
        raise KeyError("what")

    with pytest.raises(EngineMissing):
        load_pretrained(missing, tmp_path, what="thing")
    with pytest.raises(ModelUnusable, match="cannot be loaded: KeyError: 'what'"):
        load_pretrained(odd, tmp_path, what="thing")
    assert load_pretrained(lambda: 7, tmp_path, what="thing") == 7


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    def absent(module: str, *, extra: str) -> None:
        raise EngineMissing(f"{module} from {extra}")

    monkeypatch.setattr(torch_runtime, "need", absent)
    assert torch_device("cpu") == "cpu"
    with pytest.raises(EngineMissing, match="torch from torch"):
        torch_device("auto")
    with pytest.raises(EngineMissing):
        need_transformers()
