from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from streaming.backends import whisper_model
from streaming.backends.whisper import WhisperEngine, WhisperTranscriber
from streaming.backends.whisper_loading import choose_compute_type, find_device
from streaming.backends.whisper_values import DecodeOptions, Question
from streaming.batching import Lane, SchedulerSettings
from streaming.errors import EngineFailed, ModelUnusable, OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streaming.backends.whisper_values import Answer


def n_native_threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def load(path: Path, *, scheduler: SchedulerSettings | None = None) -> WhisperEngine:
    return WhisperEngine.load(path, device="cpu", n_threads=1, scheduler=scheduler)


def question(*, seconds: float = 1.0, n_frames: int = 500) -> Question:
    features = np.random.default_rng(1).normal(0, 0.5, (80, round(100 * seconds))).astype(np.float32)
    return Question(features=features, options=DecodeOptions(n_frames=n_frames), language="en")


@pytest.fixture
def broken(tiny_whisper_path: Path, tmp_path: Path) -> Path:
    """A copy of the model, to be broken."""
    return shutil.copytree(tiny_whisper_path, tmp_path / "model")


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks a hub for a tokenizer fails the test."""
    import tokenizers  # noqa: PLC0415 - only to be watched

    def asked(*_: object, **__: object) -> None:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr(tokenizers.Tokenizer, "from_pretrained", asked)


def test_the_number_type_is_chosen_for_the_hardware(tiny_whisper_path: Path):
    engine = load(tiny_whisper_path)
    assert engine.device == "cpu"
    assert engine.compute_type.startswith("int8")
    assert not engine.is_multilingual
    engine.close()


class Hardware:
    """What CTranslate2 would say of another machine."""

    def __init__(self, n_gpus: int, *types: str) -> None:
        self._n_gpus = n_gpus
        self._types = types

    def get_cuda_device_count(self) -> int:
        return self._n_gpus

    def get_supported_compute_types(self, _device: str) -> Sequence[str]:
        return self._types


@pytest.mark.parametrize(
    ("hardware", "asked", "device", "compute_type"),
    [
        (Hardware(0, "int8", "float32", "int8_float32"), "auto", "cpu", "int8"),
        (Hardware(0, "float32"), "auto", "cpu", "float32"),
        (Hardware(1, "float16", "int8_float16", "int8", "float32"), "auto", "cuda", "float16"),
        (Hardware(1, "int8", "float32"), "cuda", "cuda", "int8"),
        (Hardware(1, "float32", "int8"), "cpu", "cpu", "int8"),
    ],
)
def test_device_and_number_type_follow_the_machine(hardware: Hardware, asked: str, device: str, compute_type: str):
    assert find_device(hardware, asked) == device
    assert choose_compute_type(hardware, device, "auto") == compute_type


def test_cuda_that_is_not_there_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, tiny_whisper_path: Path):
    import ctranslate2  # noqa: PLC0415 - only to be told it has no GPU

    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)
    with pytest.raises(EngineFailed, match="no CUDA device") as told:
        WhisperEngine.load(tiny_whisper_path, device="cuda")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("device", "compute_type"), [("tpu", "auto"), ("cpu", "float3")])
def test_unknown_devices_and_number_types_are_refused(tiny_whisper_path: Path, device: str, compute_type: str):
    with pytest.raises(EngineFailed, match="expected auto"):
        WhisperEngine.load(tiny_whisper_path, device=device, compute_type=compute_type)


def test_a_path_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(ModelUnusable, match="no Whisper model at"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["model.bin", "config.json", "vocabulary.json", "tokenizer.json"])
def test_a_missing_file_is_named(broken: Path, name: str):
    (broken / name).unlink()
    with pytest.raises(ModelUnusable, match=f"lacks {name}"):
        load(broken)


def truncate(share: float) -> Callable[[bytes], bytes]:
    return lambda data: data[: int(share * len(data))]


BREAKS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "a header only": lambda data: data[:40],
    "half": truncate(0.5),
    "all but the end": truncate(0.99),
    "a page of HTML": lambda _: b"<!doctype html><html>not found</html>" * 100,
    "noise": lambda data: np.random.default_rng(1).bytes(len(data)),
    "no numbers": lambda data: data[: len(data) // 4] + b"\xff" * (len(data) // 2) + data[-len(data) // 4 :],
}


@pytest.mark.parametrize("how", BREAKS)
def test_broken_weights_are_told_in_one_line(broken: Path, how: str):
    weights = broken / "model.bin"
    weights.write_bytes(BREAKS[how](weights.read_bytes()))
    with pytest.raises(ModelUnusable) as told:
        load(broken)
    assert str(broken) in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["config.json", "vocabulary.json", "tokenizer.json"])
@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "\x00\xff"])
def test_broken_descriptions_are_told(broken: Path, name: str, text: str):
    (broken / name).write_text(text, "utf-8")
    with pytest.raises(ModelUnusable):
        load(broken)


def test_another_models_tokenizer_is_told(broken: Path):
    described = json.loads((broken / "tokenizer.json").read_text("utf-8"))
    described["added_tokens"] = []
    (broken / "tokenizer.json").write_text(json.dumps(described), "utf-8")
    with pytest.raises(ModelUnusable, match="Whisper's tokenizer"):
        load(broken)


def test_a_multilingual_model_without_language_ids_wants_to_be_told_the_language(
    tiny_polyglot_path: Path, tmp_path: Path
):
    path = shutil.copytree(tiny_polyglot_path, tmp_path / "model")
    config = json.loads((path / "config.json").read_text("utf-8"))
    (path / "config.json").write_text(json.dumps({**config, "lang_ids": []}), "utf-8")
    engine = load(path)
    with pytest.raises(ModelUnusable, match="lang_ids"):
        WhisperTranscriber(engine)
    assert WhisperTranscriber(engine, language="de").language == "de"
    engine.close()


@pytest.mark.parametrize("code", ["transcribe", "xx", "", "EN", "startoftranscript"])
def test_what_is_no_language_is_refused(tiny_polyglot_path: Path, code: str):
    engine = load(tiny_polyglot_path)
    with pytest.raises(ModelUnusable, match="does not know the language"):
        WhisperTranscriber(engine, language=code)
    engine.close()


def test_a_model_without_alignment_heads_spreads_its_words(broken: Path):
    config = json.loads((broken / "config.json").read_text("utf-8"))
    del config["alignment_heads"]
    (broken / "config.json").write_text(json.dumps(config), "utf-8")
    engine = load(broken)
    words = engine.ask(question(seconds=4.0), session="a", lane=Lane.FINAL).result().words
    engine.close()
    assert len(words) > 1
    assert words[-1].end_s == pytest.approx(4.0)
    assert [word.end_s for word in words[:-1]] == pytest.approx([word.start_s for word in words[1:]])
    assert all(word.probability is None for word in words)


def test_closing_frees_the_threads_and_the_weights(tiny_whisper_path: Path):
    load(tiny_whisper_path).close()  # what the libraries keep for the process is there now
    before = (n_native_threads(), threading.active_count(), n_open_files())
    for _ in range(3):
        engine = load(tiny_whisper_path)
        engine.ask(question(), session="a", lane=Lane.FINAL).result()
        assert n_native_threads() > before[0]
        engine.close()
        engine.close()
    assert (n_native_threads(), threading.active_count(), n_open_files()) == before


def n_open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_closed_engine_says_so(tiny_whisper_path: Path):
    engine = load(tiny_whisper_path)
    engine.close()
    with pytest.raises(EngineFailed, match="closed"):
        engine.ask(question(), session="a", lane=Lane.FINAL)


def test_questions_of_one_kind_are_decoded_together(tiny_whisper_path: Path):
    engine = load(tiny_whisper_path, scheduler=SchedulerSettings(window_s=1.0, max_batch=6))
    tickets = [engine.ask(question(), session=i, lane=Lane.FINAL) for i in range(6)]
    answers = [ticket.result() for ticket in tickets]
    assert engine.stats().batches == 1
    assert len({answer.hypotheses for answer in answers}) == 1
    engine.close()


def test_what_does_not_fit_into_memory_is_halved(tiny_whisper_path: Path, monkeypatch: pytest.MonkeyPatch):
    sizes: list[int] = []
    decode = whisper_model.WhisperModel.decode

    def cramped(model: whisper_model.WhisperModel, questions: Sequence[Question]) -> list[Answer]:
        sizes.append(len(questions))
        if len(questions) > 2:
            raise OutOfMemory("CUDA failed with error out of memory")
        return decode(model, questions)

    monkeypatch.setattr(whisper_model.WhisperModel, "decode", cramped)
    engine = load(tiny_whisper_path, scheduler=SchedulerSettings(window_s=1.0, max_batch=4))
    tickets = [engine.ask(question(), session=i, lane=Lane.FINAL) for i in range(4)]
    assert all(ticket.result().hypotheses for ticket in tickets)
    assert sizes == [4, 2, 2]
    engine.close()


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (RuntimeError("CUDA failed with error out of memory"), OutOfMemory),
        (MemoryError(), OutOfMemory),
        (RuntimeError("Library libcublas.so.12 is not found\nor cannot be loaded"), EngineFailed),
    ],
)
def test_what_the_model_raises_becomes_our_error(tiny_whisper_path: Path, raised: Exception, expected: type[Exception]):
    model = whisper_model.load_whisper(tiny_whisper_path, device="cpu", n_threads=1)

    class Raises:
        def encode(self, _features: object) -> None:
            raise raised

    model._model = Raises()
    with pytest.raises(expected) as told:
        model.decode([question()])
    assert "\n" not in str(told.value)
