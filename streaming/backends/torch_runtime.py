"""What every torch engine needs: a device, a number type, and loading and memory errors told in one line.

Imports torch and transformers only when called. Knows nothing of sound or text.
"""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import EngineFailed, ModelUnusable, OutOfMemory
from .extras import need

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator
    from pathlib import Path

T = TypeVar("T")

_ONE_AT_A_TIME = RLock()
_MEMORY_WORDS = ("out of memory", "can't allocate memory", "alloc_failed", "not enough memory")
_MAX_REASON = 240
_N_NAMED = 3


def need_torch() -> Any:  # noqa: ANN401 - torch is typed where it is installed, and it may not be
    """Return the module torch.

    Raises:
        EngineMissing: it is not installed; the message names the extra.
    """
    return need("torch", extra="torch")


def need_transformers() -> Any:  # noqa: ANN401 - as above
    """Return the module transformers.

    Raises:
        EngineMissing: it, or torch, is not installed; the message names the extra.
    """
    need_torch()
    return need("transformers", extra="torch")


def torch_device(name: str = "auto") -> str:
    """Return the device to work on: "cpu", or "cuda" where torch can use one.

    Raises:
        EngineFailed: "cuda" is asked for and absent, or `name` is neither of them nor "auto".
    """
    if name not in {"auto", "cpu", "cuda"}:
        raise EngineFailed(f"device {name!r} is unknown; expected auto, cpu or cuda")
    if name == "cpu":
        return "cpu"
    if need_torch().cuda.is_available():
        return "cuda"
    if name == "auto":
        return "cpu"
    raise EngineFailed("device cuda was asked for, but torch sees none; use --device cpu, or install torch for CUDA")


def torch_dtype(device: str, name: str = "auto") -> Any:  # noqa: ANN401 - a torch.dtype
    """Return the torch number type for weights: by default float32 on "cpu", the best half precision on "cuda".

    Raises:
        EngineFailed: `name` is none of auto, float32, float16, bfloat16.
    """
    torch = need_torch()
    if name == "auto":
        if device == "cpu":
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if name not in {"float32", "float16", "bfloat16"}:
        raise EngineFailed(f"dtype {name!r} is unknown; expected auto, float32, float16 or bfloat16")
    return getattr(torch, name)


@contextmanager
def translated_memory_errors() -> Generator[None]:
    """Turn torch's ways to say that memory is short into `OutOfMemory`; what was being computed is let go first."""
    try:
        yield
    except (RuntimeError, MemoryError) as trouble:
        if not _is_memory_error(trouble):
            raise
        # The tensors of the failed call hang on its frames: a caller that tries less at once needs their room.
        traceback.clear_frames(trouble.__traceback__)
        _empty_cache()
        raise OutOfMemory(f"memory ran out: {_reason(trouble)}; use a smaller model or a shorter input") from None


def load_pretrained(load: Callable[[], T], path: Path, *, what: str) -> T:
    """Return what `load` returns, quietly.

    Args:
        load: reads from `path`, by `from_pretrained(path, local_files_only=True)` or alike.
        path: folder or file of the model; it must exist.
        what: the thing for the message, e.g. "ctc model".

    Raises:
        ModelUnusable: there is no such path, its files are missing, truncated, no weights, of another architecture, ...
        OutOfMemory: it does not fit.
    """
    if not path.exists():
        raise ModelUnusable(f"{what} {path} does not exist; expected a folder with config.json and weights")
    try:
        with _quietly(), translated_memory_errors():
            return load()
    except EngineFailed:
        raise
    except Exception as trouble:  # damaged files fail in any way: OSError, KeyError, SafetensorError, ...
        raise ModelUnusable(f"{what} {path} cannot be loaded: {_reason(trouble)}") from trouble


def load_whole(
    loader: Any,  # noqa: ANN401 - a transformers model class or auto class
    path: Path,
    *,
    what: str,
    may_lack: Collection[str] = (),
    **options: Any,  # noqa: ANN401 - those of from_pretrained
) -> Any:  # noqa: ANN401 - an instance of the loader's class
    """Return the model in `path` with every weight read from there, in evaluation mode.

    transformers only warns when weights are missing and fills them with random numbers; here that is an error.

    Args:
        loader: class with `from_pretrained`, e.g. `transformers.AutoModelForCTC`.
        path: folder of the model; it must exist.
        what: the thing for the message, e.g. "ctc model".
        may_lack: last parts of weight names that may be missing because they are not used.
        options: further arguments of `from_pretrained`.

    Raises:
        ModelUnusable, OutOfMemory: as for `load_pretrained`; also weights are missing.
    """
    model, report = load_pretrained(
        lambda: loader.from_pretrained(str(path), local_files_only=True, output_loading_info=True, **options),
        path,
        what=what,
    )
    missing = sorted(name for name in report["missing_keys"] if name.rpartition(".")[2] not in may_lack)
    if missing:
        named = ", ".join(missing[:_N_NAMED]) + (", ..." if len(missing) > _N_NAMED else "")
        raise ModelUnusable(
            f"{what} {path} lacks {len(missing)} weights ({named}); "
            f"expected a model trained as {type(model).__name__}, not one it could be fine-tuned from"
        )
    return model.eval()


def _is_memory_error(trouble: BaseException) -> bool:
    text = str(trouble).lower()
    return isinstance(trouble, MemoryError) or any(words in text for words in _MEMORY_WORDS)


def _reason(trouble: BaseException) -> str:
    """Return the error in one short line."""
    line = " ".join(str(trouble).split()) or type(trouble).__name__
    text = line if isinstance(trouble, OSError | ValueError | RuntimeError) else f"{type(trouble).__name__}: {line}"
    return text if len(text) <= _MAX_REASON else f"{text[:_MAX_REASON]}..."


def _empty_cache() -> None:
    torch = need_torch()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def _quietly() -> Generator[None]:
    """Keep transformers' progress bars and reports off the terminal: what matters of them is raised."""
    logs = need_transformers().utils.logging
    with _ONE_AT_A_TIME:  # how loud transformers is, is one setting of the whole process
        verbosity, had_bar = logs.get_verbosity(), logs.is_progress_bar_enabled()
        logs.set_verbosity(logs.CRITICAL)
        logs.disable_progress_bar()
        try:
            yield
        finally:
            logs.set_verbosity(verbosity)
            if had_bar:
                logs.enable_progress_bar()
