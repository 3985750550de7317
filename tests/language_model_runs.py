"""Asking a language model, as several tests do it, and a plain reference for its label scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from agent.llm.values import Decoding, Message, Prompt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.llm.values import Piece
    from agent.ports import LanguageModel

LABELS = (" angry", " happy", " happy man", " sad", "s", " größe 🙂")
TURNS = ("I am so glad that you came.", "Please tell me more about it.", "The train was late again.")
GREEDY = Decoding(max_tokens=24)
DRAWN = Decoding(max_tokens=24, temperature=1.0, top_p=0.9, seed=5)


def chat(*texts: str, answer: str = "Emotion:") -> Prompt:
    """A chat in which the user speaks first."""
    messages = (Message(role="user" if i % 2 == 0 else "assistant", text=text) for i, text in enumerate(texts))
    system = Message(role="system", text="Say how the speaker feels, in one word.")
    return Prompt(messages=(system, *messages), answer_start=answer)


async def answer(model: LanguageModel, prompt: Prompt, decoding: Decoding = GREEDY, *, of: str = "") -> list[Piece]:
    return [piece async for piece in model.stream(prompt, decoding, conversation=of)]


def text_of(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def plain_scores(folder: Path, prompt: str, labels: Sequence[str]) -> list[float]:
    """Each label by a forward pass of its own over the whole text, by nothing but transformers."""
    tokenizer = cast("Any", AutoTokenizer).from_pretrained(folder)
    model = cast("Any", AutoModelForCausalLM).from_pretrained(folder)
    before = tokenizer(prompt, add_special_tokens=False).input_ids
    texts: list[list[int]] = [tokenizer(prompt + label, add_special_tokens=False).input_ids for label in labels]
    start = min(
        next((i for i, (a, b) in enumerate(zip(before, text, strict=False)) if a != b), len(before)) for text in texts
    )
    found: list[float] = []
    for text in texts:
        with torch.inference_mode():
            logps = torch.log_softmax(model(torch.tensor([text])).logits[0], dim=-1)
        found.append(sum(float(logps[at - 1, text[at]]) for at in range(start, len(text))))
    return found
