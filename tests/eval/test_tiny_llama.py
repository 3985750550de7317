from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import gguf
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from eval.tiny.gguf_header import header_values
from eval.tiny.llama import tiny_llama

if TYPE_CHECKING:
    from pathlib import Path


def test_both_forms_hold_the_same_sizes_and_the_same_seed_makes_the_same_weights(tmp_path: Path):
    make = partial(tiny_llama, vocab=500, n_layers=1, width=32, context=128)
    one, other = (make(tmp_path / name, seed=3) for name in "ab")
    assert one.gguf.read_bytes() == other.gguf.read_bytes()
    assert make(tmp_path / "c", seed=4).gguf.read_bytes() != one.gguf.read_bytes()
    values = {value.key: value.content for value in header_values(one.gguf)}
    config = AutoModelForCausalLM.from_pretrained(one.hf).config
    assert values["llama.context_length"] == config.max_position_embeddings == 128
    assert len(values["tokenizer.ggml.tokens"]) == config.vocab_size == 500
    assert values["tokenizer.chat_template"] == AutoTokenizer.from_pretrained(one.hf).chat_template


def test_making_a_model_leaves_the_worlds_random_numbers_alone(tmp_path: Path):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    tiny_llama(tmp_path, n_layers=1)
    assert torch.equal(torch.rand(3), expected)


def test_a_header_is_read_as_the_formats_own_reader_reads_it(tmp_path: Path):
    made = tiny_llama(tmp_path, n_layers=1)
    found = {value.key: value.content for value in header_values(made.gguf)}
    fields = gguf.GGUFReader(made.gguf).fields
    for key, content in found.items():
        if not isinstance(content, float):
            assert fields[key].contents() == content
    assert len(found) > 15


def test_what_is_no_gguf_is_refused(tmp_path: Path):
    path = tmp_path / "x.gguf"
    path.write_bytes(b"GGML" + bytes(40))
    with pytest.raises(ValueError, match="no GGUF"):
        list(header_values(path))
