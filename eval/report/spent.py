"""How long the steps of a run took, on one axis of time. Pure.

Times are wall-clock, of the machine and load they were taken on; items for which a model's answer came from the cache
are left out of them, and counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ..score.spent import AUDIO, HEARD, REAL_TIME
from .values import Span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..score.report import ScoreReport

ESTIMATE: Final = "emotion_ms"
_NAMES: Final = {
    HEARD: ("hearing an item", "words, voice and feeling, as fast as it goes"),
    ESTIMATE: ("its estimate", "part of that: from the last word to the feeling"),
    "reply_ms": ("first words of the answer", "from the last word"),
    "sound_ms": ("first sound of the answer", "from the last word"),
    "took_ms": ("the whole item", "with reasons and answers"),
    "endpoint_wait_ms": ("waiting for the end", "silence after the voice ended"),
}
_COLUMNS: Final = ("n", "p50", "p95", "p99", "max")


def reach_of(report: ScoreReport, times: Sequence[Mapping[str, object]]) -> float:
    """Return how far the axis of time must reach, milliseconds: to the latest 95th percentile."""
    sound = _sound_ms(times)
    ends = [spread["p95"] for name, spread in report.latency.items() if name != REAL_TIME]
    return max([sound["p95"] if sound else 0.0, *ends]) or 1.0


def spans_of(
    report: ScoreReport, times: Sequence[Mapping[str, object]], *, reach: float | None = None
) -> tuple[Span, ...]:
    """Return the steps: the sound, hearing it, the estimate at the end of that, and calls of language models.

    `reach`: of the axis, so that two runs share one; as far as needed unless given.
    """
    steps = {name: spread for name, spread in report.latency.items() if name != REAL_TIME}
    if not steps:
        return ()
    sound, reach = _sound_ms(times), reach or reach_of(report, times)
    found = [_span(("the sound itself", "how long items last"), sound, reach=reach, is_sound=True)] if sound else []
    heard = steps.get(HEARD, {}).get("p50", 0.0)
    for name in sorted(steps, key=lambda name: list(_NAMES).index(name) if name in _NAMES else len(_NAMES)):
        spread = steps[name]
        # The estimate is the last of what hearing an item is: it ends where that ends.
        begin = max(0.0, heard - spread["p50"]) if name == ESTIMATE else 0.0
        found.append(_span(_NAMES.get(name) or _told(name), spread, reach=reach, begin=begin))
    return tuple(found)


def pace_of(report: ScoreReport) -> str:
    """Return how much faster than the sound it was heard, "" where that is not known."""
    spread = report.latency.get(REAL_TIME)
    if not spread:
        return ""
    return f"{spread['p50']:.2f}" if spread["p50"] >= 0.1 else f"{spread['p50']:.2g}"


def _span(
    told: tuple[str, str], spread: Mapping[str, float], *, reach: float, begin: float = 0.0, is_sound: bool = False
) -> Span:
    def place(ms: float) -> float:
        return round(100 * min(1.0, ms / reach), 2)

    name, gloss = told
    return Span(
        name=name,
        gloss=gloss,
        begin=place(begin),
        end=place(begin + spread["p50"]),
        late=place(begin + spread["p95"]),
        cells=tuple(f"{spread[column]:.0f}" if column == "n" else duration(spread[column]) for column in _COLUMNS),
        is_sound=is_sound,
    )


def duration(ms: float) -> str:
    """Return a time as people read it."""
    if ms >= 1000:
        return f"{ms / 1000:.2f} s" if ms < 10_000 else f"{ms / 1000:.1f} s"
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"


def _told(name: str) -> tuple[str, str]:
    call, _, kind = name.partition(" ")
    if kind == "total_ms":
        return f"one call of the model, {call}", "those that were not answered from the cache"
    return name.removesuffix("_ms").replace("_", " "), ""


def _sound_ms(times: Sequence[Mapping[str, object]]) -> dict[str, float]:
    seconds = [line.get(AUDIO) for line in times]
    values = [1000 * float(each) for each in seconds if isinstance(each, int | float)]
    if not values:
        return {}
    found = {f"p{at}": float(np.percentile(values, at)) for at in (50, 95, 99)}
    return found | {"n": float(len(values)), "max": max(values)}
