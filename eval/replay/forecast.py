"""What a run would do, and about how long it would take, before it is started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .engines import ports_of
from .ledger import RunFolder

if TYPE_CHECKING:
    from .run import Plan

_MINUTE: Final = 60


def forecast(plan: Plan, *, workers: int) -> str:
    """Return what would run, how much of it is there already, how many calls of a model it takes, and the time."""
    settings = plan.job.settings
    n_heard = sum(item.audio is not None for piece in plan.missing for item in piece.items)
    lines = [
        f"{plan.job.corpus}: {plan.n_items} items in {len(plan.pieces)} pieces, run {plan.job.run}",
        f"already there: {plan.n_items - plan.n_missing}; to be replayed: {plan.n_missing}, {n_heard} of them heard",
        f"emotion from {settings.emotion}, words by {settings.hypotheses}, {_engines(plan)}",
        f"calls of a language model: {_calls(plan)}",
        f"time: {_time(plan, workers)}",
    ]
    lines += [f"problem: {where}: {why}" for where, why in plan.problems]
    return "\n".join(lines)


def _engines(plan: Plan) -> str:
    engines = plan.header["provenance"]["engines"]
    return "embedded engine" if not engines else ", ".join(f"{port} {one['engine']}" for port, one in engines.items())


def _calls(plan: Plan) -> str:
    """Return how many utterances a model is asked about; each way of asking takes one call, and one for its reasons."""
    settings = plan.job.settings
    if settings.condition is not None:
        from agent.r3.conditions import ensemble, ensembles  # noqa: PLC0415 - only where a model is asked

        n_ways = len(ensemble(settings.condition)) if settings.condition in ensembles() else 1
        return f"{n_ways * plan.n_missing} to {2 * n_ways * plan.n_missing}, those kept from before included"
    engines = plan.header["provenance"]["engines"]
    model = engines["language_model"]["engine"] if "language_model" in ports_of(settings) and engines else "none"
    return "none" if model == "none" else f"up to {2 * plan.n_missing}"


def _time(plan: Plan, workers: int) -> str:
    missing = {piece.key for piece in plan.missing}
    there = [piece for piece in plan.pieces if piece.key not in missing]
    ms = RunFolder(plan.job.out).ms_per_item(there)
    if ms is None:
        return "not known before some of it was done (--limit 20)"
    seconds = ms * plan.n_missing / 1000 / min(workers, max(1, len(plan.missing)))
    return f"about {seconds:.0f} s" if seconds < _MINUTE else f"about {seconds / _MINUTE:.0f} min"
