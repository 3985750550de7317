from __future__ import annotations

import gc
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.backends.llm import llama_cpp as adapter
from agent.backends.llm import llama_cpp_native as native
from agent.backends.llm.llama_cpp_settings import LlamaSettings, check_file, free_memory
from agent.llm.values import Decoding, Message, Prompt
from streaming.errors import EngineFailed, EngineMissing, ModelUnusable, OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Callable

    from eval.tiny.llama import TinyLlama

    Load = Callable[..., adapter.LlamaCppModel]

PROMPT = Prompt(messages=(Message(role="user", text="hello"),))


def test_no_file_a_directory_and_no_gguf_are_told_before_llama_cpp_sees_them(tmp_path: Path):
    (tmp_path / "text.gguf").write_bytes(b"hello there")
    (tmp_path / "empty.gguf").touch()
    for path, word in (
        (tmp_path / "none.gguf", "cannot be read"),
        (tmp_path, "directory"),
        (tmp_path / "text.gguf", "no GGUF"),
        (tmp_path / "empty.gguf", "no GGUF"),
    ):
        with pytest.raises(ModelUnusable, match=word) as raised:
            check_file(path)
        assert str(path) in str(raised.value)


@pytest.mark.parametrize("size", [4, 20, 24, 500, 9000, 12_000, 200_000, -1, -4096])
def test_a_truncated_file_is_one_line_that_says_so(load_gguf: Load, llama_files: TinyLlama, tmp_path: Path, size: int):
    path = tmp_path / "cut.gguf"
    path.write_bytes(llama_files.gguf.read_bytes()[:size])
    with pytest.raises(ModelUnusable, match=r"cut\.gguf cannot be loaded") as raised:
        load_gguf(path)
    assert "\n" not in str(raised.value)


def test_an_unknown_kind_of_model_is_named(load_gguf: Load, llama_files: TinyLlama, tmp_path: Path):
    path = tmp_path / "strange.gguf"
    name = struct.pack("<Q", 5)
    path.write_bytes(llama_files.gguf.read_bytes().replace(name + b"llama", name + b"llamz", 1))
    with pytest.raises(ModelUnusable, match="unknown model architecture: 'llamz'"):
        load_gguf(path)


def test_a_header_of_noise_is_refused(load_gguf: Load, tmp_path: Path):
    path = tmp_path / "noise.gguf"
    path.write_bytes(b"GGUF" + bytes(range(256)) * 40)
    with pytest.raises(ModelUnusable, match="cannot be loaded"):
        load_gguf(path)


def test_a_vocabulary_without_weights_is_no_model(load_gguf: Load, vocabulary: Callable[[str], Path]):
    with pytest.raises(ModelUnusable, match="token_embd"):
        load_gguf(vocabulary("llama-spm"))


