"""Language models to measure: a user's own, or one with random weights, whose sizes and arithmetic are real."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from agent.llm.values import Message, Prompt
from streaming.backends.extras import need

from .line import SENTENCES

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from agent.ports import LanguageModel

Engine = Literal["transformers", "llama-cpp"]

VOCAB: Final = 32_000
CONTEXT: Final = 8192
LABELS: Final = ("angry", "sad", "disgusted", "contemptuous", "fearful", "neutral", "surprised", "happy")
SHORT: Final = "Say how the speaker feels, in one word of these: " + ", ".join(LABELS) + "."


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is measured: an engine with the model in `path`, or with random weights of so many layers and width."""

    engine: Engine
    path: Path | None = None
    n_layers: int = 4
    width: int = 256
    device: str = "auto"

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.path.name if self.path is not None else f"{self.n_layers}x{self.width} random"


@contextmanager
def opened(subject: Subject) -> Generator[LanguageModel]:
    """Give the model; closed afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        model = _load(subject, subject.path if subject.path is not None else random_weights(subject, Path(folder)))
        try:
            yield model
        finally:
            model.close()


def said(n_turns: int, *, first: int = 0) -> list[Message]:
    """Return turns of a made-up conversation, the user's and the assistant's in turn, each different."""
    return [
        Message(
            role="assistant" if turn % 2 else "user",
            text=f"{SENTENCES[turn % len(SENTENCES)]}, and that is number {turn}. The voice is louder than usual.",
        )
        for turn in range(first, first + n_turns)
    ]


def asked(turns: Sequence[Message], *, system: str = SHORT) -> Prompt:
    """Return the question how the last turn sounds."""
    return Prompt(messages=(Message(role="system", text=system), *turns), answer_start="Emotion:")


async def turns_for(model: LanguageModel, n_tokens: int) -> list[Message]:
    """Return as many turns, at least two, as make a prompt of about `n_tokens`, the assistant's last."""
    fixed = await model.count_tokens(asked(said(2)))
    each = (await model.count_tokens(asked(said(22))) - fixed) / 20
    return said(2 * max(1, round((n_tokens - fixed) / each / 2) + 1))


def _load(subject: Subject, path: Path) -> LanguageModel:
    if subject.engine == "transformers":
        from agent.backends.llm.transformers_model import TransformersModel  # noqa: PLC0415 - only the chosen engine

        return TransformersModel.load(path, device=subject.device)
    need("llama_cpp", extra="llama")
    from agent.backends.llm.llama_cpp import LlamaCppModel  # noqa: PLC0415 - as above

    return LlamaCppModel.load(path, context_length=CONTEXT, device=subject.device)


def random_weights(subject: Subject, folder: Path) -> Path:
    """Make a model of the subject's sizes in `folder` and return where it lies.

    Raises:
        EngineFailed: what makes it is not installed.
    """
    need("torch", extra="torch")
    need("gguf", extra="dev")
    from ..tiny.llama import tiny_llama  # noqa: PLC0415 - imports torch

    made = tiny_llama(folder, vocab=VOCAB, n_layers=subject.n_layers, width=subject.width, context=CONTEXT)
    return made.hf if subject.engine == "transformers" else made.gguf
