"""A tiny Llama with random weights, the same ones as a Hugging Face directory and as a GGUF file.

For tests and benches where no weights can be had: its words are noise, its code path, its sizes and its arithmetic are
real. The tokenizer is a byte-level BPE trained on the spot, or a true one taken from a vocabulary-only GGUF.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# gguf, tokenizers, torch and transformers type only half of what is used here.

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

from .gguf_header import header_values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

END, USER, STOP = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIALS: Final = (END, USER, STOP)
CHATML: Final = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TRAINING_TEXT: Final = (
    "How does the speaker feel: angry, happy, neutral, sad, disgusted, contemptuous, fearful or surprised?",
    "The speaker says that the train was late again and that nobody told them anything about it.",
    "Emotion: the voice is louder than usual, faster than usual, with a wide pitch range and short pauses.",
    "I am so glad that you came. I am not sure what to think of this. Please tell me more about it, will you?",
    'system user assistant {"revised": "", "reason": "", "emotion": "neutral"} [1, 2.5, -30] true false null',
    "Größe, naïve café, señor, 東京, Привет, 🙂",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyLlama:
    """Where the model lies: `hf` is a directory (config, safetensors, tokenizer), `gguf` a file with 32-bit weights.

    With a vocabulary taken from elsewhere `hf` has no tokenizer.
    """

    hf: Path
    gguf: Path


def tiny_llama(  # noqa: PLR0913 - each is one size of the model
    folder: Path,
    *,
    vocab: int = 441,
    n_layers: int = 2,
    width: int = 64,
    context: int = 512,
    seed: int = 0,
    vocab_from: Path | None = None,
    chat_template: str | None = CHATML,
) -> TinyLlama:
    """Make the model in `folder` and return where it lies.

    Args:
        folder: made if missing; what is there of the same name is overwritten.
        vocab: size of the vocabulary; what the training text does not fill is padding that is never tokenised to.
        n_layers: depth.
        width: of the hidden state, a multiple of 32 below 256, of 128 from there on.
        context: trained window, tokens.
        seed: of the weights.
        vocab_from: a vocabulary-only GGUF whose tokenizer is taken (then `vocab` is its size, embeddings are tied).
        chat_template: jinja source; None leaves the model without one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = TinyLlama(hf=folder / "hf", gguf=folder / "model.gguf")
    vocabulary = _trained(vocab) if vocab_from is None else _taken(vocab_from)
    model = _model(_config(vocabulary, n_layers=n_layers, width=width, context=context), seed=seed)
    _save_weights(model, made.hf)
    if vocabulary.tokenizer is not None:
        _save_tokenizer(vocabulary.tokenizer, made.hf, chat_template=chat_template)
    _write_gguf(made.gguf, model, vocabulary, chat_template=chat_template)
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Vocabulary:
    """`metadata` is what goes into the GGUF, as (key, type, type of the items or None, value)."""

    size: int
    bos: int | None
    eos: int | None
    metadata: tuple[tuple[str, gguf.GGUFValueType, gguf.GGUFValueType | None, Any], ...]
    tokenizer: Tokenizer | None = None


def _trained(size: int) -> _Vocabulary:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(SPECIALS), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TRAINING_TEXT * 4, trainer)
    stored = json.loads(tokenizer.to_str())["model"]
    known: dict[str, int] = stored["vocab"]
    tokens = [f"[PAD{number}]" for number in range(size)]
    kinds = [int(gguf.TokenType.UNUSED)] * size
    for text, number in known.items():
        tokens[number] = text
        kinds[number] = int(gguf.TokenType.CONTROL if text in SPECIALS else gguf.TokenType.NORMAL)
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in stored["merges"]]
    string, number, array = gguf.GGUFValueType.STRING, gguf.GGUFValueType.UINT32, gguf.GGUFValueType.ARRAY
    keys = gguf.Keys.Tokenizer
    metadata = (
        (keys.MODEL, string, None, "gpt2"),
        (keys.PRE, string, None, "gpt-2"),
        (keys.LIST, array, string, tokens),
        (keys.TOKEN_TYPE, array, gguf.GGUFValueType.INT32, kinds),
        (keys.MERGES, array, string, merges),
        (keys.BOS_ID, number, None, known[END]),
        (keys.EOS_ID, number, None, known[STOP]),
        (keys.PAD_ID, number, None, known[END]),
        (keys.ADD_BOS, gguf.GGUFValueType.BOOL, None, False),
    )
    return _Vocabulary(size=size, bos=known[END], eos=known[STOP], metadata=metadata, tokenizer=tokenizer)


