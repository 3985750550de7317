"""What a distribution over labels costs beside generating an answer of about 100 tokens and reading the label off it.

Same model, same prompts, in one run, the ways taking turns. Warm: all but the user's last turn is in the model's cache,
as in a conversation; cold: nothing is. With transformers labels are also scored in a batch of rows instead of one
packed row.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from agent.llm.values import Decoding

from ..signature import sign
from .machine import VERSION, machine
from .models import LABELS, Subject, asked, opened, said, turns_for

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.llm.values import LabelScores, Message, Prompt
    from agent.ports import LanguageModel

    from .models import Engine

SIZES: Final = ((4, 256), (12, 768))
PROMPTS: Final = (200, 1000, 4000)
N_GENERATED: Final = 100
BUDGET: Final = 10.0
_CONVERSATION: Final = "bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One model at one length of prompt, warm or cold. Times are medians.

    Attributes:
        model, n_prompt, is_warm: what was asked.
        cached_share: of the prompts of scored labels, in [0, 1].
        n_generated: tokens the generated answers had, the least of them.
        generate_ms, packed_ms, batched_ms: time of an answer, of scores in one packed row, in a batch (None: not told
            apart by the engine).
        difference: the most that a packed score differs from a batched one, nats.
    """

    model: str
    n_prompt: int
    is_warm: bool
    cached_share: float
    n_generated: int
    generate_ms: float
    packed_ms: float
    batched_ms: float | None
    difference: float | None

    @property
    def ratio(self) -> float:
        """How many times as long as scoring the labels, packed, generating takes."""
        return self.generate_ms / self.packed_ms

    @property
    def batched_ratio(self) -> float | None:
        """The same for a batch."""
        return None if self.batched_ms is None else self.generate_ms / self.batched_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsBench:
    """All figures of a run."""

    costs: tuple[Cost, ...]
    signature: str


def measure(
    *,
    engine: Engine = "transformers",
    model: Path | None = None,
    device: str = "auto",
    sizes: Sequence[tuple[int, int]] = SIZES,
    prompts: Sequence[int] = PROMPTS,
    repeats: int = 5,
) -> LabelsBench:
    """Return the cost of a model, or of models with random weights of these sizes (layers, width).

    Raises:
        EngineFailed: the engine or the model cannot be used.
    """
    subjects = (
        [Subject(engine=engine, path=model, device=device)]
        if model is not None
        else [Subject(engine=engine, n_layers=n, width=width, device=device) for n, width in sizes]
    )
    costs = [cost for subject in subjects for cost in asyncio.run(_measured(subject, prompts, repeats))]
    fields = {
        "engine": engine,
        "model": "+".join(subject.name.replace(" ", "-") for subject in subjects),
        "labels": len(LABELS),
        "generated": N_GENERATED,
        "repeats": repeats,
        "machine": machine(),
        "device": device,
    }
    return LabelsBench(costs=tuple(costs), signature=str(sign(fields, version=VERSION)))


def table(result: LabelsBench) -> str:
    """Return the figures as a Markdown table, the signature below."""
    head = (
        "model | prompt tokens | cache | cached share | generate (tokens) | labels, packed | labels, batched | "
        f"generate / packed (budget ≥ {BUDGET:.0f} warm) | generate / batched | packed to batched"
    )
    lines = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    for cost in result.costs:
        batched = "-" if cost.batched_ms is None else f"{cost.batched_ms:.1f} ms"
        cells = (
            cost.model,
            cost.n_prompt,
            "warm" if cost.is_warm else "cold",
            f"{100 * cost.cached_share:.0f} %",
            f"{cost.generate_ms:.0f} ms ({cost.n_generated})",
            f"{cost.packed_ms:.1f} ms",
            batched,
            f"{cost.ratio:.1f}",
            "-" if cost.batched_ratio is None else f"{cost.batched_ratio:.1f}",
            "-" if cost.difference is None else f"{cost.difference:.0e} nats",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, "", f"`{result.signature}`"])


