"""A transformers model, tiny and with random weights: its words are noise, so tests compare runs with each other."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from agent.llm.values import Decoding, Message, Prompt
from tests.language_model_runs import DRAWN, GREEDY, LABELS, TURNS, answer, chat, plain_scores, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.backends.llm.transformers_cache import State
    from agent.backends.llm.transformers_forward import Forward
    from agent.backends.llm.transformers_model import TransformersModel
    from eval.tiny.llama import TinyLlama

    Load = Callable[..., TransformersModel]

pytestmark = pytest.mark.anyio

END = 2
"""The tiny model's <|im_end|>."""


@pytest.fixture
def model(load_hf: Load) -> TransformersModel:
    return load_hf()


def engine(model: TransformersModel) -> Forward:
    return model._engine


@pytest.mark.parametrize("rows", ["packed", "batched"])
@pytest.mark.parametrize("start", ["Emotion:", "Emotion: ang", "Emotion: happ", ""])
async def test_label_scores_are_those_of_each_label_alone(load_hf: Load, llama_files: TinyLlama, rows: str, start: str):
    prompt = chat(*TURNS, answer=start)
    scores = await load_hf(labels=rows).score(prompt, LABELS)
    text = load_hf()._text._template.render(prompt)
    assert scores.logps == pytest.approx(plain_scores(llama_files.hf, text, LABELS), abs=1e-4)
    assert scores.labels == LABELS
    assert scores.method == "exact"


async def test_a_label_that_redraws_the_border_of_the_prompt_is_scored_from_there(
    load_hf: Load, llama_files: TinyLlama
):
    model = load_hf()
    prompt = Prompt(messages=(Message(role="user", text="How does the speake"),), is_raw=True)
    alone, whole = model.tokens_of("How does the speake"), model.tokens_of("How does the speaker")
    assert whole[: len(alone)] != alone
    scores = await model.score(prompt, ("r", "x"))
    assert scores.logps == pytest.approx(plain_scores(llama_files.hf, "How does the speake", ("r", "x")), abs=1e-4)
    assert scores.usage.n_prompt == next(i for i, (a, b) in enumerate(zip(alone, whole, strict=False)) if a != b)


async def test_the_model_takes_packed_rows_and_they_need_one_pass(model: TransformersModel):
    assert engine(model).packs
    prompt = chat("Hi.")
    await model.prefill(prompt, conversation="c")
    before = engine(model).n_passes
    await model.score(prompt, LABELS, conversation="c")
    assert engine(model).n_passes == before + 1


async def test_a_model_that_ignores_the_mask_is_found_out_and_scored_in_a_batch(
    load_hf: Load, llama_files: TinyLlama, monkeypatch: pytest.MonkeyPatch
):
    wanted = await load_hf().score(chat("Hi."), LABELS)
    plain = LlamaForCausalLM.forward

    def forward(
        self: LlamaForCausalLM,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        **rest: object,
    ) -> object:
        mine = None if attention_mask is not None and attention_mask.ndim == 4 else attention_mask
        return cast("Any", plain)(self, input_ids, attention_mask=mine, position_ids=position_ids, **rest)

    monkeypatch.setattr(LlamaForCausalLM, "forward", forward)
    model = load_hf()
    assert not engine(model).packs
    assert (await model.score(chat("Hi."), LABELS)).logps == pytest.approx(wanted.logps, abs=1e-4)


@pytest.mark.parametrize("decoding", [GREEDY, DRAWN])
async def test_what_is_cached_changes_nothing_but_the_cost(model: TransformersModel, decoding: Decoding):
    for n in (1, 2, 3, 2):
        prompt = chat(*TURNS[:n])
        cached = await answer(model, prompt, decoding, of="c")
        fresh = await answer(model, prompt, decoding)
        assert text_of(cached) == text_of(fresh)
        scores = await model.score(prompt, LABELS, conversation="c")
        assert scores.logps == pytest.approx((await model.score(prompt, LABELS)).logps, abs=1e-4)
        used, afresh = cached[-1].usage, fresh[-1].usage
        assert used is not None
        assert afresh is not None
        assert afresh.n_cached == 0
        assert used.n_prompt == afresh.n_prompt
        assert n == 1 or (used.n_cached or 0) > 20


async def test_the_cached_share_is_what_was_not_worked_through_again(model: TransformersModel):
    await answer(model, chat(*TURNS[:1]), of="c")
    before = engine(model).n_tokens
    scores = await model.score(chat(*TURNS), ("x", "y"), conversation="c")
    usage = scores.usage
    assert usage.n_prompt is not None
    assert usage.n_cached is not None
    assert engine(model).n_tokens - before == usage.n_prompt - usage.n_cached + 2
    assert usage.cached_share == usage.n_cached / usage.n_prompt


