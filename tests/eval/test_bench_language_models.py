"""The benches of labels and cache on the smallest model: their figures hang together, whatever the machine's speed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from agent.backends.llm.scripted import ScriptedModel
from eval.bench import cache, labels
from eval.bench.models import Subject, asked, opened, said, turns_for
from eval.signature import parse_signature

if TYPE_CHECKING:
    from eval.bench.models import Engine
    from eval.tiny.llama import TinyLlama


@pytest.fixture(scope="session")
def small_llama(tmp_path_factory: pytest.TempPathFactory) -> TinyLlama:
    from eval.tiny.llama import tiny_llama  # noqa: PLC0415 - imports torch

    return tiny_llama(tmp_path_factory.mktemp("llama"), n_layers=1, width=32, context=4096)


def test_labels_are_told_beside_answers_of_full_length_warm_and_cold(small_llama: TinyLlama):
    result = labels.measure(model=small_llama.hf, device="cpu", prompts=(300, 9000), repeats=2)
    warm, cold = result.costs
    assert (warm.is_warm, cold.is_warm) == (True, False)
    assert 200 < warm.n_prompt < 400
    assert 0.4 < warm.cached_share < 1
    assert cold.cached_share == 0
    assert warm.n_generated == labels.N_GENERATED
    assert warm.difference is not None
    assert warm.difference < 1e-3
    table = labels.table(result)
    assert table.count("\n| hf |") == 2
    assert parse_signature(table.splitlines()[-1].strip("`")).get("engine") == "transformers"


def test_either_engine_can_be_measured(small_llama: TinyLlama):
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: it is compiled by a step of its own")
    counted: list[int] = []
    for engine, path in (("transformers", small_llama.hf), ("llama-cpp", small_llama.gguf)):
        with opened(Subject(engine=cast("Engine", engine), path=path, device="cpu")) as model:
            counted.append(asyncio.run(model.count_tokens(asked(said(3)))))
    assert counted[0] == counted[1] > 100


def test_a_window_that_moves_in_blocks_keeps_most_of_a_prompt_and_one_that_moves_by_one_little(small_llama: TinyLlama):
    result = cache.measure(model=small_llama.hf, device="cpu", window=8, n_turns=24)
    blocks, by_one, nothing = result.rows
    assert nothing.cached_share == 0
    assert by_one.usual_share < blocks.usual_share
    assert blocks.cached_share > by_one.cached_share + 0.1
    assert blocks.least_share <= blocks.usual_share <= 1
    assert cache.table(result).count("\n|") == 4


def test_a_conversation_must_be_longer_than_the_window():
    with pytest.raises(ValueError, match="more turns"):
        cache.measure(window=9, n_turns=9)


def test_turns_are_made_to_fill_a_prompt():
    model = ScriptedModel()
    for wanted in (900, 4000):
        turns = asyncio.run(turns_for(model, wanted))
        assert turns[-1].role == "assistant"
        assert asyncio.run(model.count_tokens(asked(turns))) == pytest.approx(wanted, abs=200)