def test_a_model_that_is_no_plain_decoder_is_refused(load_gguf: Load, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(native.Weights, "is_plain_decoder", False)
    with pytest.raises(ModelUnusable, match="no plain decoder"):
        load_gguf()


def test_a_broken_chat_template_is_told_when_loading(load_gguf: Load, tmp_path: Path):
    from eval.tiny.llama import tiny_llama  # noqa: PLC0415 - imports torch

    made = tiny_llama(tmp_path, n_layers=1, chat_template="{% for x in %}")
    with pytest.raises(ModelUnusable, match="chat template"):
        load_gguf(made.gguf)


@pytest.mark.anyio
async def test_labels_the_tokenizer_does_not_know_are_refused(load_gguf: Load, monkeypatch: pytest.MonkeyPatch):
    model = load_gguf()
    plain = model._vocabulary.of_text

    def without_question_marks(text: str, *, specials: bool = False) -> list[int]:
        return plain(text.rstrip("?"), specials=specials)

    monkeypatch.setattr(model._vocabulary, "of_text", without_question_marks)
    with pytest.raises(ModelUnusable, match="does not know it"):
        await model.score(PROMPT, ("happy", "???"))


@pytest.mark.anyio
async def test_a_label_longer_than_a_step_is_refused(load_gguf: Load):
    model = load_gguf()
    with pytest.raises(ModelUnusable, match="too long"):
        await model.score(PROMPT, ("happy", "Q" * 300))


def test_a_cache_that_cannot_fit_is_refused_before_it_is_made(load_gguf: Load):
    with pytest.raises(OutOfMemory, match="shorter context"):
        load_gguf(cache_tokens=2**31 - 512)


def test_what_is_free_is_known_here_or_not_at_all():
    free = free_memory()
    assert free is None or free > 2**20


@pytest.mark.anyio
async def test_a_step_that_fails_costs_only_its_own_call(load_gguf: Load, monkeypatch: pytest.MonkeyPatch):
    model = load_gguf()
    await model.prefill(PROMPT, conversation="a")
    codes = iter([-2, -3])

    def fail(*_: object) -> int:
        return next(codes)

    monkeypatch.setattr(model._jobs._context._lib, "llama_decode", fail)
    with pytest.raises(OutOfMemory, match="shorter context"):
        await model.score(PROMPT, ("happy", "sad"), conversation="a")
    with pytest.raises(EngineFailed, match="code -3"):
        await model.score(PROMPT, ("happy", "sad"), conversation="a")
    monkeypatch.undo()
    assert len((await model.score(PROMPT, ("happy", "sad"), conversation="a")).logps) == 2


def test_settings_that_make_no_sense_are_refused(load_gguf: Load, llama_files: TinyLlama):
    for settings in ({"cache_bits": 8}, {"n_side": 64}, {"n_sequences": 1000}, {"block": 0}, {"n_threads": -1}):
        with pytest.raises(ValueError, match=r"must be|expected"):
            LlamaSettings(**settings)
    for window, device in ((0, "cpu"), (512, "tpu")):
        with pytest.raises(ValueError, match="positive window"):
            adapter.LlamaCppModel.load(llama_files.gguf, context_length=window, device=device)


def test_a_gpu_that_llama_cpp_was_not_built_for_is_told(load_gguf: Load, llama_files: TinyLlama):
    if native.library().llama_supports_gpu_offload():
        pytest.skip("this llama.cpp was built for a GPU")
    with pytest.raises(EngineFailed, match="without GPU support"):
        adapter.LlamaCppModel.load(llama_files.gguf, device="cuda")


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    with pytest.raises(EngineMissing, match="llama"):
        adapter.LlamaCppModel.load(tmp_path / "any.gguf")


def test_loading_failing_and_closing_leak_no_thread_and_no_file(
    load_gguf: Load, llama_files: TinyLlama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(llama_files.gguf.read_bytes()[:-1])

    def once() -> None:
        with pytest.raises(ModelUnusable):
            load_gguf(cut)
        with monkeypatch.context() as patch:
            patch.setattr(adapter, "Stepper", _refuse)
            with pytest.raises(RuntimeError, match="no threads"):
                load_gguf()
        load_gguf().close()

    once()
    gc.collect()
    before = held(llama_files.gguf)
    for _ in range(5):
        once()
    gc.collect()
    assert held(llama_files.gguf) == before
    assert not before[-1]


def _refuse(_: str) -> None:
    raise RuntimeError("no threads left")


def held(path: Path) -> tuple[int, int, bool]:
    """Return how many threads and files this process has, and whether it still maps a model."""
    mapped = str(path) in Path("/proc/self/maps").read_text("utf-8")
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir())), mapped


ALL_AT_ONCE = """
import asyncio, sys
from pathlib import Path
from agent.backends.llm.llama_cpp import LlamaCppModel
from agent.llm.values import Decoding, Message, Prompt
from streaming.errors import EngineFailed
for bad in sys.argv[2:]:
    try:
        LlamaCppModel.load(Path(bad))
    except EngineFailed:
        pass
model = LlamaCppModel.load(Path(sys.argv[1]), context_length=256)
async def leave():
    stream = model.stream(Prompt(messages=(Message(role="user", text="hello"),)), Decoding(max_tokens=200))
    await anext(stream)
    print("left")
asyncio.run(leave())
"""


def test_a_process_that_never_closes_ends_well_and_llama_cpp_says_nothing(
    llama_cpp: None, llama_files: TinyLlama, tmp_path: Path
):
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(llama_files.gguf.read_bytes()[:9000])
    done = subprocess.run(
        [sys.executable, "-c", ALL_AT_ONCE, llama_files.gguf, bad],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "left\n", "")


@pytest.mark.anyio
async def test_the_grammar_llama_cpp_refuses_is_told(load_gguf: Load, monkeypatch: pytest.MonkeyPatch):
    model = load_gguf()

    def broken(_: object) -> str:
        return "root ::= ("

    monkeypatch.setattr("agent.backends.llm.llama_cpp_drawing.gbnf", broken)
    with pytest.raises(EngineFailed, match="refuses the grammar"):
        async for _ in model.stream(PROMPT, Decoding(schema={"type": "null"})):
            pass
