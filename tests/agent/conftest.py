"""Fixtures of the command's tests: a line by script, so that no engine is started."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

import agent.assembly
import agent.cli.talk
from streaming.audio import SAMPLE_RATE, silence
from streaming.backends.scripted import ScriptedTranscriber
from streaming.backends.scripted_activity import ScriptedActivity
from streaming.listener import Listener, Stages
from streaming.prosody import ProsodyTracker
from streaming.segmenter import Segmenter
from streaming.sources import Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agent.backends.llm.llama_cpp import LlamaCppModel
    from agent.backends.llm.transformers_model import TransformersModel
    from eval.tiny.llama import TinyLlama
    from streaming.events import Samples
    from tests.fake_hub import FakeHub

SPANS = ((0.5, 1.5), (9.0, 10.0))
SCRIPT = ("i am so happy", "i am so sad")


def scripted_listener() -> Listener:
    stages = Stages(
        segmenter=Segmenter(ScriptedActivity(SPANS)),
        transcriber=ScriptedTranscriber(SCRIPT),
        prosody=ProsodyTracker(),
    )
    return Listener(stages)


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_wav: Callable[[Path, Samples], Path]) -> Path:
    """A file in which the scripted line hears two utterances."""
    monkeypatch.setattr(agent.assembly, "embedded_listener", scripted_listener)
    return write_wav(tmp_path / "two.wav", silence(12 * SAMPLE_RATE) + np.float32(0.1))


@pytest.fixture
def instant_pace(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """`--paced` on a clock that is moved instead of waited for; what was slept."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(agent.cli.talk, "Pace", lambda: Pace(clock=lambda: sum(slept), sleep=sleep))
    return slept


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A model hub on this machine that everything of ours asks instead of the true one (see `tests.fake_hub`)."""
    from tests.fake_hub import FakeHub  # noqa: PLC0415 - few tests need it

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with FakeHub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


@pytest.fixture(scope="session")
def llama_files(tmp_path_factory: pytest.TempPathFactory) -> TinyLlama:
    """A tiny Llama with random weights, as a Hugging Face directory and as GGUF."""
    from eval.tiny.llama import tiny_llama  # noqa: PLC0415 - imports torch

    return tiny_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def llama_cpp() -> Iterator[None]:
    """What needs llama.cpp is skipped where it is not built."""
    reason = "llama-cpp-python is not installed: it is compiled by a step of its own"
    package = pytest.importorskip("llama_cpp", reason=reason)
    yield
    for name in ("outnull_file", "errnull_file"):  # which it opens when imported and never closes
        getattr(package._utils, name).close()


@pytest.fixture
def load_gguf(llama_cpp: None, llama_files: TinyLlama) -> Iterator[Callable[..., LlamaCppModel]]:
    """Loads GGUF models (the tiny one unless told) on one thread with an exact cache; closes them afterwards."""
    from agent.backends.llm.llama_cpp import LlamaCppModel  # noqa: PLC0415 - few tests need it
    from agent.backends.llm.llama_cpp_settings import LlamaSettings  # noqa: PLC0415 - as above

    with ExitStack() as opened:

        def load(path: Path | None = None, *, window: int = 512, **settings: int) -> LlamaCppModel:
            chosen = LlamaSettings(**{"cache_bits": 32, "n_threads": 1, **settings})
            model = LlamaCppModel.load(path or llama_files.gguf, context_length=window, device="cpu", settings=chosen)
            opened.callback(model.close)
            return model

        yield load


@pytest.fixture(scope="session")
def vocabulary() -> Callable[[str], Path]:
    """Gives the vocabulary-only GGUF of a true tokenizer, as llama-cpp-python's source package carries them."""
    place = os.environ.get("ATTUNE_VOCABS")
    folder = Path(place) if place else Path(__file__).parents[2] / ".venv" / "share" / "attune-vocabs"

    def find(name: str) -> Path:
        path = folder / f"ggml-vocab-{name}.gguf"
        if not path.is_file():
            pytest.skip(f"{path.name} is not in {folder}: it comes with the step that builds llama.cpp")
        return path

    return find


@pytest.fixture
def load_hf(llama_files: TinyLlama) -> Iterator[Callable[..., TransformersModel]]:
    """Loads transformers models (the tiny one unless told) on the processor, small blocks; closes them afterwards."""
    from agent.backends.llm.transformers_model import TransformersModel  # noqa: PLC0415 - few tests need it
    from agent.backends.llm.transformers_settings import TransformersSettings  # noqa: PLC0415 - as above

    with ExitStack() as opened:

        def load(folder: Path | None = None, **settings: int | str) -> TransformersModel:
            chosen = replace(TransformersSettings(block=16), **cast("Any", settings))
            model = TransformersModel.load(folder or llama_files.hf, device="cpu", settings=chosen)
            opened.callback(model.close)
            return model

        yield load
