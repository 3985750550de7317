"""A language model that hears, on one made on the spot: scores, traces and answers are the model's own."""

from __future__ import annotations

import gc
import json
import sys
import threading
import weakref
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
import pytest
import torch
import transformers

from agent.backends.llm.audio import AudioLanguageModel
from agent.backends.llm.transformers_settings import TransformersSettings
from agent.labels import EIGHT
from agent.llm.values import Decoding, Message, Prompt
from eval.tiny.audio_llm import tiny_audio_llm
from eval.tiny.emotion import tiny_dimensions
from eval.tiny.llama import tiny_llama
from streaming.backends.torch_runtime import load_whole
from streaming.errors import ContextOverflow, EngineFailed, EngineMissing, ModelUnusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.ports import LanguageModel
    from streaming.events import Samples

pytestmark = pytest.mark.anyio

GREEDY = Decoding(max_tokens=12)
HEAD = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
SOUND = "Audio 1: <|audio_bos|><|AUDIO|><|audio_eos|>\n"
LABELS = [f" {label}" for label in EIGHT]
TAIL = "<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return tiny_audio_llm(tmp_path_factory.mktemp("audio"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Iterator[AudioLanguageModel]:
    model = AudioLanguageModel.load(folder, settings=TransformersSettings(block=64))
    yield model
    model.close()


class Own:
    """The model and its processor as transformers has them: no cache, no tricks."""

    def __init__(self, folder: Path) -> None:
        loader: Any = transformers.AutoProcessor
        self.processor = loader.from_pretrained(folder, local_files_only=True)
        self.model = load_whole(transformers.AutoModelForMultimodalLM, folder, what="audio model")

    def inputs(self, text: str, *sounds: Samples) -> dict[str, Any]:
        audio = {"audio": list(sounds), "sampling_rate": 16_000} if sounds else {}
        return dict(self.processor(text=text, return_tensors="pt", **audio))

    def logits(self, inputs: dict[str, Any]) -> torch.Tensor:
        """The logits after each token, shape (n, n_vocab)."""
        with torch.inference_mode():
            return self.model(**inputs).logits[0]

    def scores(self, text: str, *sounds: Samples) -> list[float]:
        """Label scores by a forward of its own for each label, teacher forced."""
        before: list[int] = self.inputs(text, *sounds)["input_ids"][0].tolist()
        found: list[float] = []
        for label in LABELS:
            inputs = self.inputs(text + label, *sounds)
            tokens: list[int] = inputs["input_ids"][0].tolist()
            n = next((i for i, (a, b) in enumerate(zip(before, tokens, strict=False)) if a != b), len(before))
            logps = torch.log_softmax(self.logits(inputs).double(), dim=-1)
            found.append(sum(float(logps[at - 1, tokens[at]]) for at in range(n, len(tokens))))
        return found


@pytest.fixture(scope="module")
def own(folder: Path) -> Own:
    return Own(folder)


def noise(n: int, *, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).normal(0, 0.1, n).astype(np.float32)


def asked(audio: Samples | None = None, *, words: str = "How do I feel?", start: str = "Emotion:") -> Prompt:
    return Prompt(messages=(Message(role="user", text=words, audio=audio),), answer_start=start)


@pytest.mark.parametrize("n", [4_000, 16_000, 60_000])
async def test_label_scores_are_those_of_one_forward_per_label(model: AudioLanguageModel, own: Own, n: int):
    scores = await model.score(asked(noise(n)), LABELS)
    expected = own.scores(f"{HEAD}{SOUND}How do I feel?{TAIL}Emotion:", noise(n))

    assert scores.method == "exact"
    assert scores.logps == pytest.approx(expected, abs=1e-4)
    assert len(set(scores.n_tokens)) > 1


async def test_scores_in_a_batch_of_rows_are_those_in_one_row(model: AudioLanguageModel, folder: Path):
    batched = AudioLanguageModel.load(folder, settings=TransformersSettings(labels="batched"))
    rows, row = [await each.score(asked(noise(16_000)), LABELS) for each in (batched, model)]
    batched.close()

    assert rows.logps == pytest.approx(row.logps, abs=1e-4)


async def test_half_precision_says_about_the_same(model: AudioLanguageModel, folder: Path):
    half = AudioLanguageModel.load(folder, dtype="bfloat16")
    rough, exact = [await each.score(asked(noise(16_000)), LABELS) for each in (half, model)]
    half.close()

    assert rough.logps == pytest.approx(exact.logps, abs=0.5)


async def test_two_sounds_are_told_apart(model: AudioLanguageModel):
    time = np.arange(16_000) / 16_000
    tone = (0.1 * np.sin(2 * np.pi * 300 * time)).astype(np.float32)
    first, second = [await model.score(asked(sound), LABELS) for sound in (noise(16_000), tone)]
    silent = await model.score(asked(), LABELS)

    assert max(abs(a - b) for a, b in zip(first.shares(), second.shares(), strict=True)) > 0.01
    assert max(abs(a - b) for a, b in zip(first.shares(), silent.shares(), strict=True)) > 0.01


