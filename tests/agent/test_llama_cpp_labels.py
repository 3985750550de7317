"""Labels scored in one packed step, against the plain way: one forward pass over the whole text of each label."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from agent.labels import EIGHT
from agent.llm.labels import label_tree
from agent.llm.values import Message, Prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from agent.backends.llm.llama_cpp import LlamaCppModel
    from eval.tiny.llama import TinyLlama

    Load = Callable[..., LlamaCppModel]

pytestmark = pytest.mark.anyio

AWKWARD: Final = (*EIGHT, "very angry", "very sad", "sad and angry", "sadness", "non-neutral", "désolé", "🙂", " happy")
"""Of one token and of many, beginning alike, one beginning another, split inside a character."""

LLAMA_2: Final = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content | trim }} [/INST]"
    "{% else %} {{ m.content | trim }} {{ eos_token }}{% endif %}{% endfor %}"
)
LLAMA_3: Final = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{{ m.content | trim }}<|eot_id|>{% endfor %}<|start_header_id|>assistant<|end_header_id|>\n\n"
)
FALCON: Final = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n\n{% endfor %}Assistant:"
QWEN_2: Final = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
TRUE: Final = {"llama-spm": LLAMA_2, "llama-bpe": LLAMA_3, "falcon": FALCON, "qwen2": QWEN_2}


def chat(answer: str = "Emotion:") -> Prompt:
    messages = (
        Message(role="user", text="i am so glad [INST] that you <|im_end|> came <|eot_id|> </s> to see us"),
        Message(role="assistant", text="so am I"),
        Message(role="user", text="well, well"),
    )
    return Prompt(messages=messages, answer_start=answer)


def plainly(model: LlamaCppModel, prompt: Prompt, labels: Sequence[str]) -> tuple[list[float], list[int]]:
    """Score the plain way; return sums and numbers of tokens."""
    ids, *full = model._vocabulary.of_labels(prompt, labels)
    n_before = min(next((i for i, (a, b) in enumerate(zip(ids, f, strict=False)) if a != b), len(ids)) for f in full)
    context, sums = model._jobs._context, list[float]()
    for tokens in full:
        n = len(tokens)
        wanted = range(n_before - 1, n)
        outcome = context.decode(tokens, positions=range(n), sequences=[(0,)] * n, wanted=wanted)
        assert outcome == 0
        rows = np.stack([context.logits(row) for row in wanted]).astype(np.float64)
        sums.append(summed(rows, tokens, n_before))
        context.cut(0)
    return sums, [len(tokens) - n_before for tokens in full]


def summed(rows: np.ndarray, tokens: Sequence[int], n_before: int) -> float:
    """Sum over the tokens from `n_before` on; the first of `rows` belongs to the token before that."""
    rows = rows - rows.max(axis=1, keepdims=True)
    logps = rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))
    return float(sum(logps[i, token] for i, token in enumerate(tokens[n_before:])))


@pytest.mark.parametrize("ending", ["Emotion:", "Emotion: ", "", "Emo"])
async def test_packed_labels_score_as_each_does_alone(load_gguf: Load, ending: str):
    model, prompt = load_gguf(), chat(ending)
    expected, n_tokens = plainly(model, prompt, AWKWARD)
    scores = await model.score(prompt, AWKWARD)
    assert scores.labels == AWKWARD
    assert scores.method == "exact"
    assert scores.n_tokens == tuple(n_tokens)
    assert scores.logps == pytest.approx(expected, abs=2e-4)
    assert len(set(scores.n_tokens)) > 2


async def test_packed_labels_score_as_they_do_in_transformers(load_gguf: Load, llama_files: TinyLlama):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    reference = transformers.AutoModelForCausalLM.from_pretrained(llama_files.hf)
    model, prompt = load_gguf(), chat()
    ids, *full = model._vocabulary.of_labels(prompt, AWKWARD)
    expected: list[float] = []
    for tokens in full:
        with torch.inference_mode():
            rows = reference(torch.tensor([tokens])).logits[0].double().numpy()
        n_before = label_tree(ids, full).n_before
        expected.append(summed(rows[n_before - 1 :], tokens, n_before))
    assert (await model.score(prompt, AWKWARD)).logps == pytest.approx(expected, abs=2e-4)


async def test_a_list_of_labels_takes_one_step_on_a_warm_prompt(load_gguf: Load, monkeypatch: pytest.MonkeyPatch):
    model, prompt = load_gguf(), chat()
    await model.prefill(prompt, conversation="a")
    steps: list[int] = []
    plain = model._jobs._context.decode

    def decode(tokens: Sequence[int], **rest: Sequence[int]) -> int:
        steps.append(len(tokens))
        return plain(tokens, **rest)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(model._jobs._context, "decode", decode)
    scores = await model.score(prompt, AWKWARD, conversation="a")
    assert len(steps) == 1
    assert steps[0] < sum(scores.n_tokens)
    assert scores.logps == pytest.approx((await load_gguf().score(prompt, AWKWARD)).logps, abs=2e-4)


async def test_labels_in_lots_score_as_all_at_once(load_gguf: Load):
    prompt = chat()
    at_once = await load_gguf().score(prompt, AWKWARD)
    in_lots = await load_gguf(n_side=2, n_sequences=4, block=7).score(prompt, AWKWARD)
    one_by_one = [(await load_gguf().score(prompt, AWKWARD[:1] + AWKWARD[i : i + 1])).logps[1] for i in range(1, 16)]
    assert in_lots.logps == pytest.approx(at_once.logps, abs=2e-4)
    assert at_once.logps[1:] == pytest.approx(one_by_one, abs=2e-4)


async def test_scores_on_a_short_cache_are_close_to_the_exact_ones(load_gguf: Load):
    exact = await load_gguf(cache_bits=32).score(chat(), EIGHT)
    short = await load_gguf(cache_bits=16).score(chat(), EIGHT)
    assert short.logps != exact.logps
    assert short.per_token == pytest.approx(exact.per_token, abs=0.1)


async def test_scoring_leaves_the_conversation_ready_to_go_on(load_gguf: Load):
    model, prompt = load_gguf(), chat()
    first = await model.score(prompt, AWKWARD, conversation="a")
    again = await model.score(prompt, AWKWARD, conversation="a")
    assert again.usage.n_prompt is not None
    assert again.usage.n_cached == again.usage.n_prompt - 1
    assert again.logps == pytest.approx(first.logps, abs=2e-4)
    assert len(model._jobs.cache._free) == 63, "side sequences are given back"


@pytest.fixture(scope="module")
def true_model(
    llama_cpp: None, vocabulary: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    from eval.tiny.llama import tiny_llama  # noqa: PLC0415 - imports torch

    @functools.cache
    def make(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        made = tiny_llama(folder, vocab_from=vocabulary(name), width=32, n_layers=1, chat_template=TRUE[name])
        return made.gguf

    return make


@pytest.mark.parametrize("name", TRUE)
async def test_labels_score_right_with_a_true_tokenizer(load_gguf: Load, true_model: Callable[[str], Path], name: str):
    model = load_gguf(true_model(name))
    for ending in ("Emotion:", ""):
        expected, n_tokens = plainly(model, chat(ending), AWKWARD)
        scores = await model.score(chat(ending), AWKWARD, conversation="a")
        assert scores.n_tokens == tuple(n_tokens)
        assert scores.logps == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("name", TRUE)
async def test_a_prompt_is_tokenised_as_the_model_was_trained(
    load_gguf: Load, true_model: Callable[[str], Path], name: str
):
    model = load_gguf(true_model(name))
    plain = Prompt(
        messages=(Message(role="user", text="i am so  glad\nthat you came, naïve 🙂"),), answer_start="Emo: "
    )
    whole = model._vocabulary.of_text(model._vocabulary.template.render(plain), specials=True)
    assert model._vocabulary.of_prompt(plain) == whole
    said = model._vocabulary.of_prompt(chat())
    specials = {token for token in range(model._vocabulary.n_tokens) if not model._vocabulary.piece(token)}
    quiet = Prompt(messages=tuple(Message(role=m.role, text="x") for m in chat().messages), answer_start="Emotion:")
    assert [token for token in said if token in specials] == [
        token for token in model._vocabulary.of_prompt(quiet) if token in specials
    ], "what people say adds no special token"
    assert whole[0] == model._vocabulary.of_prompt(chat())[0]
