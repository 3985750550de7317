"""Fine-tuning by an adapter: what is trained on is what is asked, and a run broken off ends as one that was not."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, FalconConfig, MistralConfig

from agent.backends.llm.transformers_model import TransformersModel
from agent.backends.llm.transformers_text import TokenText
from agent.llm.values import Decoding, Message, Prompt
from eval.tiny.llama import tiny_llama
from eval.training.adapter import AdapterRefused, AdapterSettings, Base, Epoch, Pair, Step, fit_adapter
from eval.training.backends import lora
from eval.training.backends.lora import best_of
from eval.training.backends.lora_tokens import batch_of, example_of
from streaming.errors import ModelUnusable, OutOfMemory

if TYPE_CHECKING:
    from pathlib import Path

    from eval.tiny.llama import TinyLlama

ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head")
FAST = AdapterSettings(epochs=2, learning_rate=1e-2, batch=2, dropout=0.1)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyLlama:
    return tiny_llama(tmp_path_factory.mktemp("tiny"), n_layers=1, width=32, context=4096)


@pytest.fixture(scope="module")
def text(tiny: TinyLlama) -> TokenText:
    return TokenText(AutoTokenizer.from_pretrained(tiny.hf))


def raw(said: str) -> Prompt:
    return Prompt(messages=(Message(role="user", text=said),), is_raw=True)


def chat(said: str, *, start: str = "") -> Prompt:
    return Prompt(messages=(Message(role="user", text=said),), answer_start=start)


PAIRS = [
    Pair(item="1", prompt=raw("English: I am glad\nFrench:"), answer=" Je suis content"),
    Pair(item="2", prompt=raw("English: I am sad\nFrench:"), answer=" Je suis triste"),
    Pair(item="3", prompt=chat("How is she?"), answer="Emotion: sad"),
]


def said(folder: Path, prompt: Prompt) -> str:
    model = TransformersModel.load(folder, device="cpu")

    async def whole() -> str:
        return "".join([piece.text async for piece in model.stream(prompt, Decoding(max_tokens=40))])

    try:
        return anyio.run(whole)
    finally:
        model.close()


def test_a_model_learns_answers_and_where_they_end_and_its_folder_loads_like_a_model(tmp_path: Path, tiny: TinyLlama):
    settings = AdapterSettings(learning_rate=1e-2, epochs=40, batch=3, rank=16, alpha=32, targets=ALL)
    before = {path: path.read_bytes() for path in tiny.hf.iterdir()}
    trained = fit_adapter(PAIRS, held_out=PAIRS[:1], base=Base(path=tiny.hf), out=tmp_path / "out", settings=settings)

    assert [said(trained.path, pair.prompt) for pair in PAIRS] == [pair.answer for pair in PAIRS]
    assert said(tiny.hf, PAIRS[0].prompt) != PAIRS[0].answer
    losses = [epoch.held_out or 0 for epoch in trained.epochs]
    assert losses[trained.best] == min(losses) < losses[0] / 10
    assert {path: path.read_bytes() for path in tiny.hf.iterdir()} == before
    assert not (trained.path / "epochs").exists()


def test_training_broken_off_after_an_epoch_ends_as_if_it_had_not_been(tmp_path: Path, tiny: TinyLlama):
    base = Base(path=tiny.hf)
    whole = fit_adapter(PAIRS, held_out=PAIRS[:1], base=base, out=tmp_path / "whole", settings=FAST)
    told: list[Step] = []

    def breaks(step: Step) -> None:
        told.append(step)
        if step.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_adapter(PAIRS, held_out=PAIRS[:1], base=base, out=tmp_path / "broken", settings=FAST, progress=breaks)
    assert [(step.epoch, step.n_done) for step in told] == [(1, 2), (1, 3), (2, 2)]
    assert not (tmp_path / "broken" / "training.json").exists()
    told.clear()
    fit_adapter(PAIRS, held_out=PAIRS[:1], base=base, out=tmp_path / "broken", settings=FAST, progress=told.append)

    assert [step.epoch for step in told] == [2, 2]
    for name in ("adapter_model.safetensors", "training.json"):
        assert (tmp_path / "broken" / name).read_bytes() == (whole.path / name).read_bytes()


def test_what_is_there_is_not_trained_again_and_another_adapter_is_not_overwritten(tmp_path: Path, tiny: TinyLlama):
    base, told = Base(path=tiny.hf), list[Step]()
    first = fit_adapter(PAIRS, base=base, out=tmp_path, settings=FAST)
    assert fit_adapter(PAIRS, base=base, out=tmp_path, settings=FAST, progress=told.append) == first
    assert not told
    assert first.best == FAST.epochs  # nothing is held out: the last
    other = replace(PAIRS[0], answer=" Non")
    for pairs, settings in (([other], FAST), (PAIRS, replace(FAST, seed=1))):
        with pytest.raises(AdapterRefused, match="holds an adapter trained on other pairs"):
            fit_adapter(pairs, base=base, out=tmp_path, settings=settings)
    (tmp_path / "training.json").write_text("{", "utf-8")
    with pytest.raises(AdapterRefused, match="cannot be read"):
        fit_adapter(PAIRS, base=base, out=tmp_path, settings=FAST)


@pytest.mark.parametrize("name", ["config.json", "adapter_config.json"])
def test_a_model_or_an_adapter_of_somebody_else_is_not_written_over(tmp_path: Path, tiny: TinyLlama, name: str):
    (tmp_path / name).write_text("theirs", "utf-8")
    with pytest.raises(AdapterRefused, match=f"not trained here .{name}."):
        fit_adapter(PAIRS, base=Base(path=tiny.hf), out=tmp_path, settings=FAST)
    assert [(path.name, path.read_text("utf-8")) for path in tmp_path.iterdir()] == [(name, "theirs")]


def test_a_card_that_tells_too_little_is_none(tmp_path: Path, tiny: TinyLlama):
    (tmp_path / "training.json").write_text('{"key": "x", "epochs": []}', "utf-8")
    with pytest.raises(AdapterRefused, match="is no card"):
        fit_adapter(PAIRS, base=Base(path=tiny.hf), out=tmp_path, settings=FAST)


def test_training_broken_off_before_it_is_told_is_not_lost(
    tmp_path: Path, tiny: TinyLlama, monkeypatch: pytest.MonkeyPatch
):
    base, told = Base(path=tiny.hf), list[Step]()
    finish = lora._Run.finish

    def breaks(self: Any, best: int) -> None:
        finish(self, best)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(lora._Run, "finish", breaks)
        with pytest.raises(KeyboardInterrupt):
            fit_adapter(PAIRS, base=base, out=tmp_path, settings=FAST)
    assert (tmp_path / "adapter_config.json").is_file()
    found = fit_adapter(PAIRS, base=base, out=tmp_path, settings=FAST, progress=told.append)
    assert (len(found.epochs), told) == (FAST.epochs + 1, [])
    assert not (tmp_path / "epochs").exists()


def test_one_trains_a_folder_at_a_time(tmp_path: Path, tiny: TinyLlama):
    def another(_: Step) -> None:
        fit_adapter(PAIRS, base=Base(path=tiny.hf), out=tmp_path, settings=FAST)

    with pytest.raises(AdapterRefused, match="is being trained by another program"):
        fit_adapter(PAIRS, base=Base(path=tiny.hf), out=tmp_path, settings=FAST, progress=another)


def test_epochs_of_another_training_are_not_gone_on_with(tmp_path: Path, tiny: TinyLlama):
    def breaks(step: Step) -> None:
        if step.epoch == 2:
            raise KeyboardInterrupt

    base = Base(path=tiny.hf)
    with pytest.raises(KeyboardInterrupt):
        fit_adapter(PAIRS, base=base, out=tmp_path, settings=replace(FAST, seed=3), progress=breaks)
    found = fit_adapter(PAIRS, base=base, out=tmp_path, settings=FAST)
    assert found.epochs == fit_adapter(PAIRS, base=base, out=tmp_path / "anew", settings=FAST).epochs


SIZES: dict[str, Any] = {
    "vocab_size": 441,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "initializer_range": 0.3,  # wide enough that something can be learned
}


@pytest.mark.parametrize(
    ("config", "layers"),
    [
        (MistralConfig(**SIZES, intermediate_size=48, num_key_value_heads=1, head_dim=16), {"q_proj", "v_proj"}),
        (FalconConfig(**SIZES, alibi=False, multi_query=True, parallel_attn=True), {"query_key_value"}),
    ],
    ids=["mistral", "falcon"],
)
def test_the_papers_other_architectures_take_an_adapter_where_peft_puts_it(
    tmp_path: Path, tiny: TinyLlama, config: Any, layers: set[str]
):
    base = tmp_path / "base"
    shutil.copytree(tiny.hf, base, ignore=shutil.ignore_patterns("*.safetensors", "config.json", "generation*"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        AutoModelForCausalLM.from_config(config).save_pretrained(base)
    settings = AdapterSettings(learning_rate=2e-2, epochs=20)
    trained = fit_adapter(PAIRS[:1], base=Base(path=base), out=tmp_path / "out", settings=settings)
    assert set(json.loads((trained.path / "adapter_config.json").read_text("utf-8"))["target_modules"]) == layers
    first, last = trained.epochs[1].train, trained.epochs[-1].train
    assert first is not None
    assert last is not None
    assert last < first - 1
    assert said(trained.path, PAIRS[0].prompt) != said(base, PAIRS[0].prompt)


def test_passes_of_any_size_learn_the_same(tmp_path: Path, tiny: TinyLlama):
    plain = replace(FAST, epochs=1, dropout=None, batch=3)
    at_once, one_by_one = (
        fit_adapter(PAIRS, base=Base(path=tiny.hf), out=tmp_path / str(n), settings=replace(plain, at_once=n)).epochs[1]
        for n in (3, 1)
    )
    assert one_by_one.train == pytest.approx(at_once.train, rel=1e-5)


def test_where_memory_is_short_passes_get_smaller_and_learn_the_same(
    tmp_path: Path, tiny: TinyLlama, monkeypatch: pytest.MonkeyPatch
):
    settings = replace(FAST, epochs=1, dropout=None, batch=3, at_once=3)
    roomy = fit_adapter(PAIRS, base=Base(path=tiny.hf), out=tmp_path / "roomy", settings=settings).epochs[1]
    sizes: list[int] = []
    passes = lora._Run._losses
    largest = 1

    def short(self: Any, some: Any) -> torch.Tensor:
        sizes.append(len(some))
        if len(some) > largest:
            raise RuntimeError("CUDA out of memory")
        return passes(self, some)

    monkeypatch.setattr(lora._Run, "_losses", short)
    tight = fit_adapter(PAIRS, base=Base(path=tiny.hf), out=tmp_path / "tight", settings=settings).epochs[1]
    assert sizes == [3, 2, 1, 1, 1]
    assert tight.train == pytest.approx(roomy.train, rel=1e-5)
    largest = 0
    with pytest.raises(OutOfMemory):
        fit_adapter(PAIRS, base=Base(path=tiny.hf), out=tmp_path / "none", settings=settings)


@pytest.mark.parametrize("pair", [*PAIRS, Pair(item="4", prompt=chat("x", start="Emotion:"), answer=" happy")])
def test_the_prompt_is_trained_on_token_for_token_as_it_is_asked(pair: Pair, text: TokenText):
    example = example_of(pair, text, ends={0, 2}, eos=0)
    asked = text.encode(pair.prompt)
    assert list(example.tokens[: -example.n_answer]) == asked
    *answer, end = example.tokens[-example.n_answer :]
    assert text.decode(answer) == pair.answer
    assert end == (0 if pair.prompt.is_raw else 2)  # <|endoftext|>, <|im_end|>


def test_the_loss_is_on_the_answer_alone(text: TokenText):
    examples = [example_of(pair, text, ends={0, 2}, eos=0) for pair in PAIRS]
    batch = batch_of(examples, device="cpu")
    assert [int(row.sum()) for row in batch.mask] == [len(example.tokens) for example in examples]
    for row, example in zip(batch.wanted, examples, strict=True):
        assert torch.equal(row[row >= 0], torch.tensor(example.tokens[-example.n_answer :]))


@pytest.mark.parametrize(
    ("losses", "best"),
    [([9.0, 3.0, 2.0, 2.5], 2), ([0.1, 3.0, 3.0], 1), ([None] * 4, 3), ([1.0, float("nan"), 2.0], 2)],
)
def test_the_epoch_of_least_loss_is_kept(losses: list[float | None], best: int):
    assert best_of([Epoch(number=at, train=None, held_out=loss) for at, loss in enumerate(losses)]) == best


def test_pairs_that_are_too_long_are_left_out_and_counted(tmp_path: Path, tiny: TinyLlama):
    long = Pair(item="5", prompt=raw("word " * 200), answer=" x")
    settings = replace(FAST, max_tokens=60, epochs=1)
    trained = fit_adapter([*PAIRS, long], base=Base(path=tiny.hf), out=tmp_path, settings=settings)
    assert (trained.n_pairs, trained.n_too_long) == (3, 1)
    with pytest.raises(AdapterRefused, match="all 1 pairs are longer than 60 tokens"):
        fit_adapter([long], base=Base(path=tiny.hf), out=tmp_path / "none", settings=settings)


def test_what_cannot_be_trained_is_said(tmp_path: Path, tiny: TinyLlama):
    with pytest.raises(AdapterRefused, match="there are no pairs to train on"):
        fit_adapter([], base=Base(path=tiny.hf), out=tmp_path)
    with pytest.raises(ModelUnusable, match="name the layers"):
        fit_adapter(PAIRS, base=Base(path=tiny.hf), out=tmp_path, settings=replace(FAST, targets=("nowhere",)))
    with pytest.raises(ModelUnusable, match="does not exist"):
        fit_adapter(PAIRS, base=Base(path=tmp_path / "nothing"), out=tmp_path / "x")
    with pytest.raises(ModelUnusable, match="the loss is no number"):
        fit_adapter(PAIRS, base=Base(path=tiny.hf), out=tmp_path / "y", settings=replace(FAST, learning_rate=1e30))
    with pytest.raises(ValueError, match="sizes of 1 or more"):
        AdapterSettings(epochs=0)