async def test_words_alone_are_scored_as_well(model: AudioLanguageModel, own: Own):
    scores = await model.score(asked(), LABELS)
    assert scores.logps == pytest.approx(own.scores(f"{HEAD}How do I feel?{TAIL}Emotion:"), abs=1e-4)


async def test_the_trace_is_greedy_and_its_logits_are_the_models_own(model: AudioLanguageModel, own: Own):
    sound = noise(16_000)
    trace = await model.trace(asked(sound, start=""), Decoding(max_tokens=6))
    inputs = own.inputs(f"{HEAD}{SOUND}How do I feel?{TAIL}", sound)
    n_before = inputs["input_ids"].shape[1]
    # The ids themselves are fed back, so that no text comes between.
    inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([trace.token_ids])], dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    rows = own.logits(inputs)[n_before - 1 : -1]

    assert trace.logits.shape == (6, 460)
    assert trace.token_ids == tuple(int(row.argmax()) for row in trace.logits)
    assert trace.usage.n_prompt == n_before
    np.testing.assert_allclose(trace.logits, rows.numpy(), atol=1e-4)


async def test_what_is_streamed_is_what_is_traced(model: AudioLanguageModel):
    prompt = asked(noise(16_000))
    trace = await model.trace(prompt, GREEDY)
    pieces = [piece async for piece in model.stream(prompt, GREEDY)]

    assert "".join(piece.text for piece in pieces) == trace.text
    assert pieces[-1].usage is not None
    assert pieces[-1].usage.n_prompt == await model.count_tokens(prompt)
    assert pieces[-1].usage.n_generated <= GREEDY.max_tokens


async def test_the_answer_is_that_of_generate(model: AudioLanguageModel, own: Own):
    sound = noise(16_000)
    inputs = own.inputs(f"{HEAD}{SOUND}How do I feel?{TAIL}", sound)
    made = own.model.generate(**inputs, max_new_tokens=10, do_sample=False)[0, inputs["input_ids"].shape[1] :].tolist()
    trace = await model.trace(asked(sound, start=""), Decoding(max_tokens=10))

    assert list(trace.token_ids) == [token for token in made if token != own.model.generation_config.eos_token_id]


async def test_a_turn_more_reads_only_what_is_new(model: AudioLanguageModel):
    first, second = noise(16_000), noise(12_000, seed=1)
    turns = (Message(role="user", text="One.", audio=first), Message(role="assistant", text="I see."))
    earlier = await model.score(Prompt(messages=turns[:1], answer_start="Emotion:"), LABELS, conversation="c")
    later = Prompt(messages=(*turns, Message(role="user", text="Two.", audio=second)), answer_start="Emotion:")
    warm = await model.score(later, LABELS, conversation="c")
    cold = await model.score(later, LABELS)
    model.forget("c")

    assert earlier.usage.n_prompt is not None
    assert warm.usage.n_cached is not None
    assert warm.usage.n_cached >= earlier.usage.n_prompt - 4  # all but "Emotion:", where the turns part
    assert cold.usage.n_cached == 0
    assert warm.logps == pytest.approx(cold.logps, abs=1e-4)


async def test_another_sound_under_the_same_words_is_not_taken_for_the_cached_one(model: AudioLanguageModel):
    await model.score(asked(noise(16_000)), LABELS, conversation="d")
    warm = await model.score(asked(noise(16_000, seed=5)), LABELS, conversation="d")
    cold = await model.score(asked(noise(16_000, seed=5)), LABELS)
    model.forget("d")

    assert warm.logps == pytest.approx(cold.logps, abs=1e-4)
    assert warm.usage.n_cached is not None
    assert warm.usage.n_prompt is not None
    assert warm.usage.n_cached < warm.usage.n_prompt / 2


async def test_many_conversations_at_once_are_as_one_by_one(model: AudioLanguageModel):
    prompts = [asked(noise(8_000, seed=seed)) for seed in range(12)]  # more sounds than are kept
    singles = [(await model.score(prompt, LABELS)).logps for prompt in prompts]
    together: dict[int, tuple[float, ...]] = {}

    async def score(at: int) -> None:
        together[at] = (await model.score(prompts[at], LABELS, conversation=f"c{at}")).logps

    async with anyio.create_task_group() as tasks:
        for at in range(len(prompts)):
            tasks.start_soon(score, at)
    for at, single in enumerate(singles):
        model.forget(f"c{at}")
        assert together[at] == pytest.approx(single, abs=1e-4)


