"""Which engines there are behind each port, by name, and what each takes and needs."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Takes: TypeAlias = type | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What an engine takes and needs.

    Attributes:
        kind: of its model (`agent.models`); None: it takes none from here.
        is_server: it works at a `url`.
        takes: options, each with its type, or with the texts it may be.
        packages: modules it imports.
        extra: the extra that brings them, None when they are always there.
        asks_model: it is nothing without the language model of its profile.
    """

    kind: str | None = None
    is_server: bool = False
    takes: Mapping[str, Takes] = field(default_factory=dict[str, "Takes"])
    packages: tuple[str, ...] = ()
    extra: str | None = None
    asks_model: bool = False

    def missing_packages(self) -> list[str]:
        """Return those that are not installed; nothing is imported to find out."""
        return [name for name in self.packages if importlib.util.find_spec(name) is None]


_TORCH: Final = ("torch", "transformers")
_DEVICE: Final[dict[str, Takes]] = {"device": ("auto", "cpu", "cuda")}
_DTYPE: Final[dict[str, Takes]] = {"dtype": ("auto", "float32", "float16", "bfloat16")}

ENGINES: Final[Mapping[str, Mapping[str, Engine]]] = {
    "transcriber": {
        "pocketsphinx": Engine(),
        "whisper": Engine(
            kind="whisper", takes=_DEVICE | {"compute_type": str, "language": str}, packages=("faster_whisper",)
        ),
        "ctc": Engine(kind="ctc", takes=_DEVICE, packages=_TORCH, extra="torch"),
        "ensemble": Engine(),
        "openai": Engine(is_server=True, takes={"language": str}, packages=("httpx",)),
    },
    "emotion": {
        "embedded": Engine(),
        "audio-classification": Engine(kind="audio-classification", takes=_DEVICE, packages=_TORCH, extra="torch"),
        "r3": Engine(takes={"condition": str}, asks_model=True),
        # Without a language model it is the embedded one.
        "fused": Engine(takes={"condition": str}),
    },
    "dimensions": {
        "embedded": Engine(),
        "wav2vec2": Engine(kind="dimensions", takes=_DEVICE, packages=_TORCH, extra="torch"),
    },
    "language_model": {
        "none": Engine(),
        "llama-cpp": Engine(
            kind="gguf", takes=_DEVICE | {"context_length": int}, packages=("llama_cpp",), extra="llama"
        ),
        "transformers": Engine(kind="transformers", takes=_DEVICE | _DTYPE, packages=_TORCH, extra="torch"),
        "audio": Engine(kind="audio", takes=_DEVICE | _DTYPE, packages=_TORCH, extra="torch"),
        "openai": Engine(is_server=True, packages=("httpx",)),
    },
    "reply": {"reflective": Engine(), "language-model": Engine(asks_model=True, takes={"persona": str})},
    "voice": {
        "auto": Engine(),
        "flite": Engine(),
        "espeak": Engine(),
        "none": Engine(),
        "piper": Engine(kind="piper", packages=("piper",), extra="piper"),
        "openai": Engine(is_server=True, takes={"voice": str}, packages=("httpx",)),
    },
}
