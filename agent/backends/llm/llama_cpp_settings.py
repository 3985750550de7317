"""How a GGUF model is run, and what can be said about a file before llama.cpp reads it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streaming.errors import ModelUnusable

MAGIC: Final = b"GGUF"


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaSettings:
    """How a GGUF model is run.

    Attributes:
        cache_tokens: tokens the cache holds of all conversations together; None: twice the window.
        cache_bits: of a number in the cache, 16 or 32.
        n_sequences: answers under way, conversations kept and labels scored at once, at most, in all.
        n_side: how many of them are for labels.
        block: tokens of a prompt worked through in one step, after which others get their turn; None: 64 on a
            processor, 512 on a GPU.
        n_threads: of a processor; None: all it has for us.
    """

    cache_tokens: int | None = None
    cache_bits: int = 16
    n_sequences: int = 64
    n_side: int = 32
    block: int | None = None
    n_threads: int | None = None

    def __post_init__(self) -> None:
        if self.cache_bits not in {16, 32}:
            raise ValueError(f"cache_bits must be 16 or 32, got {self.cache_bits}")
        if not 0 < self.n_side < self.n_sequences <= 256:
            raise ValueError(f"expected 0 < n_side < n_sequences <= 256, got {self.n_side} and {self.n_sequences}")
        if any(given is not None and given < 1 for given in (self.block, self.n_threads, self.cache_tokens)):
            raise ValueError("block, n_threads and cache_tokens must be positive")


def check_file(path: Path) -> None:
    """Look at the first bytes of what should be a model.

    Raises:
        ModelUnusable: it is missing, a directory, unreadable, or no GGUF file.
    """
    if path.is_dir():
        raise ModelUnusable(f"{path} is a directory; expected a .gguf file")
    try:
        with path.open("rb") as file:
            magic = file.read(len(MAGIC))
    except OSError as trouble:
        raise ModelUnusable(
            f"{path} cannot be read ({trouble.strerror or trouble}); expected a .gguf file"
        ) from trouble
    if magic != MAGIC:
        raise ModelUnusable(f"{path} is no GGUF file (it begins with {magic!r}); take a .gguf file")


def n_processors() -> int:
    """Return how many processors this process may use."""
    with suppress(AttributeError):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_memory() -> int | None:
    """Return how many bytes of memory can be had now; None where that cannot be told."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None
