"""Pairs as the tokens a model is trained on: those it will be asked with, then the answer, then its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from agent.llm.values import Message, Prompt

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from agent.backends.llm.transformers_text import TokenText

    from ..adapter import Pair

IGNORED: Final = -100
"""Where no token is wanted: prompt and padding."""


@dataclass(frozen=True, slots=True)
class Example:
    """Tokens of prompt and answer; the last `n_answer` are the answer, its end included."""

    tokens: tuple[int, ...]
    n_answer: int


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Examples of one pass, padded at their end; all of shape (examples, tokens of the longest)."""

    tokens: torch.Tensor
    mask: torch.Tensor
    wanted: torch.Tensor


def example_of(pair: Pair, text: TokenText, *, ends: Collection[int], eos: int | None) -> Example:
    """Return a pair as tokens; the prompt's are exactly those it is asked with later.

    Args:
        pair: in words.
        text: the model's tokenizer.
        ends: tokens at which an answer is over.
        eos: the one that ends a text without a chat template.
    """
    asked = text.encode(pair.prompt)
    whole = text.encode_with(pair.prompt, [pair.answer])[0]
    # Where the two would be cut otherwise as one text: the model will see them apart.
    answer = whole[len(asked) :] if whole[: len(asked)] == asked else text.plain(pair.answer)
    end = end_of(pair.prompt, text, ends=ends, eos=eos)
    said = [*answer, *([] if end is None else [end])]
    return Example((*asked, *said), len(said))


def end_of(prompt: Prompt, text: TokenText, *, ends: Collection[int], eos: int | None) -> int | None:
    """Return the token after an answer: the one that the chat template puts there, else the one that ends a text."""
    if not prompt.is_raw:
        user = Message(role="user", text="x")
        begun = text.encode(Prompt(messages=(user,), answer_start="y"))
        over = text.encode(Prompt(messages=(user, Message(role="assistant", text="y"))))
        after = next((token for token in over[len(begun) :] if token in ends), None)
        if over[: len(begun)] == begun and after is not None:
            return after
    return eos


def batch_of(examples: Sequence[Example], *, device: str) -> Batch:
    """Return examples side by side."""
    longest = max(len(example.tokens) for example in examples)
    shape = (len(examples), longest)
    tokens = torch.zeros(shape, dtype=torch.long)
    mask = torch.zeros(shape, dtype=torch.long)
    wanted = torch.full(shape, IGNORED, dtype=torch.long)
    for row, example in enumerate(examples):
        n = len(example.tokens)
        tokens[row, :n] = torch.tensor(example.tokens, dtype=torch.long)
        mask[row, :n] = 1
        wanted[row, n - example.n_answer : n] = tokens[row, n - example.n_answer : n]
    return Batch(tokens.to(device), mask.to(device), wanted.to(device))
