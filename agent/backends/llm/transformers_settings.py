"""How a transformers language model runs. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

LabelRows: TypeAlias = Literal["auto", "packed", "batched"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformersSettings:
    """How it runs.

    Attributes:
        context_length: tokens of prompt and answer together; None takes the model's own.
        block: tokens of a prompt read in one pass; between blocks others take their turn.
        max_conversations: how many conversations' states are kept at most.
        max_cached_tokens: how many tokens they hold at most in all; an 8B model keeps about 128 KiB for each.
        labels: how labels are scored: in one packed row, in a batch of rows, or ("auto") packed where the model takes
            a mask of ours, which is tried when it is loaded.
    """

    context_length: int | None = None
    block: int = 256
    max_conversations: int = 64
    max_cached_tokens: int = 32_768
    labels: LabelRows = "auto"

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            ValueError: a size that is not positive.
        """
        sizes = {"block": self.block, "context_length": self.context_length}
        if wrong := [name for name, size in sizes.items() if size is not None and size < 1]:
            raise ValueError(f"expected {wrong[0]} of at least 1, got {sizes[wrong[0]]}")
        if self.max_conversations < 0 or self.max_cached_tokens < 0:
            raise ValueError("how many conversations and tokens are kept cannot be negative")
