"""How much of each prompt a model still has in its cache when a window of turns moves on, and what that saves.

The same conversation three times over: the window moves in blocks, it moves by one turn each turn, and nothing is kept.
Each turn asks for a distribution over labels, behind the system text of the reply prompt that ships with Attune.
Counted from the first turn that finds the window full.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.llm.prefix import slide
from prompts import load as load_prompt

from ..signature import sign
from .machine import VERSION, machine
from .models import LABELS, Subject, asked, opened, said

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.ports import LanguageModel

    from .models import Engine

WINDOW: Final = 25
N_TURNS: Final = 75
BUDGET: Final = 0.9
PROMPT: Final = "reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How the window moves: by so many turns at once, and whether the model may reuse what it read."""

    name: str
    block: int | None
    reuses: bool = True


POLICIES: Final = (
    Policy(name="in blocks", block=None),
    Policy(name="by one", block=1),
    Policy(name="nothing kept", block=1, reuses=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One policy, over all turns with a full window.

    Attributes:
        policy: its name.
        n_prompt: mean tokens of a prompt.
        cached_share: tokens from the cache per token of all prompts, in [0, 1].
        least_share, usual_share: of single prompts, the least and the median.
        mean_ms, longest_ms: time of a turn.
    """

    policy: str
    n_prompt: float
    cached_share: float
    least_share: float
    usual_share: float
    mean_ms: float
    longest_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheBench:
    """All figures of a run."""

    rows: tuple[Row, ...]
    signature: str


def measure(
    *,
    engine: Engine = "transformers",
    model: Path | None = None,
    device: str = "auto",
    window: int = WINDOW,
    n_turns: int = N_TURNS,
) -> CacheBench:
    """Return the shares and times of all policies.

    Raises:
        EngineFailed: the engine or the model cannot be used.
        ValueError: the conversation is not longer than the window.
    """
    if n_turns <= window:
        raise ValueError(f"expected more turns than the window of {window}, got {n_turns}")
    subject = Subject(engine=engine, path=model, device=device)
    rows = asyncio.run(_measured(subject, window, n_turns))
    fields = {
        "engine": engine,
        "model": subject.name.replace(" ", "-"),
        "window": window,
        "turns": n_turns,
        "prompt": load_prompt(PROMPT).id,
        "labels": len(LABELS),
        "machine": machine(),
        "device": device,
    }
    return CacheBench(rows=tuple(rows), signature=str(sign(fields, version=VERSION)))


def table(result: CacheBench) -> str:
    """Return the figures as a Markdown table, the signature below."""
    slowest = max(row.mean_ms for row in result.rows)
    head = (
        f"window moves | prompt tokens | from the cache (budget ≥ {100 * BUDGET:.0f} %) | usual turn | worst turn | "
        "a turn, mean / longest | times as fast as the slowest"
    )
    lines = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    lines += [
        f"| {row.policy} | {row.n_prompt:.0f} | {100 * row.cached_share:.1f} % | {100 * row.usual_share:.0f} % "
        f"| {100 * row.least_share:.0f} % | {row.mean_ms:.1f} / {row.longest_ms:.1f} ms | {slowest / row.mean_ms:.1f} |"
        for row in result.rows
    ]
    return "\n".join([*lines, "", f"`{result.signature}`"])


async def _measured(subject: Subject, window: int, n_turns: int) -> list[Row]:
    with opened(subject) as model:
        return [await _row(model, policy, window, n_turns) for policy in POLICIES]


async def _row(model: LanguageModel, policy: Policy, window: int, n_turns: int) -> Row:
    turns, system = said(n_turns), load_prompt(PROMPT).system
    conversation = policy.name if policy.reuses else ""
    counts: list[tuple[int, int]] = []
    times: list[float] = []
    for n in range(1, n_turns + 1):
        prompt = asked(turns[slide(n, window=window, block=policy.block) : n], system=system)
        began = time.perf_counter()
        usage = (await model.score(prompt, LABELS, conversation=conversation)).usage
        if n > window:
            times.append(1000 * (time.perf_counter() - began))
            counts.append((usage.n_prompt or 0, usage.n_cached or 0))
    model.forget(conversation)
    shares = sorted(cached / prompt for prompt, cached in counts)
    return Row(
        policy=policy.name,
        n_prompt=_mean([prompt for prompt, _ in counts]),
        cached_share=sum(cached for _, cached in counts) / sum(prompt for prompt, _ in counts),
        least_share=shares[0],
        usual_share=shares[len(shares) // 2],
        mean_ms=_mean(times),
        longest_ms=max(times),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