async def test_a_new_conversation_takes_over_what_another_begins_with(model: TransformersModel):
    await model.prefill(chat(*TURNS), conversation="one")
    pieces = await answer(model, chat(TURNS[0], "No."), of="other")
    assert pieces[-1].usage is not None
    assert (pieces[-1].usage.n_cached or 0) > 20
    assert text_of(pieces) == text_of(await answer(model, chat(TURNS[0], "No.")))


async def test_conversations_side_by_side_get_what_each_would_get_alone(model: TransformersModel):
    prompts = [chat(*TURNS[: n % 3 + 1], answer=f"{n}") for n in range(5)]
    alone = [text_of(await answer(model, prompt, DRAWN)) for prompt in prompts]
    alone_scores = [(await model.score(prompt, LABELS)).logps for prompt in prompts]
    answers = asyncio.gather(*(answer(model, p, DRAWN, of=f"c{i % 3}") for i, p in enumerate(prompts)))
    scored = asyncio.gather(*(model.score(p, LABELS, conversation=f"c{i % 3}") for i, p in enumerate(prompts)))
    assert [text_of(pieces) for pieces in await answers] == alone
    for scores, wanted in zip(await scored, alone_scores, strict=True):
        assert scores.logps == pytest.approx(wanted, abs=1e-4)


async def test_the_same_seed_draws_the_same_answer_and_another_draws_another(model: TransformersModel):
    said = {
        seed: text_of(await answer(model, chat("Hi."), Decoding(max_tokens=20, temperature=1.0, seed=seed)))
        for seed in (1, 2)
    }
    again = await answer(model, chat("Hi."), Decoding(max_tokens=20, temperature=1.0, seed=1))
    assert said[1] == text_of(again) != said[2]


async def test_a_tiny_nucleus_leaves_only_the_likeliest_token(model: TransformersModel):
    drawn = Decoding(max_tokens=12, temperature=2.0, top_p=1e-6, seed=3)
    greedy = Decoding(max_tokens=12)
    assert text_of(await answer(model, chat("Hi."), drawn)) == text_of(await answer(model, chat("Hi."), greedy))


async def test_an_answer_ends_before_a_stop_text(model: TransformersModel):
    whole = text_of(await answer(model, chat("Hi.")))
    stop = whole[7:10]
    pieces = await answer(model, chat("Hi."), Decoding(max_tokens=24, stop=(stop, "never said")))
    assert text_of(pieces) == whole[: whole.index(stop)]
    assert pieces[-1].usage is not None
    assert pieces[-1].usage.n_generated < 24


async def test_an_answer_ends_at_the_end_of_turn_token(load_hf: Load, monkeypatch: pytest.MonkeyPatch):
    model = load_hf()
    ids = (await model.trace(chat("Hi."), Decoding(max_tokens=9))).token_ids
    monkeypatch.setattr(model, "_ends", frozenset({ids[4]}))
    at = ids.index(ids[4])
    pieces = await answer(model, chat("Hi."))
    assert pieces[-1].usage is not None
    assert pieces[-1].usage.n_generated == at


async def test_end_tokens_are_the_models_the_tokenizers_and_the_templates(load_hf: Load):
    model = load_hf()
    config = type("Config", (), {"eos_token_id": [0, 17]})()
    assert model._text.ends(config) == {0, 17, END}


async def test_leaving_an_answer_stops_the_compute_within_a_token(
    model: TransformersModel, monkeypatch: pytest.MonkeyPatch
):
    await model.prefill(chat("Hi."), conversation="c")
    passes: list[int] = []
    gate = threading.Semaphore(0)
    forward = engine(model)
    plain = forward.logits

    def counted(state: State, tokens: Sequence[int]) -> torch.Tensor:
        assert gate.acquire(timeout=20)
        passes.append(1)
        return plain(state, tokens)

    monkeypatch.setattr(forward, "logits", counted)
    gate.release(3)
    stream = model.stream(chat("Hi."), Decoding(max_tokens=200), conversation="c")
    async with aclosing(stream):
        n_read = 0
        async for _ in stream:
            n_read += 1
            break
    gate.release(200)  # were it still going on, nothing would hold it back now
    await until_told(model, 2)
    assert n_read == 1
    assert len(passes) <= 4
    assert not any(state.is_busy for state in forward.states._kept.values())


async def until_told(model: TransformersModel, n_turns: int) -> None:
    """Wait until the model's thread has taken this many turns."""
    for _ in range(n_turns):
        await model.count_tokens(chat("x"))


async def test_a_cancelled_task_stops_the_compute(model: TransformersModel):
    task = asyncio.create_task(answer(model, chat("Hi."), Decoding(max_tokens=400)))
    await until_told(model, 8)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until_told(model, 2)
    n_passes = engine(model).n_passes
    await until_told(model, 2)
    assert 2 < engine(model).n_passes == n_passes < 400


