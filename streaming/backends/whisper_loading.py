# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (ctranslate2, tokenizers and faster-whisper ship no types)
"""What must hold before a Whisper model is used: its files, a device, a kind of number; and its errors in our words."""

from __future__ import annotations

import importlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import EngineFailed, EngineMissing, ModelUnusable, OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray

NEEDED = ("model.bin", "config.json", "tokenizer.json")
MARKS = ("<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>")
_KIND = "a directory made by ct2-transformers-converter from a Whisper model, with its tokenizer.json"
_CUDA_TYPES = ("float16", "int8_float16", "bfloat16", "int8", "float32")
_CPU_TYPES = ("int8", "int8_float32", "float32")


def import_whisper(module: str) -> Any:  # noqa: ANN401 - no types
    """Return a module of Whisper's packages, imported.

    Raises:
        EngineMissing: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as trouble:
        raise EngineMissing(
            f"Whisper cannot be used ({trouble}); install it with: pip install faster-whisper"
        ) from trouble


def find_device(ct2: Any, device: str) -> str:  # noqa: ANN401 - no types
    """Return "cpu" or "cuda", whichever is asked for or, for "auto", there.

    Raises:
        EngineFailed: no such device here.
    """
    if device not in {"auto", "cpu", "cuda"}:
        raise EngineFailed(f"there is no device {device!r}; expected auto, cpu or cuda")
    n_gpus = int(ct2.get_cuda_device_count()) if device != "cpu" else 0
    if device == "cuda" and not n_gpus:
        raise EngineFailed("cuda was asked for, but CTranslate2 finds no CUDA device here; use device auto or cpu")
    return "cuda" if n_gpus else "cpu"


def choose_compute_type(ct2: Any, device: str, compute_type: str) -> str:  # noqa: ANN401 - no types
    """Return the kind of number to compute with.

    Raises:
        EngineFailed: this device cannot compute with what is asked for.
    """
    known = set(ct2.get_supported_compute_types(device))
    if compute_type == "auto":
        wanted = _CUDA_TYPES if device == "cuda" else _CPU_TYPES
        return next((name for name in wanted if name in known), "default")
    if compute_type not in known:
        message = (
            f"compute type {compute_type!r} cannot be had on this {device}; expected auto or one of {sorted(known)}"
        )
        raise EngineFailed(message)
    return compute_type


def check_files(path: Path) -> None:
    """Make sure the directory holds a model.

    Raises:
        ModelUnusable: it does not.
    """
    if not path.is_dir():
        raise ModelUnusable(f"no Whisper model at {path}: expected {_KIND}")
    missing = [name for name in NEEDED if not (path / name).is_file()]
    if not any((path / f"vocabulary.{kind}").is_file() for kind in ("json", "txt")):
        missing.append("vocabulary.json")
    if missing:
        raise ModelUnusable(f"{path} lacks {', '.join(missing)}: expected {_KIND}")


def read_tokenizer(path: Path) -> Any:  # noqa: ANN401 - no types
    """Return the tokenizer that lies beside the model.

    Raises:
        ModelUnusable: it is broken, or another model's.
    """
    tokenizers: Any = import_whisper("tokenizers")
    try:
        tokens: Any = tokenizers.Tokenizer.from_file(str(path / "tokenizer.json"))
    except Exception as trouble:  # the package raises bare Exception
        raise ModelUnusable(f"{path / 'tokenizer.json'} cannot be read ({_line(trouble)}): fetch it again") from trouble
    lacking = [mark for mark in MARKS if tokens.token_to_id(mark) is None]
    if lacking:
        raise ModelUnusable(f"{path / 'tokenizer.json'} has no {', '.join(lacking)}: expected Whisper's tokenizer")
    return tokens


def described(path: Path, name: str) -> bool:
    """Whether the model's configuration has a list of that name, and something in it."""
    try:
        config: Any = json.loads((path / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and bool(config.get(name))


def mel_filters(n_mels: int) -> NDArray[np.float32]:
    """Return the mel filters of Whisper's features, shape (n_mels, 201)."""
    extractor: Any = import_whisper("faster_whisper.feature_extractor").FeatureExtractor
    return np.asarray(extractor.get_mel_filters(16_000, 400, n_mels=n_mels), dtype=np.float32)


@contextmanager
def loading_told(path: Path) -> Generator[None]:
    """Turn what CTranslate2 raises while a model is loaded into our errors."""
    try:
        with memory_told():
            yield
    except OutOfMemory:
        raise
    except EngineFailed as trouble:
        message = f"the model in {path} cannot be used ({trouble}): fetch or convert it again; expected {_KIND}"
        raise ModelUnusable(message) from trouble


@contextmanager
def memory_told() -> Generator[None]:
    """Turn what CTranslate2 raises while it works into our errors."""
    try:
        yield
    except MemoryError as trouble:
        raise OutOfMemory("no memory for this batch") from trouble
    except (RuntimeError, ValueError, IndexError, TypeError) as trouble:
        if "out of memory" in str(trouble).lower():
            raise OutOfMemory(_line(trouble)) from trouble
        raise EngineFailed(_line(trouble)) from trouble


def _line(trouble: Exception) -> str:
    return " ".join(str(trouble).split())[:200] or type(trouble).__name__
