"""Has an annotator that is no human adjust soft labels by what people typed (paper 003): a language model, in batches.

The prompt and how its answer is read are those the agent corrects an estimate by (`description`): 25 % description and
75 % reference. What the model does not answer is asked again, then on its own; then the soft label stays as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.backends.emotion.description import adjusted_each, prompt_of
from agent.backends.emotion.text import load_text_model
from agent.correction import DESCRIPTION_SHARE
from agent.labels import EIGHT
from agent.llm.values import Decoding
from streaming.errors import ContextOverflow

from .relabelled import Relabelled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.ports import LanguageModel

    from ..metrics import Floats

TOKENS_EACH: Final = 160
"""Room for an item of the answer: eight numbers with their names, and a reason of 20 words."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Typed:
    """An utterance that people typed something of: its name, their words, their votes as shares over EIGHT."""

    name: str
    words: str
    shares: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """How many items are asked about at once, and what stands between them: the paper's 30 and a long dash."""

    size: int = 30
    separator: str = "—"

    def __post_init__(self) -> None:
        """Refuse what cannot be asked."""
        if self.size < 1 or not self.separator.strip():
            raise ValueError(f"expected at least one item and a separator, got {self}")


async def relabel(
    model: LanguageModel,
    typed: Sequence[Typed],
    batching: Batching | None = None,
    *,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> dict[str, Relabelled]:
    """Return the soft labels that the model adjusted; what it never answered is not among them.

    Raises:
        EngineFailed: the model failed, or not even one item fits its window.
    """
    batching = batching or Batching()
    found: dict[str, Relabelled] = {}
    for at in range(0, len(typed), batching.size):
        batch = typed[at : at + batching.size]
        found |= await _asked(model, batch, batching.separator)
        lost = [one for one in batch if one.name not in found]
        if lost and len(batch) > 1:
            found |= await _asked(model, lost, batching.separator)
            for one in [each for each in lost if each.name not in found and len(lost) > 1]:
                found |= await _asked(model, [one], batching.separator)
        progress(min(len(typed), at + batching.size), len(typed))
    return found


async def _asked(model: LanguageModel, batch: Sequence[Typed], separator: str) -> dict[str, Relabelled]:
    """Ask about a batch; one that does not fit into the window is asked in halves."""
    items: list[tuple[str, dict[str, float]]] = [
        (one.words, dict(zip(EIGHT, one.shares.tolist(), strict=True))) for one in batch
    ]
    decoding = Decoding(max_tokens=TOKENS_EACH * len(batch), temperature=0.0, seed=0)
    try:
        pieces = [piece.text async for piece in model.stream(prompt_of(items, separator=separator), decoding)]
    except ContextOverflow:
        if len(batch) == 1:
            raise
        half = len(batch) // 2
        return await _asked(model, batch[:half], separator) | await _asked(model, batch[half:], separator)
    adjusted = adjusted_each("".join(pieces), n=len(batch))
    return {
        batch[number - 1].name: Relabelled(shares=shares, words=reason) for number, (shares, reason) in adjusted.items()
    }


def relabel_by_words(typed: Sequence[Typed]) -> dict[str, Relabelled]:
    """Return what the small word model makes of the words, mixed in with the paper's 25 %; without words it knows none.

    Raises:
        ConfigInvalid: the shipped weights cannot be read.
    """
    read = load_text_model().estimate_many([one.words for one in typed])
    return {
        one.name: Relabelled(
            shares=(1 - DESCRIPTION_SHARE) * one.shares + DESCRIPTION_SHARE * said.eight, words="by the word model"
        )
        for one, said in zip(typed, read, strict=True)
        if said.n_known
    }
