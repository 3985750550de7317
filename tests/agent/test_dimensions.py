"""The wav2vec2 regressor on models made on the spot: its head, its order, its batches, and what can be wrong."""

from __future__ import annotations

import json
import sys
import threading
from typing import TYPE_CHECKING, Any

import anyio
import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Model

from agent.backends.dims.batched import BatchedModel, BatchedSettings, cut, receptive_field
from agent.backends.dims.wav2vec2 import DIMENSIONS, NOTICE, Wav2Vec2Dimensions
from eval.tiny.emotion import tiny_dimensions
from streaming.errors import EngineFailed, EngineMissing, ModelUnusable, OutOfMemory
from streaming.scheduler import SchedulerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from agent.ports import DimensionsReader
    from streaming.events import Samples

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:  # pyright: ignore[reportUnusedFunction]
    torch.set_num_threads(1)


@pytest.fixture(scope="module", params=["layer", "group"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dimensions(tmp_path_factory.mktemp(request.param), norm=request.param)


@pytest.fixture(scope="module")
def reader(model: Path) -> Iterator[Wav2Vec2Dimensions]:
    reader = Wav2Vec2Dimensions.load(model)
    yield reader
    reader.close()


def noise(n: int, *, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).normal(0, 0.1, n).astype(np.float32)


def plain_forward(folder: Path, samples: Samples) -> list[float]:
    """The published forward, written out: one sound, no padding, no mask, weights by name."""
    names = [f"classifier.{part}.{kind}" for part in ("dense", "out_proj") for kind in ("weight", "bias")]
    untyped: Any = safe_open
    with untyped(folder / "model.safetensors", "pt") as file:
        weights: list[torch.Tensor] = [file.get_tensor(name) for name in names]
    trunk = Wav2Vec2Model.from_pretrained(folder, local_files_only=True).eval()
    normed = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    with torch.inference_mode():
        pooled = trunk(torch.from_numpy(normed)[None]).last_hidden_state.mean(dim=1)
        hidden = torch.tanh(pooled @ weights[0].T + weights[1])
        raw = hidden @ weights[2].T + weights[3]
    return [float(value) for value in raw[0]]


@pytest.mark.parametrize("n", [4_000, 16_000, 23_457])
async def test_the_values_are_those_of_the_published_forward(model: Path, reader: Wav2Vec2Dimensions, n: int):
    raw = await reader.read_raw(noise(n))

    assert list(raw) == ["arousal", "dominance", "valence"]
    assert list(raw.values()) == pytest.approx(plain_forward(model, noise(n)), abs=2e-5)


async def test_what_is_read_is_held_in_and_the_raw_value_is_not(reader: Wav2Vec2Dimensions):
    raws = [await reader.read_raw(noise(16_000, seed=seed)) for seed in range(4)]
    read = [await reader.read(noise(16_000, seed=seed)) for seed in range(4)]

    assert any(not 0 <= value <= 1 for raw in raws for value in raw.values())
    for raw, affect in zip(raws, read, strict=True):
        for name in DIMENSIONS:
            assert getattr(affect, name) == min(1.0, max(0.0, raw[name]))


async def test_old_checkpoints_with_weight_g_and_weight_v_give_the_same(tmp_path: Path):
    new = Wav2Vec2Dimensions.load(tiny_dimensions(tmp_path / "new"))
    old = Wav2Vec2Dimensions.load(tiny_dimensions(tmp_path / "old", is_old=True))
    names = torch.load(tmp_path / "old" / "pytorch_model.bin", weights_only=True)
    raws = [await reader.read_raw(noise(16_000)) for reader in (new, old)]
    new.close()
    old.close()

    assert any(name.endswith("weight_g") for name in names)
    assert raws[0] == pytest.approx(raws[1], abs=1e-5)


async def test_the_order_is_read_from_the_model(tmp_path: Path):
    usual = Wav2Vec2Dimensions.load(tiny_dimensions(tmp_path / "usual"))
    turned = Wav2Vec2Dimensions.load(tiny_dimensions(tmp_path / "turned", labels=("Valence", " arousal", "DOMINANCE")))
    first, second = await usual.read_raw(noise(16_000)), await turned.read_raw(noise(16_000))
    usual.close()
    turned.close()

    # The same weights under other names: the first column is arousal here, valence there.
    assert second["valence"] == first["arousal"]
    assert second["arousal"] == first["dominance"]
    assert second["dominance"] == first["valence"]


async def test_batched_is_single(model: Path):
    sounds = [noise(n, seed=n) for n in (16_000, 15_000, 16_000, 9_000, 14_000, 16_000)]
    settings = BatchedSettings(scheduling=SchedulerSettings(max_batch=4, window_s=1.0))
    alone = Wav2Vec2Dimensions.load(model)
    together = Wav2Vec2Dimensions.load(model, settings=settings)
    singles = [await alone.read_raw(sound) for sound in sounds]
    answers: dict[int, dict[str, float]] = {}

    async def read(at: int) -> None:
        answers[at] = await together.read_raw(sounds[at])

    async with anyio.create_task_group() as tasks:
        for at in range(len(sounds)):
            tasks.start_soon(read, at)
    stats = together._model._scheduler.stats()
    alone.close()
    together.close()

    assert stats.largest_batch > 1
    for at, single in enumerate(singles):
        assert answers[at] == pytest.approx(single, abs=1e-5)


async def test_long_utterances_are_the_mean_of_their_windows(model: Path):
    settings = BatchedSettings(longest_s=1.0)
    reader = Wav2Vec2Dimensions.load(model, settings=settings)
    sound = noise(40_001)
    whole = await reader.read_raw(sound)
    parts = [await reader.read_raw(part) for part in (sound[:13_334], sound[13_334:26_668], sound[26_668:])]
    reader.close()

    for name in DIMENSIONS:
        expected = sum(part[name] * n for part, n in zip(parts, (13_334, 13_334, 13_333), strict=True)) / 40_001
        assert whole[name] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("n", [1, 10, 399, 400, 401, 800])
async def test_the_shortest_sounds_have_an_answer(reader: Wav2Vec2Dimensions, n: int):
    raw = await reader.read_raw(noise(n))
    assert all(np.isfinite(list(raw.values())))


@pytest.mark.parametrize("sound", [np.zeros(16_000, np.float32), np.ones(16_000, np.float32)])
async def test_silence_and_a_constant_have_an_answer(reader: Wav2Vec2Dimensions, sound: Samples):
    affect = await reader.read(sound)
    assert all(0 <= getattr(affect, name) <= 1 for name in DIMENSIONS)


async def test_level_plays_no_part(reader: Wav2Vec2Dimensions):
    loud, soft = await reader.read_raw(noise(16_000)), await reader.read_raw(noise(16_000) * np.float32(0.1))
    assert loud == pytest.approx(soft, abs=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
async def test_sound_that_is_no_number_is_an_error_and_the_next_is_answered(reader: Wav2Vec2Dimensions, bad: float):
    sound = noise(16_000)
    sound[7] = bad
    with pytest.raises(EngineFailed, match="1 samples that are not finite"):
        await reader.read(sound)
    await reader.read(noise(16_000))


async def test_no_sound_is_an_error(reader: Wav2Vec2Dimensions):
    with pytest.raises(EngineFailed, match="got no samples"):
        await reader.read(np.zeros(0, np.float32))


def test_it_is_a_dimensions_reader_with_a_notice(reader: Wav2Vec2Dimensions):
    port: DimensionsReader = reader
    assert port.name == "wav2vec2"
    assert "CC BY-NC-SA 4.0" in NOTICE


async def test_closing_ends_the_thread_and_further_questions_fail(model: Path):
    def mine() -> int:
        return [thread.name for thread in threading.enumerate()].count("wav2vec2 dimensions")

    before = mine()
    reader = Wav2Vec2Dimensions.load(model)
    during = mine()
    reader.close()
    reader.close()

    assert (during, mine()) == (before + 1, before)
    with pytest.raises(EngineFailed, match="closed"):
        await reader.read(noise(4_000))


# What a model may lack


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, model: Path):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(EngineMissing, match=r"pip install --editable '\.\[torch\]'"):
        Wav2Vec2Dimensions.load(model)


def test_a_wrong_path_is_told(tmp_path: Path):
    with pytest.raises(ModelUnusable, match=r"dimension model .*nowhere does not exist"):
        Wav2Vec2Dimensions.load(tmp_path / "nowhere")


def test_cuda_where_there_is_none_is_told(model: Path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(EngineFailed, match="cuda was asked for"):
        Wav2Vec2Dimensions.load(model, device="cuda")


@pytest.mark.parametrize("labels", [("LABEL_0", "LABEL_1", "LABEL_2"), ("arousal", "valence"), ("a", "a", "valence")])
def test_a_model_of_other_outputs_is_told(tmp_path: Path, labels: tuple[str, ...]):
    with pytest.raises(ModelUnusable, match="expected arousal, dominance, valence"):
        Wav2Vec2Dimensions.load(tiny_dimensions(tmp_path, labels=labels))


def test_a_model_of_another_kind_is_told(tmp_path: Path):
    path = tiny_dimensions(tmp_path)
    config = json.loads((path / "config.json").read_text("utf-8"))
    (path / "config.json").write_text(json.dumps(config | {"model_type": "hubert"}), "utf-8")
    with pytest.raises(ModelUnusable, match="is a hubert, expected a wav2vec2"):
        Wav2Vec2Dimensions.load(path)


@pytest.mark.parametrize("lost", ["config.json", "model.safetensors", "preprocessor_config.json"])
@pytest.mark.parametrize("is_cut", [False, True])
def test_a_missing_or_truncated_file_is_told_in_one_line(tmp_path: Path, lost: str, is_cut: bool):
    file = tiny_dimensions(tmp_path) / lost
    if is_cut:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        file.unlink()
    with pytest.raises(ModelUnusable, match="dimension model") as told:
        Wav2Vec2Dimensions.load(tmp_path)
    assert "\n" not in str(told.value)


def test_weights_without_the_head_are_told(tmp_path: Path):
    path = tiny_dimensions(tmp_path)
    bare = Wav2Vec2Model.from_pretrained(path, local_files_only=True)
    bare.save_pretrained(path)
    with pytest.raises(ModelUnusable, match="lacks 4 weights"):
        Wav2Vec2Dimensions.load(path)


def test_an_extractor_of_another_rate_is_told(tmp_path: Path):
    path = tiny_dimensions(tmp_path)
    Wav2Vec2FeatureExtractor(sampling_rate=8_000).save_pretrained(path)
    with pytest.raises(ModelUnusable, match="wants sound at 8000 Hz, expected 16000"):
        Wav2Vec2Dimensions.load(path)


# The batching itself, with models that do as they are told


class Extractor:
    sampling_rate = 16_000

    def __call__(self, sound: Samples, **options: object) -> dict[str, Any]:
        return {"input_values": sound[None]}


class Config:
    model_type = "wav2vec2"
    feat_extract_norm = "layer"


def told(forward: Callable[[Mapping[str, Any]], torch.Tensor], *, max_batch: int = 1) -> BatchedModel:
    scheduling = SchedulerSettings(max_batch=max_batch, window_s=1.0)
    return BatchedModel(
        forward,
        extractor=Extractor(),
        config=Config(),
        device="cpu",
        name="told",
        settings=BatchedSettings(scheduling=scheduling),
    )


async def test_a_batch_that_does_not_fit_is_halved():
    sizes: list[int] = []

    def forward(batch: Mapping[str, Any]) -> torch.Tensor:
        sizes.append(len(batch["input_values"]))
        if sizes[-1] > 1:
            raise RuntimeError("CUDA out of memory. Tried to allocate 3 GiB")
        return batch["input_values"].sum(dim=1, keepdim=True)

    model = told(forward, max_batch=4)
    answers: dict[int, float] = {}

    async def ask(at: int) -> None:
        answers[at] = float((await model.answer(np.full(800, at, np.float32)))[0])

    async with anyio.create_task_group() as tasks:
        for at in range(4):
            tasks.start_soon(ask, at)
    model.close()

    assert answers == {at: at * 800.0 for at in range(4)}
    assert sizes[:2] == [4, 2]


async def test_one_that_never_fits_is_told():
    def forward(batch: Mapping[str, Any]) -> torch.Tensor:
        raise RuntimeError("CUDA out of memory")

    model = told(forward)
    with pytest.raises(OutOfMemory):
        await model.answer(noise(800))
    model.close()


async def test_an_answer_that_is_no_number_fails_its_row_alone():
    def forward(batch: Mapping[str, Any]) -> torch.Tensor:
        rows = batch["input_values"].sum(dim=1, keepdim=True)
        return torch.where(rows > 0, rows, torch.nan)

    model = told(forward, max_batch=2)
    found: list[float | str] = []

    async def ask(sign: float) -> None:
        try:
            found.append(float((await model.answer(np.full(800, sign, np.float32)))[0]))
        except EngineFailed as trouble:
            found.append(str(trouble))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, 1.0)
        tasks.start_soon(ask, -1.0)
    model.close()

    assert 800.0 in found
    assert "told answered what is no number; its weights are damaged, fetch them again" in found


async def test_a_cancelled_question_is_withdrawn():
    entered, go_on = threading.Event(), threading.Event()

    def forward(batch: Mapping[str, Any]) -> torch.Tensor:
        entered.set()
        assert go_on.wait(30)
        return batch["input_values"].sum(dim=1, keepdim=True)

    model = told(forward)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(model.answer, noise(800))
            await anyio.to_thread.run_sync(entered.wait, 30)
            tasks.start_soon(model.answer, noise(800))
            while model._scheduler.stats().requests < 2:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    go_on.set()
    stats = model._scheduler.stats()
    model.close()

    assert stats.cancelled == 1


def test_windows_are_equal_and_hold_everything():
    windows = cut(np.arange(10, dtype=np.float32), longest=4)
    assert [window.size for window in windows] == [4, 3, 3]
    assert np.array_equal(np.concatenate(windows), np.arange(10))


def test_the_receptive_field_is_that_of_wav2vec2():
    class Wav2Vec2:
        conv_kernel = (10, 3, 3, 3, 3, 2, 2)
        conv_stride = (5, 2, 2, 2, 2, 2, 2)

    assert receptive_field(Wav2Vec2()) == 400
    assert receptive_field(object()) == 1


@pytest.mark.parametrize(("grid_s", "longest_s"), [(0.0, 20.0), (0.5, 0.1)])
def test_settings_that_make_no_sense_are_refused(grid_s: float, longest_s: float):
    with pytest.raises(ValueError, match="grid_s"):
        BatchedSettings(grid_s=grid_s, longest_s=longest_s)