def _taken(path: Path) -> _Vocabulary:
    found = [value for value in header_values(path) if value.key.startswith("tokenizer.")]
    values = {value.key: value.content for value in found}
    return _Vocabulary(
        size=len(values[gguf.Keys.Tokenizer.LIST]),
        bos=values.get(gguf.Keys.Tokenizer.BOS_ID),
        eos=values.get(gguf.Keys.Tokenizer.EOS_ID),
        metadata=tuple(
            (value.key, value.kind, value.items, value.content)
            for value in found
            if not value.key.startswith(gguf.Keys.Tokenizer.CHAT_TEMPLATE)
        ),
    )


def _config(vocabulary: _Vocabulary, *, n_layers: int, width: int, context: int) -> LlamaConfig:
    head = 16 if width < 256 else 64
    return LlamaConfig(
        vocab_size=vocabulary.size,
        hidden_size=width,
        intermediate_size=width * 8 // 3 // 32 * 32,
        num_hidden_layers=n_layers,
        num_attention_heads=width // head,
        num_key_value_heads=width // head // 2,
        max_position_embeddings=context,
        initializer_range=1.5 / width**0.5,  # wide enough that tokens differ by several nats
        tie_word_embeddings=vocabulary.tokenizer is None,
        bos_token_id=vocabulary.bos,
        eos_token_id=vocabulary.eos,
    )


def _model(config: LlamaConfig, *, seed: int) -> LlamaForCausalLM:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).eval()


def _save_weights(model: LlamaForCausalLM, folder: Path) -> None:
    was_shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    if was_shown:
        logging.enable_progress_bar()


def _save_tokenizer(tokenizer: Tokenizer, folder: Path, *, chat_template: str | None) -> None:
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=END, eos_token=STOP, pad_token=END, clean_up_tokenization_spaces=False
    )
    if chat_template is not None:
        fast.chat_template = chat_template
    fast.save_pretrained(folder)


def _write_gguf(path: Path, model: LlamaForCausalLM, vocabulary: _Vocabulary, *, chat_template: str | None) -> None:
    config = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_attention_heads // 2)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(vocabulary.size)
    for name, kind, items, value in vocabulary.metadata:
        writer.add_key_value(name, value, kind, sub_type=items)
    if chat_template is not None:
        writer.add_chat_template(chat_template)
    for name, values in _tensors(model):
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


NAMES: Final = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
}


def _tensors(model: LlamaForCausalLM) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield the weights under their GGUF names."""
    config = model.config
    for name, tensor in model.state_dict().items():
        stem = name.removesuffix(".weight")
        if stem == "lm_head" and config.tie_word_embeddings:
            continue
        values = tensor.float().numpy()
        if stem.startswith("model.layers."):
            _, _, layer, inner = stem.split(".", 3)
            if inner in {"self_attn.q_proj", "self_attn.k_proj"}:
                values = _turned(values, head=config.hidden_size // config.num_attention_heads)
            yield f"blk.{layer}.{NAMES[inner]}.weight", values
        else:
            yield f"{NAMES[stem]}.weight", values


def _turned(weights: NDArray[np.float32], *, head: int) -> NDArray[np.float32]:
    """Put the rows of a query or key matrix, shape (heads * head, width), in the order llama.cpp rotates them."""
    pairs = weights.reshape(-1, 2, head // 2, weights.shape[1])
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(weights.shape))