@dataclass(slots=True)
class _Arms:
    """What was measured, in seconds, and what came with it."""

    generated: list[tuple[float, int]]
    packed: list[tuple[float, LabelScores]]
    batched: list[tuple[float, LabelScores]]


async def _measured(subject: Subject, prompts: Sequence[int], repeats: int) -> list[Cost]:
    with opened(subject) as model:
        limit = model.capabilities.context_length
        fitting = [n for n in prompts if limit is None or n + 2 * N_GENERATED + 64 <= limit]
        return [
            await _cost(model, subject.name, n_tokens, is_warm=is_warm, repeats=repeats)
            for n_tokens in fitting
            for is_warm in (True, False)
        ]


async def _cost(model: LanguageModel, name: str, n_tokens: int, *, is_warm: bool, repeats: int) -> Cost:
    new = await model.count_tokens(asked(said(3))) - await model.count_tokens(asked(said(2)))
    history = await turns_for(model, n_tokens - new)
    arms = await _run(model, history, is_warm=is_warm, repeats=repeats if is_warm else max(2, repeats // 2))
    usages = [scores.usage for _, scores in arms.packed]
    return Cost(
        model=name,
        n_prompt=round(statistics.mean(usage.n_prompt or 0 for usage in usages)),
        is_warm=is_warm,
        cached_share=statistics.mean(usage.cached_share or 0.0 for usage in usages),
        n_generated=min(n for _, n in arms.generated),
        generate_ms=1000 * statistics.median(seconds for seconds, _ in arms.generated),
        packed_ms=1000 * statistics.median(seconds for seconds, _ in arms.packed),
        batched_ms=1000 * statistics.median(seconds for seconds, _ in arms.batched) if arms.batched else None,
        difference=_difference(arms) if arms.batched else None,
    )


async def _run(model: LanguageModel, history: Sequence[Message], *, is_warm: bool, repeats: int) -> _Arms:
    conversation = _CONVERSATION if is_warm else ""
    arms = _Arms([], [], [])

    async def forget_the_last_turn() -> None:
        if is_warm:
            await model.score(asked(history), LABELS, conversation=conversation)

    for repeat in range(repeats):
        prompt = asked([*history, *said(1, first=1000 + 2 * repeat)])
        await forget_the_last_turn()
        arms.packed.append(await _scored(model, prompt, conversation))
        if hasattr(model, "packs_labels"):
            await forget_the_last_turn()
            arms.batched.append(await _batched(model, prompt, conversation))
        await forget_the_last_turn()
        arms.generated.append(await _answered(model, prompt, conversation))
    return arms


async def _scored(model: LanguageModel, prompt: Prompt, conversation: str) -> tuple[float, LabelScores]:
    began = time.perf_counter()
    scores = await model.score(prompt, LABELS, conversation=conversation)
    return time.perf_counter() - began, scores


async def _batched(model: Any, prompt: Prompt, conversation: str) -> tuple[float, LabelScores]:  # noqa: ANN401 - which
    # of the engines has rows to choose from is known only here
    packs, model.packs_labels = model.packs_labels, False
    try:
        return await _scored(model, prompt, conversation)
    finally:
        model.packs_labels = packs


async def _answered(model: LanguageModel, prompt: Prompt, conversation: str) -> tuple[float, int]:
    """Generate an answer and look for a label in it; return the seconds and the tokens that took."""
    began = time.perf_counter()
    text, n_generated = "", 0
    async for piece in model.stream(prompt, Decoding(max_tokens=N_GENERATED), conversation=conversation):
        text += piece.text
        n_generated = piece.usage.n_generated if piece.usage is not None else 0
    _ = next((label for label in LABELS if label in text), None)
    return time.perf_counter() - began, n_generated


def _difference(arms: _Arms) -> float:
    return max(
        abs(one - other)
        for (_, mine), (_, theirs) in zip(arms.packed, arms.batched, strict=True)
        for one, other in zip(mine.logps, theirs.logps, strict=True)
    )
