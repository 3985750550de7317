"""A transformers model that cannot go on: bad folders, bad questions, too little room or memory, closing."""

from __future__ import annotations

import asyncio
import shutil
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest
import torch
from transformers import BertConfig, BertLMHeadModel

from agent.backends.llm.transformers_model import TransformersModel
from agent.backends.llm.transformers_settings import TransformersSettings
from agent.llm.values import Capabilities, Decoding, LabelScores, Prompt
from streaming.errors import ContextOverflow, EngineFailed, ModelUnusable, OutOfMemory
from tests.language_model_runs import LABELS, TURNS, answer, chat, text_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from eval.tiny.llama import TinyLlama

    Load = Callable[..., TransformersModel]

pytestmark = pytest.mark.anyio


@pytest.fixture
def model(load_hf: Load) -> TransformersModel:
    return load_hf()


@pytest.mark.parametrize("room", [0, 600])
async def test_a_prompt_too_long_for_the_window_is_told_with_both_lengths(load_hf: Load, room: int):
    model = load_hf(context_length=64)
    prompt = chat("x " * (20 if room else 200))
    with pytest.raises(ContextOverflow, match="does not fit") as told:
        await answer(model, prompt, Decoding(max_tokens=room or 1))
    assert told.value.limit == 64
    assert told.value.n_tokens == await model.count_tokens(prompt)
    assert text_of(await answer(load_hf(), chat("Hi."), Decoding(max_tokens=3)))


async def test_labels_that_do_not_fit_behind_the_prompt_overflow(load_hf: Load):
    with pytest.raises(ContextOverflow):
        await load_hf(context_length=64).score(chat("Hi."), ("x" * 60, "y"))


@pytest.mark.parametrize("labels", [(), ("",), ("a", "a")])
async def test_lists_of_labels_with_faults_are_refused(model: TransformersModel, labels: tuple[str, ...]):
    with pytest.raises(ValueError, match=r"label|differ"):
        await model.score(chat("Hi."), labels)


async def test_an_empty_raw_prompt_says_that_it_has_no_token(model: TransformersModel):
    with pytest.raises(ModelUnusable, match="no token to begin with"):
        await answer(model, Prompt(messages=(), is_raw=True))


async def scored(model: TransformersModel) -> LabelScores:
    return await model.score(chat(*TURNS), LABELS, conversation="c")


async def test_where_memory_is_short_blocks_are_halved_and_the_answer_is_the_same(
    load_hf: Load, monkeypatch: pytest.MonkeyPatch
):
    wanted, wanted_text = await scored(load_hf()), text_of(await answer(load_hf(), chat(*TURNS)))
    model = load_hf(block=256)
    sizes = limited(model, most=24, monkeypatch=monkeypatch)
    assert (await scored(model)).logps == pytest.approx(wanted.logps, abs=1e-4)
    assert text_of(await answer(model, chat(*TURNS))) == wanted_text
    assert max(sizes) <= 24


async def test_where_not_even_little_fits_memory_is_said_to_be_out_and_the_model_lives(
    model: TransformersModel, monkeypatch: pytest.MonkeyPatch
):
    wanted = await scored(model)
    with monkeypatch.context() as patch:
        limited(model, most=0, monkeypatch=patch)
        with pytest.raises(OutOfMemory):
            await answer(model, chat("Something else."), of="c")
        with pytest.raises(OutOfMemory):
            await model.score(chat("Something else."), LABELS, conversation="d")
    assert (await scored(model)).logps == pytest.approx(wanted.logps, abs=1e-4)


async def test_a_batch_of_labels_is_halved_where_memory_is_short(load_hf: Load, monkeypatch: pytest.MonkeyPatch):
    wanted = await scored(load_hf())
    model = load_hf(labels="batched")
    limited(model, most=16, monkeypatch=monkeypatch)
    assert (await scored(model)).logps == pytest.approx(wanted.logps, abs=1e-4)


def limited(model: TransformersModel, *, most: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let passes of more than `most` tokens run out of memory midway; return the sizes of those that go well."""
    sizes: list[int] = []
    layer = cast("Any", model._engine)._model.model.layers[1]
    plain = layer.forward

    def forward(hidden: torch.Tensor, *args: object, **rest: object) -> object:
        size = hidden.shape[0] * hidden.shape[1]
        if size > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        sizes.append(size)
        return plain(hidden, *args, **rest)

    monkeypatch.setattr(layer, "forward", forward)
    return sizes


async def test_closing_fails_what_is_under_way_and_ends_the_thread(load_hf: Load):
    model = load_hf()
    task = asyncio.create_task(answer(model, chat("Hi."), Decoding(max_tokens=400)))
    for _ in range(8):
        await model.count_tokens(chat("x"))
    await asyncio.to_thread(model.close)
    with pytest.raises(EngineFailed, match="closed"):
        await task
    model.close()
    with pytest.raises(EngineFailed, match="closed"):
        await model.count_tokens(chat("Hi."))
    model.forget("c")
    assert not model._stepper._thread.is_alive()


def test_a_name_says_engine_and_folder_and_capabilities_what_it_can(model: TransformersModel):
    assert model.name == "transformers:hf"
    assert model.capabilities == Capabilities(context_length=512, scoring="exact", traces=True, constrains=True)


def damaged(folder: Path, target: Path, name: str, change: Callable[[bytes], bytes] | None) -> Path:
    shutil.copytree(folder, target)
    if change is None:
        (target / name).unlink()
    else:
        (target / name).write_bytes(change((target / name).read_bytes()))
    return target


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def instead(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old, new)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("model.safetensors", half),
        ("model.safetensors", None),
        ("config.json", half),
        ("config.json", instead(b'"llama"', b'"wav2vec2"')),
        ("config.json", instead(b'"llama"', b'"no such model"')),
        ("config.json", None),
        ("tokenizer.json", half),
        ("tokenizer.json", None),
    ],
)
def test_a_damaged_folder_is_told_in_one_line(
    llama_files: TinyLlama, tmp_path: Path, name: str, change: Callable[[bytes], bytes] | None
):
    folder = tmp_path / "broken"
    shutil.copytree(llama_files.hf, folder)
    if change is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(change((folder / name).read_bytes()))
    n_before = threading.active_count()
    with pytest.raises(ModelUnusable) as told:
        TransformersModel.load(folder, device="cpu")
    assert "\n" not in str(told.value)
    assert threading.active_count() == n_before


def test_a_folder_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(ModelUnusable, match="does not exist"):
        TransformersModel.load(tmp_path / "nothing", device="cpu")


def test_a_model_that_looks_ahead_is_no_language_model(llama_files: TinyLlama, tmp_path: Path):
    folder = tmp_path / "bert"
    shutil.copytree(llama_files.hf, folder)
    config = BertConfig(
        vocab_size=441,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        is_decoder=False,
    )
    BertLMHeadModel(config).save_pretrained(folder)
    with pytest.raises(ModelUnusable, match=r"no causal language model|cannot be loaded"):
        TransformersModel.load(folder, device="cpu")


def test_cuda_that_is_absent_is_told(llama_files: TinyLlama):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(EngineFailed, match="cuda"):
        TransformersModel.load(llama_files.hf, device="cuda")


@pytest.mark.parametrize("wrong", [{"block": 0}, {"context_length": 0}, {"max_conversations": -1}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, int]):
    with pytest.raises(ValueError, match=r"at least 1|negative"):
        TransformersSettings(**wrong)  # pyright: ignore[reportArgumentType]
