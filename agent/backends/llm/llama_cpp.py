"""Language models in GGUF files, by llama.cpp, in this process: one context whose cache all conversations share."""

from __future__ import annotations

import threading
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streaming.backends.extras import need
from streaming.errors import EngineFailed, ModelUnusable, OutOfMemory

from ...llm.labels import checked
from ...llm.values import Capabilities, Piece
from .llama_cpp_jobs import LlamaJobs
from .llama_cpp_native import ALL_LAYERS, F16, F32, Context, Weights, library
from .llama_cpp_settings import LlamaSettings, check_file, free_memory, n_processors
from .llama_cpp_vocabulary import Vocabulary
from .stepper import Pause, Stepper, Urgency
from .watch import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Sequence

    from ...llm.values import Decoding, LabelScores, Prompt, Trace

BLOCK_ON_PROCESSOR: Final = 64
BLOCK_ON_GPU: Final = 512
LABEL_ROOM: Final = 256
"""Tokens of labels that go into one step beside a block of the prompt."""
CELLS: Final = 256
"""llama.cpp makes caches in multiples of so many tokens."""


class LlamaCppModel:
    """A GGUF model. Made by `load`; implements `agent.ports.LanguageModel`.

    Labels are exact: what is left of the prompt and all labels go through in one call, as a tree in which each token
    belongs to the side sequences of the labels it is part of.
    """

    def __init__(self, path: Path, *, window: int, is_on_gpu: bool, settings: LlamaSettings) -> None:
        self._name = f"llama.cpp:{path.stem}"
        block = settings.block or (BLOCK_ON_GPU if is_on_gpu else BLOCK_ON_PROCESSOR)
        with ExitStack() as freed:
            weights = Weights(path, n_gpu_layers=ALL_LAYERS if is_on_gpu else 0)
            freed.callback(weights.close)
            if not weights.is_plain_decoder:
                raise ModelUnusable(f"{path} is no plain decoder (it has an encoder or recurrent state); take another")
            self._window = min(window, weights.context_length or window)
            self._vocabulary = Vocabulary(weights)
            n_cells = settings.cache_tokens or 2 * self._window
            n_cells = -(-max(n_cells, self._window + LABEL_ROOM) // CELLS) * CELLS
            if not is_on_gpu:
                _check_memory(weights, n_cells, bits=settings.cache_bits)
            context = Context(
                weights,
                n_cells=n_cells,
                n_sequences=settings.n_sequences,
                n_batch=block + LABEL_ROOM,
                n_threads=settings.n_threads or n_processors(),
                cache_type=F16 if settings.cache_bits == 16 else F32,
                is_on_gpu=is_on_gpu,
            )
            freed.callback(context.close)
            self._jobs = LlamaJobs(
                self._vocabulary, context, settings, window=self._window, block=block, n_batch=block + LABEL_ROOM
            )
            freed.callback(self._vocabulary.close)
            self._stepper = Stepper(self._name)
            freed.callback(self._stepper.close)
            self._freed = freed.pop_all()
        self._closing = threading.Lock()

    @classmethod
    def load(
        cls, path: Path, *, context_length: int = 4096, device: str = "auto", settings: LlamaSettings | None = None
    ) -> LlamaCppModel:
        """Return the model in a GGUF file. Takes as long as its weights take to read.

        Args:
            path: the file.
            context_length: tokens of prompt and answer together, at most (cut to what the model was trained with).
            device: "cpu", "cuda" or "auto", which takes a GPU where llama.cpp was built for one.
            settings: the rest.

        Raises:
            EngineMissing: llama-cpp-python is not installed.
            ModelUnusable: the file is missing, no GGUF, truncated, or of a kind that cannot be used.
            OutOfMemory: weights or cache do not fit.
            EngineFailed: there is no GPU to be had.
            ValueError: a setting makes no sense.
        """
        need("jinja2", extra="llama")
        if context_length < 1 or device not in {"auto", "cpu", "cuda"}:
            raise ValueError(f"expected a positive window and auto, cpu or cuda, got {context_length} and {device!r}")
        has_gpu = bool(library().llama_supports_gpu_offload())
        if device == "cuda" and not has_gpu:
            raise EngineFailed("llama.cpp was built without GPU support; use device cpu, or build it for CUDA")
        path = Path(path)
        check_file(path)
        is_on_gpu = has_gpu and device != "cpu"
        return cls(path, window=context_length, is_on_gpu=is_on_gpu, settings=settings or LlamaSettings())

    @property
    def name(self) -> str:
        """Engine and file."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """Exact label scores, raw logits, answers held to a schema."""
        return Capabilities(context_length=self._window, scoring="exact", traces=True, constrains=True)

    async def stream(
        self, prompt: Prompt, decoding: Decoding, *, conversation: str = ""
    ) -> AsyncGenerator[Piece, None]:
        """Yield the answer piece by piece (see `LanguageModel.stream`).

        Raises:
            ValueError: the schema uses what an answer cannot be held to.
        """
        watch = Watch()

        def job() -> Generator[Piece | Pause | None, None, None]:
            return self._jobs.answer(prompt, decoding, conversation=conversation, watch=watch)

        async with aclosing(self._stepper.stream(job)) as pieces:
            async for piece in pieces:
                if isinstance(piece, Piece):
                    yield piece

    async def score(self, prompt: Prompt, labels: Sequence[str], *, conversation: str = "") -> LabelScores:
        """Return how likely each label is (see `LanguageModel.score`)."""
        wanted, watch = checked(labels), Watch()
        return await self._stepper.call(
            lambda: self._jobs.scored(prompt, wanted, conversation=conversation, watch=watch)
        )

    async def trace(self, prompt: Prompt, decoding: Decoding) -> Trace:
        """Return a greedy answer with its raw logits (see `LanguageModel.trace`)."""
        watch = Watch()
        return await self._stepper.call(lambda: self._jobs.traced(prompt, decoding, watch=watch))

    async def prefill(self, prompt: Prompt, *, conversation: str) -> int:
        """Work through a prompt while nobody waits (see `LanguageModel.prefill`)."""
        if not conversation:
            return 0
        return await self._stepper.call(
            lambda: self._jobs.prefilled(prompt, conversation=conversation), urgency=Urgency.AHEAD
        )

    async def count_tokens(self, prompt: Prompt) -> int:
        """Return the length of the prompt in tokens, the beginning of the answer included, whether it fits or not."""

        def job() -> Generator[None, None, int]:
            yield
            return len(self._vocabulary.of_prompt(prompt))

        return await self._stepper.call(job)

    def tokens_of(self, text: str) -> tuple[int, ...]:
        """Return the ids of `text` alone; what looks like a special token is text."""
        return tuple(self._vocabulary.of_text(text))

    def forget(self, conversation: str) -> None:
        """Free what is cached of a conversation, as soon as the step under way is over. Idempotent."""
        self._stepper.post(lambda: self._jobs.cache.forget(conversation))

    def close(self) -> None:
        """Free the model; answers under way fail. Idempotent; from any thread."""
        with self._closing:
            self._freed.close()


def _check_memory(weights: Weights, n_cells: int, *, bits: int) -> None:
    """Refuse a cache that does not fit: the system would give the memory and kill the process when it is used.

    Raises:
        OutOfMemory: it does not fit.
    """
    wanted, free = n_cells * weights.cache_values * bits // 8, free_memory()
    if free is not None and wanted > free:
        sizes = f"takes {wanted / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
        raise OutOfMemory(f"a cache of {n_cells} tokens {sizes}; take a shorter context")
