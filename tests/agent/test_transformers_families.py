"""Label scores and cached answers of other architectures: positions, windows and masks of other kinds."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, cast

import pytest
import torch
import transformers

from agent.backends.llm.transformers_model import TransformersModel
from streaming.errors import ModelUnusable
from tests.language_model_runs import DRAWN, LABELS, TURNS, answer, chat, plain_scores, text_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from eval.tiny.llama import TinyLlama

    Load = Callable[..., TransformersModel]

pytestmark = pytest.mark.anyio

SIZES = {
    "vocab_size": 441,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
}
HYBRID = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 12}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "mistral, all layers with a narrow window": ("MistralConfig", {**SIZES, "sliding_window": 12}),
    "gemma 2, half of them, soft capping": ("Gemma2Config", {**SIZES, **HYBRID, "query_pre_attn_scalar": 16}),
    "gemma 3, two kinds of positions": ("Gemma3TextConfig", {**SIZES, **HYBRID}),
    "qwen 2, wide window": ("Qwen2Config", {**SIZES, "sliding_window": 4096, "use_sliding_window": True}),
    "gpt-neox": ("GPTNeoXConfig", {**SIZES, "rotary_pct": 0.25}),
    "gpt-2, learned positions": (
        "GPT2Config",
        {"vocab_size": 441, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 512, "initializer_range": 0.3},
    ),
    "bloom, linear biases instead of positions": (
        "BloomConfig",
        {"vocab_size": 441, "hidden_size": 32, "n_layer": 2, "n_head": 2, "initializer_range": 0.3},
    ),
}
PACKING = {name for name in FAMILIES if not name.startswith("bloom")}


def made(folder: Path, tokenizer: Path, config: str, sizes: dict[str, Any]) -> Path:
    """A model of another architecture, with the tiny Llama's tokenizer."""
    shutil.copytree(tokenizer, folder, ignore=shutil.ignore_patterns("*.safetensors", "config.json", "generation*"))
    library = cast("Any", transformers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = library.AutoModelForCausalLM.from_config(getattr(library, config)(**sizes))
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
async def test_any_architecture_scores_and_answers_as_if_nothing_were_cached_or_packed(
    load_hf: Load, llama_files: TinyLlama, tmp_path: Path, family: str
):
    folder = made(tmp_path / "model", llama_files.hf, *FAMILIES[family])
    model = load_hf(folder)
    assert model.packs_labels == (family in PACKING)
    for n in (1, 3, 2):
        prompt = chat(*TURNS[:n])
        scores = await model.score(prompt, LABELS, conversation="c")
        text = model._text._template.render(prompt)
        assert scores.logps == pytest.approx(plain_scores(folder, text, LABELS), abs=2e-4)
        cached = await answer(model, prompt, DRAWN, of="c")
        assert text_of(cached) == text_of(await answer(model, prompt, DRAWN))


def test_a_model_with_a_running_state_is_refused(llama_files: TinyLlama, tmp_path: Path):
    sizes = {"vocab_size": 441, "hidden_size": 32, "num_hidden_layers": 1, "state_size": 4}
    folder = made(tmp_path / "mamba", llama_files.hf, "MambaConfig", sizes)
    with pytest.raises(ModelUnusable, match="running state"):
        TransformersModel.load(folder, device="cpu")