async def test_prefilling_a_sound_leaves_it_cached(model: AudioLanguageModel):
    prompt = asked(noise(16_000))
    n_cached = await model.prefill(prompt, conversation="p")
    scores = await model.score(prompt, LABELS, conversation="p")
    model.forget("p")

    assert n_cached == await model.count_tokens(prompt)
    assert scores.usage.cached_share is not None
    assert scores.usage.cached_share > 0.9


async def test_closing_a_stream_stops_it(model: AudioLanguageModel):
    async with aclosing(model.stream(asked(noise(16_000)), Decoding(max_tokens=200))) as pieces:
        await anext(pieces)
    scores = await model.score(asked(noise(16_000)), LABELS)

    assert len(scores.logps) == len(LABELS)


async def test_a_model_of_another_class_hears_as_well(tmp_path: Path):
    path, sound = tiny_audio_llm(tmp_path, kind="glmasr"), noise(16_000)
    model, own = AudioLanguageModel.load(path), Own(path)
    trace = await model.trace(asked(sound, words="Hm?", start=""), Decoding(max_tokens=3))
    scores = await model.score(asked(sound, words="Hm?"), LABELS)
    model.close()
    text = "<|im_start|>user\n<|AUDIO|>Hm?<|im_end|>\n<|im_start|>assistant\n"

    np.testing.assert_allclose(trace.logits[0], own.logits(own.inputs(text, sound))[-1].numpy(), atol=1e-4)
    assert scores.logps == pytest.approx(own.scores(f"{text}Emotion:", sound), abs=1e-4)


def test_it_hears_and_says_so(model: AudioLanguageModel, folder: Path):
    port: LanguageModel = model
    assert port.capabilities.hears
    assert port.capabilities.scoring == "exact"
    assert port.capabilities.traces
    assert port.capabilities.context_length == 512
    assert port.name == f"audio:{folder.name}"
    assert port.tokens_of(" happy")


@pytest.mark.parametrize(
    ("sound", "told"),
    [(np.zeros(0, np.float32), "got no samples"), (np.full(1_600, np.inf, np.float32), "not finite numbers")],
)
async def test_sound_that_is_none_fails_its_call_alone(model: AudioLanguageModel, sound: Samples, told: str):
    with pytest.raises(EngineFailed, match=told):
        await model.score(asked(sound), LABELS)
    await model.score(asked(noise(4_000)), LABELS)


async def test_too_long_a_sound_overflows_the_context(model: AudioLanguageModel):
    with pytest.raises(ContextOverflow) as told:
        await model.score(asked(noise(30 * 16_000)), LABELS)
    assert told.value.n_tokens is not None
    assert told.value.n_tokens > 512


async def test_closing_frees_the_model_and_its_thread(folder: Path):
    before = threading.active_count()
    model = AudioLanguageModel.load(folder)
    await model.score(asked(noise(4_000)), LABELS)
    weights = weakref.ref(model._ears._model)
    model.close()
    model.close()
    gc.collect()

    assert weights() is None
    assert threading.active_count() == before
    with pytest.raises(EngineFailed, match="closed"):
        await model.score(asked(), LABELS)


# What a model may lack


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, folder: Path):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(EngineMissing, match=r"pip install --editable '\.\[torch\]'"):
        AudioLanguageModel.load(folder)


def test_a_wrong_path_is_told(tmp_path: Path):
    with pytest.raises(ModelUnusable, match="does not exist"):
        AudioLanguageModel.load(tmp_path / "nowhere")


@pytest.mark.parametrize("lost", ["config.json", "model.safetensors", "processor_config.json", "tokenizer.json"])
@pytest.mark.parametrize("is_cut", [False, True])
def test_a_missing_or_truncated_file_is_told_in_one_line(tmp_path: Path, lost: str, is_cut: bool):
    file = tiny_audio_llm(tmp_path) / lost
    if is_cut:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        file.unlink()
    with pytest.raises(ModelUnusable) as told:
        AudioLanguageModel.load(tmp_path)
    assert "\n" not in str(told.value)


def test_a_model_that_only_reads_is_told(tmp_path: Path):
    with pytest.raises(ModelUnusable, match="takes no sound"):
        AudioLanguageModel.load(tiny_llama(tmp_path).hf)


def test_a_model_that_only_hears_is_told(tmp_path: Path):
    with pytest.raises(ModelUnusable):
        AudioLanguageModel.load(tiny_dimensions(tmp_path))


def test_a_model_of_another_kind_under_the_same_processor_is_told(tmp_path: Path):
    path = tiny_audio_llm(tmp_path)
    config = json.loads((path / "config.json").read_text("utf-8"))
    (path / "config.json").write_text(json.dumps(config | {"model_type": "no_such_model"}), "utf-8")
    with pytest.raises(ModelUnusable, match="no_such_model"):
        AudioLanguageModel.load(path)
