"""What the bench of replay found: arms, their ratios, and the table of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

BUDGET: Final = 0.9
"""Of linear, from one worker to two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One replay of a plan.

    Attributes:
        name: what is done; `n_workers`: by how many.
        n_items, audio_s: how much was replayed.
        items_per_s: in the steady state.
        wall_s: of the whole, starting included.
        rows_sha256: of the rows it wrote.
    """

    name: str
    n_workers: int
    n_items: int
    audio_s: float
    items_per_s: float
    wall_s: float
    rows_sha256: str

    @property
    def times_real(self) -> float:
        """Seconds of sound replayed in a second; 0 where there was none."""
        return self.items_per_s * self.audio_s / self.n_items

    @property
    def start_s(self) -> float:
        """What starting and ending took, as far as the steady state does not account for it."""
        return max(0.0, self.wall_s - self.n_items / self.items_per_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayBench:
    """All figures of a run.

    Attributes:
        heard, given: arms by number of workers, words by our recogniser, and by the transcript.
        asked, found: a language model asked, and its answers found on the shelf; None: `why_not_asked` says why.
        model, signature: which model, what it was measured on.
    """

    heard: tuple[Arm, ...]
    given: tuple[Arm, ...]
    asked: Arm | None
    found: Arm | None
    why_not_asked: str
    model: str
    signature: str

    @property
    def arms(self) -> tuple[Arm, ...]:
        """All arms, in the order they are told in."""
        return (*self.heard, *self.given, *(arm for arm in (self.asked, self.found) if arm is not None))

    @property
    def times_found(self) -> float | None:
        """How many times as fast answers are found as asked for; None where nothing was asked."""
        if self.asked is None or self.found is None:
            return None
        return self.found.items_per_s / self.asked.items_per_s


def efficiency(arms: Sequence[Arm]) -> float:
    """Return what the last arm's workers do, each, as a share of what one does alone: 1 is linear."""
    alone, together = arms[0], arms[-1]
    return together.items_per_s / alone.items_per_s * alone.n_workers / together.n_workers


def table(result: ReplayBench) -> str:
    """Return the figures as a Markdown table, ratios and the signature below."""
    head = "replay | workers | items | items/s | times real time | of it starting"
    lines = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    for arm in result.arms:
        times = f"{arm.times_real:.1f}x" if arm.audio_s else "no sound"
        lines.append(
            f"| {arm.name} | {arm.n_workers} | {arm.n_items} | {arm.items_per_s:.2f} | {times} "
            f"| {arm.start_s:.1f} of {arm.wall_s:.1f} s |"
        )
    told = (
        f"{result.heard[-1].n_workers} workers beside 1, share of linear: {efficiency(result.heard):.2f} hearing, "
        f"{efficiency(result.given):.2f} with words given (budget ≥ {BUDGET:g}); same rows byte for byte"
    )
    lines += ["", told]
    if result.times_found is None:
        lines.append(f"no language model was asked: {result.why_not_asked}")
    else:
        lines.append(
            f"answers kept from before: {result.times_found:.1f} times as fast as asking ({result.model}), same rows"
        )
    return "\n".join([*lines, "", f"`{result.signature}`"])
