"""llama.cpp's own interface (`llama.h`, by ctypes): a model, its vocabulary, and one context with a unified cache.

Nothing here is thread-safe but what a `Vocabulary` does. Errors come out as ours, with llama.cpp's last words in them.
"""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streaming.backends.extras import need
from streaming.errors import EngineFailed, ModelUnusable, OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

WARNING: Final = 3
F32, F16 = 0, 1
ALL_LAYERS: Final = -1
NO_ROOM: Final = 1
"""What `Context.decode` gives when the cache has no cells left."""

_said: deque[str] = deque(maxlen=20)
_kept: list[object] = []
_quiet = threading.Lock()


def library() -> Any:  # noqa: ANN401 - the package types its functions only in part
    """Return llama.cpp's interface, silenced: warnings and errors are kept for error messages.

    Raises:
        EngineMissing: llama-cpp-python is not installed.
    """
    lib = need("llama_cpp", extra="llama").llama_cpp
    with _quiet:
        if not _kept:
            lib.llama_log_set(_keep_log(lib), ctypes.c_void_p(0))
            lib.llama_backend_init()
    return lib


def _keep_log(lib: Any) -> object:  # noqa: ANN401 - as above
    def keep(level: int, text: bytes, _: object) -> None:
        if level >= WARNING:
            _said.append(text.decode("utf-8", "replace").strip())

    callback = lib.llama_log_callback(keep)
    _kept.append(callback)  # llama.cpp holds a bare pointer to it for as long as the process lives
    return callback


def last_words() -> str:
    """Return the line in which llama.cpp said what was wrong, without the names of its functions; maybe empty."""
    lines = [line for line in _said if line and "failed to load model" not in line.lower()]
    chosen = next((line for line in reversed(lines) if "error loading model: " in line), lines[-1] if lines else "")
    return chosen.rpartition("error loading model: ")[2].partition(": ")[2] if _is_call(chosen) else chosen.strip()


def _is_call(line: str) -> bool:
    return line.rpartition("error loading model: ")[2].partition(": ")[0].isidentifier()


@contextmanager
def _trouble(what: str) -> Generator[list[str]]:
    """Turn a reason put into the list into the error that fits llama.cpp's last words."""
    _said.clear()
    reasons: list[str] = []
    yield reasons
    if not reasons:
        return
    words = last_words()
    if any(hint in " ".join(_said).lower() for hint in ("out of memory", "allocate", "bad_alloc")):
        raise OutOfMemory(f"{what} does not fit into memory ({words}); take a smaller one or a shorter context")
    raise ModelUnusable(f"{reasons[0]}{f' ({words})' if words else ''}")


class Weights:
    """A loaded model.

    Raises:
        ModelUnusable: the file is no GGUF, is truncated, holds no weights, or is of a kind llama.cpp does not know.
        OutOfMemory: it does not fit.
    """

    def __init__(self, path: Path, *, n_gpu_layers: int) -> None:
        self._lib = library()
        params = self._lib.llama_model_default_params()
        params.n_gpu_layers = n_gpu_layers
        with _trouble(str(path)) as reasons:
            self.pointer = self._lib.llama_model_load_from_file(str(path).encode(), params)
            if not self.pointer:
                reasons.append(f"{path} cannot be loaded as a GGUF model: take a whole file of a supported kind")

    def metadata(self, key: str) -> str | None:
        """Return a value of the file's header as text."""
        size = 1 << 16
        for _ in range(2):
            buffer = ctypes.create_string_buffer(size)
            n = self._lib.llama_model_meta_val_str(self.pointer, key.encode(), buffer, size)
            if n < 0:
                return None
            if n < size:
                return buffer.value.decode("utf-8", "replace")
            size = n + 1
        return None

    @property
    def is_plain_decoder(self) -> bool:
        """Whether it is a decoder whose cache can be cut anywhere: no encoder, no recurrent state, no diffusion."""
        lib = self._lib
        odd = (
            lib.llama_model_has_encoder,
            lib.llama_model_is_recurrent,
            lib.llama_model_is_hybrid,
            lib.llama_model_is_diffusion,
        )
        return bool(lib.llama_model_has_decoder(self.pointer)) and not any(ask(self.pointer) for ask in odd)

    @property
    def context_length(self) -> int:
        """Window it was trained with, tokens."""
        return int(self._lib.llama_model_n_ctx_train(self.pointer))

    @property
    def cache_values(self) -> int:
        """Numbers the cache holds per token, an estimate: keys and values of all layers."""
        lib = self._lib
        heads = int(lib.llama_model_n_head(self.pointer)) or 1
        width = int(lib.llama_model_n_embd(self.pointer)) * int(lib.llama_model_n_head_kv(self.pointer)) // heads
        return 2 * int(lib.llama_model_n_layer(self.pointer)) * width

    @property
    def chat_template(self) -> str | None:
        """The jinja text of the model's own chat template."""
        found = self._lib.llama_model_chat_template(self.pointer, None)
        return None if found is None else bytes(found).decode("utf-8", "replace")

    def close(self) -> None:
        """Free it. Idempotent."""
        pointer, self.pointer = self.pointer, None
        if pointer:
            self._lib.llama_model_free(pointer)


