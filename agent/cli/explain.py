"""How an estimate came about, for people: what was asked word for word, how much of it was cached, who said what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ..history import visible
from ..jsonl import UNCLEAR
from .view import bar, colour_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from ..backends.llm.overheard import Overheard
    from ..events import EmotionEstimate
    from ..llm.values import Prompt, Usage

BAR_WIDTH = 8


def explanation(estimate: EmotionEstimate, asked: Sequence[Overheard]) -> RenderableType:
    """Return the prompts that were asked for an estimate, in order, then each source's distribution and the fused one.

    Args:
        estimate: the result.
        asked: the calls made for it; of several that ask the same only the first is written out.
    """
    parts: list[RenderableType] = []
    for number, call in enumerate(asked, start=1):
        is_said = any(chat_lines(call.prompt) == chat_lines(earlier.prompt) for earlier in asked[: number - 1])
        counted = f"prompt {number} of {len(asked)}" if len(asked) > 1 else "prompt"
        head = f"{counted}{_named(estimate)} · {call.call} · {_cost(call.usage)}"
        parts.append(Text(head, style="bold dim"))
        lines = ["(as before)"] if is_said else list(chat_lines(call.prompt))
        parts += [Text(f"  {line}", style="dim") for line in lines]
    if not asked:
        parts.append(Text("no language model was asked", style="dim"))
    parts.append(sources_table(estimate))
    return Group(*parts)


def headline(estimate: EmotionEstimate) -> Text:
    """Return what is expressed in a word, and how sure that is."""
    top = estimate.top or UNCLEAR
    return Text(visible(top), style=f"bold {colour_of(top)}").append(
        f" {estimate.confidence:.2f}", style="not bold dim"
    )


def chat_lines(prompt: Prompt) -> list[str]:
    """Return a chat as lines: each message under its role, then the beginning of the answer; nothing is left out."""
    lines: list[str] = []
    for message in prompt.messages:
        lines.append("[raw]" if prompt.is_raw else f"[{message.role}]")
        lines += [visible(line) for line in message.text.split("\n")]
        if message.audio is not None:
            lines.append(f"(and {len(message.audio)} samples of sound)")
    if prompt.answer_start:
        lines += ["[the answer begins]", *(visible(line) for line in prompt.answer_start.split("\n"))]
    return lines


def sources_table(estimate: EmotionEstimate) -> Table:
    """Return a line for each label and a column for each source that spoke; what is fused of several comes last."""
    sources = _sources(estimate)
    table = Table("", *(name for name, _ in sources), box=None, pad_edge=False)
    for at, label in enumerate(estimate.labels):
        cells = [_cell(values[at], label) for _, values in sources]
        style = "bold" if label == estimate.top else ""
        table.add_row(Text(visible(label), style=style), *cells)
    return table


def _sources(estimate: EmotionEstimate) -> list[tuple[str, tuple[float, ...]]]:
    told = (
        ("words", estimate.text_distribution),
        ("voice", estimate.voice_distribution),
        ("language model", estimate.llm_distribution),
    )
    spoke = [(name, values) for name, values in told if values is not None]
    if len(spoke) == 1 and spoke[0][1] == estimate.distribution:
        return spoke
    return [*spoke, ("together", estimate.distribution)]


def _cell(share: float, label: str) -> Text:
    return Text(bar(share, width=BAR_WIDTH), style=colour_of(label)).append(f" {share:.2f}", style="not dim default")


def _named(estimate: EmotionEstimate) -> str:
    return "" if estimate.prompt_id is None else f" {visible(estimate.prompt_id)}"


def _cost(usage: Usage | None) -> str:
    """Return how long a prompt was and how much of it the model had read before."""
    if usage is None:
        return "not answered"
    if usage.n_prompt is None:
        return "length not told"
    share = usage.cached_share
    return f"{usage.n_prompt} tokens, " + ("cached share not told" if share is None else f"{share:.0%} cached")