async def test_the_text_of_an_answer_is_never_broken_inside_a_character(model: TransformersModel):
    said = [1, 2, *model.tokens_of("été 東京 🙂 é")]
    text = model._text.answer(said[:2], stop=())
    pieces = [text.feed(token) for token in said[2:]]
    assert "".join(pieces) + text.flush() == "été 東京 🙂 é"
    assert not any("\ufffd" in piece for piece in pieces)


async def test_a_character_that_never_becomes_whole_is_not_waited_for(model: TransformersModel):
    broken = model.tokens_of("🙂")[0]
    text = model._text.answer([1], stop=())
    said = "".join(text.feed(broken) for _ in range(20)) + text.flush()
    assert said == "\ufffd" * 20


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "revised": {"type": "string", "maxLength": 30},
        "emotion": {"enum": ["angry", "happy", "sad"]},
        "arousal": {"type": "number", "minimum": 0, "maximum": 1},
        "turns": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 25}, "maxItems": 3},
    },
}


@pytest.mark.parametrize("seed", range(6))
async def test_answers_are_held_to_a_schema(model: TransformersModel, seed: int):
    decoding = Decoding(max_tokens=200, temperature=float(seed > 0) * 2, seed=seed, schema=SCHEMA)
    value = json.loads(text_of(await answer(model, chat("Hi."), decoding)))
    assert list(value) == list(SCHEMA["properties"])
    assert len(value["revised"]) <= 30
    assert value["emotion"] in {"angry", "happy", "sad"}
    assert 0 <= value["arousal"] <= 1
    assert all(1 <= turn <= 25 for turn in value["turns"])


async def test_a_schema_that_cannot_be_held_to_is_refused_before_any_compute(model: TransformersModel):
    before = engine(model).n_passes
    with pytest.raises(ValueError, match="pattern"):
        await answer(model, chat("Hi."), Decoding(schema={"type": "string", "pattern": "a"}))
    assert engine(model).n_passes == before


async def test_traced_logits_are_those_of_one_pass_over_the_whole_text(
    model: TransformersModel, llama_files: TinyLlama
):
    prompt = chat(*TURNS)
    trace = await model.trace(prompt, Decoding(max_tokens=12))
    before = model._text.encode(prompt)
    reference = cast("Any", AutoModelForCausalLM).from_pretrained(llama_files.hf)
    with torch.inference_mode():
        logits = reference(torch.tensor([[*before, *trace.token_ids]])).logits[0].numpy()
    n = len(trace.token_ids)
    assert trace.logits.shape == (n, 441)
    assert trace.logits.dtype == np.float32
    np.testing.assert_allclose(trace.logits, logits[len(before) - 1 : len(before) - 1 + n], atol=1e-4)
    assert trace.logits.argmax(axis=1).tolist() == list(trace.token_ids)
    assert len(trace.token_texts) == n
    assert trace.usage.n_generated == n


async def test_prefilling_leaves_only_the_last_token_to_do(model: TransformersModel):
    prompt = chat(*TURNS)
    n = await model.prefill(prompt, conversation="c")
    assert n == await model.count_tokens(prompt)
    pieces = await answer(model, prompt, of="c")
    assert pieces[-1].usage is not None
    assert pieces[-1].usage.n_cached == n - 1
    assert await model.prefill(prompt, conversation="") == 0


async def test_a_forgotten_conversation_starts_anew(model: TransformersModel):
    await model.prefill(chat("Hi."), conversation="c")
    model.forget("c")
    model.forget("never heard of")
    scores = await model.score(chat("Hi."), LABELS, conversation="c")
    assert scores.usage.n_cached == 0


async def test_what_is_kept_is_bounded_and_the_oldest_goes_first(load_hf: Load):
    model = load_hf(max_conversations=2, max_cached_tokens=150)
    for name in ("a", "b", "c"):
        await model.prefill(chat("Hi."), conversation=name)
    states = engine(model).states
    assert list(states._kept) == ["b", "c"]
    await model.prefill(chat(*TURNS, *TURNS), conversation="d")
    assert list(states._kept) == ["d"]
    assert states.n_tokens <= 150


async def test_an_empty_name_leaves_nothing(model: TransformersModel):
    await answer(model, chat("Hi."))
    await model.score(chat("Hi."), LABELS)
    assert len(engine(model).states) == 0


async def test_what_people_write_is_no_special_token(model: TransformersModel):
    tokens = model._text.encode(chat("<|im_end|>"))
    plain = model._text.encode(chat("x"))
    assert tokens.count(END) == plain.count(END) == 2
    assert "<|im_end|>" in model._text.decode(tokens)
