"""What of each bench goes into the table of all: a few measures in the common form, with their budgets. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..signature import parse_signature
from . import cache as cache_bench
from . import emotion as emotion_bench
from . import labels as labels_bench
from . import replayed as replay_bench
from . import scheduler as scheduler_bench
from .measure import Measure, at_least, at_most, over
from .service.measure import BUDGET_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .cache import CacheBench
    from .emotion import EmotionBench
    from .hearing import HearingBench
    from .labels import LabelsBench
    from .line import LineBench
    from .prosody import ProsodyBench
    from .replayed import Arm, ReplayBench
    from .scheduler import SchedulerBench
    from .service.measure import ServiceBench
    from .transcribe import TranscribeBench
    from .vad import Share, VadResult

SESSIONS = {"scripted": 300, "real": 200}
"""Live sessions that one core is to carry, by kind of server."""


def of_line(result: LineBench) -> tuple[Measure, ...]:
    """Return latencies, in milliseconds, and what the line costs."""
    return (
        Measure(name="endpoint to emotion, p99", ours=_at(result.emotion_ms, 99), unit="ms", budget=at_most(10)),
        Measure(
            name="end of voice to first sound, p50",
            ours=_at(result.first_sound_ms, 50),
            unit="ms",
            budget=at_most(700),
            decimals=0,
        ),
        Measure(name="main process, share of a core", ours=100 * result.core_share, unit="%"),
    )


def of_prosody(result: ProsodyBench) -> tuple[Measure, ...]:
    """Return what prosody costs beside Praat, and how well it agrees."""
    cost = Measure(
        name="rolling prosody, processor time a second of sound",
        ours=result.ours_ms_per_s,
        unit="ms",
        other=result.praat_ms_per_s,
        beside="Praat on 3 s each 250 ms",
        ratio=result.times_cheaper,
        budget=at_least(30, of="ratio"),
    )
    return (
        cost,
        Measure(name="share of a core", ours=100 * result.core_share, unit="%", budget=at_most(0.5), decimals=2),
        Measure(name="gross pitch errors to Praat", ours=100 * result.p_gross, unit="%", budget=at_most(3), decimals=2),
        Measure(name="voicing as Praat", ours=100 * result.p_voicing, unit="%", budget=at_least(95)),
    )


def of_hearing(result: HearingBench) -> tuple[Measure, ...]:
    """Return what hearing one of many sessions costs."""
    return (
        Measure(
            name="hearing a session inline, processor time a second",
            ours=result.inline_ms,
            unit="ms",
            other=result.chunk_ms,
            beside="by a thread a chunk",
            ratio=over(result.chunk_ms, result.inline_ms),
        ),
    )


def of_vad(result: VadResult) -> tuple[Measure, ...]:
    """Return how well voice is heard beside Silero alone; shares are no costs, so they have no ratio."""
    silero, ours = result.scores[-2:]

    def beside(name: str, mine: Share, its: Share) -> Measure:
        return Measure(name=name, ours=_percent(mine.value), unit="%", other=_percent(its.value), beside=silero.name)

    return (
        beside("voice activity, F1 of 10 ms frames", ours.f1, silero.f1),
        beside("voice activity, false alarms", ours.false_alarms, silero.false_alarms),
    )


def of_transcribe(result: TranscribeBench) -> tuple[Measure, ...]:
    """Return word error rates: of the best of ten beside the first one's, and that beside the engine's."""
    return (
        Measure(
            name="word errors, 1-best",
            ours=100 * result.wer_ours,
            unit="%",
            other=100 * result.wer_engine,
            beside="engine's own",
            note=f"{result.n_words} words",
        ),
        Measure(
            name="word errors, oracle of 10",
            ours=100 * result.oracle_ours,
            unit="%",
            other=100 * result.oracle_engine,
            beside="engine's own 10",
        ),
    )


def of_labels(result: LabelsBench) -> tuple[Measure, ...]:
    """Return, for each model, the least that scoring labels saves with a warm cache, over the lengths of prompt."""
    warm = [cost for cost in result.costs if cost.is_warm]
    least = [
        min((cost for cost in warm if cost.model == model), key=lambda cost: cost.ratio)
        for model in dict.fromkeys(cost.model for cost in warm)
    ]
    return tuple(
        Measure(
            name="labels scored",
            ours=cost.packed_ms,
            unit="ms",
            other=cost.generate_ms,
            beside=f"{cost.n_generated} tokens generated",
            ratio=cost.ratio,
            budget=at_least(labels_bench.BUDGET, of="ratio"),
            note=f"{cost.model}, {cost.n_prompt} tokens, the least of its prompts",
        )
        for cost in least
    )


def of_cache(result: CacheBench) -> tuple[Measure, ...]:
    """Return the share of prompts from the cache, and what it saves."""
    blocks, by_one, nothing = result.rows
    return (
        Measure(
            name="prompt tokens from the cache, window in blocks",
            ours=100 * blocks.cached_share,
            unit="%",
            other=100 * by_one.cached_share,
            beside="moving by one",
            budget=at_least(100 * cache_bench.BUDGET),
        ),
        Measure(
            name="a turn",
            ours=blocks.mean_ms,
            unit="ms",
            other=nothing.mean_ms,
            beside="nothing kept",
            ratio=over(nothing.mean_ms, blocks.mean_ms),
        ),
    )


def of_emotion(result: EmotionBench) -> tuple[Measure, ...]:
    """Return how often the emotion is there before the answer, on models of assumed speeds, and the least cached."""
    plain = {row.speed: row for row in result.rows if not row.is_ahead}
    ahead = [row for row in result.rows if row.is_ahead]
    shares = [row.cached_share for row in ahead if row.cached_share is not None]
    ready = [
        Measure(
            name=f"emotion before the answer, {row.speed.partition(' (')[0]}",
            ours=100 * row.ready,
            unit="%",
            other=100 * plain[row.speed].ready if row.speed in plain else None,
            beside="without work ahead",
            budget=at_least(100 * emotion_bench.BUDGET_READY),
        )
        for row in ahead
    ]
    cached = Measure(
        name="emotion prompt cached when speech ends",
        ours=_percent(min(shares, default=None)),
        unit="%",
        budget=at_least(100 * emotion_bench.BUDGET_CACHED) if shares else None,
        note="the least of these models",
    )
    return (*ready, cached)


def of_scheduler(result: SchedulerBench) -> tuple[Measure, ...]:
    """Return the throughput of batches; the budget is one for a GPU."""
    lock, *_, batched = result.arms
    is_cpu = parse_signature(result.signature).get("device") == "cpu"
    return (
        Measure(
            name="finals a second, batched",
            ours=batched.finals_per_s,
            other=lock.finals_per_s,
            beside="a lock",
            ratio=result.ratio,
            budget=None if is_cpu else at_least(scheduler_bench.BUDGET, of="ratio"),
            note="on a processor, whose calls one request fills" if is_cpu else "",
        ),
    )


def of_service(result: ServiceBench) -> tuple[Measure, ...]:
    """Return how many sessions a core carries; a budget only where as many were tried."""
    name = f"live sessions a core at p99 ≤ {BUDGET_MS:g} ms, {result.kind}"
    tried = [step.load.n for step in result.steps if not step.load.is_void]
    if not tried:
        return (Measure(name=name, ours=None, note="void, the load itself was late"),)
    most = max(tried)
    budget = SESSIONS[result.kind]
    carried = Measure(
        name=name,
        ours=float(result.knee),
        budget=at_least(budget) if most >= budget else None,
        decimals=0,
        note=f"up to {most} tried",
    )
    knee = next((step for step in result.steps if step.load.n == result.knee), None)
    if knee is None:
        return (carried,)
    at_knee = Measure(name=f"frame to event at {result.knee}, p99", ours=knee.load.percentile(99), unit="ms")
    return carried, at_knee


def of_replay(result: ReplayBench) -> tuple[Measure, ...]:
    """Return how fast a corpus is replayed: beside real time, by several workers, from answers that were kept."""
    real = Measure(
        name="replay by one worker, seconds of sound a second",
        ours=result.heard[0].times_real,
        other=1.0,
        beside="live",
        ratio=result.heard[0].times_real,
    )
    spread = [
        _spread("replay, hearing", result.heard),
        _spread("replay, words given", result.given),
    ]
    if result.asked is None or result.found is None:
        kept = Measure(name="replay from kept answers", ours=None, unit="items/s", note=result.why_not_asked)
    else:
        kept = Measure(
            name="replay from kept answers",
            ours=result.found.items_per_s,
            unit="items/s",
            other=result.asked.items_per_s,
            beside="asking",
            ratio=result.times_found,
            note=result.model,
        )
    return (real, *spread, kept)


def _spread(name: str, arms: Sequence[Arm]) -> Measure:
    alone, together = arms[0], arms[-1]
    share = replay_bench.efficiency(arms)
    return Measure(
        name=f"{name}, {together.n_workers} workers",
        ours=together.items_per_s,
        unit="items/s",
        other=alone.items_per_s,
        beside="one worker",
        ratio=over(together.items_per_s, alone.items_per_s),
        budget=at_least(replay_bench.BUDGET * together.n_workers, of="ratio"),
        note=f"{100 * share:.0f} % of linear",
    )


def _at(values: Sequence[float], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values else None


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