class Context:
    """One cache of `n_cells` tokens for up to `n_sequences` sequences, and the compute on it.

    The cache is unified: copying a sequence shares its cells, a token may belong to several sequences at once.

    Raises:
        OutOfMemory: it does not fit.
        ModelUnusable: llama.cpp refuses it.
    """

    def __init__(  # noqa: PLR0913 - sizes
        self,
        weights: Weights,
        *,
        n_cells: int,
        n_sequences: int,
        n_batch: int,
        n_threads: int,
        cache_type: int = F16,
        is_on_gpu: bool = False,
    ) -> None:
        self._lib = library()
        self._n_vocab = int(self._lib.llama_vocab_n_tokens(self._lib.llama_model_get_vocab(weights.pointer)))
        params = self._lib.llama_context_default_params()
        params.n_ctx = n_cells
        params.n_seq_max = n_sequences
        params.n_batch = params.n_ubatch = n_batch
        params.n_threads = params.n_threads_batch = n_threads
        params.kv_unified = True
        params.swa_full = True  # else a window's past is gone and no prefix can be reused
        params.offload_kqv = params.op_offload = is_on_gpu
        params.type_k = params.type_v = cache_type
        if cache_type == F32 or not is_on_gpu:  # on a processor it takes more than twice as long
            params.flash_attn_type = self._lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        with _trouble(f"a cache of {n_cells} tokens") as reasons:
            self._pointer = self._lib.llama_init_from_model(weights.pointer, params)
            if not self._pointer:
                reasons.append("llama.cpp cannot make a context for this model")
        self._memory = self._lib.llama_get_memory(self._pointer)
        self._rows = _Rows(self._lib, n_batch=n_batch, n_sequences=n_sequences)

    def decode(
        self,
        tokens: Sequence[int],
        *,
        positions: Sequence[int],
        sequences: Sequence[Sequence[int]],
        wanted: Sequence[int],
    ) -> int:
        """Work through a batch; return 0, or NO_ROOM when nothing was done for want of cells.

        `sequences` are those each token belongs to; `wanted` the rows whose logits are to be had.

        Raises:
            EngineFailed: llama.cpp failed; the sequences' state is unknown.
        """
        _said.clear()
        batch = self._rows.filled(tokens, positions, sequences, wanted)
        outcome = int(self._lib.llama_decode(self._pointer, batch))
        if outcome in {0, NO_ROOM}:
            return outcome
        if outcome == -2:
            raise OutOfMemory(f"a step of {len(tokens)} tokens does not fit into memory; take a shorter context")
        raise EngineFailed(f"llama.cpp failed with code {outcome} ({last_words()})")

    def logits(self, row: int) -> NDArray[np.float32]:
        """Return a copy of the logits of a wanted row of the last batch, shape (n_vocab,)."""
        found = self._lib.llama_get_logits_ith(self._pointer, row)
        return np.array(np.ctypeslib.as_array(found, shape=(self._n_vocab,)), dtype=np.float32)

    def copy(self, source: int, target: int, *, n_tokens: int) -> None:
        """Make the first tokens of a sequence those of another as well."""
        self._lib.llama_memory_seq_cp(self._memory, source, target, 0, n_tokens)

    def cut(self, sequence: int, *, n_tokens: int = 0) -> None:
        """Keep only the first `n_tokens` of a sequence."""
        self._lib.llama_memory_seq_rm(self._memory, sequence, n_tokens, -1)

    def close(self) -> None:
        """Free it. Idempotent."""
        pointer, self._pointer = self._pointer, None
        if pointer:
            self._lib.llama_free(pointer)


class _Rows:
    """The memory behind a batch: made once, filled for each step."""

    def __init__(self, lib: Any, *, n_batch: int, n_sequences: int) -> None:  # noqa: ANN401 - as above
        self._token = np.zeros(n_batch, dtype=np.int32)
        self._position = np.zeros(n_batch, dtype=np.int32)
        self._n_sequences = np.zeros(n_batch, dtype=np.int32)
        self._sequence = np.zeros((n_batch, n_sequences), dtype=np.int32)
        self._wanted = np.zeros(n_batch, dtype=np.int8)
        first = self._sequence.ctypes.data
        steps = np.arange(n_batch + 1, dtype=np.uint64) * np.uint64(self._sequence.strides[0])
        self._address = steps + np.uint64(first)
        self._address[n_batch] = 0
        as_ids = ctypes.POINTER(ctypes.c_int32)
        self._batch = lib.llama_batch(
            n_tokens=0,
            token=self._token.ctypes.data_as(as_ids),
            embd=None,
            pos=self._position.ctypes.data_as(as_ids),
            n_seq_id=self._n_sequences.ctypes.data_as(as_ids),
            seq_id=self._address.ctypes.data_as(ctypes.POINTER(as_ids)),
            logits=self._wanted.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )

    def filled(
        self,
        tokens: Sequence[int],
        positions: Sequence[int],
        sequences: Sequence[Sequence[int]],
        wanted: Sequence[int],
    ) -> Any:  # noqa: ANN401 - as above
        n = len(tokens)
        self._token[:n] = tokens
        self._position[:n] = positions
        for row, owners in enumerate(sequences):
            self._n_sequences[row] = len(owners)
            self._sequence[row, : len(owners)] = owners
        self._wanted[:n] = 0
        self._wanted[list(wanted)] = 1
        self._batch.n_tokens = n
        return self._batch
